"""What a model expects, of the next token and of a gap, is what it writes and scores."""

import math
from itertools import product

import numpy as np
import pytest

from rnngen.builtins.filters.options import TopKOptions
from rnngen.builtins.filters.truncation import top_k
from rnngen.errors import UsageError
from rnngen.generation.infill import FillOptions
from rnngen.generation.looking import fillings, next_tokens


@pytest.fixture
def writer(session, train):
    train(name="verse", task="lines", hidden=16)
    return session.writer(session.read("verse"))


def test_the_chances_of_the_next_token_sum_to_one_and_none_is_what_never_comes(writer):
    nats = next_tokens(writer, "the ")
    assert np.exp(nats).sum() == pytest.approx(1)
    assert np.isneginf(nats[writer.forbidden]).all()
    assert np.isfinite(nats).sum() == len(nats) - len(writer.forbidden)


def test_filters_shape_it_as_they_shape_what_is_drawn(writer):
    nats = next_tokens(writer, "the ", [top_k(TopKOptions(3))])
    assert np.isfinite(nats).sum() == 3
    drawn = {
        next(
            writer.tokens("the ", [top_k(TopKOptions(3))], np.random.default_rng(seed)),
            writer.tokenizer.eos_id,
        )
        for seed in range(60)
    }
    assert drawn == set(np.flatnonzero(np.isfinite(nats)).tolist())


def test_a_filling_is_the_best_whole_text_by_its_score(writer):
    letters = "aehnrstu "
    found = fillings(writer, "th", "un", FillOptions(beam=300, length=2))
    assert len({text for text, _ in found}) == len(found)
    by_text = {text: one.log_probability for text, one in found}
    given = sum(nats for _, nats in writer.token_scores("th")[:-1])
    for middle in map("".join, [*product(letters, repeat=1), *product(letters, repeat=2)]):
        score = writer.score(f"th{middle}un")[0] - given
        assert score <= found[0][1].log_probability + 1e-4
        if middle in by_text:
            assert by_text[middle] == pytest.approx(score, abs=1e-3)
    assert set(letters) <= set(by_text)


def test_a_filling_is_whole_characters(session, train, tmp_path):
    path = tmp_path / "odes.txt"
    path.write_text("愛は星のように遠く\n" * 60, encoding="utf-8")
    train(path, name="odes", tokenizer="byte")
    writer = session.writer(session.read("odes"))
    found = fillings(writer, "愛", "星", FillOptions(beam=40, length=4))
    assert found
    assert not any("\ufffd" in text for text, _ in found)


def test_a_gap_at_the_end_of_free_text_is_refused(session, train):
    train(name="free")
    with pytest.raises(UsageError, match="nothing after the gap"):
        fillings(session.writer(session.read("free")), "the", "", FillOptions())


def test_the_scores_of_tokens_are_that_of_the_text(writer):
    found = writer.token_scores("the sun")
    assert [token for token, _ in found] == [*writer.tokenizer.encode("the sun"), writer.tokenizer.eos_id]
    assert writer.score("the sun") == (pytest.approx(sum(nats for _, nats in found)), len(found))
    assert math.exp(found[0][1]) == pytest.approx(
        np.exp(next_tokens(writer, ""))[found[0][0]], rel=0.05
    )  # which leaves out what never comes

"""What a model expects, of the next token and of a gap, is what it draws and scores."""

import math
from itertools import product

import numpy as np
import pytest
from fixtures.generators import tokens_alone

from rnngen.builtins.filters.options import TopKOptions
from rnngen.builtins.filters.truncation import top_k
from rnngen.errors import UsageError
from rnngen.generation.infill import FillOptions, fill_gap
from rnngen.generation.prompts import Prompt


@pytest.fixture
def generator(session, train):
    train(name="verse", task="lines", hidden=16)
    return session.load("verse").generator


def test_the_chances_of_the_next_token_sum_to_one_and_none_is_what_never_comes(generator):
    nats = generator.next_token_log_probs(Prompt("the "))
    assert np.exp(nats).sum() == pytest.approx(1)
    assert np.isneginf(nats[list(generator.forbidden)]).all()
    assert np.isfinite(nats).sum() == len(nats) - len(generator.forbidden)


def test_filters_shape_it_as_they_shape_what_is_drawn(generator):
    nats = generator.next_token_log_probs(Prompt("the "), [top_k(TopKOptions(3))])
    assert np.isfinite(nats).sum() == 3
    drawn = {
        next(
            tokens_alone(generator, "the ", rng=np.random.default_rng(seed), filters=[top_k(TopKOptions(3))]),
            generator.eos_id,
        )
        for seed in range(60)
    }
    assert drawn == set(np.flatnonzero(np.isfinite(nats)).tolist())


def test_a_filling_is_the_best_whole_text_by_its_score(generator):
    letters = "aehnrstu "
    found = fill_gap(generator, "th", "un", FillOptions(beam=300, length=2))
    assert len({text for text, _ in found}) == len(found)
    by_text = {text: one.log_probability for text, one in found}
    given = sum(nats for _, nats in generator.token_log_probs("th")[:-1])
    for middle in map("".join, [*product(letters, repeat=1), *product(letters, repeat=2)]):
        score = generator.score(f"th{middle}un")[0] - given
        assert score <= found[0][1].log_probability + 1e-4
        if middle in by_text:
            assert by_text[middle] == pytest.approx(score, abs=1e-3)
    assert set(letters) <= set(by_text)


def test_a_filling_is_whole_characters(session, train, tmp_path):
    path = tmp_path / "odes.txt"
    path.write_text("愛は星のように遠く\n" * 60, encoding="utf-8")
    train(path, name="odes", tokenizer="byte")
    found = fill_gap(session.load("odes").generator, "愛", "星", FillOptions(beam=40, length=4))
    assert found
    assert not any("\ufffd" in text for text, _ in found)


def test_a_gap_at_the_end_of_free_text_is_refused(session, train):
    train(name="free")
    with pytest.raises(UsageError, match="nothing after the gap"):
        fill_gap(session.load("free").generator, "the", "", FillOptions())


def test_the_scores_of_tokens_are_that_of_the_text(generator):
    found = generator.token_log_probs("the sun")
    assert [token for token, _ in found] == [*generator.tokenizers.target.encode("the sun"), generator.eos_id]
    assert generator.score("the sun") == (pytest.approx(sum(nats for _, nats in found)), len(found))
    assert math.exp(found[0][1]) == pytest.approx(
        np.exp(generator.next_token_log_probs(Prompt()))[found[0][0]], rel=0.05
    )  # which leaves out what never comes

"""The chosen one is the best of what the same generators draw, by the network's own word."""

import numpy as np
import pytest
from fixtures.generators import found, text_alone

from rnngen.builtins.strategies import selection
from rnngen.builtins.strategies.options import BestOfOptions, MBROptions
from rnngen.builtins.strategies.selection import BestOf, MinimumBayesRisk, utilities
from rnngen.errors import UsageError


def drawn(generator, prompt, count, **shared):
    """Texts as they are drawn alone, each from the generator of its number."""
    rngs = [np.random.default_rng([9, number]) for number in range(count)]
    return [text_alone(generator, prompt, rng=rng, **shared) for rng in rngs]


@pytest.fixture(params=["continue", "lines"])
def generator(request, session, train):
    train(name="verse", task=request.param, hidden=16)
    return session.load("verse").generator


@pytest.fixture
def filters(generator, session):
    return session.decoding.filter_builder([("temp", "1.1"), ("top_p", "0.95")])(generator.tokenizers.target)


@pytest.mark.parametrize("batch", [64, 2])
def test_the_chosen_is_the_likeliest_per_token_of_those_that_are_drawn(
    generator, filters, monkeypatch, batch
):
    monkeypatch.setattr(selection, "BATCH", batch)
    shared = {"length": 20, "filters": filters}
    texts = drawn(generator, "", 15, **shared)
    expected = []
    for group in (texts[at : at + 5] for at in (0, 5, 10)):
        means = [mean(generator, text, 20) for text in group]
        expected.append((group[int(np.argmax(means))], pytest.approx(max(means), rel=1e-5)))
    best = found(generator, "", BestOf(BestOfOptions(5)), seed=9, count=3, **shared)
    assert [(text, one.score) for text, one in best] == expected
    assert len(set(texts)) > 5


def mean(generator, text, length):
    """By what ``Generator.token_log_probs`` says, whose end does not count where a text was cut off."""
    nats = [nats for _, nats in generator.token_log_probs(text)]
    counted = nats[:length]
    return sum(counted) / len(counted)


def test_the_best_of_one_is_what_is_drawn(generator, filters):
    shared = {"length": 20, "filters": filters, "stops": ("g ",)}
    best = found(generator, "the ", BestOf(BestOfOptions(1)), seed=9, count=4, **shared)
    assert [text for text, _ in best] == drawn(generator, "the ", 4, **shared)


def test_what_is_drawn_up_to_the_stop_counts_and_the_stop_is_not_written(generator):
    strategy = BestOf(BestOfOptions(1))
    ((text, one),) = found(generator, "the ", strategy, seed=9, length=200, stops=("e",))
    written = "".join(generator.tokenizers.target.pieces[token].decode() for token in one.tokens)
    assert written in (text, f"{text}e")
    assert "e" not in text


def test_what_is_drawn_up_to_the_last_sentence_wanted_counts(session, train, tmp_path):
    (tmp_path / "short.txt").write_text("We sing. A star. Of love, we. The night. " * 30)
    train(tmp_path / "short.txt", name="short", hidden=16, steps=60)
    generator = session.load("short").generator
    ((text, one),) = found(generator, "", BestOf(BestOfOptions(3)), seed=9, length=200, sentences=1)
    assert len(text) < 100
    assert len(one.tokens) <= len(text) + 5


def test_no_tokens_are_worth_nothing(generator):
    ((text, one),) = found(generator, "the ", BestOf(BestOfOptions(3)), seed=9, length=0)
    assert (text, one.log_probability, one.score, one.tokens) == ("", 0.0, 0.0, ())


def test_by_consensus_the_chosen_is_the_one_most_like_the_others(generator, filters):
    shared = {"length": 20, "filters": filters}
    texts = drawn(generator, "", 15, **shared)
    best = found(generator, "", MinimumBayesRisk(MBROptions(5)), seed=9, count=3, **shared)
    for (text, one), group in zip(best, (texts[at : at + 5] for at in (0, 5, 10)), strict=True):
        worth = utilities(group)
        assert text == group[int(np.argmax(worth))]
        assert one.score == max(worth)
        nats = [nats for _, nats in generator.token_log_probs(text)]
        assert one.log_probability == pytest.approx(sum(nats[:20]), rel=1e-5)


@pytest.mark.parametrize("strategy", [BestOf(BestOfOptions(3)), MinimumBayesRisk(MBROptions(3))])
def test_texts_without_an_end_are_refused(generator, strategy):
    with pytest.raises(UsageError, match="choosing among 3 texts needs whole ones"):
        found(generator, "", strategy, length=None)

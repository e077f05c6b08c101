"""The chosen one is the best of what the same generators draw, by the network's own word."""

import numpy as np
import pytest

from rnngen.generation import choosing
from rnngen.generation.choosing import by_likelihood, chosen


def rngs(count):
    return [np.random.default_rng([9, number]) for number in range(count)]


@pytest.fixture(params=["continue", "lines"])
def writer(request, session, train):
    train(name="verse", task=request.param, hidden=16)
    return session.writer(session.read("verse"))


def filters(writer, session):
    return session.filters([("temp", "1.1"), ("top_p", "0.95")])(writer.tokenizer)


@pytest.mark.parametrize("together", [64, 2])
def test_the_chosen_is_the_likeliest_per_token_of_those_that_are_drawn(
    writer, session, monkeypatch, together
):
    monkeypatch.setattr(choosing, "TOGETHER", together)
    shared = {"length": 20, "filters": filters(writer, session)}
    texts = ["".join(text) for text in writer.write_many("", rngs=rngs(15), **shared)]
    expected = []
    for group in (texts[at : at + 5] for at in (0, 5, 10)):
        means = [mean(writer, text, 20) for text in group]
        expected.append((group[int(np.argmax(means))], pytest.approx(max(means), rel=1e-5)))
    found = list(chosen(writer, "", 5, by_likelihood, rngs=rngs(15), **shared))
    assert [(text, one.score) for text, one in found] == expected
    assert len(set(texts)) > 5


def mean(writer, text, length):
    """By what ``Writer.token_scores`` says, whose end does not count where a text was cut off."""
    nats = [nats for _, nats in writer.token_scores(text)]
    counted = nats[:length]
    return sum(counted) / len(counted)


def test_the_best_of_one_is_what_is_drawn(writer, session):
    shared = {"length": 20, "filters": filters(writer, session), "stops": ["g "]}
    plain = ["".join(text) for text in writer.write_many("the ", rngs=rngs(4), **shared)]
    assert [text for text, _ in chosen(writer, "the ", 1, by_likelihood, rngs=rngs(4), **shared)] == plain


def test_what_is_drawn_up_to_the_stop_counts_and_the_stop_is_not_written(writer):
    ((text, one),) = chosen(writer, "the ", 1, by_likelihood, rngs=rngs(1), length=200, stops=["e"])
    written = "".join(writer.tokenizer.pieces[token].decode() for token in one.tokens)
    assert written in (text, f"{text}e")
    assert "e" not in text


def test_no_tokens_are_worth_nothing(writer):
    ((text, one),) = chosen(writer, "the ", 3, by_likelihood, rngs=rngs(3), length=0)
    assert (text, one.log_probability, one.score, one.tokens) == ("", 0.0, 0.0, ())

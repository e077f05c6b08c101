"""Texts drawn side by side are those drawn alone, in their order; no more is computed than is asked for."""

from itertools import islice

import numpy as np
import pytest

from rnngen.generation import side_by_side
from rnngen.generation.side_by_side import drawn


def rngs(count):
    return [np.random.default_rng([9, number]) for number in range(count)]


@pytest.mark.parametrize("together", [64, 3, 1])
@pytest.mark.parametrize(
    "options",
    [{"tokenizer": "char"}, {"tokenizer": "byte", "task": "lines"}, {"tokenizer": "bpe", "vocab_size": 270}],
    ids=lambda options: options["tokenizer"],
)
def test_text_k_of_many_is_the_text_made_alone(session, train, monkeypatch, options, together):
    monkeypatch.setattr(side_by_side, "TOGETHER", together)
    train(name="verse", **{"hidden": 32, "layers": 2, **options})
    writer = session.writer(session.read("verse"))
    filters = session.filters([("dry", "0.8"), ("temp", "1.2"), ("xtc", "0.3"), ("mirostat", "2")])(
        writer.tokenizer
    )
    shared = {"length": 60, "filters": filters, "stops": ["nig"]}
    found = ["".join(text) for text in writer.write_many("the ", rngs=rngs(7), **shared)]
    assert found == ["".join(writer.write("the ", rng=rng, **shared)) for rng in rngs(7)]
    assert len(set(found)) > 1


class Clock:
    """A network of two tokens that counts its steps and how many rows they have."""

    fixed = 0

    def __init__(self):
        self.rows = []

    def __call__(self, tokens, state):
        self.rows.append(len(tokens))
        return np.zeros((len(tokens), 3), np.float32), state


def begun():
    from rnngen.decoding.generation_state import Moment

    return Moment((0,), (np.zeros((1, 2), np.float32),))


def test_a_text_comes_as_it_is_made_and_those_behind_it_wait():
    step = Clock()
    first, *_ = texts = drawn(step, begun(), rngs(4), 50, eos_id=None), None
    one = next(first)
    taken = list(islice(one, 5))
    assert step.rows == [1, 4, 4, 4, 4]
    other = list(next(texts[0]))
    assert (len(taken), len(other)) == (5, 50)
    assert len(step.rows) == 50


def test_texts_of_great_length_are_made_in_small_batches(monkeypatch):
    monkeypatch.setattr(side_by_side, "WAITING", 100)
    step = Clock()
    assert [len(list(text)) for text in drawn(step, begun(), rngs(5), 50, eos_id=None)] == [50] * 5
    assert max(step.rows) == 2


def test_generators_are_taken_as_they_are_needed():
    taken = []
    many = (taken.append(number) or rng for number, rng in enumerate(rngs(200)))
    next(drawn(Clock(), begun(), many, 5, eos_id=None))
    assert len(taken) == side_by_side.TOGETHER


def test_texts_that_end_are_over_and_the_others_go_on():
    lengths = [len(list(text)) for text in drawn(Clock(), begun(), rngs(40), 3, eos_id=2)]
    assert max(lengths) == 3 > min(lengths)


def test_free_text_that_a_filter_ends_is_over_likewise(session, train):
    train(name="verse")
    writer = session.writer(session.read("verse"))

    def ending(logits, history):
        """After an e nothing but the end may come."""
        shaped = logits.copy()
        for row, past in zip(shaped, history, strict=True):
            if writer.tokenizer.pieces[past[-1]] == b"e":
                row[:] = -np.inf
                row[writer.tokenizer.eos_id] = 0
        return shaped

    shared = {"length": 200, "filters": [ending]}
    found = ["".join(text) for text in writer.write_many("the s", rngs=rngs(5), **shared)]
    assert found == ["".join(writer.write("the s", rng=rng, **shared)) for rng in rngs(5)]
    assert all(text.index("e") == len(text) - 1 for text in found)

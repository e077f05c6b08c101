"""The n-gram floor equals its definition, written out with dictionaries."""

from collections import Counter, defaultdict
from math import exp, log

import numpy as np
import pytest

from rnngen.contracts import Chunk
from rnngen.errors import CorpusError
from rnngen.evaluation import ngram
from rnngen.evaluation.ngram import BOUNDARY, NGram, witten_bell

TRAIN = ["the cat sat on the mat", "the hat of the cat", "a mat", "天地玄黃 the 天地"]
HELD_OUT = ["the cat ate the hat!", "天 the zoo", "at"]
EDGE = "<edge>"


def chunks(texts, size=1000):
    return [Chunk(t[at : at + size], at == 0) for t in texts for at in range(0, len(t), size)]


def sequence(text, has_eos):
    return [EDGE, *text, *([EDGE] if has_eos else [])]


def brute_force(train, held_out, *, has_eos, order):
    """Nats for each predicted symbol of the held-out text."""
    follow = defaultdict(Counter)
    for text in train:
        symbols = sequence(text, has_eos)
        for at in range(1, len(symbols)):
            for start in range(max(0, at - order + 1), at + 1):
                follow[tuple(symbols[start:at])][symbols[at]] += 1
    uniform = 1 / (len(set("".join(train))) + 1 + has_eos)

    def probability(symbol, history):
        lower = probability(symbol, history[1:]) if history else uniform
        seen = follow[tuple(history)]
        total, kinds = sum(seen.values()), len(seen)
        return (seen[symbol] + kinds * lower) / (total + kinds) if total else lower

    for text in held_out:
        symbols = sequence(text, has_eos)
        for at in range(1, len(symbols)):
            yield -log(probability(symbols[at], symbols[max(0, at - order + 1) : at]))


@pytest.mark.parametrize("has_eos", [False, True])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_the_floor_equals_the_definition(has_eos, order):
    expected = list(brute_force(TRAIN, HELD_OUT, has_eos=has_eos, order=order))
    found = witten_bell(chunks(TRAIN), chunks(HELD_OUT), has_eos=has_eos, order=order)
    assert found.chars == len(expected)
    assert found.nats_per_char == pytest.approx(sum(expected) / len(expected), rel=1e-12)


@pytest.mark.parametrize("has_eos", [False, True])
@pytest.mark.parametrize("order", [1, 2, 5])
@pytest.mark.parametrize("block", [1, 3, 4, 7])
def test_the_floor_does_not_depend_on_blocks_and_chunks(has_eos, order, block, monkeypatch):
    whole = witten_bell(chunks(TRAIN), chunks(HELD_OUT), has_eos=has_eos, order=order)
    monkeypatch.setattr(ngram, "BLOCK", block)
    pieces = witten_bell(chunks(TRAIN, 2), chunks(HELD_OUT, 1), has_eos=has_eos, order=order)
    assert (pieces.chars, pieces.train_chars) == (whole.chars, whole.train_chars)
    assert pieces.nats_per_char == pytest.approx(whole.nats_per_char, rel=1e-12)


@pytest.mark.parametrize("has_eos", [False, True])
@pytest.mark.parametrize("history", ["", "t", "the ", "on the ma", "zzz", "天"])
def test_probabilities_sum_to_one(has_eos, history):
    (codes,) = ngram.blocks(chunks(TRAIN), has_eos)
    model = NGram.fit(codes, has_eos=has_eos, order=5)
    candidates = [ord(symbol) for symbol in {*"".join(TRAIN), "!"}] + ([BOUNDARY] if has_eos else [])
    before = [BOUNDARY, *map(ord, history)]
    nats = [model.surprisals(np.array([*before, code], np.uint32))[-1] for code in candidates]
    assert sum(exp(-n) for n in nats) == pytest.approx(1, abs=1e-12)


@pytest.mark.slow
def test_a_large_alphabet_does_not_overflow():
    script = "".join(map(chr, range(0x4E00, 0x9FFF)))  # five of these in one number pass 64 bits
    train = [script[::7] + script[::-5], script]
    held_out = [script[100:200] + script[::-5][:50]]
    expected = list(brute_force(train, held_out, has_eos=False, order=5))
    found = witten_bell(chunks(train), chunks(held_out), has_eos=False)
    assert found.nats_per_char == pytest.approx(sum(expected) / len(expected), rel=1e-12)


def test_only_the_first_characters_of_a_large_text_are_learnt():
    short = witten_bell(chunks(["abcabc"]), chunks(["abc"]), has_eos=False)
    cut = witten_bell(chunks(["abcabcxyz"], 2), chunks(["abc"]), has_eos=False, limit=6)
    assert cut == short
    assert cut.train_chars == 6


def test_text_that_was_learnt_costs_less_than_other_text():
    known = witten_bell(chunks(TRAIN), chunks(TRAIN), has_eos=True).nats_per_char
    assert known < witten_bell(chunks(TRAIN), chunks(HELD_OUT), has_eos=True).nats_per_char


@pytest.mark.parametrize("has_eos", [False, True])
@pytest.mark.parametrize(("train", "held_out", "which"), [([], ["a"], "training"), (["a"], [], "validation")])
def test_an_empty_part_is_an_error(train, held_out, which, has_eos):
    with pytest.raises(CorpusError, match=which):
        witten_bell(chunks(train), chunks(held_out), has_eos=has_eos)

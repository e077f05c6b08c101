"""A text may go on for ever: what it takes of memory is a few bytes a token, whatever shapes it."""

import tracemalloc
from collections import deque
from itertools import islice

import numpy as np
import pytest

from rnngen.builtins.strategies.sampling import Sample
from rnngen.decoding.prefill import prefill
from rnngen.decoding.sampler import Sampler, sample_rows
from rnngen.generation.generator import Generator
from rnngen.generation.prompts import GenerationSettings, Prompt
from rnngen.registry import Registry
from rnngen.registry.components import Tokenizers, choose_filters, make_filters

V = 700
LENGTH = 2000
PER_TOKEN = 6
"""Bytes that a token may cost: its number in four of them, and what an array that grows has in reserve."""
SLACK = 8192
CHAINS = [
    [],
    [("repetition", "1.1"), ("temp", "0.8"), ("top_k", "40"), ("top_p", "0.95")],
    [("frequency", "0.2"), ("presence", "0.2"), ("dry", "0.8"), ("no_repeat_ngram", "3")],
    [("mirostat", "2")],
]


class Words:
    """A tokenizer of many tokens, so that Python does not hold their numbers ready."""

    pieces = (*(f"{number} ".encode() for number in range(V - 1)), b"")
    eos_id = V - 1

    def encode(self, text):
        return np.array([int(word) for word in text.split()], np.int64)


class Uniform:
    """A network that knows nothing."""

    fixed = 0

    def start(self, batch):
        return (np.zeros((batch, 1), np.float32),)

    def __call__(self, tokens, state):
        return np.zeros((len(tokens), V), np.float32), (state[0] + 1,)


def grown(items):
    """The bytes that stay of some items which nobody keeps, after as many before."""
    tracemalloc.start()
    try:
        deque(islice(items, LENGTH), maxlen=0)
        before, _ = tracemalloc.get_traced_memory()
        deque(islice(items, LENGTH), maxlen=0)
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def filters(chain):
    return make_filters(choose_filters(Registry(), chain), Words())


@pytest.mark.slow
@pytest.mark.parametrize("chain", CHAINS, ids=str)
def test_a_text_that_goes_on_keeps_a_few_bytes_a_token(chain):
    generator = Generator(Uniform(), Tokenizers(Words(), Words()), has_eos=False)
    settings = GenerationSettings(length=-1, seed=1, filters=filters(chain), stops=("no such",))
    (text,) = generator.generate([Prompt("5")], Sample(), settings)
    assert grown(text.pieces) < PER_TOKEN * LENGTH + SLACK


@pytest.mark.slow
def test_texts_side_by_side_keep_as_little_of_each():
    step, count = Uniform(), 8
    rngs = [np.random.default_rng(seed) for seed in range(count)]
    sampler = Sampler(step)
    begun = sampler.start(prefill(step, step.start(count), [[5]] * count), rngs)
    texts = sample_rows(sampler, begun, eos_id=None, max_tokens=[1 << 40] * count)
    assert grown(texts) < count * PER_TOKEN * LENGTH + count * SLACK

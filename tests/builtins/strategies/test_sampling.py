"""Texts drawn side by side are those drawn alone, in their order; no more is computed than is asked for."""

from itertools import islice

import numpy as np
import pytest
from fixtures.generators import outputs, text_alone, texts

from rnngen.builtins.filters.options import TopKOptions
from rnngen.builtins.filters.truncation import top_k
from rnngen.builtins.strategies import sampling
from rnngen.builtins.strategies.sampling import Greedy, Sample
from rnngen.contracts import DecodingJob, GenerationState


def rngs(count):
    return [np.random.default_rng([9, number]) for number in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("batch", [64, 3, 1])
@pytest.mark.parametrize(
    "options",
    [{"tokenizer": "char"}, {"tokenizer": "byte", "task": "lines"}, {"tokenizer": "bpe", "vocab_size": 270}],
    ids=lambda options: options["tokenizer"],
)
def test_text_k_of_many_is_the_text_made_alone(session, train, monkeypatch, options, batch):
    monkeypatch.setattr(sampling, "BATCH", batch)
    train(name="verse", **{"hidden": 32, "layers": 2, **options})
    generator = session.load("verse").generator
    chain = [("dry", "0.8"), ("temp", "1.2"), ("xtc", "0.3"), ("mirostat", "2")]
    filters = session.decoding.filter_builder(chain)(generator.tokenizers.target)
    shared = {"length": 60, "filters": filters, "stops": ("nig",)}
    found = texts(generator, "the ", seed=9, count=7, **shared)
    assert found == [text_alone(generator, "the ", rng=rng, **shared) for rng in rngs(7)]
    assert len(set(found)) > 1


class Clock:
    """A network of two tokens that counts its steps and how many rows they have."""

    fixed = 0

    def __init__(self):
        self.rows = []

    def start(self, batch):
        return (np.zeros((batch, 2), np.float32),)

    def __call__(self, tokens, state):
        self.rows.append(len(tokens))
        return np.zeros((len(tokens), 3), np.float32), state


def drawn(step, count, length, eos_id=-1):
    """The tokens of texts, as they come."""
    job = DecodingJob(
        model=step,
        prefixes=((0,),),
        start=lambda: step.start(1),
        prefill=lambda: GenerationState(((0,),), step.start(1)),
        max_tokens=(length,),
        seeds=(9,),
        eos_id=eos_id,
        count=count,
    )
    return (one.tokens for one in Sample().generate(job))


def test_a_text_comes_as_it_is_made_and_those_behind_it_wait():
    step = Clock()
    made = drawn(step, 4, 50)
    one = next(made)
    taken = list(islice(one, 5))
    assert step.rows == [1, 4, 4, 4, 4]
    rest = list(one)
    other = list(next(made))
    assert (len(taken), len(rest), len(other)) == (5, 45, 50)
    assert len(step.rows) == 50


def test_a_text_that_is_let_go_does_not_keep_the_next_from_coming():
    step = Clock()
    made = drawn(step, 4, 50)
    assert len(list(islice(next(made), 5))) == 5
    assert len(list(next(made))) == 50
    assert len(step.rows) == 50


def test_texts_of_great_length_are_made_in_small_batches(monkeypatch):
    monkeypatch.setattr(sampling, "WAITING_TOKENS", 100)
    step = Clock()
    assert [len(list(text)) for text in drawn(step, 5, 50)] == [50] * 5
    assert max(step.rows) == 2


def test_no_more_texts_are_begun_than_a_batch_holds():
    step = Clock()
    next(iter(next(drawn(step, 200, 5))))
    assert step.rows == [1]  # the prompt
    made = drawn(step, 200, 5)
    list(next(made))
    assert max(step.rows) == sampling.BATCH


def test_texts_that_end_are_over_and_the_others_go_on():
    lengths = [len(list(text)) for text in drawn(Clock(), 40, 3, eos_id=2)]
    assert max(lengths) == 3 > min(lengths)


def test_free_text_that_a_filter_ends_is_over_likewise(session, train):
    train(name="verse")
    generator = session.load("verse").generator
    tokenizer = generator.tokenizers.target

    def ending(logits, history):
        """After an e nothing but the end may come."""
        shaped = logits.copy()
        for row, past in zip(shaped, history, strict=True):
            if tokenizer.pieces[past[-1]] == b"e":
                row[:] = -np.inf
                row[tokenizer.eos_id] = 0
        return shaped

    shared = {"length": 200, "filters": [ending]}
    found = texts(generator, "the s", seed=9, count=5, **shared)
    assert found == [text_alone(generator, "the s", rng=rng, **shared) for rng in rngs(5)]
    assert all(text.index("e") == len(text) - 1 for text in found)


def test_texts_without_an_end_come_one_by_one(session, train):
    train(name="verse")
    generator = session.load("verse").generator
    made = outputs(generator, "the ", seed=9, count=3, length=None)
    found = ["".join(islice(one.pieces, 30)) for one in made]
    assert found == [text_alone(generator, "the ", rng=rng, length=30) for rng in rngs(3)]


def test_greedy_is_sampling_from_the_best_alone(session, train):
    train(name="verse")
    generator = session.load("verse").generator
    best = [top_k(TopKOptions(1))]
    assert texts(generator, "the ", Greedy(), length=40) == texts(generator, "the ", filters=best, length=40)

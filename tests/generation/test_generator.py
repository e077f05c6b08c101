"""What a generator reads first, what it may generate, where a text ends, and how probable texts are."""

import math
from dataclasses import replace
from itertools import islice, product

import numpy as np
import pytest
from fixtures.generators import found, generator_of, outputs, text, tokens_alone

from rnngen import hookimpl
from rnngen.builtins import rnngen_cells
from rnngen.builtins.filters.lexical import min_length
from rnngen.builtins.filters.options import MinLengthOptions, TemperatureOptions
from rnngen.builtins.filters.truncation import temperature
from rnngen.builtins.options import CharOptions
from rnngen.builtins.strategies.beam.search import BeamSearch
from rnngen.builtins.strategies.options import BeamOptions
from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.builtins.tokenizers.char import CharTokenizer
from rnngen.contracts import Chunk
from rnngen.generation.loading import LoadOptions, load_generator
from rnngen.inference.numpy_model import NumpyStep
from rnngen.inference.torch_model import TorchStep
from rnngen.registry import Distribution, Registry
from rnngen.registry.components import ComponentRecord

GREEDY = temperature(TemperatureOptions(0.0))


class Letters:
    """A tokenizer of two letters and the end, so that every text can be enumerated."""

    pieces = (b"a", b"b", b"")
    eos_id = 2

    def encode(self, text):
        return np.array(["ab".index(letter) for letter in text], np.int64)


class Bigrams:
    """A network whose next token depends on the last one alone; it keeps what it was fed."""

    fixed = 0

    def __init__(self, vocabulary, seed=0):
        self.table = np.random.default_rng(seed).normal(size=(vocabulary, vocabulary)).astype(np.float32)
        self.fed = []

    def start(self, batch):
        return (np.zeros((batch, 1), np.float32),)

    def __call__(self, tokens, state):
        self.fed.append(int(tokens[0]))
        return self.table[tokens], state


class Says:
    """A network that is sure of a text, and of its end."""

    def __init__(self, tokenizer, text):
        self.tokens, self.vocabulary = [*tokenizer.encode(text), tokenizer.eos_id], len(tokenizer.pieces)

    def start(self, batch):
        return (np.zeros((batch,), np.int64),)

    def __call__(self, tokens, state):
        logits = np.zeros((1, self.vocabulary), np.float32)
        logits[0, self.tokens[min(int(state[0][0]), len(self.tokens) - 1)]] = 100
        return logits, (state[0] + 1,)


def letters(*, has_eos, **options):
    return generator_of(Bigrams(3), Letters(), has_eos=has_eos, **options)


def searched(generator, prompt, *, width, length):
    """The texts that a beam search finds, best first, with their hypotheses."""
    strategy = BeamSearch(BeamOptions(width=width, alpha=0.0))
    return found(generator, prompt, strategy, length=length, count=width)


# ── What it reads first ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("has_eos", "default_prompt", "prompt", "prefix"),
    [
        (False, "", "ab", [0, 1]),  # free text goes on from the prompt
        (False, "b", "ab", [0, 1]),
        (False, "b", "", [1]),  # …or from the default prompt
        (False, "", "", [2]),  # …or from where a document begins
        (True, "b", "ab", [2, 0, 1]),  # an example begins after the end of another
        (True, "b", "", [2]),
    ],
)
def test_the_prefix_is_where_such_a_text_begins(has_eos, default_prompt, prompt, prefix):
    generator = letters(has_eos=has_eos, default_prompt=default_prompt)
    assert list(generator.prefix_tokens(prompt)) == prefix
    next(tokens_alone(generator, prompt, rng=np.random.default_rng(0)), None)
    assert generator.model.fed == prefix


def test_characters_of_a_prompt_that_training_never_met_are_named():
    tokenizer = CharTokenizer.train([Chunk("abc d", starts_document=True)], CharOptions())
    seen = np.zeros(len(tokenizer.pieces), np.uint8)
    seen[tokenizer.encode("abc ")] = 1
    watch = generator_of(Bigrams(len(seen)), tokenizer, trained_tokens=seen).watch()
    assert not watch.add("abc cab")
    assert not watch.add("")
    assert watch.add("a漢字b 漢字 dé")
    assert all(character in watch.message("the text holds") for character in "漢字dé")


def test_they_are_whole_characters_though_some_of_their_bytes_were_met():
    tokenizer = ByteTokenizer()
    seen = np.zeros(257, np.uint8)
    seen[list("é".encode())] = 1
    watch = generator_of(Bigrams(257), tokenizer, trained_tokens=seen).watch()
    assert watch.add("éèé")
    assert "makes little of: è (1 of 3 characters)" in watch.message("the text holds")


# ── What it says ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_gives_the_same_text():
    assert text(letters(has_eos=False), seed=3) == text(letters(has_eos=False), seed=3)
    assert text(letters(has_eos=False), seed=3) != text(letters(has_eos=False), seed=4)


def test_free_text_never_ends_by_itself_and_is_as_long_as_asked():
    for length in (0, 1, 500):
        assert len(text(letters(has_eos=False), length=length)) == length


def test_an_example_ends_by_itself_and_its_end_is_not_shown():
    lengths = [len(text(letters(has_eos=True), seed=seed, length=None)) for seed in range(50)]
    assert len(set(lengths)) > 3
    assert text(letters(has_eos=True), seed=lengths.index(max(lengths)), length=1) in "ab"


def test_tokens_never_met_in_training_are_never_written():
    seen = np.array([1, 0, 1], np.uint8)
    assert set(text(letters(has_eos=False, trained_tokens=seen), length=300)) == {"a"}
    assert set(text(letters(has_eos=True, trained_tokens=seen), length=None)) <= {"a"}
    best = searched(letters(has_eos=False, trained_tokens=seen), "", width=4, length=3)
    assert [found for found, _ in best] == ["aaa"]


@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), CharTokenizer("")], ids=["byte", "char"])
def test_characters_come_whole_though_tokens_are_bytes(tokenizer):
    said = "né 愛 🙂."
    generator = generator_of(Says(tokenizer, said), tokenizer, has_eos=True)
    (output,) = outputs(generator, length=None)
    assert list(output.pieces) == list(said)


def test_a_character_that_the_length_cuts_is_marked_as_such():
    generator = generator_of(Says(ByteTokenizer(), "a愛"), ByteTokenizer(), has_eos=True)
    assert text(generator, length=3) == "a\ufffd"


def test_text_comes_as_it_is_made():
    generator = letters(has_eos=False)
    (output,) = outputs(generator, "ab", length=None)
    for made in range(10):
        next(output.pieces)
        assert len(generator.model.fed) == 2 + made


def test_stops_end_a_text_and_are_no_part_of_it():
    whole = text(letters(has_eos=False), length=100)
    stop = whole[40:46]
    assert text(letters(has_eos=False), length=100, stops=[stop]) == whole[: whole.index(stop)]
    assert text(letters(has_eos=False), length=100, stops=["ba" * 60]) == whole


@pytest.mark.parametrize("least", [3, 4, 5])
def test_a_constraint_is_of_the_text_that_is_written_not_of_its_stop(least):
    generator = letters(has_eos=False)
    wanted = [min_length(MinLengthOptions(least), Letters())]
    whole = text(generator, length=100, filters=wanted)
    (output,) = outputs(generator, length=100, stops=[whole[4:40]], filters=wanted)
    assert output.text == whole[:4]
    assert (output.unmet() is None) is (least <= 4)


def test_search_gives_the_most_probable_texts_with_their_tokens():
    best = searched(letters(has_eos=True), "a", width=50, length=3)
    assert len(best) == 2**4 - 1
    assert best[0][1].log_probability == max(h.log_probability for _, h in best)
    assert all("".join("ab"[token] for token in h.tokens) == one for one, h in best)


# ── What it finds probable ─────────────────────────────────────────────────────────────────────────────────


def test_the_probabilities_of_all_texts_sum_to_one():
    ended, length = letters(has_eos=True), 6
    short = sum(
        math.exp(ended.score("".join(one))[0]) for made in range(length) for one in product("ab", repeat=made)
    )
    table = np.exp(ended.model.table.astype(np.float64))
    table /= table.sum(axis=1, keepdims=True)
    going_on = np.linalg.matrix_power(table[:2, :2], length - 1)
    longer = (table[2, :2] @ going_on).sum()  # the probability of ``length`` letters or more
    assert short + longer == pytest.approx(1, rel=1e-6)


def test_the_probabilities_of_all_texts_of_one_length_sum_to_what_does_not_end():
    free = letters(has_eos=False, default_prompt="a")
    total = sum(math.exp(free.score("".join(one))[0]) for one in product("ab", repeat=4))
    table = np.exp(free.model.table.astype(np.float64))
    table /= table.sum(axis=1, keepdims=True)
    expected = np.linalg.matrix_power(table[:2, :2], 4)[0].sum()
    assert total == pytest.approx(expected, rel=1e-6)


def test_a_score_counts_the_end_where_texts_end():
    assert letters(has_eos=True).score("aba")[1] == 4
    assert letters(has_eos=False).score("aba")[1] == 3
    assert letters(has_eos=True).score("")[1] == 1
    assert letters(has_eos=False).score("") == (0.0, 0)


def test_scores_agree_with_beam_search():
    generator = letters(has_eos=True)
    best = searched(generator, "", width=100, length=4)
    assert len(best) == 2**5 - 1
    for one, hypothesis in best:
        if len(one) < 4:  # it came to its end
            assert generator.score(one)[0] == pytest.approx(hypothesis.log_probability, rel=1e-6)


# ── From a stored model ────────────────────────────────────────────────────────────────────────────────────


class PlainCells:
    """A plugin that brings the built-in cells again, without their NumPy step."""

    @hookimpl
    def rnngen_cells(self):
        return [replace(spec, name=f"plain-{spec.name}", numpy=None) for spec in rnngen_cells()]


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_cell_without_a_numpy_step_generates_the_same_through_torch(session, train, cell):
    train(name="verse", cell=cell)
    model = session.read("verse")
    quick = session.open(model).generator
    assert isinstance(quick.model, NumpyStep)

    registry = Registry(plugins=[(Distribution("acme-cells", "1"), PlainCells())])
    plain = ComponentRecord(f"plain-{cell}", "acme-cells", "1", model.config.cell.options)
    config = model.config.replace(cell=plain)
    slow = load_generator(registry, [replace(model, config=config)])
    assert isinstance(slow.model, TorchStep)
    assert text(slow, "the ", filters=[GREEDY]) == text(quick, "the ", filters=[GREEDY])
    assert text(slow, "the ", seed=5) == text(quick, "the ", seed=5)
    assert slow.score("the sun")[0] == pytest.approx(quick.score("the sun")[0], rel=1e-4)
    assert searched(slow, "the", width=3, length=5)[0][0] == searched(quick, "the", width=3, length=5)[0][0]


def test_a_device_other_than_plain_cpu_goes_through_torch(session, train):
    train(name="verse")
    model = session.read("verse")
    by_torch = session.open(model, options=LoadOptions(device="auto")).generator
    assert isinstance(by_torch.model, TorchStep)
    (output,) = outputs(by_torch, "a", length=3)
    assert list(islice(output.pieces, 3))


@pytest.mark.slow
def test_a_loaded_model_generates_only_what_occurred_in_training(session, train, corpus):
    train(name="verse")
    drawn = text(
        session.load("verse").generator, length=2000, filters=[temperature(TemperatureOptions(50.0))]
    )
    assert set(drawn) == set(corpus.read_text()[: int(len(corpus.read_text()) * 0.9)])

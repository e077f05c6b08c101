"""A model that writes: what it reads first, what it may say, where it ends, and what it finds probable."""

import math
from dataclasses import replace
from itertools import islice, product

import numpy as np
import pytest

from rnngen import hookimpl
from rnngen.builtins import rnngen_cells
from rnngen.builtins.filters.options import TemperatureOptions
from rnngen.builtins.filters.truncation import temperature
from rnngen.builtins.options import CharOptions
from rnngen.builtins.strategies.options import BeamOptions
from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.builtins.tokenizers.char import CharTokenizer
from rnngen.contracts import Chunk
from rnngen.generation.loading import open_writer
from rnngen.generation.writing import Writer
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
    return Writer(Bigrams(3), Letters(), has_eos=has_eos, **options)


def written(writer, prompt="", seed=0, length=50, **options):
    return "".join(writer.write(prompt, rng=np.random.default_rng(seed), length=length, **options))


# ── What it reads first ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("has_eos", "opening", "prompt", "context"),
    [
        (False, "", "ab", [0, 1]),  # free text goes on from the prompt
        (False, "b", "ab", [0, 1]),
        (False, "b", "", [1]),  # …or from the opening
        (False, "", "", [2]),  # …or from where a document begins
        (True, "b", "ab", [2, 0, 1]),  # an example begins after the end of another
        (True, "b", "", [2]),
    ],
)
def test_the_context_is_where_such_a_text_begins(has_eos, opening, prompt, context):
    writer = letters(has_eos=has_eos, opening=opening)
    assert writer.context(prompt) == context
    next(writer.tokens(prompt, [], np.random.default_rng(0)), None)
    assert writer.step.fed == context


def test_never_seen_gives_the_stretches_of_a_prompt_that_training_never_met():
    tokenizer = CharTokenizer.train([Chunk("abc d", starts_document=True)], CharOptions())
    seen = np.zeros(len(tokenizer.pieces), np.uint8)
    seen[tokenizer.encode("abc ")] = 1
    writer = Writer(Bigrams(len(seen)), tokenizer, has_eos=False, seen=seen)
    assert writer.never_seen("abc cab") == []
    assert writer.never_seen("") == []
    assert writer.never_seen("a漢字b 漢字 dé") == ["漢字", "dé"]


def test_never_seen_names_whole_characters_though_some_of_their_bytes_were_met():
    tokenizer = ByteTokenizer()
    seen = np.zeros(257, np.uint8)
    seen[list("é".encode())] = 1
    writer = Writer(Bigrams(257), tokenizer, has_eos=False, seen=seen)
    assert writer.never_seen("éèé") == ["è"]


# ── What it says ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_seed_writes_the_same_text():
    assert written(letters(has_eos=False), seed=3) == written(letters(has_eos=False), seed=3)
    assert written(letters(has_eos=False), seed=3) != written(letters(has_eos=False), seed=4)


def test_free_text_never_ends_by_itself_and_is_as_long_as_asked():
    for length in (0, 1, 500):
        assert len(written(letters(has_eos=False), length=length)) == length


def test_an_example_ends_by_itself_and_its_end_is_not_shown():
    lengths = [len(written(letters(has_eos=True), seed=seed, length=None)) for seed in range(50)]
    assert len(set(lengths)) > 3
    assert written(letters(has_eos=True), seed=lengths.index(max(lengths)), length=1) in "ab"


def test_tokens_never_met_in_training_are_never_written():
    seen = np.array([1, 0, 1], np.uint8)
    assert set(written(letters(has_eos=False, seen=seen), length=300)) == {"a"}
    assert set(written(letters(has_eos=True, seen=seen), length=None)) <= {"a"}
    found = letters(has_eos=False, seen=seen).search("", BeamOptions(width=4, alpha=0.0), length=3)
    assert [text for text, _ in found] == ["aaa"]


@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), CharTokenizer("")], ids=["byte", "char"])
def test_characters_come_whole_though_tokens_are_bytes(tokenizer):
    text = "né 愛 🙂."
    writer = Writer(Says(tokenizer, text), tokenizer, has_eos=True)
    pieces = list(writer.write("", rng=np.random.default_rng(0), length=None))
    assert pieces == list(text)


def test_a_character_that_the_length_cuts_is_marked_as_such():
    writer = Writer(Says(ByteTokenizer(), "a愛"), ByteTokenizer(), has_eos=True)
    assert written(writer, length=3) == "a\ufffd"


def test_text_comes_as_it_is_made():
    writer = letters(has_eos=False)
    pieces = writer.write("ab", rng=np.random.default_rng(0), length=None)
    for made in range(10):
        next(pieces)
        assert len(writer.step.fed) == 2 + made


def test_stops_end_a_text_and_are_no_part_of_it():
    whole = written(letters(has_eos=False), length=100)
    stop = whole[40:46]
    assert written(letters(has_eos=False), length=100, stops=[stop]) == whole[: whole.index(stop)]
    assert written(letters(has_eos=False), length=100, stops=["ba" * 60]) == whole


def test_search_gives_the_most_probable_texts_with_their_tokens():
    writer = letters(has_eos=True)
    found = writer.search("a", BeamOptions(width=50, alpha=0.0), length=3)
    assert found[0][1].log_probability == max(h.log_probability for _, h in found)
    assert all("".join("ab"[token] for token in h.tokens) == text for text, h in found)


# ── What it finds probable ─────────────────────────────────────────────────────────────────────────────────


def test_the_probabilities_of_all_texts_sum_to_one():
    ended, length = letters(has_eos=True), 6
    short = sum(
        math.exp(ended.score("".join(text))[0])
        for made in range(length)
        for text in product("ab", repeat=made)
    )
    table = np.exp(ended.step.table.astype(np.float64))
    table /= table.sum(axis=1, keepdims=True)
    going_on = np.linalg.matrix_power(table[:2, :2], length - 1)
    longer = (table[2, :2] @ going_on).sum()  # the probability of ``length`` letters or more
    assert short + longer == pytest.approx(1, rel=1e-6)


def test_the_probabilities_of_all_texts_of_one_length_sum_to_what_does_not_end():
    free = letters(has_eos=False, opening="a")
    total = sum(math.exp(free.score("".join(text))[0]) for text in product("ab", repeat=4))
    table = np.exp(free.step.table.astype(np.float64))
    table /= table.sum(axis=1, keepdims=True)
    expected = np.linalg.matrix_power(table[:2, :2], 4)[0].sum()
    assert total == pytest.approx(expected, rel=1e-6)


def test_a_score_counts_the_end_where_texts_end():
    assert letters(has_eos=True).score("aba")[1] == 4
    assert letters(has_eos=False).score("aba")[1] == 3
    assert letters(has_eos=True).score("")[1] == 1
    assert letters(has_eos=False).score("") == (0.0, 0)


def test_scores_agree_with_beam_search():
    writer = letters(has_eos=True)
    for text, hypothesis in writer.search("", BeamOptions(width=100, alpha=0.0), length=4):
        if len(text) < 4:  # it came to its end
            assert writer.score(text)[0] == pytest.approx(hypothesis.log_probability, rel=1e-6)


# ── From a stored model ────────────────────────────────────────────────────────────────────────────────────


class PlainCells:
    """A plugin that brings the built-in cells again, without their NumPy step."""

    @hookimpl
    def rnngen_cells(self):
        return [replace(spec, name=f"plain-{spec.name}", numpy=None) for spec in rnngen_cells()]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_cell_without_a_numpy_step_writes_the_same_through_torch(session, train, cell):
    train(name="verse", cell=cell)
    model = session.read("verse")
    quick = session.writer(model)
    assert isinstance(quick.step, NumpyStep)

    registry = Registry(plugins=[(Distribution("acme-cells", "1"), PlainCells())])
    plain = ComponentRecord(f"plain-{cell}", "acme-cells", "1", model.config.cell.options)
    config = model.config.replace(cell=plain)
    slow = open_writer(registry, replace(model, config=config))
    assert isinstance(slow.step, TorchStep)
    assert written(slow, "the ", filters=[GREEDY]) == written(quick, "the ", filters=[GREEDY])
    assert written(slow, "the ", seed=5) == written(quick, "the ", seed=5)
    assert slow.score("the sun")[0] == pytest.approx(quick.score("the sun")[0], rel=1e-4)
    assert (
        slow.search("the", BeamOptions(width=3, alpha=0.0), length=5)[0][0]
        == quick.search("the", BeamOptions(width=3, alpha=0.0), length=5)[0][0]
    )


def test_a_device_other_than_plain_cpu_goes_through_torch(session, train):
    train(name="verse")
    model = session.read("verse")
    by_torch = session.writer(model, device="auto")
    assert isinstance(by_torch.step, TorchStep)
    assert list(islice(by_torch.write("a", rng=np.random.default_rng(0), length=3), 3))


def test_an_opened_model_says_only_what_occurred_in_training(session, train, corpus):
    train(name="verse")
    writer = session.writer(session.read("verse"))
    text = written(writer, length=2000, filters=[temperature(TemperatureOptions(50.0))])
    assert set(text) == set(corpus.read_text()[: int(len(corpus.read_text()) * 0.9)])

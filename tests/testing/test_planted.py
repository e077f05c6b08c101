"""Faults planted in filters, strategies, tokenizers, attentions and the rest, each of which is found."""

import click
import numpy as np
import pytest

from rnngen.builtins.attention.numpy import DotStep
from rnngen.builtins.attention.torch import Dot
from rnngen.builtins.strategies.sampling import Sample
from rnngen.builtins.tasks import Lines
from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.contracts import (
    AttentionSpec,
    Chunk,
    CommandSpec,
    FilterSpec,
    Generated,
    ListenerSpec,
    ReaderSpec,
    StrategySpec,
    TaskSpec,
    TokenizerSpec,
)
from rnngen.testing import (
    check_attention,
    check_command,
    check_filter,
    check_light,
    check_listener,
    check_reader,
    check_strategy,
    check_task,
    check_tokenizer,
)
from rnngen.testing.tokenizers import check_hash_seed


def at(thing):
    return f"{__name__}:{thing.__name__}"


# ── filters ────────────────────────────────────────────────────────────────────────────────────────────────


def all_forbidden(options):
    return lambda logits, history: np.full_like(logits, -np.inf)


def not_a_number(options):
    return lambda logits, history: np.where(logits > 0, np.nan, logits)


def narrow(options):
    return lambda logits, history: logits[:, :-1]


def writes(options):
    def apply(logits, history):
        logits /= 2
        return logits

    return apply


def remembers(options):
    seen = []

    def apply(logits, history):
        seen.append(1)
        return logits + len(seen) * (np.arange(logits.shape[1]) == 3)

    return apply


def of_the_batch(options):
    return lambda logits, history: logits - logits.mean(0)


class Coin:
    """A stateful filter that tosses one coin for all."""

    def __init__(self, options):
        pass

    def initial(self, seeds):
        return (np.array([seeds[0]]),)

    def __call__(self, logits, history, state):
        return logits

    def observe(self, tokens, surprisal, state):
        return state


class Lookback:
    """Looks at all tokens, and says that it looks at the last one."""

    lookback = 1

    def __init__(self, options):
        pass

    def __call__(self, logits, history):
        return logits + np.float32([[sum(tokens)] for tokens in history])


@pytest.mark.parametrize(
    ("planted", "says"),
    [
        (all_forbidden, "forbids every token"),
        (not_a_number, "comes back as NaN"),
        (narrow, "come back as"),
        (writes, "writes to an argument"),
        (remembers, "the second time|remembers other texts"),
        (of_the_batch, "depends on the other streams"),
        (Coin, "no batch on axis 0"),
        (Lookback, "farther back than its lookback of 1 tokens"),
    ],
)
def test_a_fault_of_a_filter_is_found(planted, says):
    with pytest.raises(AssertionError, match=says):
        check_filter(FilterSpec(name="planted", summary="x", load=at(planted)))


# ── strategies ─────────────────────────────────────────────────────────────────────────────────────────────


class OfTheBatch(Sample):
    """Leaves the first token out where there are several prompts."""

    def generate(self, job):
        for one in super().generate(job):
            tokens = list(one.tokens)
            yield Generated(one.prompt, tokens[len(job.prefixes) > 1 :])


def test_a_strategy_that_depends_on_the_batch_is_found():
    spec = StrategySpec(name="planted", summary="x", load=at(OfTheBatch), can=frozenset({"count"}))
    with pytest.raises(AssertionError, match="depend on the others beside it"):
        check_strategy(spec)


# ── attentions ─────────────────────────────────────────────────────────────────────────────────────────────


class Unmasked(Dot):
    def forward(self, query, prepared, state):
        keys, values, _ = prepared
        weights = self.scores(query, keys).softmax(-1)
        return weights @ values, weights, state


class Kept(DotStep):
    """Attends to the source that it prepared last."""

    def prepare(self, memory, mask):
        self.last = super().prepare(memory, mask)
        return self.last

    def __call__(self, query, prepared, state):
        last = self.last if len(self.last[2]) == len(query) else prepared
        return super().__call__(query, last, state)


class AlwaysAll(DotStep):
    """Is wrong where there are fewer rows than before."""

    def __call__(self, query, prepared, state):
        context, weights, state = super().__call__(query, prepared, state)
        return (context if len(query) > 2 else 2 * context), weights, state


@pytest.mark.parametrize(
    ("planted", "step", "says"),
    [
        (Unmasked, None, "padding receives weight"),
        (Dot, Kept, "streams disturb one another|differs from torch's"),
        (Dot, AlwaysAll, "streams disturb one another"),
    ],
)
def test_a_fault_of_an_attention_is_found(planted, step, says):
    load, numpy = f"{planted.__module__}:{planted.__name__}", step and at(step)
    with pytest.raises(AssertionError, match=says):
        check_attention(AttentionSpec(name="planted", summary="x", load=load, numpy=numpy))


# ── tokenizers, tasks ──────────────────────────────────────────────────────────────────────────────────────


class Lossy(ByteTokenizer):
    def encode(self, text):
        return super().encode(text.replace("\u2028", " "))


class Ends(ByteTokenizer):
    def encode(self, text):
        return np.append(super().encode(text), self.eos_id)


@pytest.mark.parametrize(
    ("planted", "says"), [(Lossy, "the text's own bytes"), (Ends, "gives the end token")]
)
def test_a_fault_of_a_tokenizer_is_found(planted, says):
    with pytest.raises(AssertionError, match=says):
        check_tokenizer(TokenizerSpec(name="planted", summary="x", load=at(planted)))


class Lower(Lines):
    def examples(self, chunks):
        for chunk in super().examples(chunks):
            yield chunk._replace(text=chunk.text.lower())


def test_a_task_that_changes_the_text_is_found():
    with pytest.raises(AssertionError, match="text is lost or added: 'Shall"):
        check_task(TaskSpec(name="planted", summary="x", load=at(Lower)))


# ── readers, listeners, commands ───────────────────────────────────────────────────────────────────────────


def one_call(stream, name, options):
    """Takes what one read gives for all."""
    yield Chunk(stream.read(1 << 20).decode(errors="replace"), True)


def unopened(stream, name, options):
    yield Chunk(stream.read().decode(errors="replace"), False)


def crashes(stream, name, options):
    yield Chunk(stream.read().decode(), True)


@pytest.mark.parametrize(
    ("planted", "says"),
    [
        (one_call, "a few bytes at a time"),
        (unopened, "does not open a document"),
        (crashes, "fails with UnicodeDecodeError"),
    ],
)
def test_a_fault_of_a_reader_is_found(planted, says):
    spec = ReaderSpec(name="planted", summary="x", load=at(planted), suffixes=(".x",))
    with pytest.raises(AssertionError, match=says):
        check_reader(spec, b"the sea and the sky")


def prints(options):
    return print


class ClosesOpened:
    """Fails where it is closed before training has begun."""

    def __init__(self, options):
        self.file = None

    def __call__(self, event):
        self.file = []

    def close(self):
        self.file.clear()


@pytest.mark.parametrize(
    ("planted", "says"), [(prints, "prints to standard"), (ClosesOpened, "AttributeError")]
)
def test_a_fault_of_a_listener_is_found(planted, says):
    with pytest.raises(AssertionError, match=says):
        check_listener(ListenerSpec(name="planted", summary="x", load=at(planted)))


@click.command()
def silent():
    pass


def test_a_fault_of_a_command_is_found():
    with pytest.raises(AssertionError, match="no help text"):
        check_command(CommandSpec(name="planted", summary="x", load=f"{__name__}:silent"))
    with pytest.raises(AssertionError, match=r"no click\.Command"):
        check_command(CommandSpec(name="planted", summary="x", load=at(prints)))


# ── modules ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_torch_at_the_top_of_a_module_of_hooks_is_found(tmp_path, monkeypatch):
    (tmp_path / "heavy_hooks.py").write_text("import torch\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AssertionError, match="heavy_hooks imports numpy and torch at its top"):
        check_light("heavy_hooks")


@pytest.mark.slow
def test_training_that_depends_on_the_order_of_sets_is_found(tmp_path, monkeypatch):
    source = "import json\nclass Unordered:\n    def __init__(self, words): self.words = words\n"
    source += "    @classmethod\n    def train(cls, chunks, options):\n"
    source += "        return cls([*{w for chunk in chunks for w in chunk.text.split()}])\n"
    source += "    def to_json(self): return json.dumps(self.words)\n"
    (tmp_path / "unordered.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AssertionError, match="PYTHONHASHSEED"):
        check_hash_seed(TokenizerSpec(name="planted", summary="x", load="unordered:Unordered"))

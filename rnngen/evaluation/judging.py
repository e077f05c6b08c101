"""What a model is worth on a text, beside the floor that any model has to beat."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rnngen.contracts import Chunk
from rnngen.data.dataset import Texts
from rnngen.data.splits import Split
from rnngen.data.token_store import TokenStore
from rnngen.errors import CorpusError
from rnngen.evaluation.dynamic import dynamic
from rnngen.evaluation.neural_cache import cached
from rnngen.evaluation.ngram import Floor, witten_bell
from rnngen.evaluation.perplexity import Judge, Loss
from rnngen.nn.build import load_network
from rnngen.options.corpus import CorpusOptions
from rnngen.options.model import ReadingOptions
from rnngen.registry import Registry
from rnngen.registry.components import load_tokenizer, restore
from rnngen.store.model_folder import StoredModel


@dataclass(frozen=True)
class Judgement:
    """The result of ``rnngen eval``."""

    tokens: int
    """Tokens of the text."""
    chars: int
    """Its characters."""
    window: Loss
    stream: Loss
    floor: Floor | None
    """None where the training text is no longer there; ``why`` says so."""
    why: str = ""
    dynamic: Loss | None = None
    """Of the reading with weights that adapt, where it was asked for."""
    cache: Loss | None = None
    """Of the reading with a cache, where it was asked for."""

    @property
    def readings(self) -> dict[str, Loss]:
        """The losses by the names of their readings."""
        asked = {"dynamic": self.dynamic, "cache": self.cache}
        known = {name: loss for name, loss in asked.items() if loss}
        return {"window": self.window, "stream": self.stream, **known}

    def as_json(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "tokens": self.tokens,
            "chars": self.chars,
            **{name: loss.as_json() for name, loss in self.readings.items()},
            "floor": {"nats_per_char": self.floor.nats_per_char} if self.floor else None,
        }


def judge(
    registry: Registry,
    model: StoredModel,
    corpus: Sequence[str],
    options: CorpusOptions,
    device: str = "cpu",
    *,
    readings: ReadingOptions | None = None,
) -> Judgement:
    """Try a model on a text, or on its own held-out text where none is given.

    Args:
        registry: where its parts are looked up.
        model: as read from disk.
        corpus: files, folders, or ``-``.
        options: how they are read.
        device: where to compute.
        readings: which readings there are to be besides ``window`` and ``stream``; none by default.

    Raises:
        RnngenError: if the text cannot be read, or its own is no longer there.
    """
    config = model.config
    task = restore(registry, "task", config.task)
    tokenizer = load_tokenizer(
        restore(registry, "tokenizer", config.tokenizer), model.tokenizer_json, model.path
    )
    has_eos = task.build().has_eos
    texts = Texts.find(registry, task, corpus, options) if corpus else None

    def held_out() -> Iterable[Chunk]:
        if texts:
            return texts.all_chunks()
        return Texts.recorded(registry, task, config.corpus).val_chunks(Split.of(config.corpus))

    network = load_network(restore(registry, "cell", config.cell), model, device)
    with TemporaryDirectory(prefix="rnngen-eval-") as folder:
        store = TokenStore.write(Path(folder), _not_empty(held_out()), tokenizer)
        reader = Judge(network)
        window, stream = reader.window(store, has_eos=has_eos), reader.stream(store, has_eos=has_eos)
        more = _more(network, store, has_eos, readings or ReadingOptions())
        tokens, chars = store.text_tokens, store.chars
    floor, why = _floor(registry, model, held_out, has_eos)
    return Judgement(tokens, chars, window, stream, floor, why, **more)


def _more(network: Any, store: TokenStore, has_eos: bool, options: ReadingOptions) -> dict[str, Loss]:
    """The readings that were asked for besides."""
    asked = {"dynamic": (options.dynamic, dynamic), "cache": (options.cache, cached)}
    return {
        name: read(network, store, has_eos=has_eos, options=options)
        for name, (wanted, read) in asked.items()
        if wanted
    }


def _floor(registry: Registry, model: StoredModel, held_out: Any, has_eos: bool) -> tuple[Floor | None, str]:
    record = model.config.corpus
    try:
        texts = Texts.recorded(registry, restore(registry, "task", model.config.task), record)
    except CorpusError as error:
        return None, f"no 5-gram to compare with: {error}"
    return witten_bell(texts.train_chunks(Split.of(record)), held_out(), has_eos=has_eos), ""


def _not_empty(chunks: Iterable[Chunk]) -> Iterable[Chunk]:
    empty = True
    for chunk in chunks:
        empty = False
        yield chunk
    if empty:
        raise CorpusError("the text is empty: there is nothing to judge the model by")

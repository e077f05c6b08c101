"""From the files that a person names to what training reads: tokenizer, token stores, and how it was made.

The result is kept in the cache under a key of everything that it depends on, so that the second training on
a corpus starts at once and a resumed one finds what it left.
"""

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path

from rnngen.contracts import Chunk, Task, Tokenizer
from rnngen.data.corpus import Corpus, Survey, head, held_out, split_at, survey, tail
from rnngen.data.sources import find, spool, suffix_of
from rnngen.data.splits import Split, open_store, sources_of, write_store
from rnngen.data.token_store import TokenStore
from rnngen.errors import CorpusError, ModelError
from rnngen.options.corpus import CorpusOptions
from rnngen.paths import cache
from rnngen.registry import Registry
from rnngen.registry.components import Component, load_tokenizers, make_task, reader_for, suffixes
from rnngen.store.checkpoint import write_text
from rnngen.store.config import CorpusRecord

READER_OPTIONS = ("encoding", "field", "source_field")
"""Of ``CorpusOptions``, those that are for the readers."""
TOKENIZERS = ("tokenizer", "source_tokenizer")


@dataclass(frozen=True)
class Encoded:
    """A corpus, ready to train on."""

    tokenizer: Tokenizer
    tokenizer_json: str
    train: TokenStore
    val: TokenStore
    record: CorpusRecord
    source_tokenizer: Tokenizer
    """That of the sources; the same where both sides share a vocabulary or there are none."""
    opening: str
    """The text that generation starts from when there is no prompt."""
    has_eos: bool
    """Whether examples end by themselves."""


@dataclass(frozen=True)
class Texts:
    """The files of a corpus and of its validation text, and how they are read."""

    registry: Registry
    task_part: Component
    paths: Sequence[Path]
    val_paths: Sequence[Path] = ()
    reader_options: Mapping[str, str] = field(default_factory=dict)
    sources: Sequence[Path] = ()
    """Files with the sources of ``paths``, where they are not in the same files."""
    val_sources: Sequence[Path] = ()

    @classmethod
    def find(
        cls, registry: Registry, task: Component, arguments: Sequence[str], options: CorpusOptions
    ) -> "Texts":
        """Find the files; standard input (``-``) is kept in the cache, since training reads it again.

        Raises:
            NotFoundError: if a file is not there.
        """
        known = suffixes(registry)
        read = {key: getattr(options, key) for key in READER_OPTIONS}
        one = partial(_find_one, known=known)
        return cls(
            registry,
            task,
            _find(arguments, known),
            one(options.val),
            {key: value for key, value in read.items() if value is not None},
            one(options.source),
            one(options.val_source),
        )

    @classmethod
    def recorded(cls, registry: Registry, task: Component, record: CorpusRecord) -> "Texts":
        """Find again what a model was trained on.

        Raises:
            CorpusError: if it is no longer there, or no longer the same.
        """
        places = [*record.paths, *record.val_paths, *record.source_paths, *record.val_source_paths]
        missing = [place for place in places if not Path(place).is_file()]
        if missing:
            raise CorpusError(
                f"{missing[0]}: the model was trained on this text, and it is not there any more"
            )
        kinds = (record.paths, record.val_paths, record.source_paths, record.val_source_paths)
        paths, val_paths, sources, val_sources = ([*map(Path, kind)] for kind in kinds)
        texts = cls(registry, task, paths, val_paths, record.reader_options, sources, val_sources)
        texts.check_unchanged(record)
        return texts

    @cached_property
    def task(self) -> Task:
        """The task, built."""
        return make_task(self.task_part)

    def check_unchanged(self, record: CorpusRecord) -> None:
        """Raise ``CorpusError`` if the text is not the one recorded."""
        for corpus, digest in ((self._corpus(), record.sha256), (self._held_out(), record.val_sha256)):
            if (corpus.sha256() if corpus.paths else "") != digest:
                names = ", ".join(str(path) for path in corpus.paths) or "no validation text"
                raise CorpusError(
                    f"{names}: not the text that the model was trained on; restore it, "
                    "or train a new model with --init-from and another --name"
                )

    def _corpus(self) -> Corpus:
        reader = reader_for(self.registry, self.reader_options)
        return Corpus(self.paths, self.task, reader, self.sources)

    def _held_out(self) -> Corpus:
        reader = reader_for(self.registry, self.reader_options)
        return Corpus(self.val_paths, self.task, reader, self.val_sources)

    def _files(self) -> list[Path]:
        return [*self.paths, *self.val_paths, *self.sources, *self.val_sources]

    @property
    def pairs(self) -> bool:
        """Whether examples have sources."""
        return bool(self.task_part.registered.spec.pairs)

    # ── the two sides of the split ─────────────────────────────────────────────────────────────────────────

    def all_chunks(self) -> Iterator[Chunk]:
        """The whole text, none held out."""
        return self._corpus().chunks()

    def train_chunks(self, split: Split) -> Iterator[Chunk]:
        """The text to train on."""
        whole = self.all_chunks()
        if self.val_paths:
            return whole
        if self.pairs:
            return (chunk for chunk in whole if not held_out(chunk.source, split.fraction))
        return head(whole, split.cut, self.task.has_eos)

    def val_chunks(self, split: Split) -> Iterator[Chunk]:
        """The text held out."""
        if self.val_paths:
            return self._held_out().chunks()
        if self.pairs:
            return (chunk for chunk in self.all_chunks() if held_out(chunk.source, split.fraction))
        return tail(self.all_chunks(), split.cut, self.task.has_eos)

    # ── encoding ───────────────────────────────────────────────────────────────────────────────────────────

    def encode(
        self, parts: Mapping[str, Component], fraction: float, tokenizer_json: str | None = None
    ) -> Encoded:
        """Survey, split, learn the vocabulary from the training side alone, and encode both.

        Args:
            parts: the tokenizer, and that of the sources where it is another one.
            fraction: of the text to hold out.
            tokenizer_json: of tokenizers that are already there, instead of learning them.
        """
        val_sha = self._held_out().sha256() if self.val_paths else ""
        kinds = [kind for kind in TOKENIZERS if kind in parts]
        made_from = {
            "corpus": [sha := self._corpus().sha256(), val_sha, dict(self.reader_options)],
            "endings": [suffix_of(path) for path in self._files()],  # they choose the reader
            "sources": [len(self.sources), len(self.val_sources)],
            "task": asdict(self.task_part.component),
            "split": fraction,
            "tokenizer": [*(asdict(parts[kind].component) for kind in kinds), tokenizer_json],
            "format": 2,
        }
        folder = cache() / "corpora" / hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:32]
        opened = partial(self._open, folder, parts, (sha, val_sha), fraction, tokenizer_json is None)
        with contextlib.suppress(ModelError):  # not made yet, or damaged since
            return opened()
        self._make(folder, parts, fraction, tokenizer_json)
        return opened()

    def _make(
        self, folder: Path, parts: Mapping[str, Component], fraction: float, tokenizer_json: str | None
    ) -> None:
        measured = survey(self.all_chunks(), self.task.has_eos, named(self.paths))
        split = Split(split_at(measured, fraction), fraction)
        text = tokenizer_json or self._learn(parts, split)
        tokenizers = load_tokenizers(parts, text, folder)
        for name, side in (("train", self.train_chunks), ("val", self.val_chunks)):
            place = named(self.val_paths if name == "val" and self.val_paths else self.paths)
            read = partial(_some, partial(side, split), f"{place} is too small", name)
            write_store(folder / name, read, tokenizers, pairs=self.pairs)
        write_text(folder / "tokenizer.json", text)
        write_text(folder / "survey.json", json.dumps(asdict(measured)))  # last: now it counts as made

    def _learn(self, parts: Mapping[str, Component], split: Split) -> str:
        """Learn the vocabularies from the training side → ``tokenizer.json``."""
        target, options = parts["tokenizer"].registered.resolve(), parts["tokenizer"].options
        if not self.pairs:
            return str(target.train(self.train_chunks(split), options).to_json())
        if "source_tokenizer" not in parts:
            both = (one for chunk in self.train_chunks(split) for one in (Chunk(chunk.source, True), chunk))
            return str(target.train(both, options).to_json())
        source = parts["source_tokenizer"]
        read = source.registered.resolve().train(sources_of(self.train_chunks(split)), source.options)
        written = target.train(self.train_chunks(split), options)
        return json.dumps({"target": written.to_json(), "source": read.to_json()}, ensure_ascii=False)

    def _open(
        self,
        folder: Path,
        parts: Mapping[str, Component],
        digests: tuple[str, str],
        fraction: float,
        own_vocabulary: bool,
    ) -> Encoded:
        try:
            measured = Survey(**json.loads((folder / "survey.json").read_text(encoding="utf-8")))
            train, val = (open_store(folder / side, pairs=self.pairs) for side in ("train", "val"))
            text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(f"{folder} is damaged ({error}); delete it, it will be made again") from error
        tokenizer, source_tokenizer = load_tokenizers(parts, text, folder)
        opening = _opening(tokenizer, train) if measured.newline and not self.task.has_eos else ""
        record = self._record(digests, measured, fraction, own_vocabulary)
        return Encoded(tokenizer, text, train, val, record, source_tokenizer, opening, self.task.has_eos)

    def _record(
        self, digests: tuple[str, str], measured: Survey, fraction: float, own_vocabulary: bool
    ) -> CorpusRecord:
        return CorpusRecord(
            paths=_absolute(self.paths),
            sha256=digests[0],
            chars=measured.chars,
            cut=split_at(measured, fraction),
            val_fraction=fraction,
            own_vocabulary=own_vocabulary,
            val_paths=_absolute(self.val_paths),
            val_sha256=digests[1],
            source_paths=_absolute(self.sources),
            val_source_paths=_absolute(self.val_sources),
            reader_options=dict(self.reader_options),
        )


def _absolute(paths: Sequence[Path]) -> tuple[str, ...]:
    return tuple(str(path.resolve()) for path in paths)


def _opening(tokenizer: Tokenizer, train: TokenStore) -> str:
    """A line end, if training meets one: a text of one line may have its only one in what is held out."""
    met = train.counts(len(tokenizer.pieces))[tokenizer.encode("\n")]
    return "\n" if met.all() else ""


def _find_one(argument: str | None, known: set[str]) -> list[Path]:
    return _find([argument], known) if argument else []


def _find(arguments: Sequence[str], known: set[str]) -> list[Path]:
    found: list[Path] = []
    for argument in arguments:
        if argument == "-":
            if sys.stdin is None:
                raise CorpusError("standard input is closed; redirect a file or a pipe to it")
            found.append(spool(sys.stdin.buffer, cache() / "stdin"))
        else:
            found += find([argument], known)
    return found


def named(paths: Sequence[Path | str]) -> str:
    """Files as a message names them."""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more}"


def _some(read: Callable[[], Iterable[Chunk]], trouble: str, side: str) -> Iterator[Chunk]:
    """Pass chunks on; none at all is an error, since nothing could be learnt or judged."""
    empty = True
    for chunk in read():
        empty = False
        yield chunk
    if empty:
        raise CorpusError(f"{trouble}: nothing is left to {_USES[side]}; give more text or --val")


_USES = {"train": "train on", "val": "validate on"}

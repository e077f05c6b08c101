"""From the files that a person names to what training reads: tokenizer, token stores, and how it was made.

The result is kept in the cache under a key of everything that it depends on, so that the second training on
a corpus starts at once and a resumed one finds what it left.
"""

import contextlib
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path

from rnngen.contracts import Chunk, Task, Tokenizer
from rnngen.engine.checkpoint import write_text
from rnngen.engine.config import CorpusRecord
from rnngen.engine.corpus import Corpus, Survey, head, split_at, survey, tail
from rnngen.engine.sources import find, spool, suffix_of
from rnngen.engine.tokens import TokenStore
from rnngen.errors import CorpusError, ModelError
from rnngen.registry import Registry
from rnngen.session.options import CorpusOptions
from rnngen.session.parts import Part, load_tokenizer, make_task, reader_for, suffixes
from rnngen.session.places import cache


@dataclass(frozen=True)
class Encoded:
    """A corpus, ready to train on."""

    tokenizer: Tokenizer
    tokenizer_json: str
    train: TokenStore
    val: TokenStore
    record: CorpusRecord
    opening: str
    """The text that generation starts from when there is no prompt."""
    ends: bool
    """Whether examples end by themselves."""


@dataclass(frozen=True)
class Texts:
    """The files of a corpus and of its validation text, and how they are read."""

    registry: Registry
    task_part: Part
    paths: Sequence[Path]
    val_paths: Sequence[Path] = ()
    reader_options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def find(
        cls, registry: Registry, task: Part, arguments: Sequence[str], options: CorpusOptions
    ) -> "Texts":
        """Find the files; standard input (``-``) is kept in the cache, since training reads it again.

        Raises:
            NotFoundError: if a file is not there.
        """
        known = suffixes(registry)
        given = {"encoding": options.encoding, "field": options.field}
        return cls(
            registry,
            task,
            _find(arguments, known),
            _find([options.val], known) if options.val else (),
            {key: value for key, value in given.items() if value is not None},
        )

    @classmethod
    def recorded(cls, registry: Registry, task: Part, record: CorpusRecord) -> "Texts":
        """Find again what a model was trained on.

        Raises:
            CorpusError: if it is no longer there, or no longer the same.
        """
        places = [*record.paths, *record.val_paths]
        missing = [place for place in places if not Path(place).is_file()]
        if missing:
            raise CorpusError(
                f"{missing[0]}: the model was trained on this text, and it is not there any more"
            )
        paths, val_paths = map(Path, record.paths), map(Path, record.val_paths)
        texts = cls(registry, task, [*paths], [*val_paths], record.reader_options)
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
        return Corpus(self.paths, self.task, reader_for(self.registry, self.reader_options))

    def _held_out(self) -> Corpus:
        return Corpus(self.val_paths, self.task, reader_for(self.registry, self.reader_options))

    # ── the two sides of the split ─────────────────────────────────────────────────────────────────────────

    def train_chunks(self, cut: int) -> Iterator[Chunk]:
        """The text to train on."""
        whole = self._corpus().chunks()
        return whole if self.val_paths else head(whole, cut, self.task.ends)

    def val_chunks(self, cut: int) -> Iterator[Chunk]:
        """The text held out."""
        if self.val_paths:
            return self._held_out().chunks()
        return tail(self._corpus().chunks(), cut, self.task.ends)

    # ── encoding ───────────────────────────────────────────────────────────────────────────────────────────

    def encode(self, part: Part, fraction: float, tokenizer_json: str | None = None) -> Encoded:
        """Survey, split, learn the vocabulary from the training side alone, and encode both.

        Args:
            part: the tokenizer.
            fraction: of the text to hold out.
            tokenizer_json: of a tokenizer that is already there, instead of learning one.
        """
        val_sha = self._held_out().sha256() if self.val_paths else ""
        made_from = {
            "corpus": [sha := self._corpus().sha256(), val_sha, dict(self.reader_options)],
            "endings": [suffix_of(path) for path in (*self.paths, *self.val_paths)],  # they choose the reader
            "task": asdict(self.task_part.component),
            "split": fraction,
            "tokenizer": [asdict(part.component), tokenizer_json],
            "format": 1,
        }
        folder = cache() / "corpora" / hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:32]
        opened = partial(self._open, folder, part, (sha, val_sha), fraction, tokenizer_json is None)
        with contextlib.suppress(ModelError):  # not made yet, or damaged since
            return opened()
        self._make(folder, part, fraction, tokenizer_json)
        return opened()

    def _make(self, folder: Path, part: Part, fraction: float, tokenizer_json: str | None) -> None:
        measured = survey(self._corpus().chunks(), self.task.ends, named(self.paths))
        cut = split_at(measured, fraction)
        if tokenizer_json is None:
            learn = part.registered.resolve().train
            tokenizer: Tokenizer = learn(self.train_chunks(cut), part.options)
        else:
            tokenizer = load_tokenizer(part, tokenizer_json, folder)
        for name, chunks in (("train", self.train_chunks(cut)), ("val", self.val_chunks(cut))):
            place = named(self.val_paths if name == "val" and self.val_paths else self.paths)
            TokenStore.write(folder / name, _some(chunks, f"{place} is too small", name), tokenizer)
        write_text(folder / "tokenizer.json", tokenizer.to_json())
        write_text(folder / "survey.json", json.dumps(asdict(measured)))  # last: now it counts as made

    def _open(
        self, folder: Path, part: Part, digests: tuple[str, str], fraction: float, own_vocabulary: bool
    ) -> Encoded:
        try:
            measured = Survey(**json.loads((folder / "survey.json").read_text(encoding="utf-8")))
            train, val = TokenStore.open(folder / "train"), TokenStore.open(folder / "val")
            text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(f"{folder} is damaged ({error}); delete it, it will be made again") from error
        record = CorpusRecord(
            paths=tuple(str(path.resolve()) for path in self.paths),
            sha256=digests[0],
            chars=measured.chars,
            cut=split_at(measured, fraction),
            val_fraction=fraction,
            own_vocabulary=own_vocabulary,
            val_paths=tuple(str(path.resolve()) for path in self.val_paths),
            val_sha256=digests[1],
            reader_options=dict(self.reader_options),
        )
        tokenizer = load_tokenizer(part, text, folder)
        opening = _opening(tokenizer, train) if measured.newline and not self.task.ends else ""
        return Encoded(tokenizer, text, train, val, record, opening, self.task.ends)


def _opening(tokenizer: Tokenizer, train: TokenStore) -> str:
    """A line end, if training meets one: a text of one line may have its only one in what is held out."""
    met = train.counts(len(tokenizer.pieces))[tokenizer.encode("\n")]
    return "\n" if met.all() else ""


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


def _some(chunks: Iterable[Chunk], trouble: str, side: str) -> Iterator[Chunk]:
    """Pass chunks on; none at all is an error, since nothing could be learnt or judged."""
    empty = True
    for chunk in chunks:
        empty = False
        yield chunk
    if empty:
        raise CorpusError(f"{trouble}: nothing is left to {_USES[side]}; give more text or --val")


_USES = {"train": "train on", "val": "validate on"}

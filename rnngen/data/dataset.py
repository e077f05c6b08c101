"""A dataset: from the files that a user names to tokenizers, token stores and a record of how they were made.

The result is kept in the cache under a key of everything that it depends on, so that the second training on
a corpus starts at once and a resumed one finds what it left.
"""

import contextlib
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from unicodedata import name as unicode_name

from rnngen.contracts import Chunk, ExtendableTokenizer, Task, Tokenizer
from rnngen.data.corpus import Corpus, find, spool, suffix_of
from rnngen.data.split import Split, Survey, is_validation, split_at, survey, train_split, validation_split
from rnngen.data.token_store import TokenStore, open_store, sources_of, write_store
from rnngen.errors import CorpusError, ModelError
from rnngen.options.corpus import CorpusOptions, PartsOptions
from rnngen.paths import cache
from rnngen.registry import Registry
from rnngen.registry.components import Component, load_tokenizers, make_task, reader_for, suffixes
from rnngen.store.checkpoint import write_text
from rnngen.store.config import CorpusRecord

READER_OPTIONS = ("encoding", "field", "source_field", "label_field")
"""Fields of ``CorpusOptions`` that are for the readers; to them a label is a source."""
TOKENIZERS = ("tokenizer", "source_tokenizer")


@dataclass(frozen=True)
class EncodedDataset:
    """A corpus as tokens, ready to train on."""

    tokenizer: Tokenizer
    tokenizer_json: str
    train: TokenStore
    val: TokenStore
    record: CorpusRecord
    source_tokenizer: Tokenizer
    """The tokenizer of sources; the same where both sides share a vocabulary or there are none."""
    default_prompt: str
    """The text that generation starts from when there is no prompt."""
    has_eos: bool
    """True where examples end by themselves."""


@dataclass(frozen=True)
class CorpusFiles:
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
    ) -> "CorpusFiles":
        """Find the files, or raise ``NotFoundError``; standard input is kept, as it is read again."""
        known = suffixes(registry)
        single = ([one] if one else [] for one in (options.val, options.source, options.val_source))
        paths, val, sources, val_sources = (
            [path for argument in kind for path in _find(argument, known)] for kind in (arguments, *single)
        )
        given = {key: getattr(options, key) for key in READER_OPTIONS}
        reading = {key: value for key, value in given.items() if value is not None}
        return cls(registry, task, paths, val, reading, sources, val_sources)

    @classmethod
    def recorded(cls, registry: Registry, task: Component, record: CorpusRecord) -> "CorpusFiles":
        """Find again the files that a model was trained on; ``CorpusError`` if they are not the same."""
        kinds = (record.paths, record.val_paths, record.source_paths, record.val_source_paths)
        for path in (path for kind in kinds for path in kind if not Path(path).is_file()):
            raise CorpusError(f"{path}: the model was trained on this text, and it is not there any more")
        paths, val_paths, sources, val_sources = ([*map(Path, kind)] for kind in kinds)
        files = cls(registry, task, paths, val_paths, record.reader_options, sources, val_sources)
        files.check_unchanged(record)
        return files

    @cached_property
    def task(self) -> Task:
        """The task, built."""
        return make_task(self.task_part)

    @property
    def has_source(self) -> bool:
        """True where examples have a source."""
        return bool(self.task_part.registered.spec.has_source)

    def check_unchanged(self, record: CorpusRecord) -> None:
        """Raise ``CorpusError`` if the text is not the one recorded."""
        for corpus, digest in ((self._corpus, record.sha256), (self._validation, record.val_sha256)):
            if _digest(corpus) != digest:
                names = ", ".join(str(path) for path in corpus.paths) or "no validation text"
                raise CorpusError(
                    f"{names}: not the text that the model was trained on; restore it, "
                    "or train a new model with --init-from and another --name"
                )

    @cached_property
    def _corpus(self) -> Corpus:
        return Corpus(self.paths, self.task, reader_for(self.registry, self._settings), self.sources)

    @cached_property
    def _validation(self) -> Corpus:
        return Corpus(self.val_paths, self.task, reader_for(self.registry, self._settings), self.val_sources)

    @property
    def _settings(self) -> dict[str, str]:
        """The options of the readers by the names that they know."""
        names = {"label_field": "source_field"}
        return {names.get(key, key): value for key, value in self.reader_options.items()}

    # ── the two splits ─────────────────────────────────────────────────────────────────────────────────────

    def examples(self) -> Iterator[Chunk]:
        """Yield the whole corpus, the validation split included."""
        return self._corpus.chunks()

    def train_split(self, split: Split) -> Iterator[Chunk]:
        """Yield the examples to train on."""
        if self.val_paths:
            return self.examples()
        if self.has_source:
            return (one for one in self.examples() if not is_validation(one.source, split.fraction))
        return train_split(self.examples(), split.cut, self.task.has_eos)

    def validation_split(self, split: Split) -> Iterator[Chunk]:
        """Yield the examples to validate on."""
        if self.val_paths:
            return self._validation.chunks()
        if self.has_source:
            return (one for one in self.examples() if is_validation(one.source, split.fraction))
        return validation_split(self.examples(), split.cut, self.task.has_eos)

    # ── encoding ───────────────────────────────────────────────────────────────────────────────────────────

    def encode(
        self,
        parts: Mapping[str, Component],
        fraction: float,
        tokenizer_json: str | None = None,
        *,
        extend: bool = False,
    ) -> EncodedDataset:
        """Split the text, learn the vocabulary from the train split alone, and encode both splits.

        Args:
            parts: the tokenizer, and that of the sources where it is another one.
            fraction: the share of the text to validate on.
            tokenizer_json: tokenizers that are already there, instead of learning them.
            extend: whether these get tokens for what the text has and they lack, where they can.
        """
        digests = _digest(self._corpus), _digest(self._validation)
        files = [*self.paths, *self.val_paths, *self.sources, *self.val_sources]
        tokenizers = [asdict(parts[kind].component) for kind in TOKENIZERS if kind in parts]
        made_from = {
            "corpus": [*digests, dict(self.reader_options)],
            "endings": [suffix_of(path) for path in files],  # they choose the reader
            "sources": [len(self.sources), len(self.val_sources)],
            "task": asdict(self.task_part.component),
            "split": fraction,
            "tokenizer": [*tokenizers, tokenizer_json],
            "format": 2,
            **({"extend": True} if extend else {}),
        }
        folder = cache() / "corpora" / hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:32]
        opened = partial(self._open, folder, parts, digests, fraction, tokenizer_json is None)
        with contextlib.suppress(ModelError):  # not made yet, or damaged since
            return opened()
        self._make(folder, parts, fraction, tokenizer_json, extend)
        return opened()

    def _make(
        self,
        folder: Path,
        parts: Mapping[str, Component],
        fraction: float,
        tokenizer_json: str | None,
        extend: bool,
    ) -> None:
        measured = survey(self.examples(), self.task.has_eos, named(self.paths))
        split = Split(split_at(measured, fraction), fraction)
        text = tokenizer_json or self._learn(parts, split)
        if extend:
            text = self._extended(parts, split, text)
        tokenizers = load_tokenizers(parts, text, folder)
        splits = {
            "train": (self.train_split, self.paths, "train on"),
            "val": (self.validation_split, self.val_paths or self.paths, "validate on"),
        }
        for side, (read, paths, use) in splits.items():
            trouble = f"{named(paths)} is too small: nothing is left to {use}; give more text or --val"
            examples = partial(not_empty, partial(read, split), trouble)
            write_store(folder / side, examples, tokenizers, has_source=self.has_source)
        write_text(folder / "tokenizer.json", text)
        write_text(folder / "survey.json", json.dumps(asdict(measured)))  # last: now it counts as made

    def _learn(self, parts: Mapping[str, Component], split: Split) -> str:
        """Learn the vocabularies from the train split → ``tokenizer.json``."""

        def learn(part: Component, _: str, chunks: Iterable[Chunk]) -> Tokenizer:
            learnt: Tokenizer = part.registered.resolve().train(chunks, part.options)
            return learnt

        return self._tokenizers(parts, split, learn)

    def _extended(self, parts: Mapping[str, Component], split: Split, text: str) -> str:
        """Extend vocabularies with what the train split has and they lack → ``tokenizer.json``."""
        there = load_tokenizers(parts, text, named(self.paths))._asdict()
        grown = False

        def extend(part: Component, side: str, chunks: Iterable[Chunk]) -> Tokenizer:
            nonlocal grown
            before: Tokenizer = there[side]
            if not isinstance(before, ExtendableTokenizer):
                return before
            after = before.extended(chunks, part.options)
            grown = grown or len(after.pieces) > len(before.pieces)
            return after

        extended = self._tokenizers(parts, split, extend)
        return extended if grown else text

    def _tokenizers(
        self, parts: Mapping[str, Component], split: Split, make: Callable[..., Tokenizer]
    ) -> str:
        """Make each tokenizer from its part, its side and the train split → ``tokenizer.json``."""
        train, target = partial(self.train_split, split), parts["tokenizer"]
        if "source_tokenizer" in parts:
            read = make(parts["source_tokenizer"], "source", sources_of(train()))
            written = make(target, "target", train())
            return json.dumps({"target": written.to_json(), "source": read.to_json()}, ensure_ascii=False)
        both = (one for chunk in train() for one in (Chunk(chunk.source, True), chunk))
        return make(target, "target", both if self.has_source else train()).to_json()

    def _open(
        self,
        folder: Path,
        parts: Mapping[str, Component],
        digests: tuple[str, str],
        fraction: float,
        own_vocabulary: bool,
    ) -> EncodedDataset:
        try:
            measured = Survey(**json.loads((folder / "survey.json").read_text(encoding="utf-8")))
            train, val = (open_store(folder / side, has_source=self.has_source) for side in ("train", "val"))
            text = (folder / "tokenizer.json").read_bytes().decode()
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(f"{folder} is damaged ({error}); delete it, it will be made again") from error
        tokenizer, source_tokenizer = load_tokenizers(parts, text, folder)
        lines = measured.newline and not self.task.has_eos
        # the only line end may be in the other split
        met = lines and train.counts(len(tokenizer.pieces))[tokenizer.encode("\n")].all()
        record = CorpusRecord(
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
        return EncodedDataset(
            tokenizer, text, train, val, record, source_tokenizer, "\n" if met else "", self.task.has_eos
        )


def _digest(corpus: Corpus) -> str:
    return corpus.sha256() if corpus.paths else ""


def _absolute(paths: Sequence[Path]) -> tuple[str, ...]:
    return tuple(str(path.resolve()) for path in paths)


def _find(argument: str, known: set[str]) -> list[Path]:
    if argument != "-":
        return find([argument], known)
    if sys.stdin is None:
        raise CorpusError("standard input is closed; redirect a file or a pipe to it")
    return [spool(sys.stdin.buffer, cache() / "stdin")]


def named(paths: Sequence[Path | str]) -> str:
    """Name files in a message."""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more}"


def not_empty(read: Callable[[], Iterable[Chunk]], trouble: str) -> Iterator[Chunk]:
    """Pass chunks on; raise ``CorpusError`` where there are none."""
    empty = True
    for chunk in read():
        empty = False
        yield chunk
    if empty:
        raise CorpusError(trouble)


# ── Default tokenizers ─────────────────────────────────────────────────────────────────────────────────────

LOOKED_AT = 20_000
"""Examples that the choice rests on."""
OFTEN = 5
"""Occurrences from which on a word counts as frequent."""
MOST = 0.7
"""The share of frequent words among a side's running words above which pieces of words pay…"""
SPELT = 0.9
"""…if so much of it, signs and white space aside, is spelt in letters: digits and ideographs stand for
themselves, and to see several as one piece hides what they say."""
IDEOGRAPHS = ("CJK", "HIRAGANA", "KATAKANA")
"""Beginnings of the Unicode names of letters that belong to no alphabet."""


def choose_tokenizers(options: PartsOptions, files: CorpusFiles, fraction: float) -> dict[str, str]:
    """Return the names of the tokenizers by kind: those asked for, or those that suit the text.

    Free text and lines are written in characters. A side of examples with a source goes by ``bpe`` where most
    of its words, cut at white space, are frequent and spelt in letters, as in a language with spaces between
    words; else, as for numbers, dates, codes and Chinese, by ``char``.
    """
    if not files.has_source:
        return {"tokenizer": options.tokenizer or "char"}
    target = source = "char"
    asked = options.tokenizer, options.source_tokenizer
    if None in asked and not (options.shared_vocabulary and options.tokenizer):
        targets: Counter[str] = Counter()
        sources: Counter[str] = Counter()
        for chunk in islice(files.train_split(Split(0, fraction)), LOOKED_AT):
            targets.update(chunk.text.split())
            sources.update(chunk.source.split())
        target, source = _for_words(targets), _for_words(sources)
    if options.shared_vocabulary:
        return {"tokenizer": options.tokenizer or ("bpe" if "bpe" in (target, source) else "char")}
    return {"tokenizer": options.tokenizer or target, "source_tokenizer": options.source_tokenizer or source}


def _for_words(words: Counter[str]) -> str:
    frequent = sum(count for count in words.values() if count >= OFTEN)
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
    alphabetic = ((one, count) for one, count in characters.items() if one.isalpha())
    letters = sum(n for one, n in alphabetic if not unicode_name(one, "").startswith(IDEOGRAPHS))
    spelt = letters > SPELT * sum(count for one, count in characters.items() if one.isalnum())
    return "bpe" if spelt and frequent > MOST * words.total() else "char"

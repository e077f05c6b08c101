"""A dataset: from the files that a user names to tokenizers, token stores and a record of how they were made.

The result is kept in the cache under a key of everything that it depends on, so that the second training on
a corpus starts at once and a resumed one finds what it left.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np

from rnngen.contracts import Chunk, ExtendableTokenizer, LabelColumn, Task, Tokenizer
from rnngen.contracts.notes import collected_notes
from rnngen.data.corpus import Corpus, find, not_read, spool, suffix_of
from rnngen.data.file_encodings import FileEncodings
from rnngen.data.passes import Pass
from rnngen.data.split import Split, recorded_split, split
from rnngen.data.summary import Sides, check_labels, check_pairs, summarise, too_small, with_not_read
from rnngen.data.survey import Survey, survey
from rnngen.data.token_store import TokenStore, open_store, sources_of, write_pairs
from rnngen.encodings import BYTES, canonical
from rnngen.errors import CorpusError, ModelError, OptionError, PluginError, UsageError
from rnngen.events import Surveyed
from rnngen.hookspecs import PROJECT
from rnngen.options import describe
from rnngen.options.corpus import CorpusOptions, NormalForm
from rnngen.paths import corpora, name_of, spooled
from rnngen.registry import Distribution, Registered, Registry
from rnngen.registry.components import (
    Component,
    Tokenizers,
    find_reader,
    load_tokenizers,
    make_task,
    reader_for,
    suffixes,
)
from rnngen.registry.fingerprints import code_of
from rnngen.store import caches
from rnngen.store.checkpoint import fingerprint, read_sealed, write_sealed, write_text
from rnngen.store.config import CorpusRecord
from rnngen.store.folders import discard

READER_OPTIONS = ("reader", "encoding", "field", "source_field", "label_field", "header")
"""Fields of ``CorpusOptions`` that are for the readers, or choose one."""
_READER_NAMES = {"label_field": "source_field"}
"""Names that the readers have for them: to these a label is a source."""
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
    surveyed: Surveyed
    """The summary of the text and its split."""


@dataclass(frozen=True)
class CorpusFiles:
    """The files of a corpus and of its validation text, and how they are read."""

    registry: Registry
    task_part: Component
    paths: Sequence[Path]
    val_paths: Sequence[Path] = ()
    reader_options: Mapping[str, Any] = field(default_factory=dict)
    sources: Sequence[Path] = ()
    """Files with the sources of ``paths``, where they are not in the same files."""
    val_sources: Sequence[Path] = ()
    normalize: NormalForm | None = None
    """The Unicode normal form that the text is brought to."""
    earlier: bool = False
    """True to read files as earlier versions did."""
    not_read: Mapping[str, int] = field(default_factory=dict)
    """The number of files in the folders that no reader takes, by their endings."""
    labels: frozenset[str] = frozenset()
    """The labels of a model that the text is for, by which their column of a table is recognised."""

    @classmethod
    def find(
        cls, registry: Registry, task: Component, arguments: Sequence[str], options: CorpusOptions
    ) -> "CorpusFiles":
        """Find the files, or raise ``NotFoundError``; standard input is kept, as it is read again."""
        known = suffixes(registry)
        if [*arguments, options.val, options.source, options.val_source].count("-") > 1:
            raise UsageError("standard input is one text, and - is given twice; put the other into a file")
        single = ([one] if one else [] for one in (options.val, options.source, options.val_source))
        paths, val, sources, val_sources = (
            [path for argument in kind for path in _find(argument, known)] for kind in (arguments, *single)
        )
        given = {key: getattr(options, key) for key in READER_OPTIONS}
        reading = {key: value for key, value in given.items() if value is not None}
        asked = FileEncodings.parse(options.encoding, [*paths, *val, *sources, *val_sources])
        asked.check()
        if (encodings := asked.settled()) != asked:
            reading["encoding"] = encodings.text
        files = cls(registry, task, paths, val, reading, sources, val_sources, options.normalize)
        files = replace(files, not_read=not_read(arguments, known))
        files.check_options()
        return files

    @classmethod
    def recorded(cls, registry: Registry, task: Component, record: CorpusRecord) -> "CorpusFiles":
        """Find again the files that a model was trained on; ``CorpusError`` if they are not the same."""
        kinds = tuple(record.places.values())
        for path in (path for kind in kinds for path in kind if not Path(path).is_file()):
            reason = "it is not there any more"
            if not Path(path).is_absolute():  # nor is it in the current folder
                reason = "its place is not known here, since the model's folder has no last/; name a text"
            raise CorpusError(f"{path}: the model was trained on this text, and {reason}")
        paths, val_paths, sources, val_sources = ([*map(Path, kind)] for kind in kinds)
        reading, form, earlier = record.reader_options, record.normalize, not record.readers
        files = cls(registry, task, paths, val_paths, reading, sources, val_sources, form, earlier)
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

    @property
    def _files(self) -> list[Path]:
        """All files, those of the validation text and of sources too."""
        return [*self.paths, *self.val_paths, *self.sources, *self.val_sources]

    @property
    def readers(self) -> list[Registered[Any]]:
        """The readers of the files, each once, in order."""
        return self._readers(self._files)

    def _readers(self, paths: Sequence[Path]) -> list[Registered[Any]]:
        how: dict[str, Any] = {"earlier": self.earlier, "chosen": self._chosen}
        found = (find_reader(self.registry, self._kind(path), **how) for path in paths)
        return list({one.qualified: one for one in found}.values())

    @property
    def _chosen(self) -> str | None:
        """The reader that was chosen by name, with its options."""
        return self.reader_options.get("reader")

    def check_options(self) -> None:
        """Raise ``UsageError`` at an option of readers that none of the files' readers has."""
        if self._chosen is not None:
            reader_for(self.registry, {}, chosen=self._chosen)("")
        for option in self.reader_options.keys() - {"reader"}:
            self._check_option(option, _READER_NAMES.get(option, option), self._files)
        for pattern, encoding in self._encodings.patterns:
            option, paths = f"encoding=…;{pattern}={encoding}", self._encodings.matched(pattern)
            self._check_option(option, "encoding", paths)

    def _check_option(self, option: str, name: str, paths: Sequence[Path]) -> None:
        readers = self._readers(paths)
        if not any(_has_option(reader, name) for reader in readers):
            able = [one.spec.name for one in self.registry.all("reader") if _has_option(one, name)]
            raise OptionError(
                f"`{option}`: {named(paths)} is read as {readers[0].spec.name!r}, which has no such option; "
                f"files of the kinds {', '.join(able)} have it; leave it out"
            )

    def check_unchanged(self, record: CorpusRecord) -> None:
        """Raise ``CorpusError`` if the text is not the one recorded."""
        for corpus, digest in ((self._corpus, record.sha256), (self._validation, record.val_sha256)):
            if _digest(corpus) != digest:
                names = ", ".join(map(name_of, corpus.paths)) or "no validation text"
                raise CorpusError(
                    f"{names}: not the text that the model was trained on; restore it, "
                    "or train a new model with --init-from and another --name"
                )
        now = [one.qualified for one in self.readers]
        for reader in record.readers:
            if reader not in now and (owner := reader.partition("/")[0]) != PROJECT:
                why = self.registry.why_missing(Distribution(owner, ""), mend="get it from where you had it")
                raise PluginError(f"the text of this model was read by {reader}, which is not there; {why}")
        if record.readers and {*now} != {*record.readers}:
            new = {one.partition("/")[0] for one in now if one not in record.readers} - {PROJECT}
            raise CorpusError(
                f"{named(self.paths)}: read by {', '.join(now)}, and by {', '.join(record.readers)} when the "
                "model was trained; name the files as they were called then, whose endings choose the reader"
                + "".join(f", or remove {owner}" for owner in sorted(new))
            )

    @cached_property
    def _corpus(self) -> Corpus:
        return self._read(self.paths, self.sources)

    @cached_property
    def _validation(self) -> Corpus:
        return self._read(self.val_paths, self.val_sources)

    @cached_property
    def _label_column(self) -> LabelColumn:
        """The first table of the corpus, which is always read before the validation text."""
        return LabelColumn(self.labels)

    @cached_property
    def _encodings(self) -> FileEncodings:
        return FileEncodings.parse(self.reader_options.get("encoding"), self._files)

    def _kind(self, path: Path) -> str:
        """Return the ending that decides how a file is read; bytes are bytes whatever it is."""
        return "" if self._encodings.of(path) == BYTES else suffix_of(path)

    def _read(self, paths: Sequence[Path], sources: Sequence[Path]) -> Corpus:
        given = {_READER_NAMES.get(key, key): str(value) for key, value in self.reader_options.items()}
        given.pop("reader", None)
        how: dict[str, Any] = {"earlier": self.earlier, "chosen": self._chosen}
        spec = self.task_part.registered.spec
        if not sources and (spec.has_source or spec.has_labels):
            given["beside"] = "source" if spec.has_source else "label"

        def reader(path: Path) -> Callable[[BinaryIO, str], Iterator[Chunk]]:
            settings = {**given, "encoding": self._encodings.of(path)}
            return reader_for(self.registry, settings, **how)(self._kind(path))

        return Corpus(
            paths,
            self.task,
            reader,
            sources,
            self._encodings,
            self.normalize,
            label_column=self._label_column,
        )

    # ── the two splits ─────────────────────────────────────────────────────────────────────────────────────

    def examples(self, work: str = "reading") -> Iterator[Chunk]:
        """Yield the whole corpus, the validation split included; ``work`` names the pass in reports."""
        return replace(self._corpus, watch=self._pass(work).see).chunks()

    def _pass(self, work: str) -> Pass:
        return Pass(f"{work} {named(self.paths)}", [*self.paths, *self.sources])

    @cached_property
    def survey(self) -> Survey:
        """The measures of the whole corpus, and what its readers noted; reads all of it."""
        spec, name, whole = self.task_part.registered.spec, named(self.paths), self._pass("reading")
        with collected_notes() as notes:
            measured = survey(
                replace(self._corpus, watch=whole.see).chunks(),
                has_eos=self.task.has_eos,
                has_source=spec.has_source,
                has_labels=spec.has_labels,
                name=name,
                encodings={canonical(self._encodings.of(path)) for path in (*self.paths, *self.sources)},
            )
        check_labels(measured, name)
        lines = () if self._encodings.default == BYTES else measured.oddities  # which are those of texts
        oddities = (*notes, *(f"{name}: {line}" for line in lines))
        return replace(measured, oddities=oddities, kinds=whole.kinds)

    def recorded_split(self, record: CorpusRecord) -> Split:
        """Return the split that a model was trained with; reads all of the corpus."""
        return recorded_split(self.survey, record)

    def train_split(self, split: Split, work: str = "reading") -> Iterator[Chunk]:
        """Yield the examples to train on; ``work`` as in ``examples``."""
        return split.train(self.examples(work))

    def validation_split(self, split: Split, work: str = "reading") -> Iterator[Chunk]:
        """Yield the examples to validate on; ``work`` as in ``examples``."""
        return self._validation.chunks() if self.val_paths else split.validation(self.examples(work))

    # ── encoding ───────────────────────────────────────────────────────────────────────────────────────────

    def encode(
        self,
        parts: Mapping[str, Component],
        fraction: float,
        tokenizer_json: str | None = None,
        *,
        limit: int | None = None,
        record: CorpusRecord | None = None,
        extend: bool = False,
        fresh: bool = False,
    ) -> EncodedDataset:
        """Split the text, learn the vocabulary from the train split alone, and encode both splits.

        Args:
            parts: the tokenizer, and that of the sources where it is another one.
            fraction: the share of the text to validate on.
            tokenizer_json: tokenizers that are already there, instead of learning them.
            limit: most tokens on a side of a pair; longer ones are left out of both splits.
            record: that of a run which goes on, to split the text as it did.
            extend: whether these get tokens for what the text has and they lack, where they can.
            fresh: make everything again, whatever is in the cache.

        Raises:
            CorpusError: if a side is left without an example, or with none that fits.
        """
        recipe = _Recipe(fraction, limit if self.has_source else None, record, extend)
        digests = _digest(self._corpus), _digest(self._validation)
        tokenizers = [asdict(parts[kind].component) for kind in TOKENIZERS if kind in parts]
        made_by = [parts[kind].registered for kind in TOKENIZERS if kind in parts]
        made_from = {
            "corpus": [*digests, dict(self.reader_options)],
            "endings": [suffix_of(path) for path in self._files],  # they choose the reader
            "code": [code_of(one) for one in (*self.readers, self.task_part.registered, *made_by)],
            "sources": [len(self.sources), len(self.val_sources)],
            "task": asdict(self.task_part.component),
            "split": recipe.key,
            "tokenizer": [*tokenizers, tokenizer_json],
            "format": 4,
            **({"normalize": self.normalize} if self.normalize else {}),
        }
        if self._encodings.patterns:
            made_from["encodings"] = [self._encodings.of(path) for path in self._files]
        folder = corpora() / hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:32]
        opened = partial(self._open, folder, parts, digests, fraction, tokenizer_json is None)
        if fresh:
            with caches.making(folder):
                self._make(folder, parts, recipe, tokenizer_json)
        try:
            encoded = opened()
        except ModelError:  # not made yet, or damaged since
            with caches.making(folder):
                try:  # another process may have made it while this one waited for it
                    encoded = opened()
                except ModelError:
                    self._make(folder, parts, recipe, tokenizer_json)
                    encoded = opened()
            caches.trim()
        return replace(encoded, surveyed=with_not_read(encoded.surveyed, self.not_read))

    def _make(
        self, folder: Path, parts: Mapping[str, Component], recipe: "_Recipe", tokenizer_json: str | None
    ) -> None:
        discard(folder)
        by = self.task_part.registered.spec.split
        divided = recipe.split(self.survey, has_val=bool(self.val_paths), by=by)
        self._check_sides(divided)
        text = tokenizer_json or self._learn(parts, divided)
        if recipe.extend:
            text = self._extended(parts, divided, text)
        sides, notes = self._write(folder, divided, load_tokenizers(parts, text, folder), recipe.limit)
        surveyed = replace(self.survey, oddities=(*dict.fromkeys((*self.survey.oddities, *notes)),))
        made = {
            "surveyed": asdict(summarise(surveyed, divided.rule, recipe.fraction, sides)),
            "newline": self.survey.newline,
            "split": divided.rule,
            "threshold": divided.threshold,
            "cut": recipe.cut(divided, self.survey),
            "labels": self.survey.labels,
            "line_end": self.survey.line_end,
            "tokenizer": fingerprint(text),
        }
        write_text(folder / "tokenizer.json", text)
        write_sealed(folder / "survey.json", made)  # last: now it counts as made

    def _write(
        self, folder: Path, divided: Split, tokenizers: Tokenizers, limit: int | None
    ) -> tuple[Sides, list[str]]:
        """Encode both splits → these, and notes on validation files; refuse a split in which nothing fits."""
        train, val = (split(divided, "encoding") for split in (self.train_split, self.validation_split))
        name, val_name = named(self.paths), named(self.val_paths or self.paths)
        if self.has_source:
            here = write_pairs(folder / "train", train, tokenizers, limit)
            check_pairs(here, f"{name}: every pair to train on", limit)
            with collected_notes() as notes:
                there = write_pairs(folder / "val", val, tokenizers, limit)
            check_pairs(there, f"{val_name}: every pair to validate on", limit)
            lengths = np.concatenate([here.lengths, there.lengths])
            sides = Sides(here.store, there.store, lengths, limit)
        else:
            learnt = TokenStore.write(folder / "train", train, tokenizers.target)
            with collected_notes() as notes:
                unseen = TokenStore.write(folder / "val", val, tokenizers.target)
            sides = Sides(learnt, unseen)
        return sides, notes if self.val_paths else []  # else these are the corpus's, which has been surveyed

    def _check_sides(self, divided: Split) -> None:
        """Refuse a text that leaves nothing to train on or to validate on, before anything is learnt."""
        if not divided.trains.any() or not (self.val_paths or divided.validates(self.survey).any()):
            raise too_small(self.survey, named(self.paths))
        if self.val_paths and next(self._validation.chunks(), None) is None:
            raise CorpusError(
                f"{named(self.val_paths)} is empty, and it is all that there is to validate on; give it text"
            )

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
        target = parts["tokenizer"]
        train = partial(self.train_split, split, "encoding")
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
            made = read_sealed(folder / "survey.json")
            surveyed = Surveyed(**{**made["surveyed"], "oddities": tuple(made["surveyed"]["oddities"])})
            train, val = (
                open_store(folder / side, has_source=self.has_source, verify=True)
                for side in ("train", "val")
            )
            text = (folder / "tokenizer.json").read_bytes().decode()
            if made["tokenizer"] != fingerprint(text):
                raise ModelError(f"{folder / 'tokenizer.json'} was changed after it was written")
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelError(f"{folder} is damaged ({error}); delete it, it will be made again") from error
        caches.touch(folder)
        tokenizer, source_tokenizer = load_tokenizers(parts, text, folder)
        lines = made["newline"] and not self.task.has_eos
        # the only line end may be in the other split
        met = lines and train.counts(len(tokenizer.pieces))[tokenizer.encode("\n")].all()
        record = CorpusRecord(
            paths=_absolute(self.paths),
            sha256=digests[0],
            chars=surveyed.chars,
            cut=made["cut"],
            val_fraction=fraction,
            own_vocabulary=own_vocabulary,
            val_paths=_absolute(self.val_paths),
            val_sha256=digests[1],
            source_paths=_absolute(self.sources),
            val_source_paths=_absolute(self.val_sources),
            reader_options=dict(self.reader_options),
            **{name: made[name] for name in ("split", "threshold", "line_end")},
            labels=tuple(made["labels"]),
            normalize=self.normalize,
            readers=tuple(one.qualified for one in self.readers),
        )
        prompt = "\n" if met else ""
        return EncodedDataset(
            tokenizer, text, train, val, record, source_tokenizer, prompt, self.task.has_eos, surveyed
        )


@dataclass(frozen=True)
class _Recipe:
    """The way to split a text, and to treat tokenizers that are there."""

    fraction: float
    limit: int | None
    record: CorpusRecord | None
    extend: bool

    @property
    def key(self) -> list[Any]:
        """All that the result depends on."""
        rule = self.record and [self.record.split, self.record.threshold]
        return [self.fraction, self.limit, rule, self.extend]

    def split(self, survey: Survey, *, has_val: bool, by: str | None) -> Split:
        if self.record:
            return recorded_split(survey, self.record)
        return split(survey, self.fraction, has_val=has_val, by=by)

    def cut(self, divided: Split, survey: Survey) -> int:
        """Return the characters that are trained on or, of an earlier version, what it recorded."""
        if self.record:
            return self.record.cut
        return int(np.minimum(divided.kept, survey.lengths + survey.has_eos).sum())


def _has_option(reader: Registered[Any], name: str) -> bool:
    return name in {option.name for option in describe(reader.spec.options)}


def _digest(corpus: Corpus) -> str:
    return corpus.sha256() if corpus.paths else ""


def _absolute(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return where files are: a link's own name counts, but behind one ``..`` is another folder."""
    plain = (path.parent.resolve() / path.name if ".." in path.parts else path for path in paths)
    return tuple(os.path.abspath(path) for path in plain)  # noqa: PTH100 - which follows no links


def _find(argument: str, known: set[str]) -> list[Path]:
    if argument != "-":
        return find([argument], known)
    if sys.stdin is None:
        raise CorpusError("standard input is closed; redirect a file or a pipe to it")
    return [_kept(sys.stdin)]


@lru_cache(maxsize=1)
def _kept(stream: TextIO) -> Path:
    """Keep standard input in a file: it can be read once, and is asked for as often as a text is planned."""
    return spool(stream.buffer, spooled())


def named(paths: Sequence[Path | str]) -> str:
    """Name files in a message."""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{name_of(paths[0])}{more}"

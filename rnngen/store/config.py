"""The configuration of a model: its parts, its options and its corpus, as ``config.json`` holds them."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import Any

from rnngen.encodings import BYTES
from rnngen.errors import ModelError
from rnngen.options.corpus import NormalForm
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.options.typed import check_types
from rnngen.registry.components import ComponentRecord

LATER = {"head": "full", "mixture": None}
"""Options that came after the first models, with the values that those have."""
EARLIER = {"ngram": "none"}
"""Options of training that came after the first models, with the values that those have."""
KEYS = {"default_prompt": "opening"}
"""Keys in JSON where they are not the fields' names."""
PATHS = ("paths", "val_paths", "source_paths", "val_source_paths")
"""Fields of ``CorpusRecord`` that hold files."""
FORMAT = 1
"""The version of the folder's layout and of ``config.json``; a newer one is refused, not guessed at."""


@dataclass(frozen=True)
class CorpusRecord:
    """The place of the text, so that a resumed run can find it and see that it is still the same."""

    paths: tuple[str, ...]
    """The files; ``config.json`` has their names alone, as models are shared, and ``last/`` their places."""
    sha256: str
    """Digest of their raw bytes."""
    chars: int
    """Characters in all."""
    cut: int
    """The beginning of the validation split, in characters; unused where it has files of its own."""
    val_fraction: float
    """The share of the text in the validation split."""
    own_vocabulary: bool
    """True where the tokenizer was learnt from this text, not taken from another model."""
    val_paths: tuple[str, ...] = ()
    """The files given for validation."""
    val_sha256: str = ""
    """Digest of their raw bytes."""
    source_paths: tuple[str, ...] = ()
    """The files of the sources, where these are not in the same files as the targets."""
    val_source_paths: tuple[str, ...] = ()
    """The files of the validation text's sources."""
    reader_options: dict[str, Any] = field(default_factory=dict)
    """Options of the readers."""
    readers: tuple[str, ...] = ()
    """The readers of the files; none are named by earlier versions."""
    split: str = ""
    """The rule that chose the validation split; empty for a model of an earlier version."""
    threshold: int = 0
    """The rule's number: an example is validation text where the hash of its group is not above it."""
    normalize: NormalForm | None = None
    """The Unicode normal form that the text was brought to; None where it was read as it is."""
    labels: tuple[str, ...] = ()
    """The labels of the examples, sorted, where the task has labels."""
    line_end: str = ""
    """The line end of the text: a line feed, CRLF, or empty where it is unknown."""

    @property
    def places(self) -> dict[str, tuple[str, ...]]:
        """The files of each kind."""
        return {kind: getattr(self, kind) for kind in PATHS}

    def named(self) -> "CorpusRecord":
        """Return the record with names of files in place of their paths."""
        names = {kind: tuple(PurePath(path).name for path in paths) for kind, paths in self.places.items()}
        return self.at(names)

    def at(self, places: Mapping[str, Iterable[str]]) -> "CorpusRecord":
        """Return the record with files in other places."""
        paths: dict[str, Any] = {kind: tuple(map(str, places[kind])) for kind in places}
        return dataclasses.replace(self, **paths)


@dataclass(frozen=True)
class TeacherRecord:
    """A model that another one learnt from."""

    model: str
    """Its name or its path; ``config.json`` has the name alone, and ``last/`` both."""
    sha256: str
    """Digest of the file of its weights."""

    @property
    def name(self) -> str:
        """The name, without the folder that it lies in."""
        return PurePath(self.model).name.removesuffix(".safetensors")


@dataclass(frozen=True)
class ModelConfig:
    """The whole of a model but its weights and vocabulary."""

    cell: ComponentRecord
    tokenizer: ComponentRecord
    task: ComponentRecord
    network: NetworkOptions
    training: TrainingOptions
    corpus: CorpusRecord
    vocabulary: int
    """V, the end token included."""
    default_prompt: str
    """The text that generation starts from when there is no prompt; not shown."""
    rnngen: str
    """The version of rnngen that wrote it."""
    source_tokenizer: ComponentRecord | None = None
    """The tokenizer of sources, where it is another one than that of targets."""
    source_vocabulary: int | None = None
    """V of sources; None for a model that reads none."""
    grown: tuple[int, ...] = ()
    """V before each time that tokens were appended to it, from the first on."""
    source_grown: tuple[int, ...] = ()
    """The same of sources."""
    teachers: tuple[TeacherRecord, ...] = ()
    """The models that it learns from beside the text."""
    format: int = FORMAT

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``config.json`` holds."""
        return {KEYS.get(name, name): value for name, value in asdict(self).items()}

    @property
    def first_vocabulary(self) -> int:
        """V of the text that the model was first trained on; sizes were chosen for it."""
        return self.grown[0] if self.grown else self.vocabulary

    @property
    def reads_source(self) -> bool:
        """True if the model reads a source first."""
        return self.source_vocabulary is not None

    @property
    def encoding(self) -> str:
        """The encoding in which texts enter and leave the model: UTF-8, or ``bytes`` if it learnt bytes."""
        return BYTES if self.corpus.reader_options.get("encoding") == BYTES else "utf-8"

    def to_json(self) -> str:
        """Return the text of ``config.json``."""
        return json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n"

    @property
    def identity(self) -> str:
        """Return what the weights depend on, as canonical JSON: they are of no use with any other."""
        whole = self.as_json()
        kinds = ["cell", "tokenizer", "task", "network", "vocabulary", "opening"]
        reads = ["source_tokenizer", "source_vocabulary"]
        parts = {key: whole[key] for key in (*kinds, *reads) if key in kinds or whole[key] is not None}
        parts |= {key: list(whole[key]) for key in ("grown", "source_grown") if whole[key]}
        network = whole["network"].items()
        parts["network"] = {key: one for key, one in network if (key, one) not in LATER.items()}
        return json.dumps(_without(parts, "parts"), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, values: dict[str, Any], place: str) -> "ModelConfig":
        """Read back parsed JSON.

        Raises:
            ModelError: naming ``place``, if it is of a newer format, or not what ``to_json`` wrote.
        """
        if not isinstance(values, dict):
            raise ModelError(f"{place} is damaged (no JSON object); restore it, or train the model again")
        version = values.get("format")
        if isinstance(version, int) and version > FORMAT:
            raise ModelError(
                f"{place} has format {version}, from rnngen {str(values.get('rnngen', 'newer'))[:20]}; "
                f"this rnngen reads up to {FORMAT}: upgrade with pip install -U rnngen"
            )
        reads = values.get("source_tokenizer")
        try:
            parts: dict[str, Any] = {
                **{kind: ComponentRecord.from_json(values[kind]) for kind in ("cell", "tokenizer", "task")},
                "source_tokenizer": ComponentRecord.from_json(reads) if reads else None,
                "network": NetworkOptions(**values["network"]),
                "training": TrainingOptions(**{**EARLIER, **values["training"]}),
            }
            record: dict[str, Any] = values["corpus"]
            tuples = {key: tuple(value) for key, value in record.items() if isinstance(value, list)}
            parts["corpus"] = CorpusRecord(**{**record, **tuples})
            parts |= {key: tuple(values.get(key, ())) for key in ("grown", "source_grown")}
            parts["teachers"] = tuple(TeacherRecord(**one) for one in values.get("teachers", ()))
            names = {key: name for name, key in KEYS.items()}
            made = cls(**{names.get(key, key): value for key, value in {**values, **parts}.items()})
            check_types(made)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise ModelError(f"{place} is damaged ({error}); restore it, or train the model again") from error
        return made

    def shared(self) -> "ModelConfig":
        """Return the configuration as others may see it: without paths of the machine that it was made on."""
        teachers = tuple(dataclasses.replace(one, model=one.name) for one in self.teachers)
        return self.replace(corpus=self.corpus.named(), teachers=teachers)

    def replace(self, **changes: Any) -> "ModelConfig":
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)


def _without(values: Any, empty: str) -> Any:
    """Drop a key where it is empty: a model made before there was that key is the same model."""
    if not isinstance(values, dict):
        return values
    return {key: _without(value, empty) for key, value in values.items() if key != empty or value}

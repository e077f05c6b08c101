"""What a model is made of, as ``config.json`` says it."""

import dataclasses
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from rnngen.errors import ModelError
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.registry.components import ComponentRecord

LATER = {"head": "full", "mixture": None}
"""Sizes that came after the first models, with what those have."""
FORMAT = 1
"""The version of the folder's layout and of ``config.json``; a newer one is refused, not guessed at."""


@dataclass(frozen=True)
class CorpusRecord:
    """Where the text came from, so that a resumed run can find it and see that it is still the same."""

    paths: tuple[str, ...]
    """The files, absolute."""
    sha256: str
    """Of their raw bytes."""
    chars: int
    """Characters in all."""
    cut: int
    """Where the held-out part begins, in characters; all is trained on where there are files for it."""
    val_fraction: float
    """How much of the end was held out."""
    own_vocabulary: bool
    """Whether the tokenizer was learnt from this text, not taken over from another model."""
    val_paths: tuple[str, ...] = ()
    """The files given for validation."""
    val_sha256: str = ""
    """Of their raw bytes."""
    source_paths: tuple[str, ...] = ()
    """The files of the sources, where pairs lie in files of two kinds."""
    val_source_paths: tuple[str, ...] = ()
    """Those of the validation text's sources."""
    reader_options: dict[str, str] = field(default_factory=dict)
    """How the files were read."""


@dataclass(frozen=True)
class ModelConfig:
    """Everything but the numbers."""

    cell: ComponentRecord
    tokenizer: ComponentRecord
    task: ComponentRecord
    network: NetworkOptions
    training: TrainingOptions
    corpus: CorpusRecord
    vocabulary: int
    """V, the end token included."""
    opening: str
    """The text that generation starts from when there is no prompt; not shown."""
    rnngen: str
    """The version that wrote it."""
    source_tokenizer: ComponentRecord | None = None
    """That of what is read, where it is another one than that of what is written."""
    source_vocabulary: int | None = None
    """V of what is read; None where nothing is."""
    format: int = FORMAT

    def to_json(self) -> str:
        """The text of ``config.json``."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @property
    def identity(self) -> str:
        """What the weights depend on, as canonical JSON: they are of no use with any other."""
        whole = asdict(self)
        kinds = ["cell", "tokenizer", "task", "network", "vocabulary", "opening"]
        reads = ["source_tokenizer", "source_vocabulary"]
        parts = {key: whole[key] for key in (*kinds, *(key for key in reads if whole[key] is not None))}
        parts["network"] = {
            key: one for key, one in whole["network"].items() if (key, one) not in LATER.items()
        }
        return json.dumps(_without(parts, "parts"), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, values: dict[str, Any], place: str) -> "ModelConfig":
        """Read it back.

        Args:
            values: the parsed JSON.
            place: the file, for messages.

        Raises:
            ModelError: if it is of a newer format, or not what ``to_json`` wrote.
        """
        version = values.get("format")
        if isinstance(version, int) and version > FORMAT:
            raise ModelError(
                f"{place} has format {version}, from rnngen {values.get('rnngen', 'newer')}; "
                f"this rnngen reads up to {FORMAT}: upgrade with pip install -U rnngen"
            )
        reads = values.get("source_tokenizer")
        try:
            parts = {
                "cell": ComponentRecord.from_json(values["cell"]),
                "tokenizer": ComponentRecord.from_json(values["tokenizer"]),
                "task": ComponentRecord.from_json(values["task"]),
                "source_tokenizer": ComponentRecord.from_json(reads) if reads else None,
                "network": NetworkOptions(**values["network"]),
                "training": TrainingOptions(**values["training"]),
                "corpus": CorpusRecord(**_tuples(values["corpus"])),
            }
            return cls(**{**values, **parts})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{place} is damaged ({error}); restore it, or train the model again") from error

    def replace(self, **changes: Any) -> "ModelConfig":
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)


def _without(values: Any, empty: str) -> Any:
    """The same, less what is empty under a key: a model made before there was that key is the same model."""
    if not isinstance(values, dict):
        return values
    return {key: _without(value, empty) for key, value in values.items() if key != empty or value}


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has only lists."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}

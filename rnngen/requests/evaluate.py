"""A request to evaluate a model on a text."""

from dataclasses import dataclass, field, fields
from typing import Any

from rnngen.errors import OptionError, UnknownName
from rnngen.options.corpus import CorpusOptions
from rnngen.options.given import Given
from rnngen.options.model import EvaluationOptions, OutputOptions
from rnngen.requests.conflicts import Conflict, Need, check, is_given

CONFLICTS = (
    Conflict("source", "source_field", "the file of sources holds one on each line"),
    Need("source", "corpus", "it holds the sources of these texts"),
)
"""Options that cannot stand together."""

SOURCE_OPTIONS = ("beam", "length_penalty", "source", "source_field")
"""Options for models that read a source."""


@dataclass(frozen=True)
class EvaluateRequest:
    """A request to evaluate a model on a text.

    Raises:
        ConflictError: for options that cannot stand together.
    """

    model: str | None = None
    """The model's name or path; the model trained last if not given."""
    corpus: tuple[str, ...] = ()
    """Files, folders and patterns, or ``-`` for standard input; the model's validation text if not given."""
    text: CorpusOptions = field(default_factory=CorpusOptions)
    """Options of reading the files."""
    evaluation: EvaluationOptions = field(default_factory=EvaluationOptions)
    """Evaluation modes besides the usual ones."""
    outputs: OutputOptions = field(default_factory=OutputOptions)
    """The search for outputs to compare with targets."""
    device: str = "cpu"
    """The device that computes."""

    def __post_init__(self) -> None:
        check(self, CONFLICTS)

    @classmethod
    def of(cls, *corpus: str, **options: Any) -> "EvaluateRequest":
        """Make a request from fields and options by name: ``EvaluateRequest.of("a.txt", dynamic=True)``.

        Raises:
            UnknownName: for what is neither a field nor an option; the closest is named.
            UsageError: for a value that is refused.
        """
        stages = {"text": CorpusOptions, "evaluation": EvaluationOptions, "outputs": OutputOptions}
        owners = {one.name: name for name, stage in stages.items() for one in fields(stage)}
        own = {name: value for name, value in options.items() if name in ("model", "device")}
        held: dict[str, dict[str, Any]] = {name: {} for name in stages}
        for name in options.keys() - own.keys():
            if name not in owners:
                raise UnknownName("option", name, [*owners, "model", "device"])
            held[owners[name]][name] = options[name]
        made: dict[str, Any] = {name: Given.of(stage, **held[name]).options for name, stage in stages.items()}
        return cls(corpus=corpus, **own, **made)

    def check_model(self, *, has_source: bool, has_labels: bool = False) -> None:
        """Refuse options that the model cannot heed.

        Raises:
            OptionError: naming the first such option.
        """
        if is_given(self, "label_field") and not has_labels:
            raise OptionError("`label_field` needs a model with labels; this one has none")
        for option in () if has_source else SOURCE_OPTIONS:
            if is_given(self, option):
                raise OptionError(f"`{option}` needs a model that reads a source; this one reads none")

"""A request to evaluate a model on a text."""

from dataclasses import dataclass, field, fields
from typing import Any

from rnngen.options.corpus import CorpusOptions
from rnngen.options.given import by_stage
from rnngen.options.model import EvaluationOptions, OutputOptions
from rnngen.requests.conflicts import Capability, Conflict, Need, Requires, check, check_requirements

_TRAINING = {"val", "val_fraction", "val_source", "normalize"}
"""Options of a text that only a training has."""
_ADAPTING = [one.name for one in fields(EvaluationOptions) if "_" in one.name]
CONFLICTS: tuple[Conflict | Need, ...] = (
    Conflict("source", "source_field", "the file of sources holds one on each line"),
    Conflict("target", "corpus", "both are the texts to compare with"),
    Need("source", "corpus|target", "it holds the sources of texts to compare with, a line each"),
    Need("target", "source", "it holds texts for these sources, a line each"),
    *(
        Need(option, "corpus|target", "the validation text of the training is read as it was then")
        for option in ("encoding", "field", "source_field", "label_field", "header", "reader")
    ),
    *(Need(option, option.partition("_")[0], "it says how to adapt") for option in _ADAPTING),
    Need("length_penalty", "beam", "it ranks what the beams found"),
)
"""Options that cannot stand together, or are of no use alone."""

REQUIREMENTS = (
    *(Requires(option, "source", "it is for outputs about sources") for option in ("beam", "length_penalty")),
    *(
        Requires(option, "source", "it is where sources are")
        for option in ("source", "source_field", "target")
    ),
    Requires("label_field", "labels", "it is the key of labels"),
)
"""Options that need a capability of the model."""


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
    target: tuple[str, ...] = ()
    """Files of texts for the sources, a line each; several are references side by side."""

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
        names = {"model", "device", "target"}
        own = {name: options.pop(name) for name in names & options.keys()}
        if isinstance(own.get("target"), str):
            own["target"] = (own["target"],)
        made = by_stage(stages, options, names, without=_TRAINING)
        return cls(corpus=corpus, **own, **{name: given.options for name, given in made.items()})

    def check_model(self, *, has_source: bool, has_labels: bool = False) -> None:
        """Refuse options that the model cannot heed.

        Raises:
            ConflictError: naming the first such option.
        """
        has: list[Capability] = ["source" if has_source else "no source"]
        has += ["labels"] * has_labels
        check_requirements(self, REQUIREMENTS, has)

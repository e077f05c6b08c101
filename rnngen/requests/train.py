"""A request to train a model: what was given, from which ``rnngen.training.plan`` makes a plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from rnngen.errors import UsageError
from rnngen.options import PENALTY, option_text
from rnngen.options.corpus import CorpusOptions, PartsOptions
from rnngen.options.given import Given, by_stage
from rnngen.options.model import BUDGETS, NetworkOptions, TrainingOptions
from rnngen.options.typed import check_values, plain
from rnngen.requests.conflicts import Conflict, Need, Requires, Row, check, settle

STAGES = {
    "parts": PartsOptions,
    "text": CorpusOptions,
    "network": NetworkOptions,
    "training": TrainingOptions,
}
"""The fields of a request that hold the options of a stage."""
CHANGEABLE = {*BUDGETS, "max_epochs", "patience", "device", "precision", "accumulate"}
"""Training options that a resumed run may change; with any other it would be another run."""
COMMAND_OPTIONS = frozenset({"plan", "nproc", "listener", "from_study", "storage"})
"""Fields of a request that the command line heeds."""
_NEW = "it is for new models"
_TAUGHT = "it comes from the teachers"
_PENALTY = "the network adds it to its own loss, and learns from teachers by another"
_ONE_INPUT = "several processes cannot read one standard input, so put the text in a file"
_OTHER_TEXT = "the validation text is a text of its own"

CONFLICTS: tuple[Conflict | Need, ...] = (
    Conflict("target", "corpus", "both are the texts to learn"),
    Conflict("val_target", "val", "both are the texts to validate on"),
    *(Conflict("val_fraction", text, _OTHER_TEXT) for text in ("val", "val_target")),
    Conflict("resume", "force", "one goes on with a model, the other replaces it"),
    *(
        Conflict(new, old, _NEW)
        for new in ("plan", "params", "from_study")
        for old in ("resume", "init_from")
    ),
    *(Conflict("params", size, "it chooses the width") for size in ("hidden", "layers")),
    Conflict("params", "nproc", "the width is chosen in one process: give the one that a plan shows"),
    Conflict("init_from", "settings", "they come from the other model"),
    Conflict("teacher", "init_from", "both give the vocabulary"),
    *(Conflict("teacher", part.name, _TAUGHT) for part in fields(PartsOptions) if part.name != "cell"),
    *(
        Conflict(taught, option.name, _PENALTY)
        for taught in ("teacher", "ensemble")
        for option in fields(TrainingOptions)
        if option.metadata.get(PENALTY)
    ),
    Conflict("teacher", "ensemble", "its networks are the teachers"),
    Conflict("ensemble", "init_from", "networks that begin alike differ too little"),
    Conflict("ensemble", "nproc", "its networks train one after another in one process"),
    *(
        Conflict("nproc", f"{text}=-", _ONE_INPUT)
        for text in ("corpus", "target", "source", "val", "val_target", "val_source")
    ),
    Conflict("shared_vocabulary", "source_tokenizer", "it takes one tokenizer for both sides"),
    Conflict("label_smoothing", "head=adaptive", "it spreads over all tokens, which that never computes"),
    *(
        Conflict("max_epochs", budget, "that is the budget, to the last step")
        for budget in ("epochs", "steps")
    ),
    Conflict("source", "source_field", "the file of sources holds one on each line"),
    Need("source", "corpus|target", "these are its sources"),
    Conflict("normalize", "encoding=bytes", "bytes are no letters"),
    Need("val_source", "val|val_target", "these are its sources"),
    Need("muon", "optimizer=muon", "it chooses what that optimizer updates", unless="resume"),
    Need("mixture", "head=mixture", "it is their number", unless="resume"),
    *(
        Need(option, "teacher|ensemble", "it is about the teachers' share of the loss", unless="resume")
        for option in ("teacher_weight", "teacher_temp")
    ),
    Need("storage", "from_study", "it is where a study is kept"),
    Need("resume", "name|corpus|target", "they say which model is meant"),
)
"""Options that cannot stand together, or are of no use alone, by name."""
_PAIRS = "leave it out, or give `task=pairs`"
_OWN_LAYERS = "a network that reads a source builds its own layers, without it"
_OWN_HEAD = "a network that reads a source has one softmax over all tokens"
_NO_SOURCE = {
    "learn_state": "the state that an output begins in is what its source left",
    "head=adaptive": _OWN_HEAD,
    "head=mixture": _OWN_HEAD,
    **dict.fromkeys(("embed_dropout", "weight_drop", "activation_reg", "temporal_reg"), _OWN_LAYERS),
}
_SOURCE = {
    **dict.fromkeys(("source", "val_source"), "it holds sources"),
    "source_field": "it is the key of sources",
    **dict.fromkeys(("source_tokenizer", "shared_vocabulary"), "it is about the vocabulary of sources"),
    "max_length": "it leaves out long pairs",
    **dict.fromkeys(("best=bleu", "best=chrf", "best=accuracy"), "it scores outputs for sources"),
}
OF_LAYERS = tuple(
    Requires(option, "no source", "a whole network builds its own layers and its own state, without it")
    for option in (*_NO_SOURCE, "head")
    if not option.startswith("head=")
)
"""Options of networks that are made of stacked layers."""
REQUIREMENTS = (
    *(Requires(option, "source", reason, _PAIRS) for option, reason in _SOURCE.items()),
    *(Requires(option, "no source", reason) for option, reason in _NO_SOURCE.items()),
    Requires("label_field", "labels", "it is the key of labels", "leave it out, or give `task=labelled`"),
    Requires("separator", "separator", "it divides files", "leave it out, or give `task=documents`"),
    Requires("vary_seq", "free text", "it varies the windows that free text is read in"),
)
"""Options that need a capability of the task."""


@dataclass(frozen=True)
class TrainRequest:
    """A training; options that are not given are decided by the text, the budget or the model.

    Raises:
        ConflictError: for options that cannot stand together.
    """

    corpus: tuple[str, ...] = ()
    """Files, folders and patterns, or ``-`` for standard input."""
    name: str | None = None
    """The model's name; made from the corpus's if not given."""
    parts: Given[PartsOptions] = field(default_factory=lambda: Given(PartsOptions()))
    text: Given[CorpusOptions] = field(default_factory=lambda: Given(CorpusOptions()))
    network: Given[NetworkOptions] = field(default_factory=lambda: Given(NetworkOptions()))
    training: Given[TrainingOptions] = field(default_factory=lambda: Given(TrainingOptions()))
    settings: Mapping[str, str] = field(default_factory=dict)
    """Options of parts by ``key`` or ``part.key``, as texts."""
    resume: bool = False
    """Go on with the run of that name where it stopped, or begin it."""
    force: bool = False
    """Replace a model of that name."""
    init_from: str | None = None
    """The model whose weights and vocabulary a new one begins with."""
    teacher: tuple[str, ...] = ()
    """Models that a new one learns from beside the text; it has their task and their vocabulary."""
    target: str | None = None
    """Pairs: the file of texts whose sources are in ``source``; another name for the corpus."""
    val_target: str | None = None
    """The same as ``val``, beside ``val_source``."""
    no_cache: bool = False
    """Read, learn the vocabulary and encode again, whatever the cache of corpora has."""
    nproc: int = 1
    """Processes on this machine that train together."""
    from_study: str | None = None
    """The study whose best settings count below what is given."""
    storage: str | None = None
    """The file or the URL of that study."""
    params: int | None = None
    """Number of parameters that the width is chosen for."""
    plan: bool = False
    """Show what would be trained, and train nothing."""
    listener: tuple[str, ...] = ()
    """Plugins' listeners, as ``NAME;key=value``."""

    def __post_init__(self) -> None:
        check(self, CONFLICTS)

    @classmethod
    def of(cls, *corpus: str, **given: Any) -> "TrainRequest":
        """Make a request from fields and options by name: ``TrainRequest.of("a.txt", hidden=8, minutes=3)``.

        Raises:
            UnknownName: for what is neither a field nor an option; the closest is named.
            UsageError: for values that are refused.
        """
        own = {one.name for one in fields(cls)} - STAGES.keys()
        kept = {name: plain(given.pop(name)) for name in own & given.keys()}
        for name in {"teacher", "listener"} & kept.keys():
            if isinstance(one := kept[name], str | list | tuple):
                kept[name] = (one,) if isinstance(one, str) else tuple(map(plain, one))
        if isinstance(settings := kept.get("settings"), Mapping):
            kept["settings"] = {key: option_text(plain(value)) for key, value in settings.items()}
        try:
            check_values(cls, kept)
        except TypeError as error:
            raise UsageError(str(error)) from error
        return cls(corpus, **kept, **by_stage(STAGES, given, own))

    @property
    def files(self) -> tuple[str, ...]:
        """The corpus, whichever way it was given."""
        return self.corpus if self.target is None else (self.target,)

    @property
    def validation(self) -> str | None:
        """The validation text, whichever way it was given."""
        return self.text.options.val if self.val_target is None else self.val_target

    @property
    def given(self) -> frozenset[str]:
        """The names of the sizes and training options that were given."""
        return self.network.names | self.training.names

    def over(self, other: "TrainRequest") -> "TrainRequest":
        """Return this request with the options and settings of another one below its own."""
        below = {key: value for name in STAGES for key, value in getattr(other, name).values.items()}
        return self.above(below, other.settings)

    def above(self, options: Mapping[str, Any], settings: Mapping[str, str]) -> "TrainRequest":
        """Return this request with further options of the stages, and settings, below its own.

        Options that cannot stand beside its own, or have no effect there, are left out.
        """
        given = {key for name in STAGES for key in getattr(self, name).names}

        def build(left: dict[str, Any]) -> "TrainRequest":
            made: dict[str, Any] = {
                name: getattr(self, name).adding({k: v for k, v in left.items() if k in _names(stage)})
                for name, stage in STAGES.items()
            }
            return replace(self, settings={**settings, **self.settings}, **made)

        return settle({k: v for k, v in options.items() if k not in given}, build, without_effect)


def without_effect(row: Row, left: Mapping[str, Any]) -> str | None:
    """Return the option of a broken row that is among some values, the dependent one first."""
    names = [row.option, row.other] if isinstance(row, Conflict) else [row.option]
    return next((name for name in (one.partition("=")[0] for one in names) if name in left), None)


def _names(stage: type[Any]) -> set[str]:
    return {one.name for one in fields(stage)}

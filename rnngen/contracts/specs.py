"""Specs, which hooks return: a name, a line about it, its options, and the place of its implementation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, TypeAlias

from rnngen.options import NoOptions


def imported(target: str) -> Any:
    """Import and return what ``"package.module:attribute"`` names; raise whatever importing it raises."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The fields of every spec."""

    name: str
    """The name that users type: lower case, words joined by hyphens."""
    summary: str
    """One line for listings."""
    load: str
    """The implementation, ``"package.module:attribute"``, imported only when it is used."""
    options: type[Any] = NoOptions
    """A frozen dataclass (see ``rnngen.options``); its fields are what ``-o key=value`` sets.

    A cell's may have a method ``with_device_defaults(device)`` → the options with what was not given decided
    for training on a ``cpu``, ``cuda`` or ``mps``; it is called once for a new model, and the result is
    stored.
    """


@dataclass(frozen=True, kw_only=True)
class CellSpec(Spec):
    """A recurrent layer. ``load`` names a ``Layer`` class."""

    numpy: str | None = None
    """Names a ``LayerStep`` class. Without one the cell still generates, through torch."""
    upgrade: str | None = None
    """Names a function ``(options, weights, version) → (options, weights)`` for models that another version
    of the plugin made: their options and the weights of one layer (of a whole network, all), as dictionaries.
    The weights are empty where the options alone are asked for.

    Without one, an option that the model lacks has its default, which must then do what that version did.
    """
    web: str | None = None
    """Names a text in JavaScript, ``(weights, options) => ({state, step})``, for ``rnngen export --web``.

    It gets the parameters by name as ``{shape, data}``; ``state()`` returns the arrays of a stream before its
    first token, ``step(x, state)`` the output and the next state. Without one a model is not exported so."""


@dataclass(frozen=True, kw_only=True)
class NetworkSpec(CellSpec):
    """A whole network, under the name of a cell; it reads a source, unless it says otherwise.

    ``load`` names a ``SourceNetwork`` class, or a ``Network`` whose ``start`` takes a number of streams,
    built as ``Network(blueprint, modules, options)``; ``numpy`` a ``SourceStep`` or ``StreamStep`` class,
    built as ``Step(weights, blueprint, options)``. It reads each window of free text in the state that the
    window before left, or in what its ``carry`` makes of that (``CarryingNetwork``).
    """

    reads_source: bool = True
    """False for a network of texts without a source; it has no use for options of stacked layers."""

    parts: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The options that name other plugins, with their kinds: ``{"encoder": "cell"}``.

    The user may give such a part its own options: ``-o "encoder=rnn;activation=relu"``.
    """


@dataclass(frozen=True, kw_only=True)
class AttentionSpec(Spec):
    """A way to attend. ``load`` names an ``Attention`` class."""

    numpy: str | None = None
    """Names an ``AttentionStep`` class. Without one the network still generates, through torch."""


@dataclass(frozen=True, kw_only=True)
class TokenizerSpec(Spec):
    """A tokenizer. ``load`` names a ``Tokenizer`` class."""


@dataclass(frozen=True, kw_only=True)
class TaskSpec(Spec):
    """A task. ``load`` names a ``Task`` class."""

    has_source: bool = False
    """True if examples have a source besides their text; the cell is then a whole network that reads it."""
    has_labels: bool = False
    """True if every example is ``label TAB text``: a language model over both, which generates under a label
    and classifies by the probability of a label and the text together. Readers give a label as a source."""
    cell: str = "lstm"
    """The cell where the user names none."""
    strategy: str = "sample"
    """The decoding strategy of its models where the user names none."""
    split: Literal["example", "source"] | None = None
    """How examples are held out: each by itself, or all of one source on the same side, so that no source is
    on both; by default as the text suggests."""

    def __post_init__(self) -> None:
        if self.split not in (None, "example", "source"):
            raise ValueError(f"task {self.name!r}: split={self.split!r}: example or source expected")
        if self.split == "source" and not self.has_source:
            raise ValueError(f"task {self.name!r}: split='source' is for tasks whose examples have one")


@dataclass(frozen=True, kw_only=True)
class Flag:
    """A flag of ``rnngen sample`` that sets an option of a filter or a strategy.

    From it come the environment variable, the settings key, completion, the man page's entry and the keyword
    argument of the Python API.
    """

    name: str
    """Without dashes: ``"top-k"``."""
    help: str = ""
    """One sentence; the documentation of the option by default."""
    option: str | None = None
    """The field of the options dataclass that takes the value; the first one by default."""
    metavar: str | None = None
    """Placeholder of the value in the help; made from the field's type by default."""
    names_file: bool = False
    """True if the value is a file's name; the option then gets ``@FILE``."""
    common: bool = False
    """True if the short help shows it."""

    @property
    def parameter(self) -> str:
        """The name with underscores, as Python and the settings files write it."""
        return self.name.replace("-", "_")


@dataclass(frozen=True, kw_only=True)
class FilterSpec(Spec):
    """A filter of logits. ``load`` names a function ``options → Filter``, or ``options → StatefulFilter``.

    In ``--filters "top_k=40"`` the value goes to the first field of the options.
    """

    flag: Flag | None = None
    """The flag that adds the filter to the chain."""
    rank: int = 50
    """The place in the chain of a filter that its flag adds: constraints 0, penalties 10, temperature 20,
    truncation 30, what follows the text 40."""
    llama_rank: int | None = None
    """Likewise under ``--order llama``, where temperature comes after truncation; the same if not given."""
    constraint: bool = False
    """True if it says what a text may be at all, and so holds under every strategy; a filter that is none
    shapes draws, and giving its flag asks for draws."""
    excludes: tuple[str, ...] = ()
    """Names of filters that cannot stand beside it."""

    follows_output: bool = False
    """True if it has to see every token of the output, and none that only writes the prompt's end again.

    Of other chains the last tokens of a prompt may be given back, so that what is written goes on from its
    text and not from its tokens (``ConditionedStep``): the first tokens that are observed then begin with the
    bytes that the prompt ends with."""
    needs_text: bool = False
    """True if the function also takes the model's tokenizer: ``(options, tokenizer) → Filter``."""


Capability: TypeAlias = Literal["resume", "blend", "count", "endless", "rank"]


@dataclass(frozen=True, kw_only=True)
class StrategySpec(Spec):
    """A decoding strategy. ``load`` names a ``Strategy`` class."""

    flag: Flag | None = None
    """The flag that chooses the strategy and sets an option of it (``--beam 5``); its value none or 0 does
    not."""
    flags: tuple[Flag, ...] = ()
    """Further flags, one an option; several strategies may share a flag, and a filter's flag may be one."""
    temperature: float | None = None
    """The temperature of its draws where no ``--temp`` or ``--filters`` is given; None adds no filter."""
    draws: bool = True
    """True if it draws at random, so that a seed is chosen and reported."""
    excludes: tuple[str, ...] = ()
    """Filters that contradict it: ``NAME`` with any value but 0, ``NAME=0`` with that."""
    can: frozenset[Capability] = frozenset()
    """Abilities::

        resume   saved states and interactive mode: its class has a method ``sampler(job)`` → ``Sampler``
        blend    start from ``job.prefill()``, which may mix two prompts
        count    generate several texts of a prompt
        endless  generate without a limit of tokens
        rank     order the texts of a prompt, best first
    """


@dataclass(frozen=True, kw_only=True)
class ReaderSpec(Spec):
    """A reader of files. ``load`` names a ``Reader``."""

    suffixes: tuple[str, ...] = ()
    """The file endings that it takes, each with its dot, in lower case."""


@dataclass(frozen=True, kw_only=True)
class ListenerSpec(Spec):
    """A listener to training. ``load`` names a function ``options → Listener``."""


@dataclass(frozen=True, kw_only=True)
class CommandSpec(Spec):
    """A command of the command line. ``load`` names a ``click.Command``."""

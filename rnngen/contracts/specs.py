"""What hooks return: a name, a line about it, its options, and where the thing itself is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from rnngen.options import NoOptions


def imported(target: str) -> Any:
    """What an import string, ``"package.module:attribute"``, names; raises whatever importing it raises."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a hook returns."""

    name: str
    """What the user types: lower case, words joined by hyphens."""
    summary: str
    """One line for listings."""
    load: str
    """Where the thing is: ``"package.module:attribute"``, imported only when it is used."""
    options: type[Any] = NoOptions
    """A frozen dataclass (see ``rnngen.options``); its fields are what ``-o key=value`` sets.

    A cell's may have a method ``suited(device)`` → the options with what nobody gave decided for training on
    a ``cpu``, ``cuda`` or ``mps``; it is asked once for a new model, and what it says is kept with it.
    """


@dataclass(frozen=True, kw_only=True)
class CellSpec(Spec):
    """A recurrent layer. ``load`` names a ``Layer`` class."""

    numpy: str | None = None
    """Names a ``LayerStep`` class. Without one the cell still generates, through torch."""


@dataclass(frozen=True, kw_only=True)
class NetworkSpec(CellSpec):
    """A whole network that writes about a source, under the name of a cell.

    ``load`` names a ``SourceNetwork`` class, built as ``Network(blueprint, kit, options)``; ``step``
    names a ``SourceStep`` class.
    """

    parts: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Which of its options name other plugins, and of what kind: ``{"encoder": "cell"}``.

    The user may give such a part options of its own: ``-o "encoder=rnn;activation=relu"``.
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

    pairs: bool = False
    """Whether examples have a source besides their text; then the cell is a whole network that reads it."""
    cell: str = "lstm"
    """The cell where the user names none."""


@dataclass(frozen=True, kw_only=True)
class FilterSpec(Spec):
    """A filter of logits. ``load`` names a function ``options → Filter``, or ``options → StatefulFilter``.

    In ``--filters "top_k=40"`` the value goes to the first field of the options.
    """

    needs_text: bool = False
    """Whether the function takes the model's tokenizer besides: ``(options, tokenizer) → Filter``."""


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

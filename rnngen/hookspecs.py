"""The whole plugin surface.

A plugin is a Python package with an entry point in the group ``rnngen``, naming a module that implements any
of these hooks::

    # rnngen_mine/__init__.py                             # pyproject.toml
    from rnngen import hookimpl                           [project.entry-points.rnngen]
    from rnngen.contracts import CellSpec                 mine = "rnngen_mine"

    @hookimpl
    def rnngen_cells():
        return [CellSpec(name="mine", summary="…", load="rnngen_mine.layer:Mine")]

Keep that module light: what imports torch belongs in the module that ``load`` names. A single file in the
user's folder of plugins needs no entry point, and may hold all of it. ``rnngen_api = "1.2"`` in the module
says which version of these hooks and contracts it needs (``rnngen.version.API``). The built-ins come in
through these hooks too (``rnngen.builtins``).
"""

from collections.abc import Iterable

import pluggy

from rnngen import contracts

PROJECT = "rnngen"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def rnngen_cells() -> Iterable[contracts.CellSpec]:  # type: ignore[empty-body]
    """Recurrent layers, and whole networks, for ``train --cell``."""


@hookspec
def rnngen_attentions() -> Iterable[contracts.AttentionSpec]:  # type: ignore[empty-body]
    """Ways to attend to a source, for ``train --cell seq2seq -o attention=…``."""


@hookspec
def rnngen_tokenizers() -> Iterable[contracts.TokenizerSpec]:  # type: ignore[empty-body]
    """Tokenizers, for ``train --tokenizer``."""


@hookspec
def rnngen_tasks() -> Iterable[contracts.TaskSpec]:  # type: ignore[empty-body]
    """Tasks, for ``train --task``."""


@hookspec
def rnngen_filters() -> Iterable[contracts.FilterSpec]:  # type: ignore[empty-body]
    """Filters of the next-token distribution, for ``sample --filters``."""


@hookspec
def rnngen_strategies() -> Iterable[contracts.StrategySpec]:  # type: ignore[empty-body]
    """Decoding strategies, for ``sample --strategy``."""


@hookspec
def rnngen_readers() -> Iterable[contracts.ReaderSpec]:  # type: ignore[empty-body]
    """Readers of corpus files, chosen by the file's ending."""


@hookspec
def rnngen_listeners() -> Iterable[contracts.ListenerSpec]:  # type: ignore[empty-body]
    """Listeners to training, for ``train --listener``."""


@hookspec
def rnngen_commands() -> Iterable[contracts.CommandSpec]:  # type: ignore[empty-body]
    """Commands of the command line."""

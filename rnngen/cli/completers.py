"""What the shell completes where a value is typed: files, names, and values that there are.

Nothing here raises: a command line in the making is no place for an error.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

import click
from click.shell_completion import CompletionItem

Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
PARTS: Final = ("cell", "tokenizer", "task")
"""Kinds of the parts of a model, whose options ``-o`` sets."""
ENCODINGS: Final = ("utf-8", "utf-16", "utf-32", "latin-1", "cp1250", "cp1251", "cp1252", "gb18030", "big5")
MORE_ENCODINGS: Final = ("shift_jis", "euc-jp", "euc-kr", "koi8-r", "iso8859-2", "mac-roman", "bytes")


def files(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell, as the name of a file."""
    return [CompletionItem(incomplete, type="file")]


def values(*known: str) -> Completer:
    """Return a completer of some values."""
    return of(lambda _: known)


def of(find: Callable[[click.Context], Iterable[Any]]) -> Completer:
    """Return a completer of what a function finds: names, or what has a name and a summary.

    Where it fails there is nothing to complete.
    """

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            found = [(one, None) if isinstance(one, str) else (one.name, one.summary) for one in find(ctx)]
        except Exception:
            return []
        return [CompletionItem(name, help=about) for name, about in found if name.startswith(incomplete)]

    return complete


def names(kind: str) -> Completer:
    """Return a completer of the names of plugins of one kind (``"cell"``, ``"tokenizer"`` …)."""
    return of(lambda ctx: [one.spec for one in _specs(ctx, kind)])


def plugin_names(ctx: click.Context) -> list[str]:
    """Return the names of everything that plugins and rnngen itself bring."""
    from rnngen.cli.context import registry
    from rnngen.registry import KINDS

    here = registry(ctx)
    return [name for kind in KINDS for name in here.names(kind)]


def models(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of models, and paths where the text begins like one."""
    try:
        found = [CompletionItem(name) for name in _names(ctx) if name.startswith(incomplete)]
    except Exception:
        found = []
    return found or [CompletionItem(incomplete, type="file")]


def filters(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of the last filter of a chain, or of the last option of it."""
    from rnngen.options import describe

    try:
        specs = {one.spec.name: one.spec for one in _specs(ctx, "filter")}
        before, comma, last = incomplete.rpartition(",")
        filter_, semicolon, key = last.rpartition(";")
        name = filter_.partition("=")[0].partition(";")[0]
        known = [option.name for option in describe(specs[name].options)] if semicolon else [*specs]
        head = f"{before}{comma}{filter_}{semicolon}"
        return [CompletionItem(f"{head}{one}=") for one in known if one.startswith(key)]
    except Exception:
        return []


def settings_of(kinds: Iterable[str]) -> Completer:
    """Return a completer of ``KEY=VALUE`` for options of plugins of some kinds."""
    return of(lambda ctx: dict.fromkeys(_settings(ctx, kinds)))


def _settings(ctx: click.Context, kinds: Iterable[str]) -> Iterator[str]:
    """Yield ``KEY=`` for each option of a part, and ``KEY=VALUE`` for each value of one that has few."""
    from rnngen.options import describe

    for kind in kinds:
        for one in _specs(ctx, kind):
            for option in describe(one.spec.options):
                choices = option.choices or (("true", "false") if option.type is bool else ())
                yield from (f"{option.name}={choice}" for choice in choices or ("",))


def _specs(ctx: click.Context, kind: str) -> list[Any]:
    from rnngen.cli.context import registry

    return registry(ctx).all(kind)


def _names(_: click.Context) -> list[str]:
    from rnngen.api import model_names

    return model_names()


def _studies(_: click.Context) -> list[str]:
    from rnngen.tuning.studies import study_names

    return study_names()


def _labels(ctx: click.Context) -> Iterable[str]:
    from rnngen.api import models as store
    from rnngen.store.model_folder import read_config

    asked = ctx.params.get("model") or (None,)
    return read_config(store().find(asked[0])).corpus.labels


settings: Final = settings_of(PARTS)
runs: Final = of(_names)
studies: Final = of(_studies)
labels: Final = of(_labels)
devices: Final = values("cpu", "cuda", "mps", "auto")
BY_FIELD: Final[dict[str, Completer]] = {
    **dict.fromkeys(("val", "source", "val_source"), files),
    **{kind: names(kind) for kind in ("cell", "tokenizer", "task", "reader")},
    "source_tokenizer": names("tokenizer"),
    "device": devices,
    "encoding": values(*ENCODINGS, *MORE_ENCODINGS),
}
"""Completers of the fields of options dataclasses, by name."""

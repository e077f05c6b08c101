"""``rnngen models``: the models on this machine."""

import time
from collections.abc import Sequence
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import completers, flags, streams
from rnngen.cli.commands.card import card
from rnngen.cli.render import console
from rnngen.cli.render.progress import age, clock, disk_size
from rnngen.errors import RnngenError, UsageError
from rnngen.options import option_text

if TYPE_CHECKING:
    from rnngen.store.checkpoint import Tensors
    from rnngen.store.model_folder import ModelStore

COLUMNS = ("", "name", "task", "cell", "size", "tokenizer", "nats/char", "course", "disk", "age")
"""Headings of the listing; the first column marks the default model."""

RARE = ("tokenizer", "cell", "disk", "task", "size", "nats/char", "course")
"""Those that narrow terminals leave out, the first first."""

SPARKS, HEIGHTS = 12, "▁▂▃▄▅▆▇█"
"""The losses that a course shows at most, and their signs from low to high."""

name_argument = click.argument("name", shell_complete=completers.models)


@click.group()
def models() -> None:
    """List, show, copy, rename and remove models; choose the default one."""


def _store() -> "ModelStore":
    from rnngen import api

    return api.models()


@models.command("list", cls=flags.Command)
@flags.json_flag
def list_models(json: bool) -> None:
    """List all models: task, cell, size, tokenizer, validation loss and its course, size on disk and age.

    The model that commands take where none is named has a star: the default one, or the one trained last. A
    narrow terminal shows fewer columns.
    """
    store = _store()
    found = [_summary(store.root / name) for name in store.names()]
    if json:
        console.write_json(found)
    elif not found:
        console.note("there is no model yet; make one with rnngen train CORPUS")
    else:
        taken = str(_taken(store))
        console.table([_row(one, taken) for one in found], COLUMNS, rare=RARE)


def _taken(store: "ModelStore") -> Path | None:
    """Return the folder of the model that is taken where none is named."""
    with suppress(RnngenError):
        return store.find(None)
    return None


def _summary(path: Path) -> dict[str, Any]:
    from rnngen.store.model_folder import WEIGHTS, read_metrics, read_outline

    course: list[float] = []
    best: list[float] = []
    try:
        outline = read_outline(path)
    except RnngenError:
        return {"name": path.name, "task": "damaged"}  # models show says how
    with suppress(RnngenError, KeyError, TypeError, ValueError):
        rows = read_metrics(path)
        best = [float(row["val_nats_per_char"]) for row in rows if row["best"]]
        course = [float(row["val_nats_per_char"]) for row in rows]
    written = None
    with suppress(OSError):
        written = (path / WEIGHTS).stat()
    return {
        "name": path.name,
        "path": str(path),
        **{key: outline[key] for key in ("task", "cell", "size", "tokenizer")},
        "nats_per_char": best[-1] if best else None,
        "course": course,
        "bytes": written and written.st_size,
        "modified": written and round(written.st_mtime, 3),
    }


def _row(summary: dict[str, Any], taken: str) -> list[object]:
    """Return a summary as a row of the listing."""
    loss, count, modified = (summary.get(key) for key in ("nats_per_char", "bytes", "modified"))
    return [
        "*" if summary.get("path") == taken else None,
        *(summary.get(key) for key in ("name", "task", "cell", "size", "tokenizer")),
        None if loss is None else f"{loss:.4f}",
        sparkline(summary.get("course") or []) or None,
        None if count is None else disk_size(count),
        None if modified is None else age(time.time() - modified),
    ]


def sparkline(values: Sequence[float]) -> str:
    """Draw a series with eight heights, at most ``SPARKS`` of its values."""
    finite = [value for value in values if isfinite(value)]
    count = min(len(finite), SPARKS)
    if count < 2:
        return ""
    picked = [finite[round(at * (len(finite) - 1) / (count - 1))] for at in range(count)]
    low, high = min(picked), max(picked)
    return "".join(
        HEIGHTS[round((value - low) / ((high - low) or 1) * (len(HEIGHTS) - 1))] for value in picked
    )


@models.command(cls=flags.Command)
@name_argument
@flags.verbose_flag
@flags.json_flag
def show(name: str, verbose: bool, json: bool) -> None:
    """Show a model: its parts, its size, its text and its validation loss; with -v every option."""
    from rnngen.store.model_folder import is_fact, last_evaluation

    model = _store().open(name)
    config = model.config.as_json()
    if json:
        console.write_json({"path": str(model.path), **config})
        return
    parameters = sum(array.size for key, array in model.weights.items() if not is_fact(key))
    loss = last_evaluation(model.path) if model.path.is_dir() else None
    corpus, network = model.config.corpus, model.config.network
    names = ", ".join(Path(path).name for path in corpus.paths)
    facts = {
        "path": str(model.path),
        **{kind: _component(config[kind]) for kind in ("task", "cell", "tokenizer")},
        "size": f"{network.layers}×{network.hidden}, dropout {network.dropout:g}",
        "parameters": f"{parameters:,}",
        "n-gram": _ngram(model.weights),
        "vocabulary": f"{config['vocabulary']:,} tokens",
        "corpus": f"{names} ({corpus.chars:,} characters)",
        "labels": f"{len(corpus.labels)}: {', '.join(corpus.labels)}" if corpus.labels else None,
        "nats/char": f"{loss:.4f} on the validation text" if loss is not None else None,
        "trained": _trained(model.path),
        "teachers": ", ".join(teacher.name for teacher in model.config.teachers) or None,
        "seed": str(model.config.training.seed),
        "made by": f"rnngen {model.config.rnngen}",
    }
    sizes = {**config["network"], **config["training"]} if verbose else {}
    known = [(key, value) for key, value in facts.items() if value is not None]
    console.table([*known, *((key, option_text(value)) for key, value in sizes.items())], ["", name])


def _trained(path: Path) -> str | None:
    """Return when a model was trained, and how long, as far as its folder knows."""
    from rnngen.store.checkpoint import read_tensors
    from rnngen.store.model_folder import TRAINING, WEIGHTS

    if not path.is_dir():
        return None
    date = time.strftime("%Y-%m-%d %H:%M", time.localtime((path / WEIGHTS).stat().st_mtime))
    with suppress(RnngenError, KeyError, TypeError):
        progress = read_tensors(path / TRAINING)[1]["progress"]
        return f"{date}, {progress['step']:,} steps in {clock(progress['seconds'])}"
    return date


def _ngram(weights: "Tensors") -> str | None:
    """Return the order and the size of a model's n-gram; None where it has none."""
    from rnngen.store.model_folder import NGRAM

    if (shape := weights.get(f"{NGRAM}shape")) is None:
        return None
    size = sum(array.nbytes for name, array in weights.items() if name.startswith(NGRAM))
    return f"order {shape[1]}, {disk_size(size)}"


def _component(record: dict[str, Any]) -> str:
    options = " ".join(f"{key}={option_text(value)}" for key, value in record["options"].items())
    return f"{record['name']} ({record['distribution']} {record['version']}) {options}".rstrip()


models.add_command(card)


@models.command(cls=flags.Command)
@click.argument("names", nargs=-1, required=True, shell_complete=completers.models)
@flags.option("-y", "--yes", is_flag=True, sensitive=True, help="Do not ask.")
def rm(names: tuple[str, ...], yes: bool) -> None:
    """Remove models, after asking."""
    store, names = _store(), tuple(dict.fromkeys(names))
    for name in names:  # all or none: a misspelt name removes nothing
        store.check_removable(name)
    if not yes:
        streams.confirm(f"Remove {', '.join(names)}?", "rm asks before it removes")
    for name in names:
        store.remove(name)
        console.note(f"removed {name}")


@models.command(cls=flags.Command)
@name_argument
@click.argument("target")
def cp(name: str, target: str) -> None:
    """Copy a model under another name."""
    if not _store().find(name).is_dir():
        raise UsageError(f"{name} is a model in one file, which -m takes as it is; copy it with cp")
    _store().copy(name, target)


@models.command(cls=flags.Command)
@name_argument
@click.argument("target")
def mv(name: str, target: str) -> None:
    """Give a model another name."""
    _store().rename(name, target)


@models.command(cls=flags.Command)
@click.argument("name", required=False, shell_complete=completers.models)
@click.option("--unset", is_flag=True, help="Take the model trained last again.")
def default(name: str | None, unset: bool) -> None:
    """Make NAME the model that commands take where none is named; without it, print that model's name."""
    if unset and name is not None:
        raise UsageError("a name and --unset both; give one")
    store = _store()
    if unset or name is not None:
        store.set_default(name)
    else:
        console.line(store.find(None).name)


@models.command(cls=flags.Command)
@name_argument
def path(name: str) -> None:
    """Print the folder of a model."""
    console.line(str(_store().find(name)))

"""``rnngen models``: the models on this machine."""

from pathlib import Path
from typing import Any

import click

from rnngen.cli import flags, streams
from rnngen.cli.render import console as ui
from rnngen.errors import RnngenError, UsageError

WIDEST = 4
"""Decimals of a loss in a listing."""


@click.group()
def models() -> None:
    """List, show, copy and remove models."""


@models.command("list", cls=flags.Command)
@flags.json_flag
def list_models(json: bool) -> None:
    """List all models, with what they are made of and how well they predict."""
    from rnngen.api import models as store

    found = [_summary(store().path(name)) for name in store().names()]
    if json:
        ui.write_json(found)
    elif not found:
        ui.note("there is no model yet; make one with rnngen train CORPUS")
    else:
        columns = ["name", "task", "cell", "size", "tokenizer", "nats/char", "bytes"]
        ui.table([[_shown(row.get(key, "")) for key in _KEYS] for row in found], columns)


_KEYS = ("name", "task", "cell", "size", "tokenizer", "nats_per_char", "bytes")


def _summary(path: Path) -> dict[str, Any]:
    from rnngen.store.model_folder import WEIGHTS, last_evaluation, read_config

    try:
        config = read_config(path)
    except RnngenError as error:
        return {"name": path.name, "task": f"damaged: {error}"}
    best = last_evaluation(path)
    weights = path / WEIGHTS
    return {
        "name": path.name,
        "path": str(path),
        "task": config.task.name,
        "cell": config.cell.name,
        "size": f"{config.network.layers}×{config.network.hidden}",
        "tokenizer": config.tokenizer.name,
        "nats_per_char": best,
        "bytes": weights.stat().st_size if weights.is_file() else None,
    }


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.{WIDEST}f}"
    return "" if value is None else str(value)


@models.command(cls=flags.Command)
@click.argument("name", shell_complete=flags.complete_models)
@flags.json_flag
def show(name: str, json: bool) -> None:
    """Show what a model is made of."""
    from rnngen.api import models as store

    model = store().open(name)
    config = model.config.as_json()
    if json:
        ui.write_json({"path": str(model.path), **config})
        return
    rows = [["path", str(model.path)]]
    for kind in ("task", "cell", "tokenizer"):
        part = config[kind]
        chosen = " ".join(f"{key}={value}" for key, value in part["options"].items())
        rows.append([kind, f"{part['name']} ({part['distribution']} {part['version']}) {chosen}".rstrip()])
    rows.append(["parameters", f"{sum(a.size for n, a in model.weights.items() if n != 'seen'):,}"])
    rows.append(["vocabulary", f"{config['vocabulary']:,} tokens"])
    rows.append(["corpus", ", ".join(config["corpus"]["paths"])])
    rows += [[key, str(value)] for key, value in {**config["network"], **config["training"]}.items()]
    ui.table(rows, ["", name])


@models.command(cls=flags.Command)
@click.argument("names", nargs=-1, required=True, shell_complete=flags.complete_models)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def rm(names: tuple[str, ...], yes: bool) -> None:
    """Remove models, after asking."""
    from rnngen.api import models as store

    kept, names = store(), tuple(dict.fromkeys(names))
    for name in names:  # all or none: a misspelt name removes nothing
        if kept.find(name).parent != kept.root:
            raise UsageError(f"{name} is a path; rm takes names (see rnngen models list)")
    if not yes:
        if not streams.answered():
            raise UsageError("rm asks before it removes, and nobody is there to answer; give -y")
        click.confirm(f"Remove {', '.join(names)}?", abort=True, err=True)
    for name in names:
        kept.remove(name)
        ui.note(f"removed {name}")


@models.command(cls=flags.Command)
@click.argument("name", shell_complete=flags.complete_models)
@click.argument("target")
def cp(name: str, target: str) -> None:
    """Copy a model under another name."""
    from rnngen.api import models as store

    if not store().find(name).is_dir():
        raise UsageError(f"{name} is a model in one file, which -m takes as it is; copy it with cp")
    store().copy(name, target)


@models.command(cls=flags.Command)
@click.argument("name", shell_complete=flags.complete_models)
def path(name: str) -> None:
    """Print the folder of a model."""
    from rnngen.api import models as store

    click.echo(store().find(name))

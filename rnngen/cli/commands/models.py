"""``rnngen models``: the models on this machine; ``rnngen export``: one of them in one file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags, streams
from rnngen.cli.render import console
from rnngen.errors import RnngenError, UsageError

if TYPE_CHECKING:
    from rnngen.store.model_folder import ModelStore

COLUMNS = {
    "name": "name",
    "task": "task",
    "cell": "cell",
    "size": "size",
    "tokenizer": "tokenizer",
    "nats_per_char": "nats/char",
    "bytes": "bytes",
}
"""Headings of the listing, by the key of each column in a summary."""

name_argument = click.argument("name", shell_complete=flags.complete_models)


@click.group()
def models() -> None:
    """List, show, copy and remove models."""


def _store() -> "ModelStore":
    from rnngen import api

    return api.models()


@models.command("list", cls=flags.Command)
@flags.json_flag
def list_models(json: bool) -> None:
    """List all models: task, cell, size, tokenizer and validation loss."""
    store = _store()
    found = [_summary(store.path(name)) for name in store.names()]
    if json:
        console.write_json(found)
    elif not found:
        console.note("there is no model yet; make one with rnngen train CORPUS")
    else:
        console.table([[_cell(row.get(key)) for key in COLUMNS] for row in found], [*COLUMNS.values()])


def _summary(path: Path) -> dict[str, Any]:
    from rnngen.store.model_folder import WEIGHTS, last_evaluation, read_config

    try:
        config = read_config(path)
    except RnngenError as error:
        return {"name": path.name, "task": f"damaged: {error}"}
    weights = path / WEIGHTS
    return {
        "name": path.name,
        "path": str(path),
        "task": config.task.name,
        "cell": config.cell.name,
        "size": f"{config.network.layers}×{config.network.hidden}",
        "tokenizer": config.tokenizer.name,
        "nats_per_char": last_evaluation(path),
        "bytes": weights.stat().st_size if weights.is_file() else None,
    }


def _cell(value: Any) -> object:
    return f"{value:.4f}" if isinstance(value, float) else value


@models.command(cls=flags.Command)
@name_argument
@flags.json_flag
def show(name: str, json: bool) -> None:
    """Show the configuration of a model."""
    from rnngen.store.model_folder import FACTS

    model = _store().open(name)
    config = model.config.as_json()
    if json:
        console.write_json({"path": str(model.path), **config})
        return
    parameters = sum(array.size for key, array in model.weights.items() if key not in FACTS)
    facts = {
        "path": str(model.path),
        **{kind: _component(config[kind]) for kind in ("task", "cell", "tokenizer")},
        "parameters": f"{parameters:,}",
        "vocabulary": f"{config['vocabulary']:,} tokens",
        "corpus": ", ".join(config["corpus"]["paths"]),
    }
    sizes = {**config["network"], **config["training"]}
    console.table([*facts.items(), *((key, str(value)) for key, value in sizes.items())], ["", name])


def _component(record: dict[str, Any]) -> str:
    options = " ".join(f"{key}={value}" for key, value in record["options"].items())
    return f"{record['name']} ({record['distribution']} {record['version']}) {options}".rstrip()


@models.command(cls=flags.Command)
@click.argument("names", nargs=-1, required=True, shell_complete=flags.complete_models)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def rm(names: tuple[str, ...], yes: bool) -> None:
    """Remove models, after asking."""
    store, names = _store(), tuple(dict.fromkeys(names))
    for name in names:  # all or none: a misspelt name removes nothing
        if store.find(name).parent != store.root:
            raise UsageError(f"{name} is a path; rm takes names (see rnngen models list)")
    if not yes:
        if not streams.stdin_is_terminal():
            raise UsageError("rm asks before it removes, and there is no terminal to ask on; give -y")
        click.confirm(f"Remove {', '.join(names)}?", abort=True, err=True)
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
def path(name: str) -> None:
    """Print the folder of a model."""
    click.echo(_store().find(name))


@flags.examples("rnngen export diary -o diary.safetensors", "rnngen sample -m ./diary.safetensors")
@click.command(cls=flags.Command)
@click.argument("name", shell_complete=flags.complete_models)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
def export(name: str, output: Path, force: bool) -> None:
    """Pack a model into one .safetensors file that -m takes."""
    from rnngen.store import model_folder

    if output.is_dir():
        raise UsageError(f"{output} is a folder; give the name of a file")
    if output.suffix != ".safetensors":
        raise UsageError(f"{output}: the name must end in .safetensors, so that -m knows it is a file")
    if output.exists() and not force:
        raise UsageError(f"{output} exists already; --force replaces it")
    model_folder.export(_store().open(name), output)
    console.note(f"wrote {output} ({output.stat().st_size:,} bytes)")

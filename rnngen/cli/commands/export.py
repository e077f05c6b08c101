"""``rnngen export``: a model in one file."""

from pathlib import Path

import click

from rnngen.cli import flags
from rnngen.cli.render import console
from rnngen.errors import UsageError


@flags.examples(
    "rnngen export diary -o diary.safetensors",
    "rnngen sample -m ./diary.safetensors",
)
@click.command(cls=flags.Command)
@click.argument("name", shell_complete=flags.complete_models)
@click.option("-o", "--output", required=True, type=click.Path(), metavar="FILE", help="The file to write.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def export(name: str, output: str, force: bool) -> None:
    """Pack a model into one .safetensors file that -m takes."""
    from rnngen.api import models as store
    from rnngen.store.model_folder import export as pack
    from rnngen.store.model_folder import read_model

    target = Path(output)
    if target.is_dir():
        raise UsageError(f"{output} is a folder; give the name of a file")
    if target.suffix != ".safetensors":
        raise UsageError(
            f"{output}: a name that ends in .safetensors expected, so that -m knows it is a file"
        )
    if target.exists() and not force:
        raise UsageError(f"{output} is there already; --force replaces it")
    pack(read_model(store().find(name)), target)
    console.note(f"wrote {output} ({target.stat().st_size:,} bytes)")

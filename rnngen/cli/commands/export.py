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
    from rnngen.api import models
    from rnngen.store import model_folder

    if output.is_dir():
        raise UsageError(f"{output} is a folder; give the name of a file")
    if output.suffix != ".safetensors":
        raise UsageError(f"{output}: the name must end in .safetensors, so that -m knows it is a file")
    if output.exists() and not force:
        raise UsageError(f"{output} exists already; --force replaces it")
    model_folder.export(models().open(name), output)
    console.note(f"wrote {output} ({output.stat().st_size:,} bytes)")

"""``rnngen export``: a model in one file, as a page, or as a graph for other programs."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from rnngen.cli import completers, flags, streams
from rnngen.cli.render import console
from rnngen.cli.render.progress import disk_size
from rnngen.errors import UsageError


@flags.examples(
    "rnngen export diary",
    "rnngen export diary -o ~/models/diary.safetensors",
    "rnngen sample -m ./diary.safetensors",
    "rnngen export diary --web -o diary-page",
    "rnngen export diary --onnx",
)
@click.command(cls=flags.Command)
@click.argument("name", shell_complete=completers.models)
@flags.output_flag(
    "The file to write, or - for standard output; by default NAME.safetensors here, NAME.onnx, or the folder "
    "NAME-page."
)
@click.option(
    "--web", is_flag=True, help="Write a folder with one page that generates in a browser, without a server."
)
@click.option("--onnx", is_flag=True, help="Write one step of the network as ONNX (needs rnngen[onnx]).")
@flags.option("--force", is_flag=True, sensitive=True, help="Replace FILE if it exists.")
@click.pass_context
def export(
    ctx: click.Context, /, *, name: str, output: Path | None, web: bool, onnx: bool, force: bool
) -> None:
    """Pack a model into one .safetensors file that -m takes, or with --web into one page, or as ONNX.

    The page holds the model itself and needs neither a server nor a network: open FOLDER/index.html. It
    writes the same text as 'rnngen sample' for the same prompt, seed and settings.

    The ONNX graph takes 'token' (batch) and the state before it, 'state.0', 'state.1' …, and returns 'logits'
    (batch, vocabulary) and 'next_state.0' …; of a few cells the batch is 1. What else it takes to generate,
    the initial state and the bytes of each token, is JSON under the key 'rnngen' of its metadata. The model's
    n-gram is no part of it.
    """
    if web and onnx:
        raise UsageError("--web and --onnx both; give one")
    if web:
        _export_page(ctx, name, output, force=force)
    elif onnx:
        _export_graph(ctx, name, output, force=force)
    else:
        _export_file(name, output, force=force)


def _export_file(name: str, output: Path | None, *, force: bool) -> None:
    from rnngen import api
    from rnngen.store import model_folder

    model = api.models().open(name)
    if output == Path("-"):
        with TemporaryDirectory() as place:
            model_folder.export(model, packed := Path(place, "model.safetensors"))
            streams.output().buffer.write(packed.read_bytes())
        return
    output = output or Path(f"{_called(model.path)}.safetensors")
    _check_target(output, ".safetensors", "so that -m knows it is a file", force=force)
    model_folder.export(model, output)
    console.note(f"wrote {output} ({disk_size(output.stat().st_size)})")


def _called(path: Path) -> str:
    """Return the name of a model, which may hold dots; of one in a file, without the ending."""
    return path.name.removesuffix(".safetensors")


def _check_target(output: Path, ending: str, reason: str, *, force: bool) -> None:
    if output.suffix != ending and not output.is_dir():
        raise UsageError(f"{output}: the name must end in {ending}, {reason}")
    streams.require_new(output, force=force)


def _export_graph(ctx: click.Context, name: str, output: Path | None, *, force: bool) -> None:
    from rnngen.cli.context import load, session
    from rnngen.generation.onnx import graph
    from rnngen.registry.components import restore
    from rnngen.store.checkpoint import atomic

    here = session(ctx)
    loaded = load(here, [name], "cpu")
    stored = loaded.stored[0]
    target = output or Path(f"{_called(stored.path)}.onnx")
    if target != Path("-"):
        _check_target(target, ".onnx", "by which other programs know it", force=force)
    content = graph(loaded.generator, stored, restore(here.registry, "cell", stored.config.cell), loaded.name)
    if target == Path("-"):
        streams.output().buffer.write(content)
        return
    with atomic(target) as file:
        file.write(content)
    console.note(f"wrote {target} ({disk_size(len(content))})")


def _export_page(ctx: click.Context, name: str, output: Path | None, *, force: bool) -> None:
    from rnngen.cli.context import load, session
    from rnngen.generation.web import page
    from rnngen.registry.components import restore
    from rnngen.store.checkpoint import write_text

    here = session(ctx)
    loaded = load(here, [name], "cpu")
    stored = loaded.stored[0]
    if stored.config.reads_source:
        raise UsageError(f"{name} reads sources, which the page cannot; export it without --web")
    if output == Path("-"):
        raise UsageError("--web writes a folder, which standard output cannot be; name one with -o")
    folder = output or Path(f"{_called(stored.path)}-page")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; --web writes a folder")
    target = folder / "index.html"
    streams.require_new(target, force=force)
    cell = restore(here.registry, "cell", stored.config.cell)
    text = page(loaded.generator, stored, cell, loaded.name)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(target, text)
    console.note(f"wrote {target} ({disk_size(target.stat().st_size)}); open it in a browser")

"""``rnngen attend``: draw where a model looked while it wrote."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnngen.builtins.strategies.options import DecodingOptions, search_of
from rnngen.cli import flags, streams
from rnngen.cli.app import session
from rnngen.cli.render import console
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.generation.alignment import Alignment

MOST = 64
"""Sources that are drawn in one call."""


@flags.examples(
    'rnngen attend -m en-zh "It\'s very easy to sound natural."',
    'rnngen attend -m en-zh "How are you?" -o map.html',
    "rnngen attend -m en-zh --json < english.txt",
)
@click.command(cls=flags.Command)
@click.argument("source", required=False)
@flags.model_flag
@click.option(
    "-o", "--output", type=click.Path(), metavar="FILE", help="Draw into a .png, .svg or .html file."
)
@click.option(
    "--unit",
    type=click.Choice(["token", "character", "word"]),
    default="character",
    show_default=True,
    help="What a row and a column stand for; a token of several characters is never cut.",
)
@click.option(
    "--text", metavar="TEXT", help="Show where it looks while it reads this text, not its own answer."
)
@flags.options_from(DecodingOptions, only=["beam", "length_penalty"])
@click.option(
    "--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda, cuda:N, mps, auto."
)
@flags.json_flag
@click.pass_context
def attend(ctx: click.Context, /, **params: Any) -> None:
    """Draw where a model of pairs looked in SOURCE while it wrote each word of its answer.

    Without SOURCE, every line of standard input is one. On a terminal the picture is a map of colours; in a
    file it is a PNG, an SVG, or a page on which hovering a word shows its weights.
    """
    output = Path(params["output"]) if params["output"] else None
    if output:
        from rnngen import plots

        plots.chosen(output)  # refuses what cannot be drawn before the model is read
    here = session(ctx)
    model = here.read(params["model"])
    path = model.path
    if params["model"] is None:
        console.note(f"model {path.name}")
    if model.config.source_vocabulary is None:
        raise UsageError(f"{path.name} has no sources to attend to; give a model trained with --task pairs")
    answerer = here.answerer(model, device=params["device"])
    if not answerer.attends:
        raise UsageError(f"{path.name} was made with attention=none: there is nothing to draw")
    options = flags.collect(DecodingOptions, params)
    beam = search_of(options)
    text = None if params["text"] is None else streams.checked(params["text"], "--text")
    drawn = answerer.alignments(_sources(params), beam, text, params["unit"])
    if output:
        plots.save(drawn, output, f"{path.name}: where it looked")
    if params["json"]:
        _write(drawn)
    elif not output:
        for alignment in drawn:
            console.heat_map(alignment)


def _sources(params: dict[str, Any]) -> list[str]:
    if params["source"] not in (None, "-"):
        return [streams.checked(str(params["source"]), "the source")]
    lines = streams.Lines("-")
    sources: list[str] = []
    while more := lines.take(MOST):
        sources += [line for line in more if line.strip()]
    if not sources:
        raise UsageError("no source to look at; give one as an argument, or pipe lines in")
    if len(sources) > MOST:
        raise UsageError(f"{len(sources)} sources are more than {MOST} that one picture takes; give fewer")
    return sources


def _write(drawn: "Sequence[Alignment]") -> None:
    """A line of JSON for each source."""
    with streams.Output() as out:
        for alignment in drawn:
            out.write(json.dumps(alignment.as_json(), ensure_ascii=False) + "\n")
        out.write("", flush=True)

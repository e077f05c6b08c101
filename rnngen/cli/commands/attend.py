"""``rnngen look attention``, or ``rnngen attend``: draw where a model looked while it wrote."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags, prompts, streams
from rnngen.cli.context import load, session
from rnngen.cli.render import console
from rnngen.cli.settings import resolve
from rnngen.errors import UsageError
from rnngen.options.model import OutputOptions
from rnngen.requests.conflicts import Conflict, ConflictError

if TYPE_CHECKING:
    from rnngen.generation.alignment import Unit

MOST = 64
"""Sources that are drawn in one call."""


@flags.examples(
    'rnngen look attention -m en-zh "It\'s very easy to sound natural."',
    'rnngen look attention -m en-zh "How are you?" -o map.html',
    "rnngen look attention -m en-zh --json < english.txt",
)
@click.command(cls=flags.Command)
@flags.text_argument("source")
@flags.model_flag
@flags.picture_flag
@click.option(
    "--unit",
    type=click.Choice(["token", "character", "word"]),
    default="character",
    show_default=True,
    help="What a row and a column stand for; a token of several characters is never cut.",
)
@click.option(
    "--text",
    metavar="TEXT",
    help="Show where it looks while it reads this text, not its own output.",
)
@flags.options_from(OutputOptions)
@flags.device_flag
@flags.json_lines_flag
@flags.quiet_flag
@click.pass_context
def attend(
    ctx: click.Context,
    /,
    *,
    source: str | None,
    model: str | None,
    output: Path | None,
    unit: "Unit",
    text: str | None,
    device: str,
    json: bool,
    quiet: bool,
    **search: Any,
) -> None:
    """Draw the attention of a seq2seq model to SOURCE while it generated each word of its output.

    Without SOURCE, every line of standard input is one. On a terminal the picture is a map of colours; in a
    file it is a PNG, an SVG, or a page on which hovering a word shows its weights.
    """
    from rnngen import plots
    from rnngen.plots.grid import Alignments

    if output:
        plots.chosen(output)  # refuses what cannot be drawn before the model is read
    options = resolve(ctx, flags.given(OutputOptions, search), partial(_search, text))
    loaded = load(session(ctx), [model], device, quiet=quiet)
    if not loaded.generator.reads_source:
        raise UsageError(f"{loaded.name} has no sources to attend to; give a model trained with --task pairs")
    if not loaded.generator.attends:
        raise UsageError(f"{loaded.name} was made with attention=none: there is nothing to draw")
    encoding = loaded.generator.encoding
    sources = _sources(source, encoding)
    text = text if text is None else streams.given(text, "--text", encoding)
    if not any(one.strip() for one in sources):
        raise UsageError("the source is blank: there is nothing to attend to; give one with text")
    prompts.warn_of_all(loaded.generator.watch(sources=True), sources, "source", quiet=quiet)
    if text is not None and not quiet:
        prompts.warn_unseen(loaded.generator, text, "--text")
    drawn = loaded.attention(sources, text=text, unit=unit, **options)
    if output:
        plots.save(Alignments(drawn, f"{loaded.name}: attention weights"), output)
    for alignment in drawn:
        if json:
            streams.output().write(streams.json_line(alignment.as_json()) + "\n")
        elif not output:
            console.heat_map(alignment)


def _search(text: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of the search, of which a given text needs none."""
    if text is not None and given:
        raise ConflictError(Conflict("text", next(iter(given)), "a text that is given is not searched for"))
    return given


def _sources(source: str | None, encoding: str) -> list[str]:
    if source not in (None, "-"):
        return [streams.given(str(source), "the source", encoding)]
    lines = streams.Lines("-", encoding)
    sources: list[str] = []
    while more := lines.take(MOST):
        sources += [line for line in more if line.strip()]
    if not sources:
        raise UsageError("no source to look at; give one as an argument, or pipe lines in")
    if len(sources) > MOST:
        raise UsageError(f"{len(sources)} sources are more than {MOST} that one picture takes; give fewer")
    return sources

"""``rnngen look surprise``: a text in the colours of its surprisal."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags
from rnngen.cli.commands.look import inputs
from rnngen.cli.context import load, session
from rnngen.cli.render import console
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.observation.surprise import Peak, Surprise
    from rnngen.plots.text import ColouredText

MOST = 12.0
"""The surprisal in bits that is drawn in the strongest colour."""


@flags.examples(
    "rnngen look surprise -m diary text.txt",
    "rnngen look surprise -m diary text.txt --by network -o surprise.html",
    "rnngen look surprise --json < text.txt",
)
@click.command(cls=flags.Command)
@inputs.file_argument
@flags.model_flag
@flags.picture_flag
@click.option(
    "--by",
    type=click.Choice(["network", "n-gram", "mixture", "all"]),
    help="Whose surprisal is drawn; by default that of the whole model, and all of them in a file.",
)
@click.option(
    "--top", type=click.IntRange(0), default=10, show_default=True, help="Surprising places listed."
)
@inputs.length_flag
@flags.device_flag
@flags.json_flag
@flags.quiet_flag
@click.pass_context
def surprise(
    ctx: click.Context,
    /,
    *,
    file: str | None,
    model: str | None,
    output: Path | None,
    by: str | None,
    top: int,
    length: int,
    device: str,
    json: bool,
    quiet: bool,
) -> None:
    """Colour a text by surprisal: how many bits each character costs the model.

    FILE or standard input is read; a model of lines reads each line as one, and one of pairs a source, a tab
    and the text. Below come the most surprising places, and what was expected there; with the mean of the
    network, of its n-gram and of both mixed.
    """
    from rnngen.observation.surprise import surprise as measured
    from rnngen.plots.stack import Stack

    inputs.check_output(output)
    loaded = load(session(ctx), [model], device, quiet=quiet)
    texts = inputs.read_texts(loaded.generator, file, length, quiet=quiet)
    found = measured(loaded.generator, texts)
    names = _predictors(found, by, loaded.name, every=output is not None)
    pictures = [picture_of(found, name, top, loaded.name) for name in names]
    record = _record(found, names[0] if len(names) == 1 else found.whole, top) if json else None
    stack = Stack(f"{loaded.name}: surprisal", tuple(pictures))
    inputs.show(stack, output, partial(console.coloured_texts, pictures), record)


def _predictors(found: "Surprise", by: str | None, name: str, *, every: bool) -> list[str]:
    """Return whose surprisal is drawn; ``UsageError`` if the model has none of that name."""
    if by == "all" or (by is None and every):
        return list(found.bits)
    if by is not None and by not in found.bits:
        raise UsageError(f"{name} has no n-gram, so there is only its network; leave --by {by} out")
    return [by or found.whole]


def picture_of(found: "Surprise", predictor: str, top: int, model: str) -> "ColouredText":
    """Return the text in the colours of one predictor's surprisal."""
    from rnngen.plots.text import ColouredText, Run

    runs = tuple(
        Run(piece.text or "∎", min(bits / MOST, 1.0), f"{bits:.2f} bits")
        for piece, bits in found.of(predictor)
    )
    scale = tuple((bits / MOST, f"{bits:g}") for bits in (0.0, 3.0, 6.0, 9.0, MOST))
    means = ", ".join(f"{name} {found.mean(name):.3f}" for name in found.bits)
    notes = [f"{means} bits per character"]
    notes += [_described(peak) for peak in found.peaks(predictor, top)]
    if any(not piece.text for piece in found.pieces):
        notes.append("∎ end")
    return ColouredText(f"{model}: surprisal, {predictor}", runs, "heat", scale, "bits", tuple(notes))


def _described(peak: "Peak") -> str:
    from rnngen.plots.sheet import bounded

    written = console.spelled(peak.text.encode())
    before = "".join(console.spelled(char.encode()) if char.isspace() else char for char in peak.before)
    expected = console.spelled(peak.expected)
    place, expected = bounded(f"{before}[{written}]"), bounded(expected)
    return f"{peak.bits:5.1f} bits  {place}  expected {expected} ({100 * peak.chance:.0f} %)"


def _record(found: "Surprise", predictor: str, top: int) -> dict[str, Any]:
    """Return everything in figures, with the peaks of one predictor."""
    return {
        "bits_per_char": {name: found.mean(name) for name in found.bits},
        "text": [
            {"text": piece.text, **dict(zip(found.bits, bits, strict=True))}
            for piece, *bits in zip(found.pieces, *_columns(found), strict=True)
        ],
        "peaks": [
            {
                "place": peak.place,
                "before": peak.before,
                "text": peak.text,
                "bits": peak.bits,
                "expected": console.spelled(peak.expected),
                "probability": peak.chance,
            }
            for peak in found.peaks(predictor, top)
        ],
    }


def _columns(found: "Surprise") -> "list[list[float]]":
    """Return the surprisal of each piece by each predictor."""
    return [[bits for _, bits in found.of(name)] for name in found.bits]

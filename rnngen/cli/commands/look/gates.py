"""``rnngen look gates``: how open the gates are, a layer at a time."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnngen.cli import flags, prompts
from rnngen.cli.commands.look import inputs
from rnngen.cli.context import load, session
from rnngen.cli.render import console
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.observation.gates import Gates
    from rnngen.plots.grid import Grids

SCALE = "open in %"
MOST = 2000
"""Characters that are drawn at most…"""
ACROSS = 22
"""…and those beside one another in a file: as many as a page has room for."""


@flags.examples(
    'rnngen look gates -m diary "It was a dark and stormy night"',
    'rnngen look gates -m diary "It was" -o gates.svg',
)
@click.command(cls=flags.Command)
@flags.text_argument("text")
@flags.model_flag
@flags.picture_flag
@flags.json_flag
@flags.quiet_flag
@click.pass_context
def gates(
    ctx: click.Context,
    /,
    *,
    text: str | None,
    model: str | None,
    output: Path | None,
    json: bool,
    quiet: bool,
) -> None:
    """Show how open each gate is while TEXT is read: its mean over the units, a row a gate.

    Below stands how many of its values are saturated: below 0.1, shut, or above 0.9, open. Cells tell
    their gates themselves; one without gates, as the plain RNN, has none to show.
    """
    from rnngen.observation.gates import gate_map, observe_gates
    from rnngen.observation.reading import Text

    inputs.check_output(output)
    loaded = load(session(ctx), [model], "cpu", quiet=quiet)
    given = prompts.read(text, None, loaded.generator.encoding)
    if not given:
        raise UsageError("no text to read; give one as an argument, or pipe it in")
    if len(given) > MOST:
        raise UsageError(f"{len(given):,} characters are more than the {MOST:,} that one picture takes")
    pieces, found = observe_gates(loaded.generator, Text(given), loaded.name)
    if not quiet:
        prompts.warn_unseen(loaded.generator, given, "the text")
    grid = gate_map(pieces, found)
    picture = picture_of(pieces, found, loaded.name)
    record = [
        {
            "layer": one.layer,
            "gate": one.name,
            "shut": one.shut,
            "open": one.open,
            "means": row,
        }
        for one, row in zip(found, grid.weights.tolist(), strict=True)
    ]

    def draw() -> None:
        console.heat_map(grid, scale=SCALE, peaks=False)
        rows = [
            [one.layer, one.name, _percent(one.values.mean()), _percent(one.shut), _percent(one.open)]
            for one in found
        ]
        console.table(rows, ["layer", "gate", "mean %", "shut %", "open %"])

    inputs.show(picture, output, draw, {"text": pieces, "gates": record} if json else None)


def picture_of(pieces: "list[str]", found: "list[Gates]", model: str) -> "Grids":
    """Return the map, in panels below one another, with the share of saturated values below."""
    from rnngen.observation.gates import gate_map
    from rnngen.plots.grid import Grids

    whole = gate_map(pieces, found)
    panels = [whole.part(at, at + ACROSS) for at in range(0, len(pieces), ACROSS)]
    return Grids(panels, f"{model}: gates", SCALE, tuple(_described(one) for one in found))


def _described(one: "Gates") -> str:
    return (
        f"layer {one.layer}, {one.name} gate: {_percent(one.values.mean())} % open on average, "
        f"{_percent(one.shut)} % of its values shut, {_percent(one.open)} % open"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"

"""``rnngen look neurons``: a text in the colours of one unit."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags
from rnngen.cli.commands.look import inputs
from rnngen.cli.context import load, session
from rnngen.cli.render import console
from rnngen.printable import counted

if TYPE_CHECKING:
    from rnngen.observation.neurons import Finding, Units
    from rnngen.plots.text import ColouredText


@flags.examples(
    "rnngen look neurons -m code source.py",
    "rnngen look neurons -m code source.py --neuron 131 -o unit.svg",
)
@click.command(cls=flags.Command)
@inputs.file_argument
@flags.model_flag
@click.option("--neuron", type=click.INT, metavar="UNIT", help="The unit that is drawn, counted from 0.")
@flags.picture_flag
@inputs.length_flag
@flags.device_flag
@flags.json_flag
@flags.quiet_flag
@click.pass_context
def neurons(
    ctx: click.Context,
    /,
    *,
    file: str | None,
    model: str | None,
    neuron: int | None,
    output: Path | None,
    length: int,
    device: str,
    json: bool,
    quiet: bool,
) -> None:
    """Colour a text by one unit of the state, and find units that follow something in it.

    A unit is one number of the state, of any cell. For quotes, brackets, the position in the line,
    indentation and ends of words the unit is chosen that follows each best on the first half of the text;
    its score is the correlation on the second half, and only one of 0.5 or more is called telling. Without
    --neuron the unit with the best score is drawn.
    """
    from rnngen.observation import neurons as observed

    inputs.check_output(output)
    loaded = load(session(ctx), [model], device, quiet=quiet)
    texts = inputs.read_texts(loaded.generator, file, length, quiet=quiet)
    units = observed.observe(loaded.generator, texts)
    found = observed.find(units)
    unit = units.check(neuron) if neuron is not None else best_unit(units, found)
    picture = picture_of(units, found, unit, loaded.name)
    record = _record(units, found, unit) if json else None
    inputs.show(picture, output, partial(console.coloured_texts, [picture]), record)


def best_unit(units: "Units", found: "list[Finding]") -> int:
    """Return the unit with the best score or, where nothing can be scored, the one that moves most."""
    scored = [one for one in found if one.unit is not None]
    if not scored:
        return int(units.values.std(axis=0).argmax())
    best = max(scored, key=lambda one: abs(one.score)).unit
    assert best is not None
    return best


def picture_of(units: "Units", found: "list[Finding]", unit: int, model: str) -> "ColouredText":
    """Return the text in the colours of a unit, and what was found out about all of them."""
    from rnngen.plots.text import ColouredText, Run

    limit = units.range(unit)
    values = units.values[:, unit].tolist()
    runs, later = [], {*units.begins[1:]}
    for number, (piece, value) in enumerate(zip(units.pieces, values, strict=True)):
        if number in later:
            runs.append(Run("\n", None))
        runs.append(Run(piece.text, max(-1.0, min(value / limit, 1.0)), f"{value:.3f}"))
    scale = tuple((share, f"{share * limit:.2g}") for share in (-1.0, -0.5, 0.0, 0.5, 1.0))
    notes = [f"{len(units.places):,} units; correlation on the second half of the text:"]
    notes += [described(one, units) for one in found]
    if units.left_out:
        left_out = counted(units.left_out, "arrays")
        notes.append(f"left out of the state: {left_out}, growing or without such units")
    title = f"{model}: unit {unit} ({units.places[unit]})"
    return ColouredText(title, tuple(runs), "two-sided", scale, "activation", tuple(notes))


def described(one: "Finding", units: "Units") -> str:
    """Describe a finding in a line."""
    if one.unit is None:
        return f"{one.name}: the text has too little of it to tell"
    place = f"unit {one.unit} ({units.places[one.unit]})"
    if one.telling:
        return f"{one.name}: {place} follows it, {one.score:+.2f}"
    return f"{one.name}: no unit follows it; the nearest, {place}, scores {one.score:+.2f}"


def _record(units: "Units", found: "list[Finding]", unit: int) -> dict[str, Any]:
    return {
        "units": len(units.places),
        "unit": unit,
        "place": units.places[unit],
        "text": [
            {"text": piece.text, "value": value}
            for piece, value in zip(units.pieces, units.values[:, unit].tolist(), strict=True)
        ],
        "findings": [
            {"property": one.name, "unit": one.unit, "score": one.score, "telling": one.telling}
            for one in found
        ],
    }

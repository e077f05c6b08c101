"""``rnngen look gradients``: which cells let a gradient reach back."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import completers, flags
from rnngen.cli.commands.look import inputs
from rnngen.cli.context import load, registry, session
from rnngen.cli.render import console
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.observation.gradients import Gradient
    from rnngen.plots.chart import Chart


@flags.examples(
    "rnngen look gradients --cells rnn,lstm,gru",
    "rnngen look gradients --cells rnn --activations tanh,relu,sigmoid -o g.svg",
    "rnngen look gradients -m diary --cells lstm --length 100",
)
@click.command(cls=flags.Command)
@click.option(
    "--cells",
    default="rnn,lstm,gru",
    show_default=True,
    metavar="NAMES",
    help="Fresh cells, with options as in 'lstm;forget_bias=0'.",
)
@click.option(
    "--activations",
    metavar="NAMES",
    help="Those of cells that have a choice, the plain RNN: tanh (the default), relu, sigmoid.",
)
@click.option("--length", type=click.IntRange(2, 2000), default=200, show_default=True, help="Steps back.")
@click.option(
    "--hidden", type=click.IntRange(1, 1024), default=64, show_default=True, help="Units of fresh cells."
)
@click.option(
    "--clip",
    type=flags.FiniteRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="The norm that clipping leaves.",
)
@click.option("--seed", type=click.INT, default=0, show_default=True, help="Of the weights and the tokens.")
@click.option(
    "-m",
    "--model",
    multiple=True,
    type=flags.OneText(),
    metavar="NAME",
    shell_complete=completers.models,
    help="A trained model beside them; may be given several times.",
)
@flags.picture_flag
@flags.json_flag
@flags.quiet_flag
@click.pass_context
def gradients(
    ctx: click.Context,
    /,
    *,
    cells: str,
    activations: str | None,
    length: int,
    hidden: int,
    clip: float,
    seed: int,
    model: tuple[str, ...],
    output: Path | None,
    json: bool,
    quiet: bool,
) -> None:
    """Draw how the gradient of the last token's loss shrinks or grows on its way back.

    The norm of the gradient by the state, against the steps back: of fresh cells on random tokens and, with
    -m, of trained models on a text that they write. The table says by what factor a step it changes, whether
    it vanishes or explodes, and what clipping the whole gradient's norm makes of it.
    """
    from rnngen.observation import gradients as observed

    inputs.check_output(output)
    chosen = observed.named_cells(registry(ctx), cells, activations)
    if not chosen and not model:
        raise UsageError("no cell and no model: there is nothing to measure; name some with --cells or -m")
    found = {
        name: observed.fresh(name, cell, hidden=hidden, length=length, seed=seed)
        for name, cell in chosen.items()
    }
    for name in model:
        loaded = load(session(ctx), [name], "cpu", quiet=quiet)
        observed.check_text_alone(loaded.stored[0], loaded.name)
        label = loaded.name
        while label in found:  # a model may be called as its cell
            label = f"model {label}"
        tokens = _tokens(loaded, length, seed)
        found[label] = observed.trained(registry(ctx), loaded.stored[0], label, tokens)
    picture = picture_of(found, clip)
    rows = observed.rows(found, clip)
    record = [_record(one, clip) for one in found.values()] if json else None
    inputs.show(picture, output, partial(_draw, picture, rows), record)


def _tokens(loaded: Any, length: int, seed: int) -> list[int]:
    """Return tokens that a model writes, one more than the steps."""
    from rnngen.observation.reading import tokens_of

    generator = loaded.generator
    text = loaded.generate(length=length + 2, seed=max(seed, 0))
    return tokens_of(generator, text)[: length + 2]


def picture_of(found: "dict[str, Gradient]", clip: float) -> "Chart":
    """Return the lines; beside those that explode, what clipping makes of them."""
    from rnngen.observation.gradients import COLUMNS, rows
    from rnngen.plots.chart import Chart, Series

    lines = []
    for name, one in found.items():
        xs = tuple(map(float, range(1, len(one.norms) + 1)))
        lines.append(Series(name, xs, tuple(one.norms.tolist())))
        if one.verdict == "explodes" and (clipped := one.clipped(clip)) is not None:
            lines.append(Series(f"{name}, clipped", xs, tuple(clipped.tolist())))
    notes = [
        f"{row[0]}: "
        + ", ".join(f"{column} {cell}" for column, cell in zip(COLUMNS[1:], row[1:], strict=True) if cell)
        for row in rows(found, clip)
    ]
    return Chart(
        "Gradient of the last loss",
        "steps back, T − t",
        "norm of ∂loss_T/∂s_t",
        tuple(lines),
        True,
        tuple(notes),
    )


def _draw(picture: "Chart", rows: list[list[object]]) -> None:
    from dataclasses import replace

    from rnngen.observation.gradients import COLUMNS

    console.chart(replace(picture, notes=()))
    console.table(rows, COLUMNS)


def _record(one: "Gradient", clip: float) -> dict[str, Any]:
    return {
        "name": one.name,
        "norms": one.norms.tolist(),
        "factor": one.rate,
        "verdict": one.verdict,
        "half_life": one.half_life,
        "norm": one.whole,
        "clipped": one.whole > clip,
    }

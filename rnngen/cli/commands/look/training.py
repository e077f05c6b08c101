"""``rnngen look training``: the course of training runs beside one another."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import completers, flags
from rnngen.cli.commands.look import inputs
from rnngen.cli.context import session
from rnngen.cli.render import console
from rnngen.cli.render.progress import clock

if TYPE_CHECKING:
    from rnngen.observation.training import Align, Run
    from rnngen.plots.chart import Chart

LOSSES = {
    "val": "val_nats_per_token",
    "val, network alone": "val_network_nats_per_token",
    "train": "train_nats_per_token",
}
COLUMNS = ("run", "steps", "best at", "val", "train", "gap", "grad norm", "tokens/s", "time")


@flags.examples(
    "rnngen look training diary",
    "rnngen look training small large --align minute -o runs.html",
    "rnngen look training --json diary",
)
@click.command(cls=flags.Command)
@click.argument("names", nargs=-1, metavar="[MODEL]...", shell_complete=completers.models)
@click.option(
    "--align",
    type=click.Choice(["step", "token", "minute"]),
    default="step",
    show_default=True,
    help="What runs are laid beside one another by.",
)
@flags.picture_flag
@flags.json_flag
@click.pass_context
def training(
    ctx: click.Context, /, *, names: tuple[str, ...], align: "Align", output: Path | None, json: bool
) -> None:
    """Draw the losses, the learning rate, the gradient's norm and the speed of training runs.

    Without MODEL, those of the default model, or the one trained last. Losses are in nats per token, in
    training and on the validation text, there with the n-gram and of the network alone; the table shows the
    best evaluation of each run, and the gap between its network's two losses.
    """
    from rnngen.observation.training import Run, check_axis
    from rnngen.plots.stack import Stack

    inputs.check_output(output)
    here = session(ctx)
    runs = [Run.of(here.read(name)) for name in (names or (None,))]
    check_axis(runs, align)
    pictures = pictures_of(runs, align)
    rows = [row_of(run) for run in runs]
    record = [
        {"name": run.name, "tokens_per_step": run.tokens_per_step, "evaluations": run.rows} for run in runs
    ]
    stack = Stack("Training: " + ", ".join(run.name for run in runs), tuple(pictures))
    inputs.show(stack, output, partial(_draw, pictures, rows), record if json else None)


def pictures_of(runs: "list[Run]", align: "Align") -> "list[Chart]":
    """Return a chart for each figure that some run knows."""
    from rnngen.observation.training import PANELS
    from rnngen.plots.chart import Chart, Series

    axis = {"step": "steps", "token": "tokens", "minute": "minutes"}[align]
    found = []
    for key, meaning in PANELS.items():
        lines = []
        for run in runs:
            for name, figure in (LOSSES if key == "loss" else {"": key}).items():
                if points := run.line(figure, align):
                    xs, ys = zip(*points, strict=True)
                    lines.append(Series(f"{run.name} {name}".strip(), xs, ys))
        if lines:
            found.append(Chart(meaning.capitalize(), axis, meaning, tuple(lines)))
    return found


def row_of(run: "Run") -> list[object]:
    """Return the best evaluation of a run as a row of the table."""
    best, last = run.best, run.rows[-1]
    val, train = best["val_nats_per_token"], best.get("train_nats_per_token")
    alone = best.get("val_network_nats_per_token") or val  # training has no n-gram beside it
    return [
        run.name,
        last["step"],
        best["step"],
        f"{val:.4f}",
        _number(train, ".4f"),
        None if train is None else f"{alone - train:+.4f}",
        _number(best.get("grad_norm"), ".3g"),
        _number(last.get("tokens_per_second"), ".0f"),
        None if last.get("seconds") is None else clock(last["seconds"]),
    ]


def _number(value: Any, form: str) -> str | None:
    return None if value is None else format(value, form)


def _draw(pictures: "list[Chart]", rows: list[list[object]]) -> None:
    for picture in pictures:
        console.chart(picture)
    console.table(rows, COLUMNS)

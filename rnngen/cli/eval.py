"""``rnngen eval``: how well a model predicts a text."""

from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags, ui
from rnngen.cli.app import session
from rnngen.session.options import CorpusOptions

if TYPE_CHECKING:
    from rnngen.engine.evaluation import Loss
    from rnngen.session.judging import Judgement


@flags.examples("rnngen eval", "rnngen eval -m tinyshakespeare held-out.txt --json")
@click.command("eval", cls=flags.Command)
@click.argument("corpus", nargs=-1, metavar="[CORPUS]...", type=click.Path())
@flags.model_flag
@flags.options_from(CorpusOptions, only=["encoding", "field"])
@click.option(
    "--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda, cuda:N, mps, auto."
)
@flags.json_flag
@click.pass_context
def evaluate(ctx: click.Context, /, **params: Any) -> None:
    """Measure how well a model predicts CORPUS; without one, the text held out in its training.

    Two readings of the same text: window (256 tokens at a time, each from a fresh state) and stream (the
    state carried through). Beside them the floor: a Witten-Bell 5-gram of the same training text.
    """
    here = session(ctx)
    path = here.models.find(params["model"])
    if params["model"] is None:
        ui.note(f"model {path.name}")
    options = flags.collect(CorpusOptions, params)
    judgement = here.judge(here.read(str(path)), params["corpus"], options, params["device"])
    if judgement.why:
        ui.warn(judgement.why)
    if params["json"]:
        ui.write_json(judgement.as_json())
    else:
        _show(judgement)


def _show(judgement: "Judgement") -> None:
    rows = [_row("window", judgement.window), _row("stream", judgement.stream)]
    if judgement.floor:
        nats = judgement.floor.nats_per_char
        rows.append(["floor (5-gram)", "", f"{nats:.4f}", f"{nats / 0.6931471805599453:.4f}", ""])
    ui.table(rows, ["reading", "nats/token", "nats/char", "bits/char", "perplexity/token"])
    ui.note(f"{judgement.tokens:,} tokens, {judgement.chars:,} characters")


def _row(name: str, loss: "Loss") -> list[str]:
    told = loss.as_json()
    keys = ("nats_per_token", "nats_per_char", "bits_per_char", "perplexity")
    return [name, *(f"{told[key]:.4f}" for key in keys)]

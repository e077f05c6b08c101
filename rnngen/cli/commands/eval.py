"""``rnngen eval``: how well a model predicts a text."""

from typing import TYPE_CHECKING, Any

import click

from rnngen.builtins.strategies.options import DecodingOptions, search_of
from rnngen.cli import flags
from rnngen.cli.app import session
from rnngen.cli.render import console as ui
from rnngen.errors import UsageError
from rnngen.options.corpus import CorpusOptions
from rnngen.options.model import ReadingOptions

if TYPE_CHECKING:
    from rnngen.evaluation.judging import Judgement
    from rnngen.evaluation.marking import Marks
    from rnngen.evaluation.perplexity import Loss


@flags.examples(
    "rnngen eval",
    "rnngen eval -m tinyshakespeare held-out.txt --json",
    "rnngen eval --dynamic --cache",
    "rnngen eval -m en-zh test.tsv --beam 5",
)
@click.command("eval", cls=flags.Command)
@click.argument("corpus", nargs=-1, metavar="[CORPUS]...", type=click.Path())
@flags.model_flag
@flags.options_from(CorpusOptions, only=["encoding", "field", "source_field", "source"], common={"source"})
@flags.options_from(DecodingOptions, only=["beam", "length_penalty"], heading="Seq2seq models")
@flags.options_from(ReadingOptions, heading="Adaptive evaluation modes", common={"dynamic", "cache"})
@click.option(
    "--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda, cuda:N, mps, auto."
)
@flags.json_flag
@click.pass_context
def evaluate(ctx: click.Context, /, **params: Any) -> None:
    """Measure how well a model predicts CORPUS; without one, the text held out in its training.

    Two readings of the same text: window (256 tokens at a time, each from a fresh state) and stream (the
    state carried through). Two more adapt to the text, and score each token before they see it: --dynamic
    and --cache. Beside them the floor: a Witten-Bell 5-gram of the same training text.

    A model of pairs answers the sources, greedily or with --beam, and its answers are compared with the
    texts: BLEU and chrF (sacreBLEU), ROUGE, accuracy.
    """
    here = session(ctx)
    path = here.models.find(params["model"])
    if params["model"] is None:
        ui.note(f"model {path.name}")
    model = here.read(str(path))
    options, decoding = flags.collect(CorpusOptions, params), flags.collect(DecodingOptions, params)
    if model.config.source_vocabulary is not None:
        _refuse_for_pairs(params)
        marks = here.mark(model, params["corpus"], options, search_of(decoding), params["device"])
        ui.write_json(marks.as_json()) if params["json"] else _show_marks(marks)
        return
    _refuse_for_free_text(params)
    readings = flags.collect(ReadingOptions, params)
    judgement = here.judge(model, params["corpus"], options, params["device"], readings=readings)
    if judgement.why:
        ui.warn(judgement.why)
    ui.write_json(judgement.as_json()) if params["json"] else _show(judgement)


def _refuse_for_free_text(params: dict[str, Any]) -> None:
    for name in ("beam", "length_penalty", "source", "source_field"):
        if params[name] is not None:
            raise UsageError(f"--{name.replace('_', '-')} is for models of pairs; this one has no sources")


def _refuse_for_pairs(params: dict[str, Any]) -> None:
    for name in flags.given(ReadingOptions, params):
        raise UsageError(f"--{name.replace('_', '-')} is for models of text without a source; leave it out")


def _show_marks(marks: "Marks") -> None:
    scores = marks.scores
    told = {
        "BLEU": scores.bleu,
        "chrF": scores.chrf,
        "ROUGE-1": scores.rouge1,
        "ROUGE-2": scores.rouge2,
        "ROUGE-L": scores.rougeL,
        "token accuracy %": scores.token_accuracy,
        "sequence accuracy %": scores.sequence_accuracy,
    }
    rows = [[name, f"{value:.2f}"] for name, value in told.items()]
    rows.append(["perplexity/token", f"{marks.loss.as_json()['perplexity']:.3f}"])
    ui.table(rows, ["measure", "value"])
    rate = marks.pairs / max(1e-9, marks.seconds)
    ui.note(f"{marks.pairs:,} pairs, beam {marks.beam}, {rate:,.0f} sources/s")
    ui.note(scores.signature)


def _show(judgement: "Judgement") -> None:
    rows = [_row(name, loss) for name, loss in judgement.readings.items()]
    if judgement.floor:
        nats = judgement.floor.nats_per_char
        rows.append(["floor (5-gram)", "", f"{nats:.4f}", f"{nats / 0.6931471805599453:.4f}", ""])
    ui.table(rows, ["reading", "nats/token", "nats/char", "bits/char", "perplexity/token"])
    ui.note(f"{judgement.tokens:,} tokens, {judgement.chars:,} characters")


def _row(name: str, loss: "Loss") -> list[str]:
    told = loss.as_json()
    keys = ("nats_per_token", "nats_per_char", "bits_per_char", "perplexity")
    return [name, *(f"{told[key]:.4f}" for key in keys)]

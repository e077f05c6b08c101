"""``rnngen eval``: the loss of a model on a text, and the scores of a seq2seq model's outputs."""

import math
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import completers, flags
from rnngen.cli.context import session
from rnngen.cli.render import console
from rnngen.cli.settings import given, resolve
from rnngen.options.corpus import CorpusOptions
from rnngen.options.model import EvaluationOptions, OutputOptions
from rnngen.printable import counted

ALONE = {"network": "network alone", "ngram": "n-gram alone"}
"""Names of losses that are not the whole model's."""
LABELS, MISTAKEN = 20, 3
"""Labels that are shown, and those that each was taken for, at most."""

if TYPE_CHECKING:
    from rnngen.evaluation.classification import LabelScores
    from rnngen.evaluation.evaluator import Evaluation, OutputScores


@flags.examples(
    "rnngen eval",
    "rnngen eval -m tinyshakespeare held-out.txt --json",
    "rnngen eval --dynamic --cache",
    "rnngen eval -m en-zh test.tsv --beam 5",
)
@click.command("eval", cls=flags.Command)
@click.argument("corpus", nargs=-1, metavar="[CORPUS]...", type=click.Path())
@flags.model_flag
@flags.options_from(
    CorpusOptions,
    only=["encoding", "field", "source_field", "label_field", "header", "reader", "source"],
    common={"source"},
)
@flags.option(
    "--target",
    multiple=True,
    type=flags.OneText(),
    metavar="FILE",
    shell_complete=completers.files,
    help="File of the targets, a line each; sources in --source. Repeatable: several references.",
)
@flags.options_from(OutputOptions, heading="Outputs of seq2seq models", common={"beam"})
@flags.options_from(
    EvaluationOptions, heading="Adaptive evaluation modes", common={"adapt", "dynamic", "cache"}
)
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    shell_complete=completers.devices,
    help="Where to compute: cpu, cuda, cuda:N, mps, auto.",
)
@flags.json_flag
@flags.quiet_flag
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    *,
    corpus: tuple[str, ...],
    target: tuple[str, ...],
    model: str | None,
    device: str,
    json: bool,
    quiet: bool,
    **params: Any,
) -> None:
    """Evaluate a model on CORPUS or, without one, on the validation text of its training.

    The loss is measured in two modes: window (256 tokens at a time, each from a fresh state) and stream (the
    state carried through). Three more adapt to the text, and score each token before they see it: --adapt,
    --dynamic and --cache (that of the network alone). Beside them stand the network and its n-gram, each by
    itself and read as stream, and a baseline: a Witten-Bell 5-gram of the same training text.

    A seq2seq model generates an output for each source, greedily or with --beam, and the outputs are compared
    with the targets: BLEU and chrF (sacreBLEU), ROUGE, accuracy. Several targets of one source, in pairs or
    by several --target, are references side by side. A model with labels is also asked for the label of each
    text: accuracy, F1 and confusion.
    """
    from rnngen.requests.evaluate import EvaluateRequest

    here = session(ctx)
    stored = here.read(model)

    def request_of(found: dict[str, Any]) -> EvaluateRequest:
        request = EvaluateRequest(
            model=model,
            corpus=corpus,
            target=target,
            text=flags.collect(CorpusOptions, found),
            evaluation=flags.collect(EvaluationOptions, found),
            outputs=flags.collect(OutputOptions, found),
            device=device,
        )
        here.check_evaluation(stored, request)
        return request

    request = resolve(ctx, given(ctx, params), request_of)
    if model is None and not quiet:
        console.note(f"model {stored.path.name}")
    evaluation = here.evaluate(stored, request)
    for remark in evaluation.unseen:
        console.warn(remark)
    if evaluation.no_baseline:
        console.warn(evaluation.no_baseline)
    if json:
        console.write_json(evaluation.as_json())
    elif evaluation.outputs:
        _show_outputs(evaluation, evaluation.outputs)
    else:
        _show_losses(evaluation)


def _show_outputs(evaluation: "Evaluation", outputs: "OutputScores") -> None:
    scores = outputs.scores
    measures = {
        "BLEU": scores.bleu,
        "chrF": scores.chrf,
        "ROUGE-1": scores.rouge1,
        "ROUGE-2": scores.rouge2,
        "ROUGE-L": scores.rougeL,
        "token accuracy %": scores.token_accuracy,
        "sequence accuracy %": scores.sequence_accuracy,
    }
    rows = [[name, f"{value:.2f}"] for name, value in measures.items()]
    for mode, loss in evaluation.losses.items():
        name = "perplexity/token" if mode == "window" else f"perplexity/token, {mode}"
        rows.append([name, f"{loss.as_json()['perplexity']:.3f}"])
    console.table(rows, ["measure", "value"])
    several = evaluation.examples > outputs.sources
    references = f" of {counted(evaluation.examples, 'targets')}" if several else ""
    rate = outputs.sources / max(1e-9, outputs.seconds)
    console.note(
        f"{counted(outputs.sources, 'sources')}{references}, beam {outputs.beam}, {rate:,.0f} sources/s"
    )
    console.note(scores.signature)


def _show_losses(evaluation: "Evaluation") -> None:
    units = ("nats_per_token", "nats_per_char", "bits_per_char", "perplexity")
    rows = [
        [ALONE.get(mode, mode), *(f"{loss.as_json()[unit]:.4f}" for unit in units)]
        for mode, loss in evaluation.losses.items()
    ]
    if evaluation.baseline:
        nats = evaluation.baseline.nats_per_char
        rows.append(["5-gram baseline", "", f"{nats:.4f}", f"{nats / math.log(2):.4f}", ""])
    console.table(rows, ["mode", "nats/token", "nats/char", "bits/char", "perplexity/token"])
    console.note(f"{counted(evaluation.tokens, 'tokens')}, {counted(evaluation.chars, 'characters')}")
    if evaluation.novelty:
        console.note(f"novelty: {evaluation.novelty}")
    if evaluation.labels:
        _show_labels(evaluation.labels)


def _show_labels(scores: "LabelScores") -> None:
    """Show the labels of most texts, and what each was taken for."""
    frequent = sorted(scores.confusion.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    rows = []
    for label, row in frequent[:LABELS]:
        others = sorted(((found, n) for found, n in row.items() if found != label), key=lambda one: -one[1])
        mistaken = ", ".join(f"{found} {count}" for found, count in others[:MISTAKEN])
        shares = (f"{share(label):.1f}" for share in (scores.recall, scores.precision, scores.f1))
        rows.append([label, sum(row.values()), *shares, mistaken + " …" * (len(others) > MISTAKEN)])
    console.table(rows, ["label", "texts", "recall %", "precision %", "F1 %", "taken for"])
    if (left := len(frequent) - LABELS) > 0:
        console.note(f"{left} more labels; --json has all")
    console.note(
        f"labels: accuracy {scores.accuracy:.1f}%, macro F1 {scores.macro_f1:.1f}% of {scores.texts:,} "
        f"texts; the most frequent label alone: {scores.majority:.1f}%"
    )

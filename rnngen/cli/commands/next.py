"""``rnngen next``: what a model expects after a text."""

import math
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import chain, flags, prompts
from rnngen.cli.app import session
from rnngen.cli.render import console
from rnngen.cli.render.token_text import spelled
from rnngen.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = {"token": "TOKEN", "probability": "PROBABILITY", "cumulative": "CUMULATIVE", "bits": "BITS"}


@flags.examples(
    'rnngen next "The cat"',
    'rnngen next -m names --top 5 --json "An"',
    'rnngen next --top-p 0.9 --temp 0.8 "To be or not"',
)
@click.command("next", cls=flags.Command)
@click.argument("prompt", required=False)
@flags.models_flag
@click.option("--prompt-file", type=click.Path(), metavar="FILE", help="Go on from the text in a file.")
@click.option("--top", type=click.IntRange(1), default=10, show_default=True, help="How many tokens to show.")
@chain.flags
@click.option(
    "--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda, cuda:N, mps, auto."
)
@flags.json_flag
@flags.quiet_flag
@click.pass_context
def next_token(ctx: click.Context, /, **params: Any) -> None:
    r"""Show which tokens a model expects after PROMPT, the most probable first.

    Each with its probability, that of all down to it together, and its surprise in bits. Without filters it
    is the model's own distribution, at temperature 1. A space is shown as ␣, a control character or a part of
    a character as \n or \xNN.
    """
    flags.overrule(ctx, params, ["filters"], [*chain.CHAIN, "order"])
    flags.overrule(ctx, params, ["prompt"], ["prompt_file"])
    here = session(ctx)
    build = here.filters(chain.collect({**params, "beam": 1}))  # as under a beam: no temperature unasked
    stored = [here.read(name) for name in params["model"] or (None,)]
    if not params["model"] and not params["quiet"]:
        console.note(f"model {stored[0].path.name}")
    if any(model.config.source_vocabulary is not None for model in stored):
        raise UsageError(f"{stored[0].path.name} answers sources; give a model of free text or of lines")
    prompt = prompts.read(params["prompt"], params["prompt_file"])
    writer = here.writer(*stored, device=params["device"])
    prompts.tell_unseen(writer, prompt)
    from rnngen.generation.looking import next_tokens

    nats = next_tokens(writer, prompt, build(writer.tokenizer))
    rows = _rows(nats, writer.tokenizer.pieces, params["top"])
    if params["json"]:
        console.write_json({"prompt": prompt, "next": rows})
    else:
        console.table([[_cell(row[key]) for key in COLUMNS] for row in rows], list(COLUMNS.values()))


def _rows(nats: "NDArray[np.float64]", pieces: Any, most: int) -> list[dict[str, Any]]:
    """The most probable tokens; of equals that of the lowest id."""
    order = (-nats).argsort(kind="stable")[:most]
    rows, together = [], 0.0
    for token in order.tolist():
        if nats[token] == -math.inf:
            break
        chance = math.exp(nats[token])
        together = min(together + chance, 1.0)
        rows.append(
            {
                "token": spelled(pieces[token]),
                "id": token,
                "probability": chance,
                "cumulative": together,
                "bits": max(-float(nats[token]) / math.log(2), 0.0),
            }
        )
    return rows


def _cell(value: Any) -> Any:
    return f"{value:.6f}" if isinstance(value, float) else value

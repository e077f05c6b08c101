"""``rnngen next``: the distribution of the next token."""

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags, prompts
from rnngen.cli.context import load, session
from rnngen.cli.decoding_flags import FilterCommand, values_of
from rnngen.cli.render import console
from rnngen.cli.settings import resolve
from rnngen.requests.conflicts import ConflictError, Need

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnngen.api import Model, Session
    from rnngen.generation.next_pieces import NextPiece
    from rnngen.generation.prompts import Prompt
    from rnngen.requests.sample import DecodingChoice

REMOVED = 8
"""Removed tokens that are named of each filter."""
COLUMNS = {"token": "TOKEN", "probability": "PROBABILITY", "cumulative": "CUMULATIVE", "bits": "BITS"}


@flags.examples(
    'rnngen next "The cat"',
    'rnngen next -m names --top 5 --json "An"',
    'rnngen next --top-p 0.9 --temp 0.8 "To be or not"',
    'rnngen next --explain --top-k 20 --min-p 0.05 "The cat"',
)
@click.command("next", cls=FilterCommand)
@flags.text_argument("prompt")
@flags.models_flag
@flags.option("--prompt-file", type=click.Path(), metavar="FILE", help="Go on from the text in a file.")
@flags.source_flag
@flags.option("--top", type=click.IntRange(1), default=10, show_default=True, help="Number of tokens shown.")
@flags.option("--explain", is_flag=True, help="Show what each filter removes, and each token after each.")
@flags.order_flag
@flags.filters_flag
@flags.device_flag
@flags.json_flag
@flags.quiet_flag
@click.pass_context
def next_token(
    ctx: click.Context,
    /,
    *,
    prompt: str | None,
    model: tuple[str, ...],
    prompt_file: str | None,
    source: str | None,
    top: int,
    explain: bool,
    filters: str | None,
    order: str | None,
    device: str,
    json: bool,
    quiet: bool,
    **flags_of_filters: Any,
) -> None:
    r"""Show which tokens a model expects after PROMPT, the most probable first.

    Of a token that PROMPT ends within, the rest is shown: after "harb", "our" of "harbour". Each comes
    with its probability, that of all down to it together, and its surprisal in bits. Without filters it
    is the model's own distribution, at temperature 1. A space is shown as ␣, a control character or a part of
    a character as \n or \xNN. --explain goes through the chain filter by filter, with the tokens of PROMPT
    as they are.
    """
    from rnngen.generation.next_pieces import next_pieces
    from rnngen.generation.prompts import Prompt

    here = session(ctx)
    whole = {name: text for name, text in (("filters", filters), ("order", order)) if text is not None}
    choice = resolve(ctx, values_of(ctx, flags_of_filters) | whole, partial(_choice, here))
    loaded = load(here, model, device, quiet=quiet)
    generator = loaded.generator
    prompts.require_source(generator, source)
    text = prompts.read_one(generator, prompt, prompt_file)
    if not quiet:
        prompts.warn_unseen(generator, text)
        prompts.warn_unseen(generator, source or "", "--source", source=True)
    if explain:
        _explained(here, loaded, choice, Prompt(text, source, final=True), top, as_json=json)
        return
    filters_built = here.decoding.filter_builder(choice.filters)(generator.tokenizers.target)
    start = Prompt(text, source, final=here.decoding.follows_output(choice.filters))
    rows = _rows(next_pieces(generator, start, filters_built)[:top])
    if json:
        console.write_json({"prompt": text, "next": rows})
    else:
        console.table([[_cell(row[key]) for key in COLUMNS] for row in rows], [*COLUMNS.values()])


def _choice(here: "Session", given: dict[str, Any]) -> "DecodingChoice":
    choice = here.choose_decoding(given)
    if "order" in given and not choice.filters:
        raise ConflictError(Need("order", "with_filters", "it is the order of filters"))
    return choice


def _rows(found: "Sequence[NextPiece]") -> list[dict[str, Any]]:
    """A row for each piece."""
    rows, together = [], 0.0
    for one in found:
        probability = math.exp(one.nats)
        together = min(together + probability, 1.0)
        rows.append(
            {
                "token": console.spelled(one.piece),
                "id": one.token,
                "probability": probability,
                "cumulative": together,
                "bits": max(0.0, -one.nats / math.log(2)),
            }
        )
    return rows


def _cell(value: Any) -> Any:
    return f"{value:.6f}" if isinstance(value, float) else value


def _explained(
    here: "Session", loaded: "Model", choice: "DecodingChoice", prompt: "Prompt", top: int, *, as_json: bool
) -> None:
    """Show the distribution stage by stage: what each filter removed, and the probabilities after each."""
    from rnngen.observation.explain import explain

    generator = loaded.generator
    built = here.decoding.filter_builder(choice.filters)(generator.tokenizers.target)
    names = [f"{name}={value}" if value else name for name, value in choice.filters]
    stages = explain(generator, prompt, list(zip(names, built, strict=True)))
    pieces = generator.tokenizers.target.pieces
    order = sorted(range(len(pieces)), key=lambda token: -max(one.log_probs[token] for one in stages))[:top]
    if as_json:
        console.write_json(
            {
                "prompt": prompt.text,
                "stages": [
                    {
                        "filter": one.name,
                        "removed": [console.spelled(pieces[token]) for token in one.removed],
                        "mass_removed": one.mass,
                        "left": one.left,
                        "entropy_bits": one.bits,
                        "next": _by_spelling(pieces, order, one.log_probs),
                    }
                    for one in stages
                ],
            }
        )
        return
    rows = [
        [
            one.name,
            len(one.removed) or None,
            f"{100 * one.mass:.2f}" if one.removed else None,
            one.left,
            f"{one.bits:.3f}",
            " ".join(console.spelled(pieces[token]) for token in one.removed[:REMOVED]),
        ]
        for one in stages
    ]
    console.table(rows, ["FILTER", "REMOVED", "OF %", "LEFT", "BITS", "THE MOST PROBABLE REMOVED"])
    click.echo()
    probabilities = [
        [console.spelled(pieces[token]), *(_chance(one.log_probs[token]) for one in stages)]
        for token in order
    ]
    console.table(probabilities, ["TOKEN", *(one.name for one in stages)])


def _by_spelling(pieces: "Sequence[bytes]", tokens: "Sequence[int]", nats: Any) -> dict[str, float]:
    """Return the probability of each spelling: of several tokens that are spelt alike, of all together."""
    found: dict[str, float] = {}
    for token in tokens:
        spelt = console.spelled(pieces[token])
        found[spelt] = found.get(spelt, 0.0) + math.exp(nats[token])
    return found


def _chance(nats: float) -> str:
    return f"{math.exp(nats):.6f}" if nats > -math.inf else "-"

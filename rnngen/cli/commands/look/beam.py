"""``rnngen look beam``: the tree of a beam search."""

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags, prompts
from rnngen.cli.commands.look import inputs
from rnngen.cli.context import load, session
from rnngen.cli.render import console
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.observation.search import Tree
    from rnngen.plots.text import ColouredText, Run

SIGNS = {"kept": "", "finished": "∎", "pruned": "✂"}


@flags.examples(
    'rnngen look beam -m diary "The cat" --beam 3 -n 8',
    'rnngen look beam -m en-zh "How are you?" -o search.html',
)
@click.command(cls=flags.Command)
@flags.text_argument("prompt")
@flags.model_flag
@click.option(
    "--beam", type=click.IntRange(1, 64), default=3, show_default=True, help="Hypotheses that are kept."
)
@click.option(
    "-n", "--length", type=click.IntRange(1, 200), default=12, show_default=True, help="Tokens at most."
)
@click.option("--length-penalty", type=click.FLOAT, help="As in rnngen sample.")
@flags.picture_flag
@flags.device_flag
@flags.json_flag
@flags.quiet_flag
@click.pass_context
def beam(
    ctx: click.Context,
    /,
    *,
    prompt: str | None,
    model: str | None,
    beam: int,
    length: int,
    length_penalty: float | None,
    output: Path | None,
    device: str,
    json: bool,
    quiet: bool,
) -> None:
    """Draw the tree of a beam search after PROMPT: what was kept, what was pruned, and why.

    For a model that reads sources, PROMPT is the source. The hypothesis that lives longest goes straight
    down; beside it stand the others. A line shows a token, its probability, and the log-probability of the
    whole text in nats.
    """
    from rnngen.generation.prompts import Prompt
    from rnngen.observation.search import search

    inputs.check_output(output)
    loaded = load(session(ctx), [model], device, quiet=quiet)
    generator = loaded.generator
    given = prompts.read_one(generator, prompt, None)
    if generator.reads_source and not given.strip():
        raise UsageError("the source is blank: there is nothing to search for; give one with text")
    if not quiet:
        prompts.warn_unseen(generator, given, "the prompt", source=generator.reads_source)
    penalty = {} if length_penalty is None else {"length_penalty": length_penalty}
    decoder = loaded.decoder(beam=beam, length=length, **penalty)
    start = Prompt("", given) if generator.reads_source else Prompt(given)
    tree = search(decoder, start)
    picture = picture_of(tree, generator, f"{loaded.name}: beam of {beam}")
    record = _record(tree, generator) if json else None
    inputs.show(picture, output, partial(console.coloured_texts, [picture]), record)


def picture_of(tree: "Tree", generator: Any, title: str) -> "ColouredText":
    """Return a line for each node: its token, as dark as it is probable, its fate and the reason."""
    from rnngen.observation.search import texts
    from rnngen.plots.sheet import bounded
    from rnngen.plots.text import ColouredText, Run

    runs: list[Run] = []
    for branch in tree.branches():
        runs += _line(branch, tree, generator)
    scale = tuple((share, f"{100 * share:.0f}") for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    found = texts(tree, generator.decode)
    notes = [f"found {bounded(console.spelled(text.encode()))}, score {score:.3f}" for text, score in found]
    notes.append("✂ pruned   ∎ finished   ━ the best text")
    return ColouredText(
        title, tuple(runs), "heat", scale, "probability of the token in %", tuple(notes), signs=False
    )


def _line(branch: Any, tree: "Tree", generator: Any) -> "list[Run]":
    from rnngen.plots.text import Run

    node = branch.node
    before = tree.nodes[node.parent].total if node.parent is not None else 0.0
    chance = math.exp(min(node.total - before, 0.0))
    edge = "│ " * max(branch.depth - branch.begins, 0) + "├─" * branch.begins
    edge += "━" if branch.best else " "
    figures = f" {100 * chance:.0f} %  {node.total:.2f} {SIGNS[node.fate]} {node.why}"
    piece = console.spelled(generator.tokenizers.target.pieces[node.token])
    about = f"{100 * chance:.1f} %; {node.fate}: {node.why}"
    return [Run(edge, None), Run(piece, chance, about), Run(f"{figures.rstrip()}\n", None)]


def _record(tree: "Tree", generator: Any) -> dict[str, Any]:
    from rnngen.observation.search import texts

    pieces = generator.tokenizers.target.pieces
    return {
        "nodes": [
            {
                "parent": node.parent,
                "token": console.spelled(pieces[node.token]),
                "log_probability": node.total,
                "fate": node.fate,
                "why": node.why,
            }
            for node in tree.nodes
        ],
        "texts": [{"text": text, "score": score} for text, score in texts(tree, generator.decode)],
    }

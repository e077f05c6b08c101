"""``rnngen fill``: find what may stand in a gap."""

import json
from typing import Any

import click

from rnngen.cli import flags, prompts, streams
from rnngen.cli.app import session
from rnngen.cli.render import console
from rnngen.errors import UsageError
from rnngen.generation.infill import FillOptions


@flags.examples(
    'rnngen fill "The ___ sat on the mat."',
    'rnngen fill --nbest 5 --json "ROMEO: O, ___ my love!"',
    "rnngen fill -m names --gap '*' 'A*lie'",
)
@click.command(cls=flags.Command)
@click.argument("text", required=False)
@flags.models_flag
@click.option("--prompt-file", type=click.Path(), metavar="FILE", help="Fill the gap in the text of a file.")
@click.option("--gap", default="___", show_default=True, metavar="SIGN", help="What marks the gap.")
@flags.options_from(FillOptions)
@click.option("--nbest", type=click.IntRange(1), help="The best N texts, a line each.")
@click.option(
    "--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda, cuda:N, mps, auto."
)
@flags.json_flag
@flags.quiet_flag
@click.pass_context
def fill(ctx: click.Context, /, **params: Any) -> None:
    """Fill the gap in TEXT, which ___ marks, so that the whole is most probable.

    Fillings of every length are searched for with a beam, and ranked by the probability of the filling and of
    all that comes after it. The whole text is written, or with --nbest several, the best first.
    """
    flags.overrule(ctx, params, ["text"], ["prompt_file"])
    options = flags.collect(FillOptions, params)
    here = session(ctx)
    stored = [here.read(name) for name in params["model"] or (None,)]
    if not params["model"] and not params["quiet"]:
        console.note(f"model {stored[0].path.name}")
    if any(model.config.source_vocabulary is not None for model in stored):
        raise UsageError(f"{stored[0].path.name} answers sources; give a model of free text or of lines")
    left, right = _around(prompts.read(params["text"], params["prompt_file"]), params["gap"])
    writer = here.writer(*stored, device=params["device"])
    prompts.tell_unseen(writer, left + right)
    from rnngen.generation.looking import fillings

    found = fillings(writer, left, right, options)[: params["nbest"] or 1]
    out = streams.output()
    for text, filling in found:
        whole = f"{left}{text}{right}"
        told = {"text": whole, "fill": text, "log_probability": filling.log_probability}
        record = json.dumps({**told, "score": filling.score}, ensure_ascii=False)
        out.write((record if params["json"] else whole) + "\n")


def _around(text: str, gap: str) -> tuple[str, str]:
    """What is before and after the gap.

    Raises:
        UsageError: if there is none, or more than one.
    """
    if not gap:
        raise UsageError("--gap is empty, and would be everywhere; give a sign that the text has once")
    parts = text.split(gap)
    if len(parts) != 2:
        many = "no gap" if len(parts) == 1 else f"{len(parts) - 1} gaps"
        raise UsageError(f"there is {many} {gap} in the text; mark one, or choose another sign with --gap")
    return parts[0], parts[1]

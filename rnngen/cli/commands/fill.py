"""``rnngen fill``: find what may stand in a gap."""

import re
from typing import Any

import click

from rnngen.cli import flags, prompts, streams
from rnngen.cli.context import load, session
from rnngen.errors import UsageError
from rnngen.generation.fill_options import FillOptions


@flags.examples(
    'rnngen fill "The ___ sat on the mat."',
    'rnngen fill --nbest 5 --json "ROMEO: O, ___ my love!"',
    "rnngen fill -m names --gap '*' 'A*lie'",
)
@click.command(cls=flags.Command)
@flags.text_argument("text")
@flags.models_flag
@flags.option("--prompt-file", type=click.Path(), metavar="FILE", help="Fill the gap in the text of a file.")
@flags.source_flag
@flags.option("--gap", default="___", show_default=True, metavar="SIGN", help="What marks the gap.")
@flags.options_from(FillOptions)
@flags.option("--nbest", type=click.IntRange(1), help="The best N texts, a line each.")
@flags.device_flag
@flags.json_lines_flag
@flags.quiet_flag
@click.pass_context
def fill(
    ctx: click.Context,
    /,
    *,
    text: str | None,
    model: tuple[str, ...],
    prompt_file: str | None,
    source: str | None,
    gap: str,
    nbest: int | None,
    device: str,
    json: bool,
    quiet: bool,
    **search: Any,
) -> None:
    """Fill the gap in TEXT, which ___ marks, so that the whole is most probable.

    Fillings of every length are searched for with a beam, and ranked by the probability of the filling and of
    all that comes after it. The whole text is written, or with --nbest several, the best first.
    """
    from rnngen.generation.infill import fill_gap

    options = flags.collect(FillOptions, search)
    generator = load(session(ctx), model, device, quiet=quiet).generator
    prompts.require_source(generator, source)
    sign = streams.given(gap, "--gap", generator.encoding)
    left, right = _around(prompts.read_one(generator, text, prompt_file), sign)
    if not quiet:
        prompts.warn_unseen(generator, left + right, "the text")
        prompts.warn_unseen(generator, source or "", "--source", source=True)
    out = streams.Output("utf-8" if json else generator.encoding)
    fillings = fill_gap(generator, left, right, options, source)[: nbest or 1]
    for filling, found in fillings:
        whole = f"{left}{filling}{right}"
        record = {
            "text": whole,
            "fill": filling,
            "log_probability": found.log_probability,
            "score": found.score,
        }
        out.write((streams.json_line(record) if json else whole) + "\n")


def _around(text: str, gap: str) -> tuple[str, str]:
    """Return the text before and after the gap, of which there must be one.

    A sign of one character several times may be longer in the text: ``_____`` is one gap.
    """
    if not gap:
        raise UsageError("--gap is empty, and would be everywhere; give a sign that the text has once")
    longer = f"{re.escape(gap[0])}*" if len(gap) > 1 and len({*gap}) == 1 else ""
    parts = re.split(re.escape(gap) + longer, text)
    if len(parts) != 2:
        found = "there is no gap" if len(parts) == 1 else f"there are {len(parts) - 1} gaps"
        raise UsageError(f"{found} {gap} in the text; mark one, or choose another sign with --gap")
    return parts[0], parts[1]

"""``rnngen classify``: the likeliest label of each line."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags, streams
from rnngen.cli.context import load, session
from rnngen.cli.render import console
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.generation.generator import Generator

TEXTS = 256
"""Lines that are read together, where so many are there."""


@flags.examples(
    "rnngen classify -m surnames < names.txt",
    "rnngen classify -m surnames --text Ivanov --top 3",
    "rnngen classify -m reviews --json reviews.txt",
    "rnngen classify -m surnames --list",
)
@click.command(cls=flags.Command)
@click.argument("file", required=False, type=click.Path())
@flags.model_flag
@flags.option("--text", metavar="TEXT", help="Classify this text, and read no lines.")
@flags.option(
    "--top",
    type=click.IntRange(1),
    help="Print the N likeliest labels of each line, each with its probability.",
)
@flags.option("--list", "listing", is_flag=True, help="List the labels, each with its share of texts.")
@flags.device_flag
@click.option(
    "--json", is_flag=True, help="Write JSON lines: one object for each text; with --list, one document."
)
@flags.quiet_flag
@click.pass_context
def classify(
    ctx: click.Context,
    /,
    *,
    file: str | None,
    model: str | None,
    text: str | None,
    top: int | None,
    listing: bool,
    device: str,
    json: bool,
    quiet: bool,
) -> None:
    """Print the likeliest label of each line of FILE or of standard input, by a model of labelled texts.

    One label a line, in order, as lines come; a blank line has an empty one. With --top N there are N labels
    in a line, each with its probability after a tab, tabs between. A label is the likelier the more probable
    the model finds it together with the text; how often it fits texts of a file, 'rnngen eval' measures.
    --list shows the share of texts that the model expects under each label.
    """
    if sum(one is not None for one in (file, text, listing or None)) > 1:
        raise UsageError("FILE, --text and --list are one too many; give one of them")
    if listing and top is not None:
        raise UsageError("--top is for texts, and --list shows all labels; leave one out")
    generator = load(session(ctx), [model], device, quiet=quiet).generator
    if listing:
        _list(generator, as_json=json)
        return
    text = text and streams.given(text, "--text", generator.encoding)
    with streams.Output("utf-8" if json else generator.encoding) as out:
        warned = False
        take = _taker(text, file, generator.encoding)
        while lines := take(TEXTS):
            warned = warned or _warn_labelled(generator, lines)
            for shown in _shown(generator, lines, top, as_json=json):
                out.write(shown + "\n")
            out.write("", flush=True)


def _taker(text: str | None, file: str | None, encoding: str) -> Callable[[int], list[str]]:
    """Return a function that takes the next lines, at most so many."""
    if text is None:
        return streams.Lines(file or "-", encoding).take
    waiting = [text]
    return lambda _: [waiting.pop()] if waiting else []


def _shown(generator: "Generator", lines: list[str], top: int | None, *, as_json: bool) -> list[str]:
    """Return the output for each line."""
    from rnngen.generation import classification

    classification.require_labels(generator)
    found = classification.classify(generator, [line for line in lines if line.strip()])
    shown = []
    for line in lines:
        labels = next(found)[:top] if line.strip() else []
        if as_json:
            label = labels[0][0] if labels else None
            record: dict[str, Any] = {"text": line, "label": label, "probabilities": dict(labels)}
            shown.append(streams.json_line(record))
        elif top is None:
            shown.append(labels[0][0] if labels else "")
        else:
            shown.append("\t".join(f"{label}\t{probability:.6f}" for label, probability in labels))
    return shown


def _warn_labelled(generator: "Generator", lines: list[str]) -> bool:
    """Warn of a line that has its label already → whether there was one."""
    for line in lines:
        label, tab, _ = line.partition("\t")
        if tab and label in generator.labels:
            console.warn(
                f"a line begins with the label {label!r} and a tab, and all of it is taken for text; give "
                "the texts alone (cut -f 2-), or compare with such labels by rnngen eval"
            )
            return True
    return False


def _list(generator: "Generator", *, as_json: bool) -> None:
    from rnngen.generation.classification import shares

    found = shares(generator)
    if as_json:
        console.write_json([{"label": label, "share": share} for label, share in found])
    else:
        console.table([[label, f"{share:.2%}"] for label, share in found], ["label", "share"])

"""``rnngen models card``: a model's card, with samples and how to use it."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnngen.cli import completers, flags, streams
from rnngen.cli.context import load, session
from rnngen.cli.render import console
from rnngen.printable import symbols

if TYPE_CHECKING:
    from rnngen.api import Model

LENGTH, TEXTS, EXAMPLES = 300, 2, 8
"""Tokens of a sample of free text, the number of those, and that of samples that end by themselves."""


@flags.examples(
    "rnngen models card diary",
    "rnngen models card diary -o README.md",
    "rnngen models card en-zh --prompt 'How are you?' --prompt 'Good night.'",
)
@click.command(cls=flags.Command)
@click.argument("name", shell_complete=completers.models)
@flags.option(
    "--prompt",
    multiple=True,
    metavar="TEXT",
    callback=lambda ctx, param, texts: tuple(str(flags.utf8(ctx, param, text)) for text in texts),
    help="Go on from this in a sample, or read it as the source. Repeatable.",
)
@flags.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the samples.")
@flags.output_flag("The file to write; by default, and for -, standard output.")
@flags.option("--force", is_flag=True, sensitive=True, help="Replace FILE if it exists.")
@click.pass_context
def card(
    ctx: click.Context,
    /,
    *,
    name: str,
    prompt: tuple[str, ...],
    seed: int,
    output: Path | None,
    force: bool,
) -> None:
    """Write a model's card, in Markdown: what it is, its losses, samples, how to use it, every option.

    The losses and the share of copied text are those that training found at its end; the text that it learnt
    from has a fingerprint, and no path. Samples are those that the commands in the card write again.
    """
    from rnngen.store.card import model_card, with_sections
    from rnngen.store.checkpoint import write_text
    from rnngen.store.model_folder import read_card

    output = None if output == Path("-") else output
    if output:
        streams.require_new(output, force=force)
    model = load(session(ctx), [name], "cpu")
    stored = model.stored[0]
    called, named = stored.path.stem, stored.path.name
    if stored.path.is_dir():
        called = named
    else:
        named = f"./{named}"  # -m takes a path for one
    written = read_card(stored.path) or model_card(called, stored.config.shared())
    text = with_sections(written, called, [_use(model, named), *_samples(model, named, prompt, seed)])
    if output is None:
        out = streams.output()
        out.write(symbols(text) if out.isatty() else text)  # some of it is a stranger's
    else:
        write_text(output, text)
        console.note(f"wrote {output}")


def _use(model: "Model", name: str) -> str:
    """The section on how to use the model."""
    quoted, generator = shlex.quote(name), model.generator
    if generator.reads_source:
        shell = [
            f"echo 'A source.' | rnngen sample -m {quoted}",
            f"rnngen sample -m {quoted} --beam 5 < sources.txt",
        ]
        python = 'print(model.translate(["A source."]))'
    else:
        shell = [f"rnngen sample -m {quoted} 'A beginning'", f"rnngen sample -m {quoted} --temp 0.8 --seed 7"]
        python = 'print(model.generate("A beginning", temperature=0.8, seed=7))'
    if generator.labels:
        shell.append(f"rnngen sample -m {quoted} --label {shlex.quote(generator.labels[0])}")
    lines = ["import rnngen", "", f"model = rnngen.load({name!r})", python]
    return "\n".join(
        ["## How to use it", "", _fenced("\n".join(shell), "sh"), "", _fenced("\n".join(lines), "python")]
    )


def _samples(model: "Model", name: str, prompts: Sequence[str], seed: int) -> Iterator[str]:
    """The section of samples; none of a model that reads sources where there are none to read."""
    generator, command = model.generator, f"rnngen sample -m {shlex.quote(name)}"
    if generator.reads_source and not prompts:
        console.note(f"{model.name} reads sources; --prompt gives some, so that the card has samples")
        return
    yield "## Samples"
    for prompt in prompts or ("",):
        given = shlex.quote(prompt)
        if generator.reads_source:
            yield _session(f"echo {given} | {command}", model.translate([prompt])[0])
        elif generator.has_eos:
            texts = model.generate(prompt, seed=seed, count=EXAMPLES)
            yield _session(f"{command} --seed {seed} --count {EXAMPLES} {given}", "\n".join(texts))
        else:
            for number in range(seed, seed + TEXTS):
                text = str(model.generate(prompt, seed=number, length=LENGTH))
                yield _session(f"{command} --seed {number} -n {LENGTH} {given}", text)


def _session(command: str, output: str) -> str:
    """A command and what it writes, as a terminal shows them."""
    return _fenced(f"$ {command}\n{output}", "console")


def _fenced(text: str, kind: str) -> str:
    """A text as a block of code, whatever backticks are in it."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{kind}\n{symbols(text)}\n{fence}"

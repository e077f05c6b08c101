"""``rnngen sample --interactive``: a person and a model write one text in turns, line by line."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnngen.builtins.strategies.options import DecodingOptions
from rnngen.cli import repl, streams
from rnngen.cli.render import console
from rnngen.cli.render.terminal import interactive
from rnngen.cli.repl_turns import Turns
from rnngen.cli.texts import LENGTH, LONGEST
from rnngen.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from rnngen.api import Session
    from rnngen.cli.answers import Answering
    from rnngen.contracts import AnyFilter
    from rnngen.generation.saved_state import FilterChain
    from rnngen.generation.writing import Writer

PAIRS_HELP = "Every line you type is answered. /help, /quit; Ctrl-D ends too."


def check() -> None:
    """Raise ``UsageError`` if there is nobody to talk to."""
    if not (streams.answered() and interactive(streams.output())):
        raise UsageError("--interactive needs a person at a terminal; leave it out, and pipe the prompt in")


def talk(
    here: "Session",
    writer: "Writer",
    options: DecodingOptions,
    filters: "FilterChain",
    *,
    params: dict[str, Any],
    model: Callable[[], str],
) -> None:
    """Converse until the person has had enough.

    Args:
        here: what builds filters.
        writer: the model.
        options: of the command.
        filters: to begin with, and for a state that is gone on from.
        params: of the command, with the prompt as it was read.
        model: gives the fingerprint that states are kept with.
    """
    from rnngen.generation.interactive import Conversation

    _refuse(params)

    def build(pairs: "FilterChain") -> "list[AnyFilter]":
        return here.filters([*pairs])(writer.tokenizer)

    conversation = Conversation(writer, build, filters, seed=options.seed or 0, model=model)
    if params["from_state"]:
        conversation.load(Path(params["from_state"]))
        if conversation.chain != tuple(filters):
            conversation.choose(filters)
    talks = Turns(conversation, params, _length_of(options, has_eos=writer.has_eos))
    _introduce(params)
    if prompt := params["prompt"]:
        talks.out.write("" if params["no_prompt"] else prompt)
        talks.answer(prompt)
    repl.converse(talks.take)
    if params["save_state"]:
        conversation.save(Path(params["save_state"]))


def talk_of_pairs(answering: "Answering", params: dict[str, Any]) -> None:
    """Answer line after line, each by itself."""

    def take(line: str) -> None:
        if line in ("/help", "/?"):
            console.note(PAIRS_HELP)
        elif line.startswith("/") and not line.startswith("//"):
            raise UnknownName("command", line.split(maxsplit=1)[0], ["/help", "/quit"])
        elif line.strip():
            answering.params = {**params, "prompt": repl.unslashed(line)}
            answering.run()

    _introduce(params)
    if params["prompt"]:
        take(params["prompt"])
    repl.converse(take)


def _length_of(options: DecodingOptions, *, has_eos: bool) -> int | None:
    if options.length is None:
        return LONGEST if has_eos else LENGTH
    return None if options.length == -1 else options.length


def _introduce(params: dict[str, Any]) -> None:
    if not params["quiet"]:
        console.note("type a line to go on from; /help shows the commands, Ctrl-D ends")


def _refuse(params: dict[str, Any]) -> None:
    """Raise ``UsageError`` at a flag that cannot stand beside a conversation."""
    given = {
        "--json": params["json"],
        "--null": params["null"],
        "--blend": params["blend"],
        "--beam": params["beam"],
        "--count": params["count"] > 1,
    }
    for flag in (flag for flag, value in given.items() if value):
        raise UsageError(f"--interactive and {flag} cannot stand together; leave one of them out")

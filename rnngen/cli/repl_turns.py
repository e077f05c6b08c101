"""What becomes of a line in a conversation: a command, or text that the model goes on from."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnngen.cli import chain, chain_edits, prompts, repl, streams
from rnngen.cli.render import console
from rnngen.errors import RnngenError, UnknownName, UsageError

if TYPE_CHECKING:
    from rnngen.generation.interactive import Conversation

END_SHOWN = 40
"""Characters of the text that are repeated after an undo."""
HELP = """\
What you type is added to the text, and the model goes on from everything so far. Enter alone lets it go on.
A line that ends in \\ goes on in the next one; // at the beginning stands for a /.
  /temp 0.9, /top-k 40 …  set a filter, by the name of its flag; off removes it, no value shows all
  /seed N                 let the draws begin anew from a seed
  /length N               tokens at most that the model writes in a turn; -1 for no limit
  /undo                   take the last turn back: text, state and draws; filters stay as you set them
  /retry                  take it back, and draw it anew
  /save FILE, /load FILE  keep the conversation, or go on from one; as --save-state, --from-state
  /text                   show everything so far
  /help, /quit            Ctrl-D ends too; Ctrl-C ends what is being written, and keeps it"""


class Turns:
    """What becomes of the lines that a person types.

    Args:
        conversation: what they are said in.
        params: of the command.
        length: tokens that the model writes in a turn at most; None for no limit.
    """

    def __init__(self, conversation: "Conversation", params: dict[str, Any], length: int | None) -> None:
        self.conversation, self.params, self.length = conversation, params, length
        self.out = streams.Output()
        self.commands: dict[str, Callable[[str], None]] = {
            name: getattr(self, f"_{name}")
            for name in ("seed", "length", "undo", "retry", "save", "load", "text", "help")
        }

    def take(self, line: str) -> None:
        """Do what a line says, or add it to the text and let the model go on.

        Raises:
            RnngenError, OSError: if that cannot be done; then nothing has changed.
        """
        if line.startswith("/") and not line.startswith("//"):
            self._command(*line[1:].partition(" ")[::2])
            return
        text = streams.checked(repl.unslashed(line), "the line")
        prompts.tell_unseen(self.conversation.writer, text)
        self.answer(text)

    def answer(self, text: str) -> None:
        """Say something, and show what follows."""
        self._turn(lambda: self.conversation.say(text))

    def _turn(self, begin: Callable[[], None]) -> None:
        with repl.interrupts() as halted:
            begin()
            self._show(self.conversation.write(self.length, self.params["stop"], halted))

    def _show(self, pieces: Iterator[str]) -> None:
        last = ""
        try:
            for last in pieces:
                self.out.write(last)
        except RnngenError:
            self.conversation.undo()
            raise
        finally:
            self.out.write("" if last.endswith("\n") else "\n", flush=True)

    def _command(self, name: str, value: str) -> None:
        name, value = name.strip().replace("-", "_"), value.strip()
        if name in self.commands:
            self.commands[name](value)
        elif name in chain.CHAIN:
            self.conversation.choose(
                chain_edits.changed(self.conversation.chain, name, value, self.params["order"])
            )
            self._tell_chain()
        else:
            known = [*self.commands, "quit", *chain.CHAIN]
            raise UnknownName("command", f"/{name}", [f"/{one.replace('_', '-')}" for one in known])

    def _tell_chain(self) -> None:
        told = ",".join(f"{name}={value}" for name, value in self.conversation.chain)
        console.note(f"filters {told or 'none'}")

    def _seed(self, value: str) -> None:
        self.conversation.seed(_number(value, "/seed", 0))

    def _length(self, value: str) -> None:
        length = _number(value, "/length", -1)
        self.length = None if length == -1 else length

    def _undo(self, _: str) -> None:
        self.conversation.undo()
        end = self.conversation.text[-END_SHOWN:]
        console.note(f"the text ends in {end!r}" if end else "the text is empty")

    def _retry(self, _: str) -> None:
        self._turn(self.conversation.again)

    def _save(self, value: str) -> None:
        self.conversation.save(_path(value, "/save"))

    def _load(self, value: str) -> None:
        self.conversation.load(_path(value, "/load"))
        self._tell_chain()

    def _text(self, _: str) -> None:
        text = self.conversation.text
        self.out.write(text if text.endswith("\n") or not text else f"{text}\n", flush=True)

    def _help(self, _: str) -> None:
        self.out.write(HELP + "\n", flush=True)


def _number(value: str, command: str, least: int) -> int:
    with suppress(ValueError):
        if least <= int(value) < 2**63:
            return int(value)
    raise UsageError(f"{command} {value}: a whole number from {least} on expected")


def _path(value: str, command: str) -> Path:
    if not value:
        raise UsageError(f"{command} needs the name of a file")
    return Path(value).expanduser()

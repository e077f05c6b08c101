"""``rnngen sample --interactive``: a person and a model write one text in turns, line by line."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from rnngen.cli import prompts, streams
from rnngen.cli.render import console
from rnngen.errors import RnngenError, UnknownName, UsageError, os_reason
from rnngen.paths import home
from rnngen.printable import shown

if TYPE_CHECKING:
    from rnngen.api import Model, Session
    from rnngen.generation.decoder import Decoder
    from rnngen.generation.decoding_choice import DecodingFlags
    from rnngen.generation.interactive import Conversation
    from rnngen.generation.saved_state import SavedState

PROMPT, MORE = "> ", "… "
HISTORY_LINES = 1000
END_SHOWN = 40
"""Characters of the text that are repeated after an undo."""
HELP = """\
The model goes on from everything so far and the line that you type; one that
reads a source generates an output for it. Enter alone lets it go on. A line
that ends in \\ is continued in the next one; // at its start stands for /.
  /temp 0.9, /top-k 40 …  set a filter by the name of its flag; off removes it,
                          no value shows all
  /seed N                 restart the draws from a seed
  /length N               generate at most N tokens in a turn; -1 for no limit
  /undo                   take back the last turn: text, state and draws
  /retry                  take it back, and draw it again
  /save FILE, /load FILE  save the conversation, or load one (see --save-state)
  /text                   show everything so far
  /help, /quit            Ctrl-D ends too; Ctrl-C ends a text, and keeps it"""


def check() -> None:
    """Raise ``UsageError`` if there is nobody to talk to."""
    if not (streams.stdin_is_terminal() and console.interactive(streams.output())):
        raise UsageError("--interactive needs a person at a terminal; leave it out, and pipe the prompt in")


def converse(
    here: "Session", model: "Model", decoder: "Decoder", saved: "SavedState | None", prompt: str
) -> None:
    """Converse, from a prompt or a saved state on, until the person has had enough."""
    from rnngen.generation.interactive import Conversation

    request, generator = decoder.request, model.generator
    conversation = Conversation(
        generator,
        decoder.sampler if "resume" in decoder.spec.can else None,
        lambda filters: here.decoding.filter_builder(filters)(generator.tokenizers.target),
        decoder.filters,
        seed=decoder.seed or 0,
        model=partial(here.fingerprint, model),
        strategy=decoder.choice,
        whole=decoder.whole,
        final=here.decoding.follows_output,
    )
    if saved:
        conversation.load(saved.path)
        if conversation.filters != tuple(decoder.filters):
            conversation.choose(decoder.filters)
    turns = Turns(conversation, here.decoding, decoder)
    if not request.quiet:
        console.note("type a line to go on from; /help shows the commands, Ctrl-D ends")
    if prompt:
        turns.out.write("" if request.no_prompt or generator.reads_source else prompt)
        turns.answer(prompt)
    read_lines(turns.take)
    if request.save_state:
        turns.conversation.save(Path(request.save_state))


class Turns:
    """Turns of a conversation: does what a person types, and lets the model write."""

    def __init__(self, conversation: "Conversation", decoding: "DecodingFlags", decoder: "Decoder") -> None:
        self.conversation, self.decoding, self.decoder = conversation, decoding, decoder
        self.request, self.length = decoder.request, decoder.request.length
        self.out = streams.Output(conversation.generator.encoding, raw=self.request.raw)
        self.commands: dict[str, Callable[[str], None]] = {
            "seed": lambda value: self.conversation.seed(_number(value, "/seed", 0)),
            "length": self._length,
            "undo": self._undo,
            "retry": lambda _: self._turn(self.conversation.again),
            "save": self._save,
            "load": self._load,
            "text": self._text,
            "help": lambda _: self.out.write(HELP + "\n", flush=True),
        }
        self.filters = [spec.flag.parameter for spec in decoding.filters if spec.flag]

    def take(self, line: str) -> None:
        """Do what a line says, or add it to the text and let the model go on.

        Raises:
            RnngenError, OSError: if that cannot be done; then nothing has changed.
        """
        if line.startswith("/") and not line.startswith("//"):
            self._command(*line[1:].partition(" ")[::2])
            return
        generator = self.conversation.generator
        text = streams.given(line.removeprefix("/"), "the line", generator.encoding)
        if not generator.reads_source:
            if not self.request.quiet:
                prompts.warn_unseen(generator, text, "the line")
        elif not text.strip():
            return
        self.answer(text)

    def answer(self, text: str) -> None:
        """Say something, and show what follows."""
        self._turn(lambda: self.conversation.say(text))

    def _turn(self, begin: Callable[[], None]) -> None:
        before, request = self.conversation.fork(), self.request
        noted = _interrupts() if "resume" in self.decoder.spec.can else nullcontext(lambda: False)
        try:
            with noted as halted:
                begin()
                text = self.conversation.write(self.length, request.stop, halted, keep_stop=request.keep_stop)
                self._show(text)
        except (RnngenError, KeyboardInterrupt):  # of a text that is generated as a whole, nothing is left
            self.conversation = before
            raise

    def _show(self, pieces: Iterator[str]) -> None:
        last = ""
        try:
            for last in pieces:
                self.out.write(last)
        finally:
            self.out.write("" if last.endswith("\n") else "\n", flush=True)

    def _command(self, name: str, value: str) -> None:
        name, value = name.strip().replace("-", "_"), value.strip()
        name = "help" if name == "?" else name
        if name in self.commands:
            if name != "help" and "resume" not in self.decoder.spec.can:
                raise UsageError(
                    f"/{name}: {self.decoder.spec.name} generates whole texts, which have no state to go on "
                    "from; begin again with other flags"
                )
            self.commands[name](value)
        elif name in self.filters:
            self._filter(name, value)
        else:
            known = [*self.commands, "quit", *self.filters]
            raise UnknownName("command", f"/{name}", [f"/{one.replace('_', '-')}" for one in known])

    def _filter(self, flag: str, value: str) -> None:
        """Set a filter, unless the strategy has no use for it; its flag would have chosen one that has."""
        old, decoder = self.conversation.filters, self.decoder
        chain = self.decoding.changed(old, flag, value, self.request.decoding.order)
        if chain != old:
            new = tuple(one for one in chain if one not in old)
            if not self.decoding.suits(new, self.request.decoding, decoder.spec):
                raise UsageError(
                    f"/{flag.replace('_', '-')}: {decoder.spec.name} has no use for it; begin again with "
                    f"--{flag.replace('_', '-')}"
                )
            self.conversation.choose(chain)
        self._show_filters()

    def _show_filters(self) -> None:
        shown = ",".join(f"{name}={value}" for name, value in self.conversation.filters)
        console.note(f"filters {shown or 'none'}")

    def _length(self, value: str) -> None:
        self.length = _number(value, "/length", -1)

    def _undo(self, _: str) -> None:
        self.conversation.undo()
        end = self.conversation.text[-END_SHOWN:]
        console.note(f"the text ends in {end!r}" if end else "the text is empty")

    def _save(self, value: str) -> None:
        path = _path(value, "/save")
        self.conversation.save(path)
        console.note(f"saved {shown(str(path))}; go on with --from-state, or /load")

    def _load(self, value: str) -> None:
        self.conversation.load(_path(value, "/load"))
        self._show_filters()

    def _text(self, _: str) -> None:
        text = self.conversation.text
        self.out.write(text if text.endswith("\n") or not text else f"{text}\n", flush=True)


def _number(value: str, command: str, least: int) -> int:
    with suppress(ValueError):
        if least <= int(value) < 2**63:
            return int(value)
    raise UsageError(f"{f'{command} {value}'.strip()}: a whole number from {least} on expected")


def _path(value: str, command: str) -> Path:
    if not value:
        raise UsageError(f"{command} needs the name of a file")
    return Path(value).expanduser()


# ── What a person types: editing, history, and Ctrl-C, which ends no program ───────────────────────────────


def read_lines(take: Callable[[str], None]) -> None:
    """Hand on line after line; what goes wrong with one is reported, and the next is asked for."""
    if isinstance(sys.stdin, TextIOWrapper):  # a byte that is not UTF-8 is a fault of its line alone
        sys.stdin.reconfigure(errors="surrogateescape")
    with _history():
        for line in _lines():
            try:
                take(line)
            except RnngenError as error:
                console.warn(str(error))
            except OSError as error:
                console.warn(os_reason(error))
            except KeyboardInterrupt:
                streams.output().write("\n")


def _lines() -> Iterator[str]:
    """Yield the lines that are typed, up to Ctrl-D or ``/quit``; Ctrl-C drops a line."""
    held = ""
    while True:
        try:
            line = input(MORE if held else PROMPT)
        except EOFError:
            streams.output().write("\n")
            return
        except KeyboardInterrupt:
            streams.output().write("\n")
            held = ""
            continue
        if not held and line.strip() in ("/quit", "/exit"):
            return
        if line.endswith("\\"):
            held += line[:-1] + "\n"
            continue
        line, held = held + line, ""
        yield line


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Note Ctrl-C: the model ends between two tokens, where nothing is half done."""
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _history() -> Iterator[None]:
    """Edit lines with the usual keys, and find those of earlier times, where readline is there."""
    try:
        import readline
    except ImportError:
        yield
        return
    path = home() / "history"
    with suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(HISTORY_LINES)
    try:
        yield
    finally:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(path)

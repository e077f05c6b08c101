"""What a person types at a terminal, line by line: editing, history, and Ctrl-C, which ends no program."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rnngen.cli import streams
from rnngen.cli.render import console
from rnngen.errors import RnngenError
from rnngen.paths import home

PROMPT, MORE = "> ", "… "
REMEMBERED = 1000
"""Lines of history that are kept."""


def converse(take: Callable[[str], None]) -> None:
    """Hand on line after line; what goes wrong with one is told, and the next is asked for."""
    with history():
        for line in _lines():
            try:
                take(line)
            except (RnngenError, OSError) as error:
                console.warn(str(error))
            except KeyboardInterrupt:
                streams.output().write("\n")


def _lines() -> Iterator[str]:
    """What is typed, up to Ctrl-D or ``/quit``; Ctrl-C drops the line."""
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


def unslashed(line: str) -> str:
    """A line of text: // at its beginning stands for a /."""
    return line[1:] if line.startswith("//") else line


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed: the model ends between two tokens, where nothing is half done."""
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def history() -> Iterator[None]:
    """Edit lines with the keys that one knows, and find those of earlier times, where readline is there."""
    try:
        import readline
    except ImportError:
        yield
        return
    path = home() / "history"
    with suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(REMEMBERED)
    try:
        yield
    finally:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(path)

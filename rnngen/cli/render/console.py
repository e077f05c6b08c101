"""Output for people and programs: notes, tables, JSON, and the display of a training run.

Results go to stdout, everything else to stderr. Colour and live displays appear on a terminal only, for each
stream by itself; ``NO_COLOR`` and ``FORCE_COLOR`` hold. Rich is imported only to draw on a terminal, and for
heat maps, which need the width of characters.
"""

import os
import re
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeAlias

import click

from rnngen.cli import streams
from rnngen.cli.render.progress import Progress, plain_lines
from rnngen.events import Copied, Event, Finished, Preparing, Saved, Surveyed, Warned, listening
from rnngen.printable import columns_of, shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    from rnngen.cli.render.heatmap import Line
    from rnngen.plots.chart import Chart, Map
    from rnngen.plots.sheet import Grid
    from rnngen.plots.text import ColouredText

Mode: TypeAlias = Literal["live", "plain", "json", "quiet"]
Row: TypeAlias = Sequence[object]
END = "<end>"
FRAMES_PER_SECOND = 6
FOLDED = 16
"""Columns of a name in a table that has no room for more."""
WIDEST_TEXT = 90
"""Columns of running text; longer lines are hard to read."""


# ── Streams ────────────────────────────────────────────────────────────────────────────────────────────────


def interactive(stream: TextIO) -> bool:
    """Return whether the stream is a terminal that can move its cursor."""
    return bool(stream) and stream.isatty() and os.environ.get("TERM") != "dumb"


def coloured(stream: TextIO) -> bool:
    """Return whether the stream takes colour."""
    return not os.environ.get("NO_COLOR") and _drawable(stream)


def _drawable(stream: TextIO) -> bool:
    """``FORCE_COLOR`` asks for colour and drawn tables off a terminal too."""
    return os.environ.get("FORCE_COLOR", "0") not in ("", "0") or interactive(stream)


def rich_console(stream: TextIO) -> "Console":
    """Make a rich console that prints text as it is."""
    from rich.console import Console

    plain: Any = {"highlight": False, "markup": False, "emoji": False, "no_color": not coloured(stream)}
    console = Console(file=stream, **plain)
    if not console.is_dumb_terminal:
        return console
    width, height = get_terminal_size()  # rich takes every dumb terminal for one of 80 columns
    return Console(file=stream, width=width, height=height, **plain)


# ── Notes ──────────────────────────────────────────────────────────────────────────────────────────────────


def note(message: str) -> None:
    """Print a remark on stderr; of what it quotes, no control character reaches a terminal."""
    _print_line(f"rnngen: {shown(message)}")


def warn(message: str) -> None:
    """Print a warning on stderr."""
    sign = click.style("warning:", fg="yellow") if coloured(sys.stderr) else "warning:"
    _print_line(f"rnngen: {sign} {shown(message)}")


def fail(message: str) -> None:
    """Print an error on stderr."""
    sign = click.style("error:", fg="red", bold=True) if coloured(sys.stderr) else "error:"
    _print_line(f"rnngen: {sign} {shown(message)}")


def _print_line(line: str) -> None:
    if sys.stderr:  # not click.echo, which bypasses the stand-in that puts a line above a live display
        sys.stderr.write(line + "\n")


# ── Results ────────────────────────────────────────────────────────────────────────────────────────────────


def write_json(value: Any) -> None:
    """Write a result as one JSON document on stdout: on one line, or indented where a terminal reads it."""
    click.echo(streams.json_document(value, indent=2 if interactive(sys.stdout) else None), color=True)


def _write_event(event: Event) -> None:
    sys.stdout.write(streams.json_line(event.as_json()) + "\n")
    sys.stdout.flush()


def line(text: str) -> None:
    """Write a line on stdout; a terminal obeys no control character in it."""
    click.echo(shown(text) if sys.stdout.isatty() else text)


def table(rows: Iterable[Row], columns: Sequence[str], *, rare: Sequence[str] = ()) -> None:
    """Write a table on stdout: drawn on a terminal, aligned plain text elsewhere.

    ``None`` is an empty cell, numbers are aligned to the right. A terminal that is too narrow for all columns
    shows none of ``rare``, as few of these from the beginning as it takes; without these, where words were
    cut, it writes a line for each cell.
    """
    listed = [list(row) for row in rows]
    if _drawable(sys.stdout) or sys.stdout.isatty():  # a dumb terminal has a width too
        console = rich_console(sys.stdout)
        if rare:
            console.print(_fitting(console, listed, columns, rare))
        elif len(columns) > 2 and _least(listed, columns) > console.width:
            _print_records(console, listed, columns)
        else:
            console.print(_drawn(listed, columns))
    else:
        click.echo("\n".join(_plain_table(listed, columns)))


def _least(rows: Sequence[Row], columns: Sequence[str]) -> int:
    """Return the cells that a drawn table needs if none but long words are cut."""
    texts = [list(columns), *([_cell(value) for value in row] for row in rows)]
    words = [
        max((columns_of(word) for text in column for word in text.split()), default=0)
        for column in zip(*texts, strict=True)
    ]
    return sum(min(word, FOLDED) + 2 for word in words)


def _print_records(console: "Console", rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Print a line for each cell that is not empty, and a blank one between rows."""
    from rich.text import Text

    for number, row in enumerate(rows):
        if number:
            console.print()
        for name, value in zip(columns, row, strict=True):
            if value not in (None, ""):
                console.print(Text.assemble((name, "bold"), " " * bool(name), _cell(value)))


def live_table(listings: Iterable[tuple[Sequence[Row], Sequence[str]]]) -> None:
    """Draw tables of rows and columns on stderr, each in the place of the one before."""
    from rich.live import Live

    console = rich_console(sys.stderr)
    with Live(console=console, auto_refresh=False, redirect_stdout=False) as live, suspendable(live):
        for rows, columns in listings:
            live.update(_drawn(rows, columns), refresh=True)


def _fitting(console: "Console", rows: Sequence[Row], columns: Sequence[str], rare: Sequence[str]) -> "Table":
    """Draw a table as wide as fits: closer together, the second column folded, with fewer columns."""
    from rich.measure import Measurement

    endless = console.options.update(max_width=10_000)
    for count in range(len(rare) + 1):
        kept = [index for index, name in enumerate(columns) if name not in rare[:count]]
        some, names = [[row[index] for index in kept] for row in rows], [columns[index] for index in kept]
        for gap, widest in ((1, None), (0, None), (0, FOLDED)):
            drawn = _drawn(some, names, padding=(0, gap, 0, 0))
            drawn.columns[1].max_width = widest
            if Measurement.get(console, endless, drawn).maximum <= console.width:
                return drawn
    for column in (*drawn.columns[:1], *drawn.columns[2:]):
        column.no_wrap = True
    return drawn


def _drawn(
    rows: Sequence[Row], columns: Sequence[str], padding: tuple[int, int, int, int] = (0, 1, 0, 1)
) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=padding, header_style="bold")
    for index, name in enumerate(columns):
        right = _numeric([row[index] for row in rows])
        drawn.add_column(Text(name), justify="right" if right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(_cell(value)) for value in row))
    return drawn


def _plain_table(rows: Sequence[Row], columns: Sequence[str]) -> Iterator[str]:
    """Align columns two spaces apart, whole and without colour: for ``grep`` and ``awk``."""
    texts = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(columns_of, column)) for column in zip(*texts, strict=True)]
    right = [_numeric([row[index] for row in rows]) for index in range(len(columns))]
    for row in texts:
        cells = []
        for text, width, to_the_right in zip(row, widths, right, strict=True):
            blank = " " * (width - columns_of(text))
            cells.append(blank + text if to_the_right else text + blank)
        yield "  ".join(cells).rstrip()


def _cell(value: object) -> str:
    return "" if value is None else shown(str(value))


def _numeric(values: Row) -> bool:
    numbers = [isinstance(value, int | float) for value in values if value is not None]
    return bool(numbers) and all(numbers)


def spelled(piece: bytes) -> str:
    r"""Spell out the bytes of a token, on one line.

    ::

        b" the"      ␣the           a space
        b"\n"        \n             a control character
        b"\xe6\x84"  \xe6\x84       a part of a character
        b""          <end>          the end of an example
    """
    return "".join(map(_sign, piece.decode(errors="surrogateescape"))) or END


def _sign(char: str) -> str:
    if char == " ":
        return "␣"
    if char == "\\":
        return r"\\"
    if "\udc80" <= char <= "\udcff":  # a byte that is no character by itself
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def markdown(text: str) -> None:
    """Write a guide on stdout: drawn and paged on a terminal, where links become commands; else as it is."""
    if not _drawable(sys.stdout):
        click.echo(text, nl=False)
        return
    from rich.markdown import Markdown
    from rich.theme import Theme

    console = rich_console(sys.stdout)
    console.push_theme(Theme({"markdown.code": "bold cyan"}))  # without a background of its own
    linked = re.sub(r"\[\w+\]\((\w+)\.md\)", r"`rnngen help \1`", text)
    with console.capture() as drawn:
        console.print(Markdown(linked, code_theme="ansi_dark"), width=min(console.width, WIDEST_TEXT))
    click.echo_via_pager(drawn.get(), color=coloured(sys.stdout))


def page(text: str) -> None:
    """Write a long text on stdout: through a pager where a terminal is too low for it."""
    if interactive(sys.stdout) and text.count("\n") >= get_terminal_size().lines:
        click.echo_via_pager(text, color=coloured(sys.stdout))
    else:
        click.echo(text)


def heat_map(alignment: "Grid", *, scale: str = "weight in %", peaks: bool = True) -> None:
    """Draw a map of colours on stdout, in the colours that it takes."""
    from rnngen.cli.render.heatmap import draw, paint

    drawing(lambda width, colours: draw(alignment, width, paint(colours), scale=scale, peaks=peaks))


def coloured_texts(pictures: "Iterable[ColouredText]") -> None:
    """Draw texts in colours, or with signs, on stdout."""
    from rnngen.cli.render.coloured import draw

    for picture in pictures:
        drawing(partial(draw, picture))


def chart(picture: "Chart") -> None:
    """Draw lines on stdout with characters."""
    from rnngen.cli.render.chart import draw

    drawing(partial(draw, picture))


def map_of_points(picture: "Map") -> None:
    """Draw points by their names on stdout."""
    from rnngen.cli.render.chart import draw_map

    drawing(partial(draw_map, picture))


def drawing(draw: "Callable[[int, str | None], list[Line]]") -> None:
    """Write lines on stdout that are drawn for its width, in the colours that it takes; None for none."""
    from rich.text import Text

    console = rich_console(sys.stdout)
    colours = console.color_system if coloured(sys.stdout) else None
    for line in draw(console.width, colours):
        console.print(Text.assemble(*line), no_wrap=True, crop=False, overflow="ignore")


# ── Training ───────────────────────────────────────────────────────────────────────────────────────────────


def progress_mode(*, as_json: bool = False, quiet: bool = False) -> Mode:
    """Choose how to show a run: as asked for, else live on a terminal and as plain lines elsewhere."""
    if as_json or quiet:
        return "json" if as_json else "quiet"
    return "live" if interactive(sys.stderr) else "plain"


@contextmanager
def preparations(mode: Mode) -> Iterator[None]:
    """Show what is prepared in the block: in a line that changes, a line for each work, or JSON lines."""
    columns, last = get_terminal_size().columns, ""

    def show(event: Preparing) -> None:
        nonlocal last
        match mode:
            case "json":
                _write_event(event)
            case "plain" if event.message != last:
                note(shown(event.message))
                last = event.message
            case "live":
                share = "" if event.progress is None else f" {event.progress:.0%}"
                sys.stderr.write(f"\r\x1b[K{f'rnngen: {shown(event.message)} …{share}'[: columns - 1]}")
                sys.stderr.flush()

    try:
        with listening(show):
            yield
    finally:
        if mode == "live":
            sys.stderr.write("\r\x1b[K")


def render(events: Iterable[Event], mode: Mode, verbose: int = 0) -> Finished | None:
    """Run long work to its end and show its events → the last one, if the work came to its end.

    ``live`` and ``plain`` write to stderr, ``json`` writes an event a line to stdout, ``quiet``
    warnings only. With ``verbose`` saved files are named too, and ``plain`` shows samples.
    """
    progress = Progress()
    followed = progress.follow(events)
    match mode:
        case "live":
            _live(followed, progress, verbose)
        case "plain":
            for line in plain_lines(with_warnings(followed), progress, verbose):
                _print_line(line)
        case "json":
            for event in followed:
                _write_event(event)
        case "quiet":
            deque(with_warnings(followed), maxlen=0)
    return progress.finished


def _live(events: Iterable[Event], progress: Progress, verbose: int) -> None:
    from rich.live import Live

    from rnngen.cli.render.frame import Frame

    console = rich_console(sys.stderr)
    drawing = Live(Frame(progress), console=console, auto_refresh=False, redirect_stdout=False)
    with drawing as live, suspendable(live):
        size, drawn = console.size, 0.0
        for event in with_warnings(events):
            if verbose and isinstance(event, Saved):
                note(f"saved {shown(event.path)}")
            if isinstance(event, Surveyed | Copied):
                note(shown(event.message))
            if time.monotonic() - drawn >= 1 / FRAMES_PER_SECOND:
                if console.size != size:  # the terminal has rewrapped the lines of the old frame
                    console.clear()
                live.refresh()
                size, drawn = console.size, time.monotonic()
        live.refresh()


@contextmanager
def suspendable(live: "Live") -> Iterator[None]:
    """Give the cursor back while Ctrl-Z stops the program, and draw anew when it goes on."""
    stop = getattr(signal, "SIGTSTP", None)
    if stop is None or signal.getsignal(stop) != signal.SIG_DFL:
        yield
        return

    def suspend(signum: int, _: object) -> None:
        live.console.show_cursor(True)
        signal.signal(signum, signal.SIG_DFL)
        signal.raise_signal(signum)  # the program stops here
        signal.signal(signum, suspend)
        live.console.show_cursor(False)
        live.refresh()

    signal.signal(stop, suspend)
    try:
        yield
    finally:
        signal.signal(stop, signal.SIG_DFL)


def with_warnings(events: Iterable[Event]) -> Iterator[Event]:
    """Pass the events on, and print their warnings."""
    for event in events:
        if isinstance(event, Warned):
            warn(shown(event.message))
        yield event

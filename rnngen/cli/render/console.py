"""How things look: notes, listings and the display of training. The only place that knows rich.

Results go to stdout and all else to stderr. Colour and live displays appear on a terminal only, each
stream judged by itself; ``NO_COLOR`` and ``FORCE_COLOR`` hold. Rich is imported only to draw on a
terminal, and for a heat map anywhere, as it knows how wide characters are.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeAlias

import click

from rnngen.cli.render.listing import cell, numeric, plain_table
from rnngen.cli.render.progress import Progress, clock, ending, finite, json_line, plain_lines, warning
from rnngen.cli.render.terminal import coloured, forced, interactive
from rnngen.events import Event, Finished, Saved
from rnngen.printable import printable, shown

if TYPE_CHECKING:
    from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderableType
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    from rnngen.generation.alignment import Alignment

Mode: TypeAlias = Literal["live", "plain", "json", "quiet"]
FRAMES_PER_SECOND = 6
WIDEST_TEXT = 90
"""Columns of running text; longer lines are hard to read."""
STYLES = {"train": "cyan", "val": "bold yellow", "axis": "bright_black", "": ""}
MARKS = {"train": "⠤ ", "val": "● "}
"""How the curve draws each, so that its legend does without colour."""


def note(message: str) -> None:
    """Say something beside the result: a line on stderr."""
    _say(f"rnngen: {message}")


def warn(message: str) -> None:
    """Say something that the person should know, on stderr."""
    sign = "warning:"
    _say(f"rnngen: {click.style(sign, fg='yellow') if coloured(sys.stderr) else sign} {message}")


def _say(line: str) -> None:
    if sys.stderr:  # not click.echo, which goes round the stand-in that puts a line above a live display
        sys.stderr.write(line + "\n")


# ── Listings ───────────────────────────────────────────────────────────────────────────────────────────────


def write_json(value: Any) -> None:
    """Write a listing for programs; what is not a number becomes ``null``."""
    click.echo(json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False), color=True)


def table(rows: Iterable[Sequence[object]], columns: Sequence[str]) -> None:
    """Write a listing for people, on stdout.

    Args:
        rows: one cell a column; ``None`` is an empty cell, numbers stand to the right.
        columns: the headings.
    """
    listed = [list(row) for row in rows]
    if interactive(sys.stdout) or forced():
        _console(sys.stdout).print(_drawn(listed, columns))
    else:
        click.echo("\n".join(plain_table(listed, columns)))


def live_table(listings: Iterable[tuple[Sequence[Sequence[object]], Sequence[str]]]) -> None:
    """Draw listings on stderr, rows and columns, each in the place of the one before."""
    from rich.live import Live

    with Live(console=_console(sys.stderr), auto_refresh=False, redirect_stdout=False) as live:
        for rows, columns in listings:
            live.update(_drawn(rows, columns), refresh=True)


def _drawn(rows: Sequence[Sequence[object]], columns: Sequence[str]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        right = numeric([row[index] for row in rows])
        drawn.add_column(Text(name), justify="right" if right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell(value)) for value in row))
    return drawn


def markdown(text: str) -> None:
    """Write a guide on stdout: drawn and paged on a terminal, where links become commands; else as it is."""
    if not (interactive(sys.stdout) or forced()):
        click.echo(text, nl=False)
        return
    from rich.markdown import Markdown
    from rich.theme import Theme

    console = _console(sys.stdout)
    console.push_theme(Theme({"markdown.code": "bold cyan"}))  # without a background of its own
    linked = re.sub(r"\[\w+\]\((\w+)\.md\)", r"`rnngen help \1`", text)
    with console.capture() as drawn:
        console.print(Markdown(linked, code_theme="ansi_dark"), width=min(console.width, WIDEST_TEXT))
    click.echo_via_pager(drawn.get(), color=coloured(sys.stdout))


def heat_map(alignment: "Alignment") -> None:
    """Draw an alignment for people, on stdout, in as many colours as it takes."""
    from rich.cells import cell_len
    from rich.text import Text

    from rnngen.cli.render.heatmap import draw, paint

    console = _console(sys.stdout)
    colours = console.color_system if coloured(sys.stdout) else None
    for line in draw(alignment, console.width, cell_len, paint(colours)):
        console.print(Text.assemble(*line), no_wrap=True, crop=False, overflow="ignore")


# ── Training ───────────────────────────────────────────────────────────────────────────────────────────────


def progress_mode(*, as_json: bool = False, quiet: bool = False) -> Mode:
    """How to show a run: as asked for, else live on a terminal and as plain lines elsewhere."""
    if as_json or quiet:
        return "json" if as_json else "quiet"
    return "live" if interactive(sys.stderr) else "plain"


def render(events: Iterable[Event], mode: Mode, verbose: int = 0) -> Finished | None:
    """Run long work to its end and show what it reports.

    Args:
        events: the work; whatever it raises goes on to the caller.
        mode: ``live`` and ``plain`` write to stderr, ``json`` a line an event to stdout; ``quiet`` writes
            warnings only.
        verbose: above 0, files saved are named too, and ``plain`` shows samples.

    Returns:
        The last event, if the work came to its end.
    """
    progress = Progress()
    _SHOWS[mode](progress.follow(events), progress, verbose)
    return progress.finished


def _quiet(events: Iterable[Event], *_: object) -> None:
    for _event in _warning_of(events):
        pass


def _json(events: Iterable[Event], *_: object) -> None:
    for event in events:
        sys.stdout.write(json_line(event) + "\n")
        sys.stdout.flush()


def _plain(events: Iterable[Event], progress: Progress, verbose: int) -> None:
    for line in plain_lines(_warning_of(events), progress, verbose):
        _say(line)


def _warning_of(events: Iterable[Event]) -> Iterator[Event]:
    """Hand the events on, and say what they warn of."""
    for event in events:
        message = warning(event)
        if message:
            warn(message)
        yield event


def _live(events: Iterable[Event], progress: Progress, verbose: int) -> None:
    from rich.live import Live

    console = _console(sys.stderr)
    with Live(
        _Frame(progress), console=console, auto_refresh=False, redirect_stdout=False, transient=False
    ) as live:
        size, drawn = console.size, 0.0
        for event in _warning_of(events):
            if verbose and isinstance(event, Saved):
                note(f"saved {shown(event.path)}")
            if time.monotonic() - drawn >= 1 / FRAMES_PER_SECOND:
                size, drawn = _redraw(live, console, size), time.monotonic()
        live.refresh()


_SHOWS: dict[Mode, Callable[[Iterable[Event], Progress, int], None]] = {
    "live": _live,
    "plain": _plain,
    "json": _json,
    "quiet": _quiet,
}


def _redraw(live: "Live", console: "Console", size: "ConsoleDimensions") -> "ConsoleDimensions":
    """Draw a frame; on a screen of a new size from its top, as the old frame's lines have been rewrapped."""
    if console.size != size:
        console.clear()
    live.refresh()
    return console.size


def _console(stream: TextIO) -> "Console":
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False, emoji=False, no_color=not coloured(stream))


class _Frame:
    """One picture of a run, made to the size of the terminal each time that it is drawn."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "Iterator[RenderableType]":
        from rich.text import Text

        width = options.max_width
        head = [
            *self._header(width),
            *self._bar(console, width),
            *self._figures(self.progress.figures(), width),
            *self._figures(self.progress.losses(), width),
        ]
        yield from head
        room = console.height - len(head) - 2
        taste = self._sample(width, max(min(room // 2 - 1, 6), 0))
        if room >= 6:
            yield from self._curve(width, min(room - (taste.height or 0 if taste else 0), 12))
        if taste:
            yield taste
        if not self.progress.finished:  # a ^C that the terminal shows must not push the frame down a line
            yield Text()

    def _header(self, width: int) -> "list[Text]":
        from rich.text import Text

        run = self.progress.started
        name = Text(shown(run.model) if run else "…", style="bold", overflow="ellipsis", no_wrap=True)
        facts = [Text(fact, style="bright_black") for fact in self.progress.facts()]
        return _flow([name, *facts], width, " · ")

    def _bar(self, console: "Console", width: int) -> "list[Text]":
        """How much is done; when all is, how it ended."""
        from rich.text import Text

        if done := self.progress.finished:
            return list(Text(ending(done), style="bold green").wrap(console, width))
        step = self.progress.step
        share = min(max(step.progress, 0.0), 1.0) if step else 0.0
        left = f"  {clock(step.seconds_left)} left" if step and step.seconds_left is not None else ""
        tail = f" {share:4.0%}{left}"
        cells = max(width - len(tail) - 1, 1)
        full = round(share * cells)
        return [Text.assemble(("━" * full, "green"), ("─" * (cells - full), "bright_black"), tail)]

    def _figures(self, figures: Iterable[tuple[str, str]], width: int) -> "list[Text]":
        from rich.text import Text

        parts = [
            Text.assemble((MARKS.get(label, "") + label, STYLES.get(label, "bright_black")), " ", value)
            for label, value in figures
        ]
        return _flow(parts, width, "   ")

    def _curve(self, width: int, height: int) -> "Iterator[Text]":
        from rich.text import Text

        from rnngen.cli.render.curve import draw

        for row in draw(self.progress.train.points, self.progress.val.points, width - 1, height):
            yield Text.assemble(*((text, STYLES[kind]) for text, kind in row), no_wrap=True)

    def _sample(self, width: int, lines: int) -> Any:
        from rich.panel import Panel
        from rich.text import Text

        sample = self.progress.sample
        if sample is None or lines < 1:
            return None
        text = printable(sample.text[: width * lines]).strip("\n")
        title = Text(f"after {sample.step} steps", style="bright_black")
        shown = Text(text, overflow="fold")
        height = min(lines, len(shown.wrap(_console(sys.stderr), max(width - 4, 1)))) + 2
        return Panel(shown, title=title, title_align="left", border_style="bright_black", height=height)


def _flow(parts: "Sequence[Text]", width: int, separator: str) -> "list[Text]":
    """Fill lines with the parts, breaking between them and never within one."""
    from rich.text import Text

    lines: list[Text] = []
    for part in parts:
        if lines and lines[-1].cell_len + len(separator) + part.cell_len < width:
            lines[-1] = Text.assemble(lines[-1], (separator, "bright_black"), part)
        else:
            lines.append(part)
    for line in lines:
        line.truncate(max(width - 1, 1), overflow="ellipsis")
    return lines

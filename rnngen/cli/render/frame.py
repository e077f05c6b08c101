"""The live display of a training run: one frame, drawn to the size of the terminal."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderableType
from rich.panel import Panel
from rich.text import Text

from rnngen.cli.render import curve
from rnngen.cli.render.progress import Progress, clock, ending
from rnngen.printable import printable, shown

DIM = "bright_black"
STYLES = {"train": "cyan", "val": "bold yellow", "axis": DIM, "": ""}
MARKS = {"train": "⠤ ", "val": "● "}
"""The curve's own signs, so that its legend can be read without colour."""


class Frame:
    """A rich renderable that shows how a run stands at the time that it is drawn."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        width = options.max_width
        head = [
            *self._header(width),
            *self._bar(console, width),
            *_figures(self.progress.figures(), width),
            *_figures(self.progress.losses(), width),
        ]
        yield from head
        room = console.height - len(head) - 2
        sample = self._sample(console, width, max(min(room // 2 - 1, 6), 0))
        if room >= 6:
            yield from self._curve(width, min(room - (sample.height or 0 if sample else 0), 12))
        if sample:
            yield sample
        if not self.progress.finished:  # a ^C that the terminal shows must not push the frame down a line
            yield Text()

    def _header(self, width: int) -> list[Text]:
        run = self.progress.started
        name = Text(shown(run.model) if run else "…", style="bold", overflow="ellipsis", no_wrap=True)
        return _flow([name, *(Text(fact, style=DIM) for fact in self.progress.facts())], width, " · ")

    def _bar(self, console: Console, width: int) -> list[Text]:
        """Draw the share of the budget that is spent; at the end, print how the run ended."""
        if done := self.progress.finished:
            return list(Text(ending(done), style="bold green").wrap(console, width))
        step = self.progress.step
        share = min(max(step.progress, 0.0), 1.0) if step else 0.0
        left = f"  {clock(step.seconds_left)} left" if step and step.seconds_left is not None else ""
        tail = f" {share:4.0%}{left}"
        cells = max(width - len(tail) - 1, 1)
        full = round(share * cells)
        return [Text.assemble(("━" * full, "green"), ("─" * (cells - full), DIM), tail)]

    def _curve(self, width: int, height: int) -> Iterator[Text]:
        for row in curve.draw(self.progress.train.points, self.progress.val.points, width - 1, height):
            yield Text.assemble(*((text, STYLES[kind]) for text, kind in row), no_wrap=True)

    def _sample(self, console: Console, width: int, lines: int) -> Panel | None:
        sample = self.progress.sample
        if sample is None or lines < 1:
            return None
        text = Text(printable(sample.text[: width * lines]).strip("\n"), overflow="fold")
        title = Text(f"after {sample.step} steps", style=DIM)
        height = min(lines, len(text.wrap(console, max(width - 4, 1)))) + 2
        return Panel(text, title=title, title_align="left", border_style=DIM, height=height)


def _figures(figures: Iterable[tuple[str, str]], width: int) -> list[Text]:
    parts = [
        Text.assemble((MARKS.get(label, "") + label, STYLES.get(label, DIM)), " ", value)
        for label, value in figures
    ]
    return _flow(parts, width, "   ")


def _flow(parts: Sequence[Text], width: int, separator: str) -> list[Text]:
    """Fill lines with the parts, breaking only between them."""
    lines: list[Text] = []
    for part in parts:
        if lines and lines[-1].cell_len + len(separator) + part.cell_len < width:
            lines[-1] = Text.assemble(lines[-1], (separator, DIM), part)
        else:
            lines.append(part)
    for line in lines:
        line.truncate(max(width - 1, 1), overflow="ellipsis")
    return lines

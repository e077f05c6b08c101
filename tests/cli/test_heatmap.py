"""The heat map of characters: in its width, every column below its word, and darker where there is more."""

import io
import sys

import numpy as np
import pytest
from rich.cells import cell_len

from rnngen.cli.render import console
from rnngen.cli.render.heatmap import SHADES, STEPS, TRACE, draw, paint
from rnngen.generation.alignment import Alignment

SOURCE = ("It", "'s", " very", " easy", " to", " sound", " natural", ".", "")
TARGET = ("听", "起来", "自然", "easy", "。", "")
LONG = ("The", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "while")
LONG += ("an", "internationalisation", "committee", "sits")


def peaked(sources, targets, peaks):
    """Each target looks at one source with 0.8, and at all the others for the rest."""
    weights = np.full((len(targets), len(sources)), 0.2 / max(len(sources) - 1, 1), np.float32)
    for row, column in enumerate(peaks):
        weights[row, column] = 0.8
    return Alignment(tuple(sources), tuple(targets), weights)


PEAKS = (5, 5, 6, 3, 7, 8)
SHORT = peaked(SOURCE, TARGET, PEAKS)


def texts(alignment, width=80, colours=None):
    return ["".join(text for text, _ in line) for line in draw(alignment, width, paint(colours))]


def cells(text, start, end):
    """What stands in some terminal cells of a line."""
    at, found = 0, ""
    for char in text:
        if start <= at < end:
            found += char
        at += cell_len(char)
    return found


def columns_of(heading, names):
    """Where each name stands, in terminal cells, searched from the left."""
    spans, at = [], 0
    for name in names:
        found = heading.index(name, at)
        start = cell_len(heading[:found])
        spans.append((start, start + cell_len(name)))
        at = found + len(name)
    return spans


@pytest.mark.parametrize("colours", [None, "standard", "256", "truecolor"])
@pytest.mark.parametrize("width", [20, 80, 200])
@pytest.mark.parametrize(
    "alignment", [SHORT, peaked(LONG, TARGET, range(6)), peaked("你好" * 60, "ab", (3, 100))]
)
def test_no_line_is_wider_than_the_terminal(alignment, width, colours):
    assert max(map(cell_len, texts(alignment, width, colours))) < width


def test_the_highest_weight_stands_below_its_word():
    heading, *rows = texts(SHORT)[: len(TARGET) + 1]
    spans = columns_of(heading, [text.strip() or "∎" for text in SOURCE])
    for row, peak in zip(rows, PEAKS, strict=True):
        start, end = spans[peak]
        painted = [at for at in range(cell_len(row)) if cells(row, at, at + 1) in ("█", "8", "0")]
        assert painted == list(range(painted[0], painted[-1] + 1))
        assert painted[0] <= start < end <= painted[-1] + 1
        assert len(painted) == max(end - start, 4)


def test_rows_of_wide_and_narrow_names_begin_at_one_column():
    _, *rows = texts(SHORT, colours="truecolor")[: len(TARGET) + 1]
    assert len({cell_len(row) for row in rows}) == 1
    starts = [
        cell_len(row[: row.index(name)]) + cell_len(name) for row, name in zip(rows, TARGET, strict=False)
    ]
    assert set(starts[:-1]) == {4}


@pytest.mark.parametrize("width", [40, 80])
def test_a_long_source_goes_on_in_panels_that_hold_every_word_once_and_in_order(width):
    alignment = peaked(LONG, TARGET, range(6))
    lines = texts(alignment, width)
    count = int(lines[0].split()[0].partition("/")[2])
    headings = [line for line in lines if line.split()[:1] and line.split()[0].endswith(f"/{count}")]
    names = [name for line in headings for name in line.split()[1:]]
    assert len(headings) == count > 1
    assert [name.rstrip("…") for name in names] == [
        word if name == word else word[: len(name) - 1] for name, word in zip(names, LONG, strict=True)
    ]


def test_what_takes_panels_is_told_in_words_too():
    shown = "\n".join(texts(peaked(LONG, TARGET, range(6)), 40))
    for target, source in zip(("听", "起来", "自然", "easy", "。", "∎"), LONG, strict=False):
        assert f"{target} ← {source} (0.80)" in shown


def test_equal_names_are_told_apart_by_their_place():
    shown = "\n".join(texts(peaked("abcab" * 20, "xy", (1, 99)), 40))
    assert "x ← b#2 (0.80)" in shown
    assert "y ← b#100 (0.80)" in shown


def test_characters_stand_close_when_there_are_many():
    source = "three thousand two hundred and forty-five miles to the north of here"
    lines = texts(peaked(source, "32", (0, 15)))
    assert lines[0].split() == [source.replace(" ", "␣")]
    assert [line.index("█") - lines[0].index("three") for line in lines[1:3]] == [0, 15]


# ── Shades and colours ─────────────────────────────────────────────────────────────────────────────────────


def test_shades_darken_with_the_weight():
    fills = [paint(None)(weight) for weight in (0.0, *STEPS, 1.0)]
    assert "".join(fill for fill, _ in fills) == SHADES + SHADES[-1]
    assert {style for _, style in fills} == {""}


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_colours_brighten_with_the_weight_and_numbers_stand_out_from_them():
    previous = -1.0
    for weight in np.linspace(0, 1, 101):
        ink, _, ground = paint("truecolor")(float(weight))[1].partition(" on ")
        low, high = sorted((luminance(ink), luminance(ground)))
        assert (high + 0.05) / (low + 0.05) > 4
        assert luminance(ground) > previous
        previous = luminance(ground)


def test_sixteen_colours_have_a_step_for_each_shade():
    assert len({paint("standard")(weight)[1] for weight in (0.0, *STEPS)}) == len(SHADES)


def test_numbers_are_percent():
    line = texts(Alignment(("word", "here"), ("a",), np.array([[0.123, 0.877]], np.float32)))[1]
    assert "12" in line
    assert "88" in line


def test_empty_cells_leave_a_trace_without_colour_and_none_in_it():
    alignment = Alignment(("word", "here"), ("a",), np.array([[0, 1]], np.float32))
    assert TRACE in texts(alignment)[1]
    assert TRACE not in texts(alignment, colours="truecolor")[1]


# ── What comes in ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_commands_a_terminal_is_shown_instead():
    alignment = peaked(("\x1b[2J", "\n", " ", "\u202e"), ("\t", "\ufffd"), (0, 1))
    shown = "\n".join(texts(alignment))
    assert not set(shown) & set("\x1b\t\u202e")
    assert all(sign in shown for sign in ("\\x1b[2J", "⏎ new line", "␣ space", "⇥ tab", "\ufffd part"))


def test_nothing_is_drawn_of_nothing():
    assert draw(Alignment((), (), np.zeros((0, 0), np.float32)), 80, paint(None)) == []
    assert draw(Alignment(("a",), (), np.zeros((0, 1), np.float32)), 80, paint(None)) == []


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "sign"),
    [
        # Not with COLORTERM too: rich writes a style again as it first did, in whatever colours those were.
        (Terminal, {"TERM": "xterm-256color"}, "48;5;"),
        (Terminal, {"TERM": "xterm"}, ";44m"),
        (Terminal, {"TERM": "xterm", "NO_COLOR": "1"}, "█80██"),
        (io.StringIO, {"TERM": "xterm"}, "█80██"),
    ],
)
def test_it_is_drawn_in_the_colours_that_the_stream_takes(monkeypatch, stream, environment, sign):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**environment, "COLUMNS": "80"}.items():
        monkeypatch.setenv(name, value)
    out = stream()
    monkeypatch.setattr(sys, "stdout", out)
    console.heat_map(SHORT)
    shown = out.getvalue()
    assert sign in shown
    if stream is io.StringIO:
        assert "\x1b" not in shown
        assert shown.splitlines() == texts(SHORT)

"""How things look on a terminal and off it; every stream by itself."""

import io
import json
import re
import subprocess
import sys

import pytest
from rich.console import Console

from rnngen.__main__ import main
from rnngen.cli.render import console
from rnngen.cli.render.frame import Frame
from rnngen.cli.render.progress import Progress
from rnngen.events import Evaluated, Finished, Sampled, Saved, Started, Step, Warned, report

FINISHED = Finished("budget", 20, 20, 1.5, 3.0)


def a_run(*, model="shake[bold]\x1bspeare", text="[red]To be\x1b[31m 愛" * 40):
    """A run of 20 steps, made up."""
    yield Started(model, "m/x", 670_123, 65, 1_003_854, 111_540, "cpu", "bf16", 1337, 0, 20)
    for step in range(1, 21):
        loss = 4 - step / 10
        yield Step(step, step / 10, step / 20, loss, 0.002, 0.3, 41_234.0, 20.0 - step, loss)
        if step % 10 == 0:
            yield Evaluated(step, 4.1 - step / 10, 4.1 - step / 10, True)
            yield Saved(step, "m/x/model.safetensors")
            yield Sampled(step, text)
    yield Warned("mind the gap")
    yield FINISHED


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_dumb_terminal_has_its_own_width(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "40")
    assert console.rich_console(Terminal()).width == 40


def test_a_table_cuts_no_word_where_it_has_no_room(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(sys, "stdout", Terminal())
    console.table(
        [["rnn", "vanishes", None, 1.5], ["lstm", "keeps", "a note", 9]], ["cell", "so it", "note", "factor"]
    )
    lines = re.sub(r"\x1b\[[0-9;]*m", "", sys.stdout.getvalue()).splitlines()
    assert [line.rstrip() for line in lines] == [
        "cell rnn",
        "so it vanishes",
        "factor 1.5",
        "",
        "cell lstm",
        "so it keeps",
        "note a note",
        "factor 9",
    ]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


# ── Streams ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("stream", "environment", "colour"),
    [
        (Terminal, {}, True),
        (io.StringIO, {}, False),
        (Terminal, {"NO_COLOR": "1"}, False),
        (Terminal, {"TERM": "dumb"}, False),
        (io.StringIO, {"FORCE_COLOR": "1"}, True),
        (io.StringIO, {"FORCE_COLOR": "0"}, False),
        (io.StringIO, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_is_for_terminals_unless_the_environment_says_otherwise(
    monkeypatch, stream, environment, colour
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert console.coloured(stream()) is colour


def test_each_stream_is_judged_by_itself(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert console.progress_mode() == "plain"
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert console.progress_mode() == "live"
    assert console.progress_mode(quiet=True) == "quiet"
    assert console.progress_mode(quiet=True, as_json=True) == "json"


def test_force_color_makes_no_live_display_off_a_terminal(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert console.progress_mode() == "plain"


def test_notes_and_warnings_go_to_stderr(capsys):
    console.note("one")
    console.warn("two")
    assert capsys.readouterr() == ("", "rnngen: one\nrnngen: warning: two\n")


def test_the_sign_of_an_error_is_coloured_on_a_terminal(monkeypatch):
    for colour, sign in ((True, "\x1b[31m\x1b[1merror:\x1b[0m"), (False, "error:")):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("NO_COLOR", "" if colour else "1")
        assert main(["help", "nonsense"]) == 2
        assert terminal.getvalue().startswith(f"rnngen: {sign} unknown topic")


# ── Listings ───────────────────────────────────────────────────────────────────────────────────────────────


ROWS = [("names", 12, None), ("愛" * 40 + "x" * 40, 3400, "a\tb\x1b")]


def test_a_listing_through_a_pipe_is_whole_aligned_and_plain(capsys):
    console.table(ROWS, ("name", "size", "note"))
    header, first, second = capsys.readouterr().out.splitlines()
    assert second.startswith("愛" * 40 + "x" * 40 + "  3400  a   b\\x1b")
    assert first == "names" + " " * (120 - 5) + "    12"
    assert header == "name" + " " * (120 - 4) + "  size  note"


def test_a_listing_on_a_terminal_fits_and_takes_no_markup(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "60")
    console.table([("[red]x", 1), ("y" * 100, 2)], ("name", "n"))
    shown = terminal.getvalue()
    assert "[red]x" in shown
    assert shown.count("y") == 100
    assert "\x1b[1m" in shown


def test_json_listings_have_null_for_what_is_no_number(capsys):
    console.write_json([{"loss": float("nan"), "name": "愛"}])
    out = capsys.readouterr().out
    assert json.loads(out, parse_constant=pytest.fail) == [{"loss": None, "name": "愛"}]
    assert "愛" in out


# ── Training ───────────────────────────────────────────────────────────────────────────────────────────────


def test_every_mode_returns_the_ending(capsys, monkeypatch):
    for mode in ("plain", "json", "quiet", "live"):
        assert console.render(a_run(), mode) == FINISHED
    assert console.render(iter([]), "plain") is None


def test_errors_of_the_work_pass_through(capsys):
    def broken():
        yield next(a_run())
        raise ZeroDivisionError

    for mode in ("plain", "json", "quiet", "live"):
        with pytest.raises(ZeroDivisionError):
            console.render(broken(), mode)


def test_plain_lines_go_to_stderr(capsys):
    console.render(a_run(), "plain")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "\x1b" not in shown.err
    assert "rnngen: warning: mind the gap" in shown.err


def test_json_goes_to_stdout_an_event_a_line(capsys):
    console.render(a_run(), "json")
    shown = capsys.readouterr()
    assert shown.err == ""
    kinds = [json.loads(line)["event"] for line in shown.out.splitlines()]
    assert len(kinds) == len(list(a_run()))
    assert (kinds[0], kinds[-1]) == ("started", "finished")


def test_quiet_says_only_warnings(capsys):
    console.render(a_run(), "quiet")
    assert capsys.readouterr() == ("", "rnngen: warning: mind the gap\n")


def prepare(monkeypatch, mode):
    """Show two works in a mode → what is on stdout and on stderr."""
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, Terminal())
    with console.preparations(mode):
        for share in (None, 0.5):
            report("reading a\x1b.txt", share)
        report("loading torch")
    return sys.stdout.getvalue(), sys.stderr.getvalue()


def test_work_before_the_first_step_is_shown_in_every_mode(monkeypatch):
    assert prepare(monkeypatch, "quiet") == ("", "")
    assert prepare(monkeypatch, "plain") == ("", "rnngen: reading a\\x1b.txt\nrnngen: loading torch\n")
    out, err = prepare(monkeypatch, "json")
    assert [json.loads(line)["progress"] for line in out.splitlines()] == [None, 0.5, None]
    assert err == ""
    out, err = prepare(monkeypatch, "live")
    lines = err.split("\r\x1b[K")
    assert lines[1:] == [
        f"rnngen: {part}" if part else ""
        for part in ("reading a\\x1b.txt …", "reading a\\x1b.txt … 50%", "loading torch …", "")
    ]
    assert out == ""


def test_nobody_hears_of_work_outside(capsys):
    report("reading")
    assert capsys.readouterr() == ("", "")


def test_only_terminals_import_rich():
    code = (
        "import sys; from rnngen.cli.render import console;"
        "console.table([('a', 1)], ('x', 'y')); console.warn('w');"
        "console.render(iter([]), 'plain'); assert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def frame(width, height, **run):
    """The picture at the end of a run, as lines of a screen."""
    progress = Progress()
    for event in a_run(**run):
        progress.take(event)
    screen = Console(
        file=Terminal(), width=width, height=height, force_terminal=True, color_system=None, markup=False
    )
    screen.print(Frame(progress))
    return screen.file.getvalue().splitlines(), screen


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 24), (40, 12), (20, 8), (200, 60), (10, 3)])
def test_a_frame_fits_its_terminal(width, height):
    lines, screen = frame(width, height)
    assert all(screen.render_str(line, markup=False).cell_len <= width for line in lines)
    if width >= 40:
        assert len(lines) <= height


def test_a_frame_shows_what_matters():
    text = "\n".join(frame(80, 24)[0])
    for piece in (
        "shake[bold]\\x1bspeare",
        "670k parameters",
        "1.00M tokens",
        "cpu bf16",
        "seed 1337",
        "step 20/20",
        "tok/s 41.2k",
        "train 2.0000",
        "val 2.1000",
        "best 2.1000 at 20",
        "grad 0.30",
        "●",
        "after 20 steps",
        "[red]To be\\x1b[31m 愛",
        "done: 20 steps",
    ):
        assert piece in text


def test_a_running_frame_shows_the_time_left():
    progress = Progress()
    for event in list(a_run())[:8]:
        progress.take(event)
    screen = Console(file=io.StringIO(), width=80, height=24)
    screen.print(Frame(progress))
    assert "35%  0:13 left" in screen.file.getvalue()


def test_the_live_display_leaves_its_summary_and_the_warnings(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", stdout := io.StringIO())
    console.render(a_run(), "live", verbose=1)
    shown = terminal.getvalue()
    assert "mind the gap" in shown
    assert "saved m/x/model.safetensors" in shown
    assert "done: 20 steps" in shown[shown.rindex("seed 1337") :]
    assert stdout.getvalue() == ""


def test_a_table_fits_a_dumb_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setattr(sys, "stdout", Terminal())
    console.table([["a name", "many words that take more room"]], ["name", "meaning"])
    drawn = sys.stdout.getvalue()
    assert "\x1b" not in drawn
    assert max(map(len, drawn.splitlines())) <= 30

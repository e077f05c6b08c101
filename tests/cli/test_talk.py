"""``rnngen sample -i``: somebody at a terminal, who types, interrupts and leaves."""

import os
import re
import select
import signal
import time

import pytest

from rnngen.cli import interactive

pty = pytest.importorskip("pty")
pytestmark = [pytest.mark.usefixtures("shelf"), pytest.mark.slow]

PATIENCE = 60
"""Seconds until something that must come is given up."""
PROMPT = "> "


class Screen:
    """A program on a terminal: what it shows, and the keys for it."""

    def __init__(self, spawn, *args):
        self.own, theirs = pty.openpty()
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        environment = {"TERM": "xterm", "INPUTRC": os.devnull}
        self.process = spawn(*args, env=environment, preexec_fn=leads, **streams)
        os.close(theirs)
        self.seen = ""

    def type(self, keys):
        os.write(self.own, keys.encode())

    def until(self, text):
        """What is shown from now on, up to this text."""
        assert self.comes(text, PATIENCE), self.seen
        shown, _, self.seen = self.seen.partition(text)
        return shown

    def comes(self, text, seconds):
        """Whether this text is shown within so many seconds."""
        limit = time.monotonic() + seconds
        while text not in self.seen:
            if not select.select([self.own], [], [], max(0, limit - time.monotonic()))[0]:
                return False
            try:
                data = os.read(self.own, 4096)
            except OSError:  # Linux says so when the other side is closed
                data = b""
            assert data, f"it ended: {self.seen}"
            self.seen = re.sub(r"\x1b\[\?2004[hl]\r?|\r(?=\n)", "", self.seen + data.decode())
        return True

    def interrupt(self):
        """Press Ctrl-C at a prompt until there is a new one.

        CPython misses a signal that comes between a key and its waiting for the next one, though readline
        hears it.
        """
        for _ in range(PATIENCE):
            self.type("\x03")
            if self.comes(PROMPT, 1):
                break
        self.until(PROMPT)

    def line(self, typed):
        """What is shown for a line, up to the next prompt."""
        self.type(f"{typed}\n")
        self.until(f"{typed}\n")
        return self.until(f"\n{PROMPT}") if self.shows(typed) else ""

    @staticmethod
    def shows(typed):
        return not typed.startswith(("/seed", "/length", "/save"))

    def ended(self):
        return self.process.wait(PATIENCE)


def leads():
    """The terminal is that of the new process, and Ctrl-C there is for it, though a job's may be ignored."""
    import fcntl
    import termios

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def talk(spawn):
    """Starts a conversation, and waits for the first prompt."""
    opened = []

    def go(*args, model="tale"):
        screen = Screen(spawn, "sample", "-i", "-m", model, "-s", "7", *args)
        opened.append(screen)
        screen.until(PROMPT)
        return screen

    yield go
    for screen in opened:
        os.close(screen.own)


def test_a_turn_is_taken_back_and_comes_again_the_same(talk):
    screen = talk("-n", "30")
    first = screen.line("the cat")
    assert first.strip()
    assert "the text is empty" in screen.line("/undo")
    assert screen.line("the cat") == first
    assert screen.line("/retry") != first
    screen.type("\x04")
    assert screen.ended() == 0


def test_a_command_that_is_wrong_costs_nothing(talk):
    screen = talk("-n", "20")
    first = screen.line("the cat")
    assert "did you mean '/temp'?" in screen.line("/tmep 0.4")
    assert "k=many: a whole number expected" in screen.line("/top-k many")
    assert "nowhere" in screen.line("/load nowhere")
    assert "needs the name of a file" in screen.line("/load")
    assert "temp=0" in screen.line("/temp 0")
    assert "temp=0.0,top_k=4" in screen.line("/top-k 4")
    assert screen.line("/text").strip() == f"the cat{first}".strip()
    screen.line("/length 3")
    screen.type("/quit\n")
    assert screen.ended() == 0


def test_ctrl_c_ends_the_text_and_keeps_it_and_at_the_prompt_drops_the_line(talk):
    screen = talk("-n", "-1", "--stop", "\x01")
    screen.type("the cat\n")
    screen.until("the cat\n")
    for _ in range(5):
        screen.until("\n")
    screen.type("\x03")
    screen.until(PROMPT)
    screen.type("half a line")
    screen.until("half a line")
    screen.interrupt()
    text = screen.line("/text")
    assert text.startswith("the cat")
    assert text.count("\n") >= 4
    assert "half a line" not in text
    screen.type("\x04")
    assert screen.ended() == 0


def test_it_is_saved_gone_on_from_and_its_lines_are_remembered(talk, place, home):
    screen = talk("-n", "20")
    screen.line("the cat")
    text = screen.line("/text")
    screen.line("/save state")
    screen.type("/quit\n")
    assert screen.ended() == 0
    assert (place / "state").exists()
    assert "the cat\n" in (home / "history").read_text()
    again = talk("-n", "20")
    again.line("/load state")
    assert again.line("/text") == text


def test_saving_is_confirmed_and_what_goes_wrong_is_named_plainly(talk, place):
    (place / "file").write_text("")
    screen = talk("-n", "5")
    screen.line("the cat")
    for typed, told in (
        ("/save state", "saved state; go on with"),
        ("/save file/state", "file: File exists"),
        ("/seed", "/seed: a whole number from 0 on expected"),
        ("/length x", "/length x: a whole number from -1 on expected"),
    ):
        screen.type(f"{typed}\n")
        screen.until(f"{typed}\n")
        shown = screen.until(f"\n{PROMPT}")
        assert told in shown
        assert "Errno" not in shown
    screen.type("\x04")
    assert screen.ended() == 0


# ── a model that reads a source ────────────────────────────────────────────────────────────────────────────

DRAWN = ("--temp", "1.5", "-n", "12")


@pytest.mark.usefixtures("models")
def test_an_output_is_taken_back_and_comes_again_the_same(talk, run):
    screen = talk(*DRAWN, model="pairs")
    first = screen.line("fedcab")
    assert f"{first}\n" == run("sample", "-m", "pairs", "-s", "7", *DRAWN, "fedcab").out
    second = screen.line("cafe")
    assert repr(f"{first}\n") in screen.line("/undo")
    assert screen.line("cafe") == second
    screen.line("/undo")
    assert "the text is empty" in screen.line("/undo")
    assert "nothing to undo" in screen.line("/undo")
    assert screen.line("fedcab") == first
    assert screen.line("/retry") != first
    screen.type("\x04")
    assert screen.ended() == 0


@pytest.mark.usefixtures("models")
def test_an_output_is_saved_and_gone_on_from(talk, run, place):
    screen = talk("-n", "2", model="pairs")
    first = screen.line("fedcab")
    assert len(first) == 2
    screen.line("/save state")
    screen.until(PROMPT)
    assert screen.line("/text") == first
    screen.type("/quit\n")
    assert screen.ended() == 0
    whole = run("sample", "-m", "pairs", "fedcab").out
    assert first + run("sample", "-m", "pairs", "--from-state", "state").out == whole
    again = talk("-n", "2", model="pairs")
    again.line("abc")
    again.line("/load state")
    assert again.line("/text") == first
    assert again.line("cafe") == run("sample", "-m", "pairs", "-n", "2", "cafe").out.strip()
    again.type("\x04")
    assert again.ended() == 0


@pytest.mark.usefixtures("models")
def test_outputs_of_a_beam_have_turns_and_no_state(talk, run, place):
    screen = talk("--beam", "3", model="pairs")
    expected = run("sample", "-m", "pairs", "--beam", "3", "fedcab").out.strip()
    assert screen.line("fedcab") == expected
    for typed in ("/retry", "/save state"):
        screen.type(f"{typed}\n")
        assert "generates whole texts, which have no state" in screen.until(PROMPT)
    assert not (place / "state").exists()
    screen.type("\x04")
    assert screen.ended() == 0


def test_off_a_terminal_it_is_refused(run):
    assert "--interactive needs a person at a terminal" in run("sample", "-i", stdin="the", status=2).err


def typing(*lines):
    """What stands for ``input``; an exception is raised."""
    keys = iter(lines)

    def read(_):
        if isinstance(line := next(keys), str):
            return line
        raise line

    return read


def test_a_home_that_cannot_be_written_to_costs_the_history_alone(home, monkeypatch, trained):
    monkeypatch.setenv("RNNGEN_HOME", str(trained / "tale.txt"))
    monkeypatch.setattr("builtins.input", typing(EOFError))
    interactive.read_lines(pytest.fail)
    assert (trained / "tale.txt").is_file()

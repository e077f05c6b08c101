"""The process as a shell sees it: exit statuses, stderr lines, closed pipes and full disks."""

import io
import os
import signal
import subprocess
import sys
import types

import click
import pytest

from rnngen.__main__ import main
from rnngen.cli.app import COMMANDS, Builtin
from rnngen.errors import CorpusError, NotFoundError, PluginError


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RNNGEN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RNNGEN_DEBUG", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def command(monkeypatch):
    """Puts a command called ``work`` in the table, which does what it is given."""

    def put(do, *params):
        module = types.ModuleType("rnngen_test_command")
        module.work = click.Command("work", callback=lambda **given: do(), params=list(params))
        monkeypatch.setitem(sys.modules, "rnngen_test_command", module)
        monkeypatch.setitem(COMMANDS, "work", Builtin("rnngen_test_command:work", "work"))

    return put


def raising(error):
    def do():
        raise error

    return do


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (CorpusError("corpus.txt: empty; add text"), 1, "corpus.txt: empty; add text"),
        (NotFoundError("no model 'x'"), 3, "no model 'x'"),
        (PluginError("broken"), 4, "broken"),
        (OSError(28, "No space left on device", "a/model"), 1, "a/model: No space left on device"),
        (FileNotFoundError(2, "No such file", "a", None, "b"), 1, "a → b: No such file"),
        (
            ZeroDivisionError("by 0"),
            1,
            "ZeroDivisionError: by 0 (this is a bug; RNNGEN_DEBUG=1 shows where)",
        ),
    ],
)
def test_an_error_is_one_line_and_its_status(command, capsys, error, status, line):
    command(raising(error))
    assert main(["work"]) == status
    assert capsys.readouterr() == ("", f"rnngen: error: {line}\n")


def test_debug_shows_the_traceback(command, capsys, monkeypatch):
    monkeypatch.setenv("RNNGEN_DEBUG", "1")
    command(raising(ZeroDivisionError("by 0")))
    assert main(["work"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_an_interrupt_is_silent(command, capsys):
    command(raising(KeyboardInterrupt()))
    assert main(["work"]) == 130
    assert capsys.readouterr() == ("", "")


def test_an_interrupt_while_another_is_answered_changes_nothing(command, monkeypatch):
    class Terminal(io.StringIO):
        asked = 0

        def isatty(self):
            self.asked += 1
            signal.raise_signal(signal.SIGINT)
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    command(raising(KeyboardInterrupt()))
    assert main(["work"]) == 130
    assert terminal.asked


def test_a_command_may_choose_its_status(command):
    command(lambda: click.get_current_context().exit(130))
    assert main(["work"]) == 130


def test_a_usage_error_says_where_to_read_on(command, capsys):
    command(lambda: None, click.Option(["--length"], type=int))
    assert main(["work", "--lenght", "3"]) == 2
    complaint, hint = capsys.readouterr().err.splitlines()
    assert complaint.startswith("rnngen: error: no such option '--lenght'")
    assert hint == "rnngen: 'rnngen work --help' shows what there is"


def test_a_refused_value_names_its_variable(command, capsys, monkeypatch):
    monkeypatch.setenv("RNNGEN_WORK_LENGTH", "long")
    command(lambda: None, click.Option(["--length"], type=int))
    assert main(["work"]) == 2
    assert "'long'" in (shown := capsys.readouterr().err)
    assert "(from RNNGEN_WORK_LENGTH)" in shown


def test_bare_rnngen_shows_the_help_on_stdout(capsys):
    assert main([]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Usage: rnngen")
    assert shown.err == ""


def run(*args, **options):
    environment = {**os.environ, **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "rnngen", *args],
        stderr=subprocess.PIPE,
        env=environment,
        check=False,
        **options,
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_is_silent(unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    done = run("--help", stdout=writer, env={"PYTHONUNBUFFERED": unbuffered})
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")  # noqa: PTH110
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_line(unbuffered):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = run("--help", stdout=full, env={"PYTHONUNBUFFERED": unbuffered})
    assert done.returncode == 1
    assert done.stderr == b"rnngen: error: standard output: No space left on device\n"


def test_streams_may_be_closed():
    done = subprocess.run(
        ["sh", "-c", '"$0" -m rnngen --version >&- 2>&-', sys.executable], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_text_is_utf8_whatever_the_locale():
    done = run("愛", stdout=subprocess.PIPE, env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert "'愛'" in done.stderr.decode("utf-8")


def test_numbers_that_overflow_leave_no_warning_on_a_terminal():
    """Weights of 3e38 saturate a gate, or end as an error that says so."""
    program = "from rnngen.__main__ import main; main(); import numpy; numpy.float32(3e38) * numpy.float32(9)"
    done = subprocess.run([sys.executable, "-c", program, "--version"], stderr=subprocess.PIPE, check=True)
    assert done.stderr == b""

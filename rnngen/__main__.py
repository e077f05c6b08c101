"""``rnngen`` and ``python -m rnngen``: runs the program, and turns what goes wrong into a line and a status.

::

    0 ok   1 failed   2 usage   3 not found   4 plugin failed   130 interrupted   141 pipe closed
"""

import io
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from rnngen.errors import INTERRUPTED, STDOUT, RnngenError, os_reason, out_of_memory

if TYPE_CHECKING:
    from click.exceptions import ClickException

PIPE_CLOSED = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program on ``argv``, by default the arguments of the process, and return its exit status."""
    _speak_utf8()
    if argv is None:  # NumPy's, of numbers that overflow: what comes of them is an error, or nothing
        warnings.filterwarnings("ignore", r".* encountered in ", RuntimeWarning)
    try:
        status = _guarded(lambda: _run(sys.argv[1:] if argv is None else list(argv)))
        status = _guarded(_flush) or status
    except KeyboardInterrupt:  # another one, while the first was answered
        status = INTERRUPTED
    if argv is None:  # the process ends here: one more has nothing left to stop
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status


def _run(argv: list[str]) -> int:
    from click.exceptions import Abort, ClickException, Exit

    from rnngen.cli.app import app

    instruction = os.environ.get("_RNNGEN_COMPLETE")
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(app, {}, "rnngen", "_RNNGEN_COMPLETE", instruction)
    try:
        with app.make_context("rnngen", argv) as ctx:
            app.invoke(ctx)
    except Exit as stop:
        return stop.exit_code
    except Abort as abort:  # a question was interrupted, or answered with no
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        return 1
    except ClickException as error:
        return _usage(error)
    return 0


def _usage(error: "ClickException") -> int:
    """Say what Click refused, and where to read on. Bare ``rnngen`` shows the help, which is no failure."""
    from click import BadParameter
    from click.core import ParameterSource
    from click.exceptions import NoArgsIsHelpError, UsageError

    from rnngen.cli.render import console

    if isinstance(error, NoArgsIsHelpError):
        _write(error.ctx.get_help() if error.ctx else str(error), sys.stdout)
        return 0
    message = error.format_message().rstrip(".")
    message = message[:1].lower() + message[1:]
    if isinstance(error, BadParameter) and error.ctx and error.param and error.param.name:
        source = error.ctx.get_parameter_source(error.param.name)
        if source is ParameterSource.ENVIRONMENT:
            message += f" (from {error.ctx.auto_envvar_prefix}_{error.param.name.upper()})"
    console.fail(message)
    if isinstance(error, UsageError) and error.ctx:
        console.note(f"'{error.ctx.command_path} --help' shows what there is")
    return error.exit_code


def _guarded(work: Callable[[], int]) -> int:
    """Run ``work``; whatever it raises becomes at most a line on stderr, and a status."""
    try:
        return work()
    except KeyboardInterrupt:
        if sys.stderr and sys.stderr.isatty():
            _write("", sys.stderr)  # the shell's prompt goes below the ^C
        return INTERRUPTED
    except BrokenPipeError:
        _close_stdout()
        return PIPE_CLOSED
    except RnngenError as error:
        return _failed(str(error), error.exit_status)
    except OSError as error:
        if error.filename == STDOUT:
            _close_stdout()
        return _failed(os_reason(error), 1)
    except Exception as error:
        return _unexpected(error)


def _unexpected(error: Exception) -> int:
    """Report what nobody raised on purpose: a plugin's failure, or a bug."""
    from rnngen.cli.blame import owner_of

    if lacks := out_of_memory(error):
        return _failed(f"there is not enough memory {lacks}; give less text at a time", 1)
    what = f"{type(error).__name__}: {error}"
    if owner := owner_of(error):
        mend = f"RNNGEN_DEBUG=1 shows where, -p no:{owner} leaves it out"
        return _failed(f"the plugin {owner} failed: {' '.join(what.split())} ({mend})", 4)
    return _failed(f"{what} (this is a bug; RNNGEN_DEBUG=1 shows where)", 1)


def _failed(message: str, status: int) -> int:
    if os.environ.get("RNNGEN_DEBUG"):
        import traceback

        traceback.print_exc()
    from rnngen.cli.render import console

    console.fail(message)
    return status


def _write(line: str, stream: TextIO | None) -> None:
    if stream:  # None where the process was started with it closed
        stream.write(line + "\n")


def _flush() -> int:
    if sys.stdout:
        sys.stdout.flush()
    return 0


def _close_stdout() -> None:
    """Let what is still buffered go nowhere, or Python would complain about it once more at its end."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # a stand-in of the tests, without a file behind it
        pass


def _speak_utf8() -> None:
    """Write UTF-8 whatever the locale; bytes of arguments that are not UTF-8 come out as they came in."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = _over(_StandardOutput, sys.stdout)
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _over(_StandardError, sys.stderr)
        sys.stderr.reconfigure(encoding="utf-8", errors="replace")


class _StandardOutput(io.FileIO):
    """Says its name when it cannot be written, which the system does not."""

    def write(self, data: Any, /) -> Any:
        """Write, with this file's name in errors."""
        try:
            return super().write(data)
        except OSError as error:
            error.filename = STDOUT
            raise


class _StandardError(io.FileIO):
    """Drops what cannot be written: hours of work must not end for want of a line about them."""

    def write(self, data: Any, /) -> Any:
        """Write, or drop it where the disk is full, the terminal is closed or the reader is gone."""
        try:
            return super().write(data)
        except OSError:
            return len(data)


def _over(kind: type[io.FileIO], stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """The same stream, over another kind of file; a stand-in of the tests stays as it is."""
    unbuffered = isinstance(stream.buffer, io.FileIO)  # python -u
    if type(getattr(stream.buffer, "raw", stream.buffer)) is not io.FileIO:
        return stream
    raw = kind(stream.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


if __name__ == "__main__":
    sys.exit(main())

"""The conformance suites for listeners, which hear every kind of event, and for commands."""

import io
from contextlib import chdir, redirect_stdout
from tempfile import TemporaryDirectory

from rnngen import events
from rnngen.contracts import ClosingListener, CommandSpec, ListenerSpec, imported
from rnngen.options import build
from rnngen.testing import checks

RUN = (
    events.Preparing("reading corpus.txt", 0.5),
    events.Started("corpus", "models/corpus", 1000, 30, 900, 100, "cpu", "fp32", 1, 0, 10),
    events.Surveyed("1 text", 1, 1000, 0, 1, 1, "place", 0.1, 0, None, ()),
    events.Warned("the corpus is short"),
    events.Step(1, 0.1, 0.1, 3.0, 0.001, 1.0, 1000.0, None, 3.1),
    events.Evaluated(1, 2.9, 2.9, best=True),
    events.Saved(1, "models/corpus/model.safetensors"),
    events.Sampled(1, "the sea"),
    events.Copied("nothing is copied", 10, 0.0, 0.0, "", has_eos=False),
    events.FinalEvaluation(1, 2.9, 2.9, 0.1),
    events.Finished("budget", 1, 1, 2.9, 1.0),
)
"""The events of a short training."""


@checks.suite
def check_listener(spec: ListenerSpec, **options: str) -> None:
    """Check a listener against its contract: it takes every event, prints nothing, can be closed early.

    It does so in a folder that is gone afterwards, with the files that it writes.
    """
    chosen = build(spec.options, options, owner=f"listener {spec.name!r}")
    for heard in (RUN, RUN[:2], ()):
        listener = imported(spec.load)(chosen)
        assert callable(listener), f"{spec.load} makes {type(listener).__name__}, which cannot be called"
        with TemporaryDirectory() as folder, chdir(folder), redirect_stdout(io.StringIO()) as output:
            for event in heard:
                listener(event)
            if isinstance(listener, ClosingListener):
                listener.close()
        shown = output.getvalue()
        assert not shown, f"it prints to standard output, which is for generated text: {shown[:40]!r}"


@checks.suite
def check_command(spec: CommandSpec) -> None:
    """Check a command against its contract: it is one of Click's, with a help text, which prints no error."""
    import click
    from click.testing import CliRunner

    command = imported(spec.load)
    kind = type(command).__name__
    assert isinstance(command, click.Command), f"{spec.load} is {kind}, no click.Command"
    shown = CliRunner().invoke(command, ["--help"])
    assert shown.exit_code == 0, f"its --help ends with {shown.exit_code}: {shown.exception!r}"
    assert command.help, "it has no help text; write a docstring"

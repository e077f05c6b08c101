"""``rnngen tune``: search for the sizes and settings that suit a text."""

import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags
from rnngen.cli.commands.train import INTERRUPTED, interruptible, request_of, storage_flag
from rnngen.cli.context import session
from rnngen.cli.precedence import overrule
from rnngen.cli.render import console, trials
from rnngen.errors import UsageError
from rnngen.options import describe
from rnngen.options.corpus import CorpusOptions, PartsOptions
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.requests.tune import TuneRequest, TuningOptions

if TYPE_CHECKING:
    from rnngen.events import Event
    from rnngen.tuning import Searched

TRAINING = [option.name for option in describe(TrainingOptions) if option.name != "minutes"]
"""A trial's minutes are called ``--trial-minutes`` here."""


def _searches(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Read ``KEY=RANGE,KEY=RANGE``."""
    found: dict[str, str] = {}
    for text in (part for value in values for part in value.split(",") if part.strip()):
        key, equals, wanted = text.partition("=")
        if not equals or not key.strip() or not wanted:
            raise UsageError(f"--search {text!r} is not of the form KEY=LOW..HIGH or KEY=ONE|ANOTHER")
        found[key.strip()] = wanted.strip()
    return found


@flags.examples(
    "rnngen tune corpus.txt --minutes 30",
    "rnngen train corpus.txt --from-study corpus",
    "rnngen tune corpus.txt --search 'cell=lstm|gru,hidden=128|256|512'",
    "rnngen tune corpus.txt --search lr=1e-4..1e-2:log --trials 40",
    "rnngen tune corpus.txt --storage postgresql://host/studies",
)
@click.command(cls=flags.Command)
@click.argument("corpus", nargs=-1, metavar="CORPUS...", type=click.Path())
@click.option("--name", help="The study's name; by default that of the corpus.")
@flags.options_from(TuningOptions)
@click.option(
    "--search",
    multiple=True,
    metavar="KEY=RANGE",
    callback=_searches,
    help="Search an option in this range: LOW..HIGH, LOW..HIGH:log, LOW..HIGH:STEP or ONE|ANOTHER; several "
    "separated by commas. Options given by other flags are held fixed.",
)
@storage_flag
@flags.options_from(
    PartsOptions,
    heading="Parts",
    common={"task", "cell", "tokenizer"},
    complete={kind: flags.complete_names(kind) for kind in ("cell", "tokenizer", "task")},
)
@flags.set_flag
@flags.options_from(CorpusOptions, heading="Text", common=())
@flags.options_from(NetworkOptions, heading="Network", common={"hidden", "layers"})
@flags.options_from(TrainingOptions, only=TRAINING, heading="Training of a trial", common={"seed"})
@flags.quiet_flag
@flags.json_flag
@click.pass_context
def tune(ctx: click.Context, /, json: bool, quiet: bool, **params: Any) -> None:
    """Search for the sizes and settings that suit CORPUS, by many short trainings.

    Each trial is a training with a share of the time; those that do worse than others end early. The study is
    kept: the same command goes on with it, in several processes or on several machines at once if they share
    its --storage. No model is made; 'rnngen train CORPUS --from-study NAME' trains the best one with a budget
    of its own. The command that does the same by flags is written to standard output.
    """
    from rnngen.tuning.trials import tune as search

    overrule(ctx, params, ["steps"], ["epochs"], ["trial_minutes"])
    request = _request(**params)
    mode = console.progress_mode(as_json=json, quiet=quiet)
    here = session(ctx)
    with interruptible() as stopped:
        found = _show(search(here, request, stopped), request.fixed.corpus, mode)
    if found and found.best and not json:
        click.echo(trials.command(found.best.settings, request.fixed.corpus))
    if found and found.reason == "interrupt":
        command = shlex.join(["rnngen", "tune", *ctx.meta[flags.ARGUMENTS]])
        console.note(f"stopped; go on with: {command}")
        ctx.exit(INTERRUPTED)


def _request(*, search: dict[str, str], storage: str | None, **params: Any) -> TuneRequest:
    """Make a request of the parameters of the command; its minutes are those of the search."""
    fixed = request_of(**{**params, "minutes": None})
    return TuneRequest(fixed, flags.parsed(TuningOptions, params), search, storage)


def _show(events: "Iterable[Event]", corpus: Sequence[str], mode: str) -> "Searched | None":
    """Run the search to its end and show what it reports."""
    state = trials.Trials()
    followed = console.with_warnings(state.follow(events))
    if mode == "live":
        console.live_table(trials.listings(followed, state))
    for event in followed:  # none are left where they were drawn
        if mode == "json" and (record := trials.json_line(event, corpus)):
            click.echo(record)
        if mode == "plain" and (line := trials.line(event)):
            console.note(line)
    if mode == "live" and state.searched and (line := trials.line(state.searched)):
        console.note(line)
    return state.searched

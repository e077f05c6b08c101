"""``rnngen tune``: search for the sizes and settings that suit a text."""

import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags
from rnngen.cli.app import session
from rnngen.cli.commands.train import INTERRUPTED, storage_flag
from rnngen.cli.render import console as ui
from rnngen.cli.render import progress, trials
from rnngen.cli.training_run import interruptible
from rnngen.errors import UsageError
from rnngen.options import describe
from rnngen.options.corpus import CorpusOptions, PartsOptions
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.tuning import TuningOptions

if TYPE_CHECKING:
    from rnngen.events import Event
    from rnngen.training.plan import Request
    from rnngen.tuning import Searched

WORDS = "words"
"""Where the context keeps the arguments as they were given."""
TRAINING = [option.name for option in describe(TrainingOptions) if option.name != "minutes"]
"""A trial's minutes are called ``--trial-minutes`` here."""


class Command(flags.Command):
    """Keeps its arguments as they were given, to say how to go on."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse them, too."""
        ctx.meta[f"{__name__}.{WORDS}"] = shlex.join(["rnngen", "tune", *args])
        return super().parse_args(ctx, args)


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
@click.command(cls=Command)
@click.argument("corpus", nargs=-1, metavar="CORPUS...", type=click.Path())
@click.option("--name", help="The study's name; made from the corpus's if not given.")
@flags.options_from(TuningOptions)
@click.option(
    "--search",
    multiple=True,
    metavar="KEY=RANGE",
    callback=_searches,
    help="Search an option, or in another range: LOW..HIGH, LOW..HIGH:log, LOW..HIGH:STEP or ONE|ANOTHER; "
    "several with commas between. What a plain flag gives is held fixed.",
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
def tune(ctx: click.Context, /, **params: Any) -> None:
    """Search for the sizes and settings that suit CORPUS, by many short trainings.

    Each trial is a training with a share of the time; those that do worse than others end early. The study is
    kept: the same command goes on with it, in several processes or on several machines at once if they share
    its --storage. No model is made; 'rnngen train CORPUS --from-study NAME' trains the best one with a budget
    of its own. The command that does the same by flags is written to standard output.
    """
    from rnngen.tuning.trials import tune as search

    flags.overrule(ctx, params, ["steps"], ["epochs"], ["trial_minutes"])
    options, request = flags.collect(TuningOptions, params), _request(params)
    here = session(ctx)
    with interruptible() as stopped:
        events = search(here, request, options, params["search"], storage=params["storage"], stop=stopped)
        found = _show(events, params)
    if found and found.best:
        _tell_best(params, trials.command(found.best.settings, params["corpus"]))
    if found and found.reason == "interrupt":
        ui.note(f"stopped; go on with: {ctx.meta[f'{__name__}.{WORDS}']}")
        ctx.exit(INTERRUPTED)


def _request(params: dict[str, Any]) -> "Request":
    """What is held fixed.

    Raises:
        UsageError: if a value is refused, or a trial is given two budgets.
    """
    from rnngen.training.plan import Request

    own = {**params, "minutes": None}  # which are those of the search
    for stage in (PartsOptions, CorpusOptions, NetworkOptions, TrainingOptions):
        flags.collect(stage, own)
    given = [name for name in ("steps", "epochs", "trial_minutes") if params[name] is not None]
    if len(given) > 1:
        raise UsageError(f"--{' and --'.join(given).replace('_', '-')} are different budgets; give one")
    return Request(
        corpus=params["corpus"],
        name=params["name"],
        parts=flags.given(PartsOptions, params),
        text=flags.given(CorpusOptions, params),
        network=flags.given(NetworkOptions, params),
        training=flags.given(TrainingOptions, own),
        settings=params["option"],
    )


def _show(events: "Iterable[Event]", params: dict[str, Any]) -> "Searched | None":
    """Run the search to its end and show what it reports."""
    state = trials.Trials()
    followed = _warning_of(state.follow(events))
    mode = ui.progress_mode(as_json=params["json"], quiet=params["quiet"])
    if mode == "live":
        ui.live_table(trials.listings(followed, state))
    for event in followed:  # none are left where they were drawn
        if mode == "json" and (record := trials.json_line(event, params["corpus"])):
            click.echo(record)
        if mode == "plain" and (line := trials.line(event)):
            ui.note(line)
    if mode == "live" and state.searched and (line := trials.line(state.searched)):
        ui.note(line)
    return state.searched


def _warning_of(events: "Iterable[Event]") -> "Iterator[Event]":
    """Hand the events on, and say what they warn of."""
    for event in events:
        if message := progress.warning(event):
            ui.warn(message)
        yield event


def _tell_best(params: dict[str, Any], command: str) -> None:
    """The command that trains the best trial, as the result."""
    if not params["json"]:
        click.echo(command)

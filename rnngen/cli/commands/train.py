"""``rnngen train``: learn from a text, alone or as one of several processes, until the end or Ctrl-C."""

import re
import shlex
import signal
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from rnngen.cli import completers, flags
from rnngen.cli.context import plugin_flags, session
from rnngen.cli.render import console
from rnngen.cli.render.progress import amount, clock
from rnngen.cli.settings import given, overrule, rank_of, resolve
from rnngen.errors import INTERRUPTED, DivergedError, OptionError, UnknownName
from rnngen.options import IdleOption, describe
from rnngen.options.corpus import CorpusOptions, PartsOptions
from rnngen.options.model import BUDGETS, NetworkOptions, TrainingOptions
from rnngen.printable import shown
from rnngen.requests.train import STAGES, TrainRequest
from rnngen.training.launching import end_with_launcher, first, launch, launched, restarted

if TYPE_CHECKING:
    from rnngen.api import Session
    from rnngen.contracts import Listener
    from rnngen.events import Event, Finished
    from rnngen.training.distributed import ProcessGroup
    from rnngen.training.plan import Plan
    from rnngen.training.sizing import Proposal

CHOSEN = 2**31
"""Above all seeds that are chosen; one that is not below it was given, and is known to every process."""
SCALES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
NO_SETTINGS: Mapping[str, str] = {}
R = TypeVar("R")


class Count(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.5
    """A number as people write it: ``500k``, ``1.5M``."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([kmg]?)", str(value).strip().lower())
        if not found or not float(found[1]):
            self.fail(f"{value!r} is no number above 0, as 500k or 2M", param, ctx)
        return round(float(found[1]) * SCALES[found[2]])


storage_flag = flags.rare_option(
    "--storage",
    sensitive=True,
    metavar="PLACE",
    shell_complete=completers.files,
    help="Storage of the studies: a journal file, or the URL of a database; by default a file in rnngen's "
    "home folder.",
)
parts_flags = flags.options_from(
    PartsOptions,
    heading="Parts",
    common={"task", "cell", "tokenizer"},
)


@flags.examples(
    "rnngen train corpus.txt",
    "rnngen train almanac",
    "rnngen train novel.txt --tokenizer bpe --vocab-size 2000 --minutes 10",
    "rnngen train names.txt --task lines --hidden 128",
    "rnngen train english-chinese.tsv --task pairs --name en-zh",
    "rnngen train --task pairs --source train.de --target train.en",
    "rnngen train surnames.tsv --task labelled",
    "cat diary/*.txt | rnngen train - --name diary",
    "rnngen train --resume --name diary",
    "rnngen train corpus.txt --nproc 2",
    "torchrun --nnodes 2 --nproc-per-node 8 -m rnngen train corpus.txt",
)
@click.command(cls=flags.Command)
@click.argument("corpus", nargs=-1, metavar="[CORPUS]...", type=click.Path())
@click.option(
    "--name", shell_complete=completers.runs, help="Name of the model; by default that of the corpus."
)
@click.option("--resume", is_flag=True, help="Continue the run of that name exactly where it stopped.")
@flags.option("--force", is_flag=True, sensitive=True, help="Replace a model of that name.")
@click.option(
    "--init-from",
    metavar="MODEL",
    shell_complete=completers.models,
    help="Start from the weights and vocabulary of another model (fine-tuning).",
)
@flags.rare_option(
    "--teacher",
    multiple=True,
    type=flags.OneText(),
    metavar="MODEL",
    shell_complete=completers.models,
    help="Learn also from the probabilities of another model, and take its vocabulary; give several for the "
    "mean of theirs (see rnngen distil).",
)
@parts_flags
@flags.set_flag
@flags.option(
    "--target",
    metavar="FILE",
    shell_complete=completers.files,
    heading="Text",
    help="File of the targets, a line each; sources in --source.",
)
@flags.options_from(CorpusOptions, heading="Text", common={"val", "source"})
@flags.rare_option(
    "--val-target",
    metavar="FILE",
    shell_complete=completers.files,
    heading="Text",
    help="The same as --val, beside --val-source.",
)
@flags.options_from(NetworkOptions, heading="Network", common={"hidden", "layers", "dropout"})
@flags.options_from(TrainingOptions, heading="Training", common={"epochs", "minutes", "seed"})
@flags.rare_option(
    "--listener",
    multiple=True,
    sensitive=True,
    metavar="NAME",
    shell_complete=completers.names("listener"),
    help="Send every event to a plugin's listener; options as NAME;key=value;key=value.",
)
@flags.rare_option(
    "--no-cache",
    is_flag=True,
    help="Read the text, learn its vocabulary and encode it again, whatever is kept of it.",
)
@flags.rare_option(
    "--nproc",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Train with N processes on this machine, each on its share of every batch. Without dropout the "
    "losses are those of one process.",
)
@flags.rare_option(
    "--from-study",
    metavar="NAME",
    shell_complete=completers.studies,
    help="Take the settings that 'rnngen tune' found best; flags count above them, and the budget is "
    "this run's.",
)
@storage_flag
@flags.rare_option(
    "--params", type=Count(), metavar="N", help="Choose the width for N parameters, as 500k or 2M."
)
@click.option(
    "--plan",
    is_flag=True,
    help="Print the sizes that would be trained, the time they take, and why; train nothing.",
)
@flags.quiet_flag
@flags.verbose_flag
@flags.json_lines_flag
@click.pass_context
def train(ctx: click.Context, /, json: bool, quiet: bool, verbose: bool, **params: Any) -> None:
    """Train a model on CORPUS: files, folders, patterns, a corpus that ships, or - for standard input.

    The text is read as UTF-8: plain, JSON, CSV or TSV, compressed with gzip or Zstandard or not. A
    tenth of it is held out, and the weights that predict it best are kept. Ctrl-C saves the run and shows the
    command that resumes it.
    """
    overrule(ctx, params, *([budget] for budget in BUDGETS))
    here, values = session(ctx), given(ctx, params)
    request = resolve(ctx, values, lambda found: here.checked(request_of(**found)))
    if request.resume and here.has_run(request):
        request = resolve(ctx, _for_run(ctx, values), lambda found: request_of(**found))
    if request.from_study is not None:
        from rnngen.tuning.studies import find_best

        best = find_best(request.from_study, request.storage)
        task = here.registry.find("task", best.settings.parts.options.task).spec
        own = _typed(ctx, values, best.names)
        request = best.under(resolve(ctx, own, lambda found: request_of(**found)), task.cell)
    mode = console.progress_mode(as_json=json, quiet=quiet)
    if not launched():
        with console.preparations("quiet" if request.plan and json else mode):
            request, proposal = without_strange(here, here.with_sizes, request)
        if json and request.plan and proposal:
            console.write_json(proposal.as_json())
        elif proposal and (request.plan or not quiet):
            show_plan(proposal, alone=request.plan)
    if request.plan:
        return
    if request.nproc > 1 and not launched():
        arguments = [*plugin_flags(ctx), str(ctx.info_name), *ctx.meta[flags.ARGUMENTS]]
        ctx.exit(launch(request.nproc, arguments))
    if restarted() and not request.force:
        request = replace(request, resume=True, from_study=None, storage=None)
    listeners = [make_listener(here, text) for text in request.listener if first()]
    run = run_together if launched() else run_alone
    plan, finished = run(here, request, listeners, Display(mode, verbose))
    if finished is not None:
        conclude(ctx, plan, finished, mode)


def conclude(ctx: click.Context, plan: "Plan", finished: "Finished", mode: "console.Mode") -> None:
    """Show where the model is, what held it back, and a command to try it with, or to resume the run."""
    if finished.reason == "interrupt":
        resume = shlex.join(["rnngen", "train", "--resume", "--name", plan.name])
        console.note(f"saved at step {finished.step}; go on with: {resume}")
        ctx.exit(INTERRUPTED)
    if mode in ("json", "quiet"):
        return
    console.note(f"saved as {shown(plan.name)} in {shown(str(plan.path))}")
    if finished.advice:
        console.note(f"what holds it back: {finished.advice}")
    console.note(f"try: rnngen sample -m {shlex.quote(plan.name)}{_to_try(plan)}")


def _to_try(plan: "Plan") -> str:
    """Return what suits the model after ``rnngen sample -m NAME``."""
    from rnngen.training.evaluating import validation_pairs

    encoded = plan.encoded
    if encoded.val.source is not None:
        sources, _ = validation_pairs(encoded, range(min(20, encoded.val.examples)))
        shortest = min(sources, key=len)
        return f" {'-- ' * shortest.startswith('-')}{shlex.quote(shortest)}"
    if encoded.record.labels:
        return f" --label {shlex.quote(encoded.record.labels[0])} --count 5"
    return " --count 10" if encoded.has_eos else ""


def _for_run(ctx: click.Context, values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave aside what settings files and the environment say of new models: the run has its own."""
    made_with = {field.name for stage in STAGES.values() for field in fields(stage)} | {"option"}
    kept = _typed(ctx, values, made_with - {"device"})
    typed = {key: value for key, value in kept.get("option", {}).items() if key in ctx.meta[flags.TYPED]}
    return {**kept, "option": typed}


def _typed(ctx: click.Context, values: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Leave aside, of some names, what was not given on the command line."""
    return {name: value for name, value in values.items() if name not in names or rank_of(ctx, name) == 0}


def without_strange(here: "Session", work: Callable[[TrainRequest], R], request: TrainRequest) -> R:
    """Do what chooses parts of a model; options that were not typed, and that no chosen part has, give way.

    Raises:
        UnknownName, IdleOption: for an option that was typed, or that no part has, chosen or not.
    """
    typed = click.get_current_context().meta[flags.TYPED]
    while True:
        try:
            return work(request)
        except (UnknownName, IdleOption) as error:
            name = error.option if isinstance(error, IdleOption) else error.name
            strange = {key for key in request.settings if name in (key, key.rpartition(".")[2])} - typed
            if not strange or (isinstance(error, UnknownName) and not _has_option(here, name)):
                raise
            left = {key: value for key, value in request.settings.items() if key not in strange}
            request = replace(request, settings=left)


def _has_option(here: "Session", key: str) -> bool:
    """Return whether any part has an option, or may have it where a plugin is switched off."""
    specs = (one.spec for kind in completers.PARTS for one in here.registry.all(kind))
    name = key.rpartition(".")[2]
    return bool(here.registry.disabled) or any(
        name == option.name for spec in specs for option in describe(spec.options)
    )


def request_of(*, option: Mapping[str, str] = NO_SETTINGS, **params: Any) -> TrainRequest:
    """Make a request of the parameters of a command that were given."""
    own = {field.name for field in fields(TrainRequest)} & params.keys()
    stages: dict[str, Any] = {name: flags.parsed(stage, params) for name, stage in STAGES.items()}
    return TrainRequest(settings=option, **{name: params[name] for name in own}, **stages)


def make_listener(here: "Session", text: str) -> "Listener":
    """Build a listener from ``NAME;key=value;key=value``."""
    from rnngen.options import build
    from rnngen.registry.components import parse_component

    name, colon, rest = text.partition(":")
    old = colon and ";" not in name  # NAME:key=value,key=value, of earlier versions
    name, settings = parse_component(f"{name};{rest.replace(',', ';')}" if old else text)
    found = here.registry.find("listener", name)
    made: Listener = found.call(build(found.spec.options, settings, owner=f"listener {name!r}"))
    return made


def show_plan(proposal: "Proposal", *, alone: bool) -> None:
    """Show a plan on stderr; ``alone``, it is the result, and the text is shown with it on stdout."""
    if alone:
        click.echo(shown(proposal.plan.encoded.surveyed.message))
        for oddity in proposal.plan.encoded.surveyed.oddities:
            console.warn(shown(oddity))
    config = proposal.plan.config
    network, training = config.network, config.training
    parts = f"{config.cell.name}, {config.tokenizer.name} tokens"
    sizes = f"hidden {network.hidden}, layers {network.layers}, dropout {network.dropout}"
    time, rate = clock(proposal.seconds), amount(proposal.tokens_per_second)
    optimizer = f"{training.optimizer} at {training.lr:g}, {training.schedule} schedule"
    for line in (
        f"{parts}, {sizes}, {amount(proposal.parameters)} parameters",
        f"{amount(proposal.tokens)} tokens in about {time} at {rate} tok/s",
        f"{training.batch} streams of {training.seq}, {optimizer}",
        *proposal.reasons,
    ):
        if alone:
            click.echo(line)
        else:
            console.note(f"plan: {line}")


# ── Runs ───────────────────────────────────────────────────────────────────────────────────────────────────


class Display(NamedTuple):
    """The way to show a run."""

    mode: "console.Mode"
    verbose: int

    def plan(self, here: "Session", request: TrainRequest) -> "Plan":
        """Read the text, and show how far that is."""
        with console.preparations(self.mode):
            return without_strange(here, here.plan, request)

    def show(self, events: "Iterable[Event]") -> "Finished | None":
        """Train, and show what happens."""
        return console.render(events, self.mode, self.verbose)


def run_alone(
    here: "Session", request: "TrainRequest", listeners: "list[Listener]", display: Display
) -> "tuple[Plan, Finished | None]":
    """Train, and show what happens → what was planned, and how it ended."""
    plan = display.plan(here, request)
    with interruptible() as stopped:
        return plan, display.show(here.train(plan, stopped, listeners))


def run_together(
    here: "Session", request: "TrainRequest", listeners: "list[Listener]", display: Display
) -> "tuple[Plan, Finished | None]":
    """Train as one of several processes, of which the first shows what happens."""
    from rnngen.training.distributed import PeerLost, joined

    if request.params:
        raise OptionError("`params`: the width is chosen in one process: give the `hidden` that `plan` shows")
    end_with_launcher()
    with joined() as group:
        try:
            plan = _plan_together(here, request, group, display)
            with interruptible() as stopped:
                events = here.train(plan, stopped, listeners)
                if not group.rank:
                    return plan, display.show(events)
                deque(events, maxlen=0)  # does the work, and shows nothing
                return plan, None
        except (DivergedError, PeerLost) as error:  # which meets all of them
            if group.rank:
                raise click.exceptions.Exit(error.exit_status) from error
            raise


def _plan_together(
    here: "Session", request: "TrainRequest", group: "ProcessGroup", display: Display
) -> "Plan":
    """The first process reads the text before the others, who find it encoded and take the seed from it."""
    if not group.rank:
        try:
            plan = display.plan(here, request)
        except Exception as error:
            group.broadcast(-getattr(error, "exit_status", 1))
            raise
        group.broadcast(plan.config.training.seed or 0)
        return plan
    sent = int(group.broadcast(0))
    if sent < 0:
        raise click.exceptions.Exit(-sent)
    if sent < CHOSEN and "seed" not in request.training:
        request = replace(request, training=request.training.adding({"seed": sent}))
    request = replace(request, no_cache=False)  # the first has just encoded it
    return without_strange(here, here.plan, request)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a wish to stop; the second one interrupts at once.

    SIGTERM is a wish too, and SIGHUP, as a terminal that is closed sends; under ``nohup`` that stays ignored.
    """
    asked: list[int] = []

    def ask(signum: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(signum)

    wishes = {signal.SIGINT, signal.SIGTERM}
    if getattr(signal, "SIGHUP", None) and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        wishes.add(signal.SIGHUP)
    before = {which: signal.signal(which, ask) for which in wishes}
    try:
        yield lambda: bool(asked)
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)

"""``rnngen train``: learn from a text."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags
from rnngen.cli.context import session
from rnngen.cli.render import console
from rnngen.cli.render.plan import COUNT, show_plan
from rnngen.cli.training_run import run_alone, run_together
from rnngen.options.corpus import CorpusOptions, PartsOptions
from rnngen.options.model import BUDGETS, NetworkOptions, TrainingOptions
from rnngen.requests.train import TrainRequest
from rnngen.training.launching import first, launch, launched, restarted

if TYPE_CHECKING:
    from rnngen.api import Session
    from rnngen.contracts import Listener

INTERRUPTED = 130
storage_flag = flags.option(
    "--storage",
    common=False,
    metavar="PLACE",
    help="Storage of the studies: a journal file, or the URL of a database; by default a file in rnngen's "
    "home folder.",
)
"""``--storage PLACE``; the parameter is ``storage``."""


@flags.examples(
    "rnngen train corpus.txt",
    "rnngen train novel.txt --tokenizer bpe --vocab-size 2000 --minutes 10",
    "rnngen train names.txt --task lines --hidden 128",
    "rnngen train english-chinese.tsv --task pairs --name en-zh",
    "rnngen train --task pairs --source train.de --target train.en",
    "cat diary/*.txt | rnngen train - --name diary",
    "rnngen train --resume --name diary",
    "rnngen train corpus.txt --nproc 2",
    "torchrun --nnodes 2 --nproc-per-node 8 -m rnngen train corpus.txt",
)
@click.command(cls=flags.Command)
@click.argument("corpus", nargs=-1, metavar="[CORPUS]...", type=click.Path())
@click.option("--name", help="Name of the model; by default that of the corpus.")
@click.option("--resume", is_flag=True, help="Continue the run of that name exactly where it stopped.")
@click.option("--force", is_flag=True, help="Replace a model of that name.")
@click.option(
    "--init-from",
    metavar="MODEL",
    shell_complete=flags.complete_models,
    help="Start from the weights and vocabulary of another model (fine-tuning).",
)
@flags.options_from(
    PartsOptions,
    heading="Parts",
    common={"task", "cell", "tokenizer"},
    complete={kind: flags.complete_names(kind) for kind in ("cell", "tokenizer", "task")},
)
@flags.set_flag
@flags.option(
    "--target", metavar="FILE", heading="Text", help="File of the targets, a line each; sources in --source."
)
@flags.options_from(CorpusOptions, heading="Text", common={"val", "source"})
@flags.option(
    "--val-target",
    metavar="FILE",
    heading="Text",
    common=False,
    help="The same as --val, beside --val-source.",
)
@flags.options_from(NetworkOptions, heading="Network", common={"hidden", "layers", "dropout"})
@flags.options_from(TrainingOptions, heading="Training", common={"epochs", "minutes", "seed"})
@flags.option(
    "--listener",
    common=False,
    multiple=True,
    metavar="NAME",
    shell_complete=flags.complete_names("listener"),
    help="Send every event to a plugin's listener; options as NAME;key=value;key=value.",
)
@flags.option(
    "--nproc",
    common=False,
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Train with N processes on this machine, each on its share of every batch.",
)
@flags.option(
    "--from-study",
    common=False,
    metavar="NAME",
    help="Take the settings that 'rnngen tune' found best; flags count above them, and the budget is "
    "this run's.",
)
@storage_flag
@flags.option(
    "--params",
    type=COUNT,
    metavar="N",
    common=False,
    help="Choose the width for N parameters, as 500k or 2M.",
)
@click.option(
    "--plan",
    is_flag=True,
    help="Show the sizes that would be trained, the time they take, and why; train nothing.",
)
@flags.quiet_flag
@flags.verbose_flag
@flags.json_flag
@click.pass_context
def train(ctx: click.Context, /, json: bool, quiet: bool, verbose: bool, **params: Any) -> None:
    """Train a model on CORPUS: files, folders, patterns, or - for standard input.

    The text is read as UTF-8, plain or as JSON lines, compressed with gzip or Zstandard or not. Its last
    tenth is held out, and the weights that predict it best are kept. Ctrl-C saves the run and shows the
    command that resumes it.
    """
    flags.overrule(ctx, params, *([budget] for budget in BUDGETS))
    request = _request(**params)
    here = session(ctx)
    if request.from_study is not None:
        request = _from_study(request, request.from_study)
    if not launched():
        request, proposal = here.with_sizes(request)
        if json and request.plan and proposal:
            console.write_json(proposal.as_json())
        elif proposal and not quiet:
            show_plan(proposal)
    if request.plan:
        return
    if request.nproc > 1 and not launched():
        ctx.exit(launch(request.nproc, ["train", *flags.arguments(ctx)]))
    if restarted() and not request.force:
        request = replace(request, resume=True, from_study=None, storage=None, params=None)
    listeners = [make_listener(here, text) for text in request.listener if first()]
    mode = console.progress_mode(as_json=json, quiet=quiet)
    run = run_together if launched() else run_alone
    plan, finished = run(here, request, listeners, lambda events: console.render(events, mode, verbose))
    if finished is not None and finished.reason == "interrupt":
        console.note(f"saved at step {finished.step}; go on with: rnngen train --resume --name {plan.name}")
        ctx.exit(INTERRUPTED)


def _request(
    *,
    corpus: tuple[str, ...],
    name: str | None,
    option: dict[str, str],
    resume: bool,
    force: bool,
    init_from: str | None,
    target: str | None,
    val_target: str | None,
    nproc: int,
    from_study: str | None,
    storage: str | None,
    params: int | None,
    plan: bool,
    listener: tuple[str, ...],
    **stages: Any,
) -> TrainRequest:
    """Make a request of the parameters of the command."""
    return TrainRequest(
        corpus,
        name,
        parts=flags.parsed(PartsOptions, stages),
        text=flags.parsed(CorpusOptions, stages),
        network=flags.parsed(NetworkOptions, stages),
        training=flags.parsed(TrainingOptions, stages),
        settings=option,
        resume=resume,
        force=force,
        init_from=init_from,
        target=target,
        val_target=val_target,
        nproc=nproc,
        from_study=from_study,
        storage=storage,
        params=params,
        plan=plan,
        listener=listener,
    )


def _from_study(request: TrainRequest, study: str) -> TrainRequest:
    """Return the request with what a study found best below it."""
    from rnngen.tuning.studies import find_best

    return find_best(study, request.storage).under(request)


def make_listener(here: "Session", text: str) -> "Listener":
    """Build a listener from ``NAME;key=value;key=value``."""
    from rnngen.options import build
    from rnngen.registry.components import parse_component

    name, colon, rest = text.partition(":")
    old = colon and ";" not in name  # NAME:key=value,key=value, of earlier versions
    name, settings = parse_component(f"{name};{rest.replace(',', ';')}" if old else text)
    found = here.registry.find("listener", name)
    made: Listener = found.resolve()(build(found.spec.options, settings, owner=f"listener {name!r}"))
    return made

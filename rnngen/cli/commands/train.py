"""``rnngen train``: learn from a text."""

from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags
from rnngen.cli.app import session
from rnngen.cli.render import console as ui
from rnngen.cli.render.plan import COUNT, show_plan
from rnngen.cli.training_run import run_alone, run_together
from rnngen.errors import UsageError
from rnngen.options.corpus import CorpusOptions, PartsOptions
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.training.launching import first, launch, launched, restarted

if TYPE_CHECKING:
    from rnngen.api import Session
    from rnngen.contracts import Listener
    from rnngen.training.plan import Request

INTERRUPTED = 130
storage_flag = flags.option(
    "--storage",
    common=False,
    metavar="PLACE",
    help="Storage of the studies: a journal file, or the URL of a database; by default a file in rnngen's "
    "home folder.",
)
"""``--storage PLACE``; the parameter is ``storage``."""


class Command(flags.Command):
    """Keeps its arguments as they were given, for the processes that ``--nproc`` starts."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse them, too."""
        ctx.meta[__name__] = [self.name, *args]
        return super().parse_args(ctx, args)


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
@click.command(cls=Command)
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
    help="Send every event to a plugin's listener; options as NAME:key=value,key=value.",
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
def train(ctx: click.Context, /, **params: Any) -> None:
    """Train a model on CORPUS: files, folders, patterns, or - for standard input.

    The text is read as UTF-8, plain or as JSON lines, compressed with gzip or Zstandard or not. Its last
    tenth is held out, and the weights that predict it best are kept. Ctrl-C saves, and prints the command
    that resumes.
    """
    from rnngen.training.plan import BUDGETS, Request

    _take_sides(params)
    _check_which(params)
    flags.overrule(ctx, params, *([budget] for budget in BUDGETS))
    here = session(ctx)
    request = Request(
        corpus=params["corpus"],
        name=params["name"],
        parts=flags.given(PartsOptions, params),
        text=flags.given(CorpusOptions, params),
        network=flags.given(NetworkOptions, params),
        training=flags.given(TrainingOptions, params),
        settings=params["option"],
        resume=params["resume"] or (restarted() and not params["force"]),
        force=params["force"],
        init_from=params["init_from"],
    )
    for stage in (PartsOptions, CorpusOptions, NetworkOptions, TrainingOptions):
        flags.collect(stage, params)  # refused values are named as flags, before anything is read
    request = _from_study(request, params)
    if not (request.resume or request.init_from or launched()):
        request = _proposed(here, request, params)
    if params["plan"]:
        return
    if params["nproc"] > 1 and not launched():
        ctx.exit(launch(params["nproc"], ctx.meta[__name__]))
    listeners = [_listener(here, text) for text in params["listener"] if first()]
    mode = ui.progress_mode(as_json=params["json"], quiet=params["quiet"])
    run = run_together if launched() else run_alone
    plan, finished = run(here, request, listeners, lambda events: ui.render(events, mode, params["verbose"]))
    if finished is not None and finished.reason == "interrupt":
        ui.note(f"saved at step {finished.step}; go on with: rnngen train --resume --name {plan.name}")
        ctx.exit(INTERRUPTED)


def _proposed(here: "Session", request: "Request", params: dict[str, Any]) -> "Request":
    """The request with sizes and a pace that suit the budget, where they are to choose; told on stderr."""
    given = {*request.network, *request.training}
    sized = bool({"hidden", "layers"} & given)
    if params["params"] and sized:
        raise UsageError("--params chooses the width; leave --hidden and --layers out")
    choosing = params["params"] or (request.training.get("minutes") and not sized and params["nproc"] == 1)
    if not (choosing or params["plan"]):
        return request
    proposal = here.propose(here.plan(request), params["params"], given=given)
    if params["json"] and params["plan"]:
        ui.write_json(proposal.as_json())
    elif not params["quiet"]:
        show_plan(proposal)
    return proposal.under(request)


def _from_study(request: "Request", params: dict[str, Any]) -> "Request":
    """The request with what a study found best below it."""
    if params["from_study"] is None:
        return request
    from rnngen.tuning.studies import find_best

    return find_best(params["from_study"], params["storage"]).settings.under(request)


def _take_sides(params: dict[str, Any]) -> None:
    """``--source A --target B`` is the corpus B with the sources A."""
    for side, place in (("target", "corpus"), ("val_target", "val")):
        if params[side] is not None and params[place]:
            raise UsageError(f"--{side.replace('_', '-')} and {place} are the same; give one of them")
    if params["target"] is not None:
        params["corpus"] = (params["target"],)
    params["val"] = params["val_target"] or params["val"]


def _check_which(params: dict[str, Any]) -> None:
    """Refuse a request that leaves open which model is meant, or what becomes of it."""
    for choice in ("plan", "params"):
        for other in ("resume", "init_from"):
            if params[choice] and params[other]:
                raise UsageError(f"--{choice} is for new models; leave out --{other.replace('_', '-')}")
    if params["resume"] and params["force"]:
        raise UsageError("--resume goes on with a model and --force replaces it; give one of them")
    if params["nproc"] > 1 and "-" in params["corpus"]:
        raise UsageError("--nproc: several processes cannot read one standard input; put the text in a file")
    if params["storage"] is not None and params["from_study"] is None:
        raise UsageError("--storage is where a study is kept; say which with --from-study NAME")
    for other in ("resume", "init_from"):
        if params["from_study"] is not None and params[other]:
            raise UsageError(f"--from-study is for new models; leave out --{other.replace('_', '-')}")
    if params["resume"] and not (params["name"] or params["corpus"]):
        raise UsageError("--resume of which model? give --name NAME, or the corpus that it was named after")


def _listener(here: "Session", text: str) -> "Listener":
    """Read ``NAME`` or ``NAME:key=value,key=value``."""
    from rnngen.options import build

    name, _, rest = text.partition(":")
    found = here.registry.find("listener", name)
    settings = {}
    for setting in filter(None, rest.split(",")):
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--listener {text}: {setting!r} is not of the form key=value")
        settings[key] = value
    made: Listener = found.resolve()(build(found.spec.options, settings, owner=f"listener {name!r}"))
    return made

"""``rnngen train``: learn from a text."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags, ui
from rnngen.cli.app import session
from rnngen.engine.options import NetworkOptions, TrainingOptions
from rnngen.errors import UsageError
from rnngen.session.options import CorpusOptions, PartsOptions

if TYPE_CHECKING:
    from rnngen.contracts import Listener
    from rnngen.session import Session

INTERRUPTED = 130


@flags.examples(
    "rnngen train corpus.txt",
    "rnngen train novel.txt --tokenizer bpe --vocab-size 2000 --minutes 10",
    "rnngen train names.txt --task lines --hidden 128",
    "rnngen train english-chinese.tsv --task pairs --name en-zh",
    "rnngen train --task pairs --source train.de --target train.en",
    "cat diary/*.txt | rnngen train - --name diary",
    "rnngen train --resume --name diary",
)
@click.command(cls=flags.Command)
@click.argument("corpus", nargs=-1, metavar="[CORPUS]...", type=click.Path())
@click.option("--name", help="The model's name; made from the corpus's if not given.")
@click.option("--resume", is_flag=True, help="Go on with the run of that name, exactly where it stopped.")
@click.option("--force", is_flag=True, help="Replace a model of that name.")
@click.option(
    "--init-from",
    metavar="MODEL",
    shell_complete=flags.complete_models,
    help="Begin with the weights and the vocabulary of another model (fine-tuning).",
)
@flags.options_from(
    PartsOptions,
    heading="Parts",
    complete={kind: flags.complete_names(kind) for kind in ("cell", "tokenizer", "task")},
)
@flags.set_flag
@click.option("--target", metavar="FILE", help="Pairs: the texts whose sources are in --source.")
@flags.options_from(CorpusOptions, heading="Text")
@click.option("--val-target", metavar="FILE", help="The same as --val, beside --val-source.")
@flags.options_from(NetworkOptions, heading="Network")
@flags.options_from(TrainingOptions, heading="Training")
@click.option(
    "--listener",
    multiple=True,
    metavar="NAME",
    shell_complete=flags.complete_names("listener"),
    help="Tell a plugin's listener of every event; options as NAME:key=value,key=value.",
)
@flags.quiet_flag
@flags.verbose_flag
@flags.json_flag
@click.pass_context
def train(ctx: click.Context, /, **params: Any) -> None:
    """Train a model on CORPUS: files, folders, patterns, or - for standard input.

    The text is read as UTF-8, plain or as JSON lines, compressed with gzip or Zstandard or not. Its last
    tenth is held out, and the weights that predict it best are kept. Ctrl-C saves, and says how to go on.
    """
    from rnngen.session.runs import BUDGETS, Request

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
        resume=params["resume"],
        force=params["force"],
        init_from=params["init_from"],
    )
    for stage in (PartsOptions, CorpusOptions, NetworkOptions, TrainingOptions):
        flags.collect(stage, params)  # refused values are named as flags, before anything is read
    listeners = [_listener(here, text) for text in params["listener"]]
    plan = here.plan(request)
    mode = ui.progress_mode(as_json=params["json"], quiet=params["quiet"])
    with _interruptible() as stopped:
        finished = ui.render(here.train(plan, stopped, listeners), mode, params["verbose"])
    if finished is not None and finished.reason == "interrupt":
        ui.note(f"saved at step {finished.step}; go on with: rnngen train --resume --name {plan.name}")
        ctx.exit(INTERRUPTED)


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
    if params["resume"] and params["force"]:
        raise UsageError("--resume goes on with a model and --force replaces it; give one of them")
    if params["resume"] and not (params["name"] or params["corpus"]):
        raise UsageError("--resume of which model? give --name NAME, or the corpus that it was named after")


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C (or SIGTERM) into a wish to stop; the second one interrupts at once."""
    asked: list[int] = []

    def ask(signum: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(signum)

    before = {which: signal.signal(which, ask) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


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

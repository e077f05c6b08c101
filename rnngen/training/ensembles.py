"""An ensemble: networks that share a budget, and then one model that learns from them.

::

    .NAME.ensemble/               the run until its model is saved first; then it is NAME/
      config.json                 the model's, with its own budget and seed
      last/members/NAME-1/        a run each, with the seeds that follow the model's
      last/members/NAME-2/

The networks train one after another; an interrupted run goes on in the one that it was in. They are removed
when the model is done.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rnngen.store import checkpoint, folders
from rnngen.store.model_folder import CONFIG, MEMBERS, TOKENIZER, WEIGHTS, read_model, staged, write_config
from rnngen.training.budget import share_of
from rnngen.training.plan import Plan
from rnngen.training.teachers import teacher


def begin(plan: Plan) -> None:
    """Write what resuming needs before the first member trains, in place of an earlier run.

    Of one that goes on, what may have changed.
    """
    if plan.begun:
        write_config(staged(plan.path), plan.config)
        return
    folder = plan.path.with_name(f".{plan.path.name}.new-{os.getpid()}")
    folders.discard(folder)
    write_config(folder, plan.config)
    checkpoint.write_text(folder / TOKENIZER, plan.encoded.tokenizer_json)
    folders.replace_folder(folder, staged(plan.path))


def members(plan: Plan) -> Iterator[Plan]:
    """Yield the plan of each member, resumed where it has begun; the next one when this one is trained."""
    options, folder = plan.config.training, staged(plan.path) / MEMBERS
    for number in range(options.ensemble or 0):
        path = folder / f"{plan.name}-{number + 1}"
        one = member(plan, number)
        yield replace(one, name=path.name, path=path, resumed=(path / CONFIG).is_file())


def member(plan: Plan, number: int = 0) -> Plan:
    """Return the plan of a network that has one of the ensemble's seeds and its share of the budget."""
    options = plan.config.training
    training = replace(share_of(options), ensemble=None, seed=(options.seed or 0) + number)
    return replace(plan, config=plan.config.replace(training=training))


def taught(plan: Plan) -> Plan:
    """Return the plan of the model, with the trained members as its teachers and the rest of the budget."""
    found = tuple(
        teacher(read_model(one.path), f"{MEMBERS}/{one.name}", one.parts["cell"]) for one in members(plan)
    )
    config = plan.config.replace(teachers=tuple(one.record for one in found))
    return replace(plan, config=config, teachers=found)


def clear(path: Path) -> None:
    """Remove the members of a run that is done, all at one instant: half of them teach nothing."""
    doomed = path.with_name(f".{path.name}.removed-{os.getpid()}")
    with suppress(FileNotFoundError):
        (path / MEMBERS).rename(doomed)
    folders.discard(doomed)


def discard(path: Path) -> None:
    """Remove what is left of a run in which no member has saved anything."""
    if not any((staged(path) / MEMBERS).glob(f"*/{WEIGHTS}")):
        shutil.rmtree(staged(path), ignore_errors=True)

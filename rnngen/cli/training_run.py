"""Runs a training: alone or as one of several processes, until it ends or is asked to stop."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import click

from rnngen.errors import DivergedError

if TYPE_CHECKING:
    from rnngen.api import Session
    from rnngen.contracts import Listener
    from rnngen.events import Event, Finished
    from rnngen.requests.train import TrainRequest
    from rnngen.training.distributed import ProcessGroup
    from rnngen.training.plan import Plan

CHOSEN = 2**31
"""Above all seeds that are chosen; one that is not below it was given, and is known to every process."""
Show: TypeAlias = "Callable[[Iterable[Event]], Finished | None]"


def run_alone(
    here: "Session", request: "TrainRequest", listeners: "list[Listener]", show: Show
) -> "tuple[Plan, Finished | None]":
    """Train, and show what happens → what was planned, and how it ended."""
    plan = here.plan(request)
    with interruptible() as stopped:
        return plan, show(here.train(plan, stopped, listeners))


def run_together(
    here: "Session", request: "TrainRequest", listeners: "list[Listener]", show: Show
) -> "tuple[Plan, Finished | None]":
    """Train as one of several processes, of which the first shows what happens."""
    from rnngen.training.distributed import PeerLost, joined

    with joined() as group:
        try:
            plan = _plan_together(here, request, group)
            with interruptible() as stopped:
                events = here.train(plan, stopped, listeners)
                return plan, _unseen(events) if group.rank else show(events)
        except (DivergedError, PeerLost) as error:  # which meets all of them
            if group.rank:
                raise click.exceptions.Exit(error.exit_status) from error
            raise


def _unseen(events: "Iterable[Event]") -> "Finished | None":
    """Do the work, and show nothing."""
    for _ in events:
        pass
    return None


def _plan_together(here: "Session", request: "TrainRequest", group: "ProcessGroup") -> "Plan":
    """The first process reads the text before the others, who find it encoded and take the seed from it."""
    if not group.rank:
        try:
            plan = here.plan(request)
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
    return here.plan(request)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
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

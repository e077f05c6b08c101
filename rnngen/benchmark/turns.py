"""Rates measured by turns, so that what else the machine does meanwhile falls on all alike.

::

    find counts │ a a b b b c │ a a b b b c │ …     each turn takes as long; the median of each counts
"""

import statistics
import time
from collections.abc import Callable, Mapping

Work = Callable[[int], int]
"""Does N units of work, or a few more, and returns their number."""

ROUNDS = 11
"""Number of turns of each program."""
PROBE = 0.2
"""Share of a turn that a probe must take, to estimate how many units make a turn."""


def rates(works: Mapping[str, Work], seconds: float, rounds: int = ROUNDS) -> dict[str, float]:
    """Return the units a second of each, the medians of some rounds.

    Args:
        works: what to measure, by name.
        seconds: how long all rounds together take, about; a turn has one unit at least.
        rounds: how often each has its turn.
    """
    turn = seconds / rounds / len(works)
    counts = {name: _count(work, turn) for name, work in works.items()}
    measured = [{name: _rate(work, counts[name]) for name, work in works.items()} for _ in range(rounds)]
    return {name: statistics.median(one[name] for one in measured) for name in works}


def _count(work: Work, turn: float) -> int:
    """Return the number of units that make a turn."""
    work(1)  # the first is slower than those to come
    count = 1
    while count < (enough := _rate(work, count) * turn) * PROBE:
        count *= 2
    return max(1, round(enough))


def _rate(work: Work, count: int) -> float:
    """Units a second."""
    began = time.perf_counter()
    done = work(count)
    return done / max(1e-9, time.perf_counter() - began)

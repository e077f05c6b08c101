"""The budget of a training in tokens, passes over the text and updates."""

import math
from dataclasses import replace
from typing import Any

from rnngen.options.model import TrainingOptions

FEWEST_TOKENS, MOST_TOKENS, MOST_EPOCHS = 12_000_000, 40_000_000, 40
"""The default budget: two epochs, but within these bounds; minutes on two cores. The last is that of runs of
earlier versions; since then it is ``TrainingOptions.max_epochs``."""
FORWARD = 1 / 3
"""Time that a teacher takes for a step of the model that learns from it, as a share of a step of training."""


def planned_epochs(options: TrainingOptions, tokens: int) -> float | None:
    """Return the passes over a text of so many tokens that a budget allows; None where the clock decides."""
    if options.minutes:
        return None
    if options.steps:
        return options.steps * options.batch * options.seq / max(1, tokens)
    most = (options.max_epochs or MOST_EPOCHS) * tokens
    return options.epochs or min(max(2 * tokens, FEWEST_TOKENS), MOST_TOKENS, most) / max(1, tokens)


def planned_steps(options: TrainingOptions, steps_per_epoch: int, tokens: int) -> int | None:
    """Return the number of updates that a budget allows; None where the clock decides."""
    epochs = planned_epochs(options, tokens)
    if epochs is None:
        return None
    return options.steps or max(1, math.ceil(epochs * steps_per_epoch))


def most_steps(options: TrainingOptions, steps_per_epoch: int) -> int | None:
    """Return the number of updates at which a budget in minutes ends though there is time left."""
    return max(1, math.ceil(options.max_epochs * steps_per_epoch)) if options.max_epochs else None


def share_of(options: TrainingOptions, *, student: bool = False) -> TrainingOptions:
    """Return the options with a network's share of the budget: about as many steps for each of them.

    Minutes are shared by the time that a step takes. Without a budget each network has the default one.
    """
    count = options.ensemble or 0
    cost = 1 + FORWARD * count if options.minutes else 1.0
    share = (cost if student else 1.0) / (count + cost)
    budgets: dict[str, Any] = {
        "epochs": options.epochs and options.epochs * share,
        "minutes": options.minutes and options.minutes * share,
        "steps": options.steps and max(1, round(options.steps * share)),
    }
    return replace(options, **budgets)

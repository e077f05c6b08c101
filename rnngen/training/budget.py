"""The budget of a training in tokens, passes over the text and updates."""

import math

from rnngen.options.model import TrainingOptions

FEWEST_TOKENS, MOST_TOKENS, MOST_EPOCHS = 12_000_000, 40_000_000, 40
"""The default budget: two epochs, but within these bounds; minutes on two cores. The last is that of runs of
earlier versions; since then it is ``TrainingOptions.max_epochs``."""


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

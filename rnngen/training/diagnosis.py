"""What the losses of a run say of why its model is no better than it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from rnngen.options.model import NetworkOptions, TrainingOptions

STANDSTILL = 0.01
"""Share of the validation loss that a run which still improves has gained in its second half, at least."""
GAP = 0.1
"""Share of the validation loss by which that of training is lower, where a text is learnt by heart…"""
RISEN = 0.02
"""…or the share of its lowest by which it has risen, where the two losses are not measured alike."""
SEEN_TWICE = 2.0
"""Epochs before which no text can be learnt by heart."""


def remedy(rows: Sequence[Mapping[str, Any]], options: TrainingOptions, *, comparable: bool = True) -> str:
    """Return a clause that says what held a run back, with figures, and the mend.

    ``rows`` are those of ``metrics.jsonl``, none where it is lost: what is validated on is compared with what
    is trained on, if that is ``comparable`` (smoothed targets, penalties and teachers are no part of the
    validation loss), and the end of the run with its middle.
    """
    if not rows:
        return "give it a larger budget"
    last, middle = rows[-1], rows[(len(rows) - 1) // 2]
    val, train = _validation(last), last["train_nats_per_token"]
    gained = _validation(middle) - val
    if last["best"] and (len(rows) == 1 or gained > STANDSTILL * val):
        return "it was still improving when its time was up: give it a larger budget"
    if train is None:  # evaluated, and not trained
        return "give it a larger budget"
    by_heart, figures = _compared(rows, comparable=comparable)
    if last["epoch"] >= SEEN_TWICE and by_heart:
        return (
            f"it has learnt this text by heart ({figures}): give more text, begin with another model "
            "(--init-from), or try a smaller --hidden"
        )
    return (
        f"it hardly learns any more ({figures}): try another --lr, which was {options.lr:g}, a larger "
        "--hidden or a larger budget"
    )


def _compared(rows: Sequence[Mapping[str, Any]], *, comparable: bool) -> tuple[bool, str]:
    """Return whether the text is learnt by heart, and the losses that tell."""
    val, train = _validation(rows[-1]), rows[-1]["train_nats_per_token"]
    if comparable:
        figures = f"{train:.3f} nats a token of the training text, {val:.3f} of the held-out text"
        return train < (1 - GAP) * val, figures
    lowest = min(rows, key=_validation)
    then, least = lowest["train_nats_per_token"], _validation(lowest)
    figures = f"{val:.3f} nats a token of the held-out text, {least:.3f} at its lowest"
    return val > (1 + RISEN) * least and (then is None or train < then), figures


def _validation(row: Mapping[str, Any]) -> float:
    """Return the validation loss of the network alone, which that of training is comparable with."""
    alone = row.get("val_network_nats_per_token")
    return float(row["val_nats_per_token"] if alone is None else alone)


def early_best(
    rows: Sequence[Mapping[str, Any]], network: NetworkOptions, steps: int, *, comparable: bool = True
) -> str | None:
    """Return a warning, with the mend, of best weights from the first half of a run of that many steps.

    None where they are later, and where the text is not learnt by heart afterwards: a loss that wavers proves
    nothing. ``rows`` and ``comparable`` are as in ``remedy``.
    """
    best = next((row for row in reversed(rows) if row["best"]), None)
    if best is None or not 0 < best["step"] < steps / 2:
        return None
    if rows[-1]["train_nats_per_token"] is None or not _compared(rows, comparable=comparable)[0]:
        return None
    return (
        f"best at step {best['step']:,} of {steps:,}; from there the text was learnt by heart. Try "
        f"--epochs {best['epoch']:.2g}, with which the learning rate falls by then, or a --dropout above "
        f"{network.dropout:g}"
    )

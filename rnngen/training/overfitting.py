"""What keeps a network from learning its text by heart, by one rule each.

::

    tokens to train on ─┬─▸ most passes that lower the validation loss ─┐
    budget ─────────────┼───────────────────────────────────────────────┴─▸ passes ─▸ dropout
    batch, rate ────────┴─▸ updates a pass ─▸ weight decay
    sources ──────────────▸ width, rate by width, small batches, normalized gradients, label smoothing

The rules are in tokens and passes and not in seconds, so that a faster machine gets the same advice. The
measurements are in the guide "benchmarks".
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from rnngen.data.dataset import EncodedDataset
from rnngen.options import UNSMOOTHED, marked
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.training.budget import planned_epochs

FREE_TEXT, EXAMPLES = 12, 20
"""Passes over free text, and over examples that end, after which the validation loss falls no more…"""
FEWEST_TOKENS, MOST_EPOCHS = 250_000, 40
"""…over the shortest texts more, until so many tokens are read, and at most so many."""
WIDTH = 384
"""The width that all this was measured with; a narrower network learns slower, and has less to drop."""
DROPOUT, LEAST_DROPOUT, MOST_DROPOUT = 0.04, 0.05, 0.5
"""Dropout for each pass over the text, and the bounds…"""
DROPOUT_OF_PAIRS = 0.02
"""…and for each over pairs, whose networks drop embeddings too, and on either side."""
DECOUPLED = ("adamw", "muon")
"""Optimizers whose weight decay is not part of the gradient, and follows the text."""
PACE_OF_PAIRS: dict[str, Any] = {"batch": 16, "lr": 0.012}
"""Of pairs there are few; many long steps, each from few of them, find more in them…"""
WIDTHS_OF_PAIRS = (128, 192, 256, 384)
"""…and narrow networks find soonest what to attend to, wide ones at that rate sometimes never. The rate is
that of the first of these widths, and falls as they grow (as Yang et al. 2022, arXiv 2203.03466, have it for
Adam). A width's square, of which its weights are a multiple, is no more than the tokens of the targets."""
CLIP_OF_PAIRS = 0.01
"""Below the norm of nearly every gradient of pairs, so that all batches count alike: without it, those that
differ most from the last ones decide whether the attention of a whole kind of pairs is ever found…"""
PROPORTIONAL = ("sgd", "nt-asgd", "momentum")
"""…but not with optimizers whose steps are as long as the gradient."""
SMOOTHING_OF_PAIRS = 0.1
"""Label smoothing of pairs, whose beams go astray after a word that the network is too sure of."""
LEAST_DECAY, MOST_DECAY = 0.01, 1.5
"""The weakest weight decay, which other optimizers have, and the strongest."""
DECAY_EPOCHS = 7
"""Passes in which weight decay alone, at the peak rate, divides a weight by e. As a number of passes it suits
any length of text (Wang and Aitchison 2024, arXiv 2405.13698)."""


@dataclass(frozen=True)
class TrainingText:
    """The text to train on, as far as the rules go."""

    tokens: int
    """Its length, of the targets where there are sources."""
    has_eos: bool = False
    """Its examples end by themselves."""
    has_source: bool = False
    """Its examples have sources."""

    @classmethod
    def of(cls, encoded: EncodedDataset) -> "TrainingText":
        """Return that of an encoded corpus."""
        return cls(len(encoded.train), encoded.has_eos, encoded.train.source is not None)


def with_data_defaults(
    network: NetworkOptions,
    training: TrainingOptions,
    text: TrainingText,
    epochs: float | None = None,
    *,
    given: Collection[str] = (),
    cell: Any = None,
) -> tuple[NetworkOptions, TrainingOptions]:
    """Return the options with those filled in that depend on the text and the budget; what is given stands.

    Args:
        network: ``dropout`` is filled in, and ``hidden`` of pairs.
        training: ``max_epochs`` and ``weight_decay`` are; of pairs ``batch``, ``lr``, ``clip`` and
            ``label_smoothing``.
        text: the text to train on.
        epochs: passes that the budget allows, where that was measured.
        given: the names of options that were given.
        cell: the options of the cell.
    """
    if text.has_source and "hidden" not in given:
        network = replace(network, hidden=width_of_pairs(text.tokens))
    if text.has_source:
        pace = {**PACE_OF_PAIRS, "lr": rate_of_pairs(network.hidden)}
        training = replace(training, **{key: pace[key] for key in pace.keys() - {*given}})
    if text.has_source and "clip" not in given and training.optimizer not in PROPORTIONAL:
        training = replace(training, clip=CLIP_OF_PAIRS)
    smooth = network.head != "adaptive" and not (cell and marked(cell, UNSMOOTHED))
    if text.has_source and "label_smoothing" not in given and smooth:
        training = replace(training, label_smoothing=SMOOTHING_OF_PAIRS)
    bounded = not (training.epochs or training.steps)
    if bounded and training.max_epochs is None:
        training = replace(training, max_epochs=most_epochs(text, network.hidden))
    if training.weight_decay is None:
        training = replace(training, weight_decay=weight_decay(training, text))
    if network.dropout is None:
        most = training.max_epochs or math.inf
        epochs = min(epochs or planned_epochs(training, text.tokens) or most, most)
        network = replace(network, dropout=dropout(epochs, network.hidden, has_source=text.has_source))
    return network, training


def most_epochs(text: TrainingText, hidden: int = WIDTH) -> float:
    """Return the passes over a text that lower the validation loss of a network of that width."""
    most = round((EXAMPLES if text.has_eos else FREE_TEXT) / _narrowness(hidden))
    return min(max(most, round(FEWEST_TOKENS / max(1, text.tokens))), MOST_EPOCHS)


def width_of_pairs(tokens: int) -> int:
    """Return the width for pairs with so many tokens in their targets."""
    return max(width for width in WIDTHS_OF_PAIRS if width**2 <= tokens or width == WIDTHS_OF_PAIRS[0])


def rate_of_pairs(hidden: int) -> float:
    """Return the peak learning rate for pairs with a network of that width, with two figures."""
    return float(f"{PACE_OF_PAIRS['lr'] * min(1.0, WIDTHS_OF_PAIRS[0] / hidden):.2g}")


def dropout(epochs: float, hidden: int = WIDTH, *, has_source: bool = False) -> float:
    """Return the dropout for a number of passes of a network of that width, in steps of 0.05."""
    each = DROPOUT_OF_PAIRS if has_source else DROPOUT
    share = min(each * epochs, MOST_DROPOUT) * _narrowness(hidden)
    return round(20 * max(share, LEAST_DROPOUT)) / 20


def _narrowness(hidden: int) -> float:
    """Return 1 for a network of the usual width or more, and less for a narrower one."""
    return min(1.0, math.sqrt(hidden / WIDTH))


def weight_decay(options: TrainingOptions, text: TrainingText) -> float:
    """Return the weight decay that forgets in ``DECAY_EPOCHS``, with two figures.

    Pairs have the weakest: a stronger one makes them forget their many rare pieces of words.
    """
    if text.has_source or options.optimizer not in DECOUPLED:
        return LEAST_DECAY
    steps = max(1.0, text.tokens / (options.batch * options.seq))
    decay = 1 / (options.lr * steps * DECAY_EPOCHS)
    return float(f"{min(max(decay, LEAST_DECAY), MOST_DECAY):.2g}")

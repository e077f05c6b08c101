"""Weights for a vocabulary that has grown: rows for the tokens that were appended.

::

    embedding          the old rows, then rows as in a new network: old texts never read them
    output matrix      the old rows, then likewise, about the mean of the trained ones (Hewitt 2021); if tied,
                       the same
    output bias        the old ones, then the least trained one, less log 10n
    adaptive softmax   a cluster for the new tokens, whose link is such a row

All n together then are less expected than the rarest old token, and probabilities of old texts stay as they
were.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.store.checkpoint import Tensors

RARER = 10
"""The factor by which new tokens together are less expected than the rarest old one, by their biases."""


def grown(weights: Tensors, fresh: Tensors, trained: NDArray[Any] | None = None) -> dict[str, NDArray[Any]]:
    """Return the weights of a network whose vocabulary has grown, or which is the same size.

    Args:
        weights: those of the network as it was.
        fresh: those of a network of the new size that is not trained; they decide what has to grow.
        trained: (V,) 1 for the tokens that the old network has met; None: all.
    """
    made = {**fresh, **weights}
    biases = [name for name, old in weights.items() if name.endswith(".bias") and _grows(old, fresh[name])]
    outputs = [weights[name.removesuffix("bias") + "weight"] for name in biases]
    for name, old in weights.items():
        if name not in fresh or not _grows(old, fresh[name]):
            continue
        rows = fresh[name][len(old) :]
        met = old[trained > 0] if trained is not None and len(trained) == len(old) else old
        if name in biases:
            rows = np.full_like(rows, met.min() - math.log(RARER * len(rows)))
        elif any(np.array_equal(old, output) for output in outputs):
            rows = rows + met.mean(axis=0)
        made[name] = np.concatenate([old, rows])
    return made


def _grows(old: NDArray[Any], fresh: NDArray[Any]) -> bool:
    return old.shape[1:] == fresh.shape[1:] and len(fresh) > len(old)

"""How much a network and the n-grams beside it count: a product of experts, its exponents from the context.

::

    log p(w) = Σⱼ aⱼ · log pⱼ(w) + constant        j = network, n-gram (, n-gram of what was just read)
    aⱼ       = θⱼ · f                              f = 1, length of the context, how often it was seen (ln)

(Products of experts: Hinton 1999; log-linear models: Berger et al. 1996.) The loss is convex in θ, and
Newton's method finds its least value in a few steps. On tiny Shakespeare the product gained 0.046 nats, and
the best sum of probabilities, with weights by length and count likewise, 0.037.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import Floats, TokenIds
from rnngen.inference.ngram.counts import NGram, Prediction
from rnngen.numerics import Doubles

WEIGHTS, ADAPTIVE_WEIGHTS = "ngram.weights", "ngram.adaptive_weights"
"""Names of the tensors of θ: without and with the n-gram of what was just read."""
PRIOR = np.array([[0.65, 0, 0], [0.15, 0, 0]])
ADAPTIVE_PRIOR = np.array([[0.6, 0, 0, 0, 0], [0.1, 0, 0, 0, 0], [0.15, 0, 0, 0, 0]])
"""θ where nothing is known: what was found on several texts."""
ALONE, SLOPE = 3.0, 30.0
"""Weights of the prior, in units of about the curvature of one token's loss: of what every context has in
common, and of what depends on its length and count, which takes more tokens to tell."""
LEAST = 0.01
"""The least exponent, however a context looks: no expert is ever turned against itself."""
STEPS = 12
"""Steps of Newton's method, at most."""
AT_ONCE = 1 << 20
"""Logits that are worked on at once; a matter of memory alone."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """An n-gram and how much it counts."""

    ngram: NGram
    weights: Doubles
    """(2,3) θ of the network and of the n-gram."""
    adaptive_weights: Doubles
    """(3,5) θ of both and of the n-gram of what was just read, whose length and count are features too."""

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, NDArray[Any]], vocabulary: int) -> "Mixture | None":
        """Read the mixture of a model with V tokens; None where it has none.

        Raises:
            KeyError, ValueError: if an array is missing, or does not fit the others.
        """
        if (ngram := NGram.of_tensors(tensors)) is None:
            return None
        if ngram.vocabulary != vocabulary:
            raise ValueError(f"the n-gram has {ngram.vocabulary} tokens, and the model {vocabulary}")
        found = [tensors.get(name, prior) for name, prior in _PRIORS.items()]
        for array, prior in zip(found, _PRIORS.values(), strict=True):
            if array.shape != prior.shape or not np.isfinite(array).all():
                raise ValueError("the weights of the n-gram do not fit it")
        return cls(ngram, *(np.asarray(array, np.float64) for array in found))

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that a model's file holds."""
        return {**self.ngram.tensors(), WEIGHTS: self.weights, ADAPTIVE_WEIGHTS: self.adaptive_weights}

    def mixed(self, logits: Floats, ngram: Prediction, recent: Prediction | None = None) -> Floats:
        """Logits of the network (B,V) and predictions for the same streams → logits of the mixture (B,V)."""
        experts = [logits, ngram.log_probs] + ([] if recent is None else [recent.log_probs])
        weights = self.weights if recent is None else self.adaptive_weights
        exponents = exponents_of(features(ngram, recent), weights).astype(np.float32)
        return _product(experts, exponents)


_PRIORS = {WEIGHTS: PRIOR, ADAPTIVE_WEIGHTS: ADAPTIVE_PRIOR}


def features(ngram: Prediction, recent: Prediction | None = None) -> Doubles:
    """Return f of B contexts (B,F), each about 1 at most."""
    found = np.empty((len(ngram.lengths), 3 if recent is None else 5))
    found[:, 0] = 1
    for column, prediction in ((1, ngram), (3, recent)):
        if prediction is not None:
            found[:, column], found[:, column + 1] = prediction.lengths, np.log1p(prediction.counts)
    found[:, 1:] /= 8
    return found


def exponents_of(features: Doubles, weights: Doubles) -> Doubles:
    """F (B,F) and θ (J,F) → the exponents (B,J)."""
    exponents: Doubles = np.maximum(features @ weights.T, LEAST)
    return exponents


def _product(experts: Sequence[Floats], exponents: Floats) -> Floats:
    """Multiply the logits (B,V) of J experts by their exponents (B,J), and add them up."""
    total: Floats = experts[0] * exponents[:, :1]
    for number, expert in enumerate(experts[1:], start=1):
        total += expert * exponents[:, number : number + 1]
    return total


def fitted(experts: Sequence[Floats], features: Doubles, targets: TokenIds, prior: Doubles) -> Doubles:
    """Find the θ under which N tokens are most probable, near ``prior`` where they are few.

    Args:
        experts: J arrays (N,V) of logits or log-probabilities; none may be infinite.
        features: (N,F).
        targets: (N,) the tokens that came.
        prior: (J,F).

    Returns:
        θ (J,F).
    """
    weights = prior.copy()
    loss = _loss(experts, features, targets, weights, prior)
    for _ in range(STEPS):
        step = _newton(experts, features, targets, weights, prior)
        while (nearer := _loss(experts, features, targets, weights + step, prior)) > loss and abs(
            step
        ).max() > 1e-4:
            step = step / 2
        if nearer > loss:
            break
        gained, loss, weights = loss - nearer, nearer, weights + step
        if gained < 1e-4 * len(targets):
            break
    return weights


def surprisals(experts: Sequence[Floats], features: Doubles, targets: TokenIds, weights: Doubles) -> Doubles:
    """Return the surprisal (N,) in nats of tokens under θ; arguments as in ``fitted``."""
    exponents = exponents_of(features, weights).astype(np.float32)
    found = np.empty(len(targets))
    for rows in _blocks(experts):
        mixed = _product([expert[rows] for expert in experts], exponents[rows])
        top = mixed.max(axis=1)
        masses = np.exp(mixed - top[:, None]).sum(axis=1, dtype=np.float64)
        found[rows] = top + np.log(masses) - mixed[np.arange(len(mixed)), targets[rows]]
    return found


def _blocks(experts: Sequence[Floats]) -> Iterator[slice]:
    count, vocabulary = experts[0].shape
    size = max(1, AT_ONCE // vocabulary)
    return (slice(begin, begin + size) for begin in range(0, count, size))


def _loss(experts: Any, features: Doubles, targets: TokenIds, weights: Doubles, prior: Doubles) -> float:
    away = (_strengths(weights) * (weights - prior) ** 2).sum() / 2
    return float(surprisals(experts, features, targets, weights).sum() + away)


def _strengths(weights: Doubles) -> Doubles:
    """Return the weight of the prior for each weight (J,F)."""
    strengths = np.full_like(weights, SLOPE)
    strengths[:, 0] = ALONE
    return strengths


def _newton(
    experts: Sequence[Floats], features: Doubles, targets: TokenIds, weights: Doubles, prior: Doubles
) -> Doubles:
    """Return Newton's step: the gradient through the inverse of the curvature, the experts' covariance."""
    exponents = exponents_of(features, weights).astype(np.float32)
    strengths = _strengths(weights)
    gradient, curvature = -strengths * (weights - prior), np.diag(strengths.ravel())
    for rows in _blocks(experts):
        some = [expert[rows] for expert in experts]
        slopes, curves = _derivatives(some, exponents[rows], features[rows], targets[rows])
        gradient += slopes
        curvature += curves
    step = np.linalg.solve(curvature, gradient.ravel())
    return step.astype(np.float64).reshape(weights.shape)


def _derivatives(
    experts: Sequence[Floats], exponents: Floats, features: Doubles, targets: TokenIds
) -> tuple[Doubles, Doubles]:
    """Return the gradient (J,F) of the tokens' log-probability, and its curvature (J·F,J·F) less its sign."""
    rows, width = np.arange(len(targets)), features.shape[1]
    mixed = _product(experts, exponents)
    probs = np.exp(mixed - mixed.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    weighted = [probs * expert for expert in experts]
    means = [one.sum(axis=1, dtype=np.float64) for one in weighted]
    gradient = np.stack(
        [(expert[rows, targets] - mean) @ features for expert, mean in zip(experts, means, strict=True)]
    )
    curvature = np.zeros((gradient.size, gradient.size))
    for i in range(len(experts)):
        for j in range(i, len(experts)):
            covariance = np.einsum("nv,nv->n", weighted[i], experts[j]) - means[i] * means[j]
            block = (features * covariance[:, None]).T @ features
            here, there = slice(i * width, (i + 1) * width), slice(j * width, (j + 1) * width)
            curvature[here, there] = block
            curvature[there, here] = block.T
    return gradient, curvature

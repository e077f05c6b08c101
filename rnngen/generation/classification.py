"""The likeliest labels of texts, by a model of ``label TAB text``.

::

    P(label | text) = p(label TAB text) / Σ p(other label TAB text)

The numerator is a language model's probability of the whole example, so that frequent labels count for more.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from rnngen.errors import OptionError
from rnngen.generation.generator import Generator
from rnngen.numerics import Doubles, log_softmax

POOL = 4096
"""Texts under a label that are scored together; they bound the memory."""


def classify(generator: Generator, texts: Sequence[str]) -> Iterator[list[tuple[str, float]]]:
    """Yield for each text the labels with their probabilities, the likeliest first.

    Raises:
        OptionError: if the model has no labels.
    """
    labels = require_labels(generator)
    step = max(1, POOL // len(labels))
    for start in range(0, len(texts), step):
        some = texts[start : start + step]
        examples = [f"{label}\t{text}" for text in some for label in labels]
        for row in log_softmax(generator.log_probs(examples).reshape(len(some), -1)):
            yield _ranked(labels, row)


def shares(generator: Generator) -> list[tuple[str, float]]:
    """Return the labels with the share of its texts that the model expects under each, the largest first.

    Raises:
        OptionError: if the model has no labels.
    """
    labels = require_labels(generator)
    found = [sum(nats for _, nats in _opening(generator, label)) for label in labels]
    return _ranked(labels, log_softmax(np.array([found]))[0])


def _ranked(labels: Sequence[str], log_probs: Doubles) -> list[tuple[str, float]]:
    """Return labels with their probabilities, from their logarithms (L,), the likeliest first."""
    order = np.argsort(-log_probs, kind="stable").tolist()
    return [(labels[place], float(np.exp(log_probs[place]))) for place in order]


def _opening(generator: Generator, label: str) -> list[tuple[int, float]]:
    """Return the tokens of a label and its tab, each with its log-probability."""
    scored = generator.token_log_probs(f"{label}\t")
    return scored[:-1] if generator.has_eos else scored


def require_labels(generator: Generator) -> tuple[str, ...]:
    """Return a model's labels.

    Raises:
        OptionError: if it has none.
    """
    if not generator.labels:
        raise OptionError("this model has no labels; train one with the task labelled")
    return generator.labels

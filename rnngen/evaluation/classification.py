"""Labels of texts beside those that a model of labelled texts finds likeliest: accuracy, F1, confusion."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from rnngen.contracts import Chunk
from rnngen.data.token_store import joined
from rnngen.generation.classification import POOL, classify
from rnngen.generation.generator import Generator


@dataclass(frozen=True)
class LabelScores:
    """The labels that were found for texts whose labels are known."""

    confusion: Mapping[str, Mapping[str, int]]
    """Number of texts by their label, and by the label that was found."""

    @property
    def texts(self) -> int:
        """Number of texts."""
        return sum(sum(row.values()) for row in self.confusion.values())

    @property
    def accuracy(self) -> float:
        """Percentage of texts whose label was found."""
        right = sum(row.get(label, 0) for label, row in self.confusion.items())
        return 100 * right / self.texts

    @property
    def majority(self) -> float:
        """Accuracy of naming the most frequent label every time."""
        return 100 * max(sum(row.values()) for row in self.confusion.values()) / self.texts

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the labels that the texts have, in percent: rare and frequent ones count alike."""
        return sum(self.f1(label) for label in self.confusion) / len(self.confusion)

    def recall(self, label: str) -> float:
        """Percentage of the texts of a label that were given it."""
        row = self.confusion[label]
        return 100 * row.get(label, 0) / sum(row.values())

    def precision(self, label: str) -> float:
        """Percentage of the texts that were given a label which have it; 0 where there are none."""
        given = sum(row.get(label, 0) for row in self.confusion.values())
        return 100 * self.confusion[label].get(label, 0) / given if given else 0.0

    def f1(self, label: str) -> float:
        """Harmonic mean of recall and precision, in percent."""
        recall, precision = self.recall(label), self.precision(label)
        return 2 * recall * precision / (recall + precision) if recall + precision else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints."""
        scores = {name: getattr(self, name) for name in ("accuracy", "majority", "macro_f1")}
        each = {
            label: {name: getattr(self, name)(label) for name in ("recall", "precision", "f1")}
            for label in self.confusion
        }
        confusion = {label: dict(row) for label, row in self.confusion.items()}
        return {"texts": self.texts, **scores, "labels": each, "confusion": confusion}


def score_labels(generator: Generator, examples: Iterable[Chunk]) -> LabelScores:
    """Compare the label of each example ``label TAB text`` with the likeliest one of its text.

    A label that the model does not have counts as not found.
    """
    confusion: dict[str, Counter[str]] = {}
    texts = (example.text for example in joined(examples))
    while some := list(islice(texts, POOL)):
        known = [text.partition("\t") for text in some]
        found = classify(generator, [text for _, _, text in known])
        for (label, _, _), labels in zip(known, found, strict=True):
            confusion.setdefault(label, Counter())[labels[0][0]] += 1
    return LabelScores({label: confusion[label] for label in sorted(confusion)})

"""The division of a corpus into a train split and a validation split, by a rule that is recorded.

::

    place       free text        ├───── train ─────┤├─ val ─┤   the end of every document
    documents   free text        whole documents, where there are many; the end of those that are large
    examples    examples         those whose hash is low, so that copies of one are on the same side
    sources     with sources     likewise by the source's hash alone, so that no source is on both sides
    pairs       with sources     by that of source and text, where sources are few or one of them is large
    copies      examples         by the number of each, where nearly all are copies of a few
    file        all of it is training text: there is a validation text besides

Hashes do not depend on the order of a text, so that a sorted list is held out from all over. What is held
out follows from the text, the rule, its threshold and the share asked for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import Chunk
from rnngen.data.survey import Hashes, Survey
from rnngen.store.config import CorpusRecord

TRAIN = 1 << 62
"""Characters of an example that are kept for training, where all of them are."""
MANY_DOCUMENTS = 100
"""Documents from which on some are held out whole."""
SHORT_DOCUMENT = 5_000
"""Mean number of characters in documents below which fewer are enough: to cut short ones hides their ends."""
LARGE = 2
"""Times the share asked for: a group that is larger is never held out."""
HELD_SOURCES = 10
"""Sources to hold out below which pairs are held out one by one, so that training meets all sources."""

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """The side of every example."""

    rule: str
    """See above; empty for that of an earlier version."""
    threshold: int
    """A group is held out if its hash is not above it; 0 where the rule has none."""
    kept: Ints
    """(examples,) characters of each that go to training: ``TRAIN`` for all, 0 for none."""

    def train(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the text to train on, reading no further than that goes."""
        last = int(np.flatnonzero(self.kept).max(initial=-1))
        for number, at, chunk in _placed(chunks):
            kept = int(self.kept[number])
            if at < kept:
                whole = at + len(chunk.text) <= kept
                yield chunk if whole else chunk._replace(text=chunk.text[: kept - at])
            elif number >= last:
                return

    def validation(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the text to validate on; a document opens where it begins."""
        opened = False
        for number, at, chunk in _placed(chunks):
            kept, opened = int(self.kept[number]), opened and not chunk.starts_document
            if at + len(chunk.text) > kept or kept == 0:
                yield chunk._replace(text=chunk.text[max(0, kept - at) :], starts_document=not opened)
                opened = True

    @property
    def trains(self) -> Mask:
        """(examples,) true for those that training gets, or a part of."""
        trained: Mask = self.kept > 0
        return trained

    def validates(self, survey: Survey) -> Mask:
        """Return which examples the validation split gets, or a part of, (examples,)."""
        held: Mask = (self.kept == 0) | (self.kept < survey.lengths)
        return held


def _placed(chunks: Iterable[Chunk]) -> Iterator[tuple[int, int, Chunk]]:
    """Yield chunks with the number of their example, and the characters of it that came before."""
    number, at = -1, 0
    for chunk in chunks:
        if chunk.starts_document:
            number, at = number + 1, 0
        yield number, at, chunk
        at += len(chunk.text)


def split(survey: Survey, fraction: float, *, has_val: bool = False, by: str | None = None) -> Split:
    """Split a text, holding out about a share of it; ``by`` is what the task asks for (``TaskSpec.split``).

    The share is of examples where they end by themselves, else of characters. Where there are two examples
    or more, each side gets one at least.
    """
    rule = "file" if has_val else _asked(survey, by) or _rule(survey, fraction)
    return _by_rule(survey, rule, fraction)


def recorded_split(survey: Survey, record: CorpusRecord) -> Split:
    """Split a text as the model of a record was trained with it."""
    if record.split:
        return _by_rule(survey, record.split, record.val_fraction, record.threshold)
    return Split("", 0, np.full(survey.examples, TRAIN) if record.val_paths else _earlier(survey, record))


# ── Rules ──────────────────────────────────────────────────────────────────────────────────────────────────


def _asked(survey: Survey, by: str | None) -> str | None:
    """Return the rule that a task asks for, if it does."""
    if by == "example" and survey.has_eos:
        return "pairs" if survey.sources is not None and not survey.labels else "examples"
    return "sources" if by == "source" else None


def _rule(survey: Survey, fraction: float) -> str:
    """Choose the rule that suits a text."""
    if not survey.has_eos:
        few = 2 / fraction if survey.chars < SHORT_DOCUMENT * survey.examples else MANY_DOCUMENTS
        if survey.examples < min(few, MANY_DOCUMENTS):
            return "place"
        rule = "documents"
    elif survey.sources is None or survey.labels:
        rule = "examples"
    else:
        rule = "pairs" if _like_labels(survey.sources, fraction) else "sources"
    _, counts = np.unique(_keys(survey, rule), return_counts=True)
    rare = counts[counts <= max(1, _most(counts, fraction))].sum()
    unlike = len(counts) > 1 and rare >= fraction * survey.examples
    return rule if unlike or len(counts) == survey.examples else "copies"


def _like_labels(sources: Hashes, fraction: float) -> bool:
    """Return whether sources recur and are few, or one is large, so that one that is held out is missed."""
    _, counts = np.unique(sources, return_counts=True)
    few = _are_few(len(counts), fraction) and len(sources) >= 2 * len(counts)
    return int(counts.max()) > 1 and (few or int(counts.max()) > fraction * len(sources) / 2)


def _are_few(sources: int, fraction: float) -> bool:
    return sources * fraction < HELD_SOURCES


def _keys(survey: Survey, rule: str) -> Hashes:
    """Return what decides about each example."""
    if rule == "sources":
        assert survey.sources is not None
        return survey.sources
    return _mixed(survey.examples) if rule == "copies" else survey.keys


def _mixed(count: int) -> Hashes:
    """Return a hash of each number (SplitMix64)."""
    mixed = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


@dataclass(frozen=True)
class _Groups:
    """Examples that go to the same side, because what decides about them is the same."""

    hashes: Hashes
    """(groups,) sorted."""
    order: NDArray[np.intp]
    """(examples,) their numbers, those of a group side by side, the groups in the order of their hashes."""
    counts: Ints
    """(groups,) examples of each."""
    weights: Ints
    """(groups,) examples, or characters of free text."""
    eligible: Mask
    """(groups,) false for those that are too large to be held out; true for the smallest at least."""

    @classmethod
    def by(cls, survey: Survey, rule: str, fraction: float) -> "_Groups":
        keys = _keys(survey, rule)
        order = keys.argsort()
        ordered = keys[order]
        begins = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        hashes = ordered[begins]
        del ordered  # each array of these is large where a corpus is
        counts = np.diff(begins, append=len(keys))
        chars = np.add.reduceat(survey.lengths[order], begins) + counts * survey.has_eos
        if survey.has_eos:
            few = counts <= max(1, _most(counts, fraction))
            eligible = few & (chars <= LARGE * fraction * survey.chars)
            eligible = eligible if eligible.any() else chars == chars.min()
        else:
            eligible = chars <= _most(chars, fraction)
        return cls(hashes, order, counts, counts if survey.has_eos else chars, eligible)

    def examples(self, groups: Mask) -> Mask:
        """Return which examples are in some of the groups: (groups,) → (examples,)."""
        members = np.empty(len(self.order), np.bool_)
        members[self.order] = np.repeat(groups, self.counts)
        return members


def _most(weights: NDArray[Any], fraction: float) -> float:
    """Return the weight of the heaviest group that may be held out, if the share is to come near.

    It is a quarter of the share or, where all groups are as heavy, twice their mean.
    """
    share = float(fraction * weights.sum())
    return max(share / 4, min(LARGE * float(weights.mean()), LARGE * share))


def _threshold(survey: Survey, groups: _Groups, fraction: float) -> int:
    """Return the hash up to which groups are held out, so that the share is as near as it gets."""
    sums = groups.weights[groups.eligible].cumsum()
    if not len(sums):
        return 0
    goal = fraction * groups.weights.sum()
    if survey.has_eos and groups.eligible.all():
        sums = sums[: max(1, len(sums) - 1)]  # something is to be trained on
    elif survey.has_eos:
        goal = min(goal, sums[-1] / 2)
    else:
        goal = fraction * sums[-1]  # of large documents the end is held out
    after = int(sums.searchsorted(ceil(goal)))  # no array of distances: large corpora are what it is for
    near = min(sums[max(0, after - 1) : after + 1], key=lambda total: (abs(total - goal), total))
    return int(groups.hashes[groups.eligible][sums.searchsorted(near)])


def _by_rule(survey: Survey, rule: str, fraction: float, threshold: int | None = None) -> Split:
    """Split by a rule; a threshold that is not recorded follows from the share."""
    if rule == "file":
        return Split(rule, threshold or 0, np.full(survey.examples, TRAIN))
    if rule == "place":
        return Split(rule, threshold or 0, _beginnings(survey, fraction))
    groups = _Groups.by(survey, rule, fraction)
    if threshold is None:
        threshold = _threshold(survey, groups, fraction)
    held = groups.examples(groups.eligible & (groups.hashes <= np.uint64(threshold)))
    if survey.sources is not None and rule != "sources":
        held = _sparing_sources(survey, held, fraction)
    kept = np.where(held, 0, TRAIN)
    if not survey.has_eos:
        kept = np.where(groups.examples(groups.eligible), kept, _beginnings(survey, fraction))
    return Split(rule, threshold, kept)


def _beginnings(survey: Survey, fraction: float) -> Ints:
    """Return the characters of each example that training keeps where the end of each is held out."""
    return (survey.lengths * (1 - fraction)).astype(np.int64)


def _sparing_sources(survey: Survey, held: Mask, fraction: float) -> Mask:
    """Keep one example of every source, or of every label, in training where these are few."""
    assert survey.sources is not None
    sources, of = np.unique(survey.sources, return_inverse=True)
    missed = np.bincount(of, ~held, len(sources)) == 0
    if not _are_few(len(sources), fraction) or not missed.any():
        return held
    highest = np.zeros(len(sources), np.uint64)
    np.maximum.at(highest, of, survey.keys)
    spared = held & ~(missed[of] & (survey.keys == highest[of]))
    return spared if spared.any() else held


def _earlier(survey: Survey, record: CorpusRecord) -> Ints:
    """Return the characters of each example that versions up to 0.2 kept for training.

    Sources below a share of all hashes were held out; else the end of the whole text, in whole examples where
    these end by themselves.
    """
    if survey.sources is not None:
        held = survey.sources <= np.uint64(ceil(record.val_fraction * 2**64) - 1)
        return np.where(held, 0, TRAIN)
    opened = np.cumsum(survey.lengths + survey.has_eos) - (survey.lengths + survey.has_eos)
    if survey.has_eos:
        return np.where(opened >= record.cut, 0, TRAIN)
    kept: Ints = np.clip(record.cut - opened, 0, None)
    return kept

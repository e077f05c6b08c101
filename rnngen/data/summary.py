"""The summary of a prepared corpus: how much there is, how it was split, what was left out, what is odd."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rnngen.data.survey import Survey
from rnngen.data.token_store import TokenStore, Written
from rnngen.errors import CorpusError
from rnngen.events import Surveyed
from rnngen.printable import counted

KEPT = 0.99
"""The share of pairs that the length which is proposed keeps."""
NEAR = 0.25
"""The share of the share asked for by which what is held out may differ without a word."""
LONG = 1_000
"""Characters of a single example from which on it may be free text."""
MOST_LABELS, FEW_LABELS = 10_000, 20
"""Labels above which there are too many, and up to which they may recur as little as they like."""
RULES = {
    "documents": "by a hash of each",
    "examples": "by a hash of the text",
    "sources": "by a hash of the source",
    "pairs": "pair by pair, since sources recur",
    "copies": "copy by copy, since nearly all repeat another: copies stand on both sides",
    "": "by the rule of an earlier version",
}
"""The part that each rule holds out, in words; see ``rnngen.data.split``."""


@dataclass(frozen=True)
class Sides:
    """A corpus as it was written."""

    train: TokenStore
    val: TokenStore
    lengths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """(pairs,) tokens on the longer side of each; empty where examples have no sources."""
    limit: int | None = None
    """The most of these that were let in."""

    def share(self, what: str) -> float:
        """Return the share of the ``examples`` or the ``chars`` that is held out."""
        train, val = (getattr(side, what) for side in (self.train, self.val))
        return float(val / max(1, train + val))


def summarise(survey: Survey, rule: str, fraction: float, sides: Sides) -> Surveyed:
    """Summarise a corpus that was split by a rule, with the share that was asked for."""
    lengths, limit = sides.lengths, sides.limit
    left_out = 0 if limit is None else int((lengths > limit).sum())
    oddities, fitting = survey.oddities, None
    if left_out:
        most = float(np.quantile(lengths, KEPT, method="higher"))
        fitting, kept = (int(most), f"{KEPT:.0%}") if most > (limit or 0) else (int(lengths.max()), "all")
        oddities = (
            f"{left_out:,} of {len(lengths):,} pairs ({_share(left_out / len(lengths))}) have a side of more "
            f"than {limit} tokens and are left out; --max-length {fitting} keeps {kept}",
            *oddities,
        )
    without = f"; {left_out:,} left out, longer than {limit} tokens" if left_out else ""
    text = f"{_files(survey.kinds)}{_amounts(survey)}"
    return Surveyed(
        message=f"text: {text}; {_held_out(survey, rule, fraction, sides)}{without}",
        examples=survey.examples,
        chars=survey.chars,
        duplicates=survey.duplicates,
        train_examples=sides.train.examples,
        val_examples=sides.val.examples,
        rule=rule,
        share=sides.share("examples" if survey.has_eos else "chars"),
        left_out=left_out,
        fitting_length=fitting,
        oddities=oddities,
        kinds=survey.kinds,
    )


def with_not_read(surveyed: Surveyed, endings: Mapping[str, int]) -> Surveyed:
    """Return a summary that also says which files of the folders were not read."""
    if not endings:
        return surveyed
    files = ", ".join(f"{count:,} {ending or 'without an ending'}" for ending, count in endings.items())
    message = f"{surveyed.message}; not read: {files} (files and patterns that are named are)"
    return replace(surveyed, message=message, not_read=dict(endings))


def _files(kinds: Mapping[str, Sequence[int]]) -> str:
    """Name the files by kind, if there are several; the characters too, if there are several kinds."""
    files = sum(count for count, _ in kinds.values())
    if files < 2:
        return ""
    each = [
        f"{count:,} {ending or 'without an ending'}" + f" with {chars:,} characters" * (len(kinds) > 1)
        for ending, (count, chars) in sorted(kinds.items())
    ]
    return f"{files:,} files ({', '.join(each)}), "


def _amounts(survey: Survey) -> str:
    chars = survey.chars - survey.examples * survey.has_eos
    if survey.examples == 1 and not survey.has_eos:
        return counted(chars, "characters")
    labels = f" under {counted(len(survey.labels), 'labels')}" if survey.labels else ""
    again = f" ({survey.duplicates:,} of them repeat another)" if survey.duplicates else ""
    return f"{counted(survey.examples, noun(survey))}{again}{labels}, {counted(chars, 'characters')}"


def _held_out(survey: Survey, rule: str, fraction: float, sides: Sides) -> str:
    if rule == "file":
        return f"all to train on, {_amount(sides.val, survey)} to validate on"
    if rule == "place":
        return f"the last {_share(fraction)}{' of each' if survey.examples > 1 else ''} held out"
    chars = sides.share("chars")
    own = sides.share("examples") if survey.has_eos else chars
    share = _share(own) + ("" if survey.has_eos else " of the characters")
    if abs(own / fraction - 1) > NEAR:
        share += f", where {_share(fraction)} was asked for"
    elif abs(chars / fraction - 1) > NEAR:
        share += f", {_share(chars)} of the characters"
    return f"{sides.val.examples:,} held out ({share}) {RULES[rule]}"


def _amount(store: TokenStore, survey: Survey) -> str:
    return counted(store.examples, noun(survey)) if survey.has_eos else counted(store.chars, "characters")


def noun(survey: Survey) -> str:
    """Return the word for the examples of a text."""
    if not survey.has_eos:
        return "documents"
    return "pairs" if survey.sources is not None and not survey.labels else "examples"


def _share(share: float) -> str:
    return f"{100 * share:.3g}%"


# ── Too little text ────────────────────────────────────────────────────────────────────────────────────────


def too_small(survey: Survey, name: str) -> CorpusError:
    """Return the error for a text that leaves one side without anything, with every cause that shows."""
    chars = int(survey.lengths.sum())
    there = counted(chars, "characters")
    if survey.has_eos:
        there = f"{counted(survey.examples, noun(survey))} of {there}"
    causes = [*survey.oddities]
    if survey.has_eos and chars > LONG:
        causes.append("if it is free text, give --task continue")
    return CorpusError(
        f"{name} is too small: {there}, and two are needed, one to train on and one to validate on; "
        + "; ".join(["give more text or --val", *causes])
    )


def check_labels(survey: Survey, name: str) -> None:
    """Refuse labels of which there are too many, or nearly as many as examples."""
    labels = len(survey.labels)
    if labels > MOST_LABELS or (labels > FEW_LABELS and 2 * labels > survey.examples):
        raise CorpusError(
            f"{name}: {labels:,} labels for {survey.examples:,} examples are no labels; give another "
            "`label_field`, or `task=pairs` if each is a source of its own"
        )


def check_pairs(written: Written, every: str, limit: int | None) -> None:
    """Refuse a side of the split from which all pairs were left out; ``every`` begins the message."""
    if written.store.examples or not len(written.lengths):
        return
    fitting = int(np.quantile(written.lengths, KEPT, method="higher"))
    raise CorpusError(
        f"{every} ({len(written.lengths):,}) has a side of more than {limit} tokens; "
        f"raise --max-length, to {fitting} for {KEPT:.0%} of them"
    )

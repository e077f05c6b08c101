"""Reports about a vocabulary and its text, with figures."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rnngen.data.spelling import characters_of
from rnngen.events import Warned
from rnngen.options import describe
from rnngen.store.model_folder import TRAINED_TOKENS
from rnngen.training.plan import Plan

SHOWN = 12
"""Characters that a report names at most."""
LEAST = 0.001
"""The share of characters spelt in bytes from which on they are reported."""
SINGLE = 257
"""Tokens for single bytes and the end."""
LARGE, SMALLER, COVERED = 2000, 0.8, 0.995
"""A vocabulary from this size on is reported if one this much smaller covers that share of the text."""


def new_characters(plan: Plan) -> Iterator[Warned]:
    """Report the characters of the text that the model which a new one begins with has never met."""
    if plan.start_from is None or (met := plan.start_from.weights.get(TRAINED_TOKENS)) is None:
        return
    pieces, train = plan.encoded.tokenizer.pieces, plan.encoded.train
    unmet = np.ones(len(pieces), bool)
    unmet[: len(met)] = met == 0
    unmet[plan.encoded.tokenizer.eos_id] = False
    new = characters_of(train, pieces, unmet)
    if not new:
        return
    own = plan.config.vocabulary - plan.start_from.config.vocabulary
    tokens = f"{own:,} got tokens" if own else "they are spelt in tokens that it has never met"
    yield Warned(
        f"{share(new, train.chars)} are new to {plan.start_from.path.name}: {named(new)}; {tokens}, "
        "and have to be learnt from this text alone"
    )


def cut_vocabulary(plan: Plan) -> Iterator[Warned]:
    """Report the characters that a vocabulary spells in bytes, and a limit that a large one may have."""
    part = plan.parts["tokenizer"]
    learns = "vocab_size" in {one.name for one in describe(type(part.options))}
    if plan.resumed or plan.start_from or plan.teachers or not learns:
        return
    pieces, train = plan.encoded.tokenizer.pieces, plan.encoded.train
    counts = train.counts(len(pieces))
    spells = np.array([len(piece) == 1 and piece >= b"\x80" for piece in pieces])
    spelt = characters_of(train, pieces, spells) if counts[spells].any() else Counter[str]()
    if spelt.total() >= LEAST * train.chars:
        why = "occur once" if max(spelt.values()) == 1 else "have no token"
        yield Warned(
            f"{share(spelt, train.chars)} are spelt in bytes, since they {why}: {named(spelt)}; --vocab-size "
            "and -o min_count=N decide which have one"
        )
    if part.options.vocab_size is None and (size := _enough(counts[~spells], train.chars)):
        yield Warned(
            f"the vocabulary is large, {len(pieces):,} tokens: --vocab-size {size} covers {COVERED:.1%} of "
            "the text, and training is faster"
        )


def _enough(counts: NDArray[np.int64], chars: int) -> int | None:
    """Return a size that covers nearly all of the text, if it is clearly smaller than a large vocabulary."""
    covered = np.cumsum(np.sort(counts)[::-1])
    size = SINGLE + int(np.searchsorted(covered, COVERED * chars)) + 1
    size += -size % 100
    return size if len(counts) >= LARGE and size <= SMALLER * len(counts) else None


def share(characters: "Counter[str]", chars: int) -> str:
    """Return how many characters of a text these are, with the share."""
    count = characters.total()
    return f"{count:,} of the {chars:,} characters to train on ({count / max(1, chars):.1%})"


def named(characters: "Counter[str]") -> str:
    """Return the characters, the most frequent first, and their number if not all are named."""
    frequent = sorted(characters, key=lambda one: (-characters[one], one))
    shown = " ".join(repr(one)[1:-1] for one in frequent[:SHOWN])
    return shown if len(frequent) <= SHOWN else f"{shown} … ({len(frequent):,} different ones)"

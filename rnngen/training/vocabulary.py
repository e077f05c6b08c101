"""Reports about a vocabulary and its text, with figures."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from rnngen.data.spelling import characters_of
from rnngen.events import Warned
from rnngen.store.model_folder import TRAINED_TOKENS
from rnngen.training.plan import Plan

SHOWN = 12
"""Characters that a report names at most."""


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


def share(characters: "Counter[str]", chars: int) -> str:
    """Return how many characters of a text these are, with the share."""
    count = characters.total()
    return f"{count:,} of the {chars:,} characters to train on ({count / max(1, chars):.1%})"


def named(characters: "Counter[str]") -> str:
    """Return the characters, the most frequent first, and their number if not all are named."""
    frequent = sorted(characters, key=lambda one: (-characters[one], one))
    shown = " ".join(repr(one)[1:-1] for one in frequent[:SHOWN])
    return shown if len(frequent) <= SHOWN else f"{shown} … ({len(frequent):,} different ones)"

"""The filter behind ``regex``, ``choices``, ``json_schema`` and ``grammar``.

llguidance says which tokens may follow, byte by byte, so that a token may reach over the bounds of words and
rules, and may not reach over the end. Only what is written is constrained: the prompt is not.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rnngen.contracts import Floats, State, TokenIds, Tokenizer
from rnngen.errors import RnngenError
from rnngen.numerics import FORBIDDEN

from rnngen_constrain.language import Language
from rnngen_constrain.matchers import Matchers, Row, mixed

History = Sequence[Sequence[int]]
SHOWN = 8
"""Tokens that a message names at most."""


class Constraining(Protocol):
    """The options of a constraint."""

    @property
    def language(self) -> Language:
        """The texts that may be generated."""
        ...


class Constraint:
    """A filter that lets through what leads to a text of a language.

    Its state says of each stream how many tokens were written (B,), and names the text so far and that one
    token shorter by hashes (B,) of their tokens: under these the parsers are kept from step to step, so that
    hypotheses share what they have in common and fork where they part. A parser that is not there is made
    from the history; nothing depends on whether it was.

    Args:
        language: what may be written.
        tokenizer: text ↔ ids.
    """

    def __init__(self, language: Language, tokenizer: Tokenizer) -> None:
        self.language, self.tokenizer = language, tokenizer
        self.matchers = Matchers(language, tokenizer)

    def initial(self, seeds: TokenIds) -> State:
        """Nothing is written: zeros."""
        return tuple(np.zeros(len(seeds), np.int64) for _ in range(3))

    def __call__(self, logits: Floats, history: History, state: State) -> Floats:
        """Forbid what leads nowhere; where nothing may follow but the end, allow that, whatever its logit.

        Raises:
            RnngenError: if in no stream any token may follow, nor the end.
        """
        end = self.tokenizer.eos_id
        self.matchers.meet(np.any(logits > FORBIDDEN, axis=0))
        rows = [
            Row(past, count, now, before)
            for past, count, now, before in zip(history, *(array.tolist() for array in state), strict=True)
        ]
        allowed = self.matchers.allowed(rows)
        kept = np.where(allowed, logits, FORBIDDEN)
        stuck = ~(kept > FORBIDDEN).any(axis=1)
        kept[stuck & allowed[:, end], end] = 0
        if rows and (stuck & ~allowed[:, end]).all():
            self._refuse(rows[0], logits[0])
        return kept

    def observe(self, tokens: TokenIds, surprisal: NDArray[np.float64], state: State) -> State:  # noqa: ARG002
        """One token more, and the text so far is now the shorter one."""
        return state[0] + 1, mixed(state[1], tokens), state[1]

    def unmet(self, tokens: Sequence[int]) -> str | None:
        """Say so where a text is none of the language."""
        if self.matchers.accepts(tokens):
            return None
        return (
            f"filter {self.language.name!r} ({self.language.source}): the text ended before it was complete"
        )

    def _refuse(self, row: Row, logits: Floats) -> None:
        pieces = self.tokenizer.pieces
        wanted = [pieces[token] for token in self.matchers.wanted(row) if logits[token] == FORBIDDEN]
        shown = " ".join(map(_shown, wanted[:SHOWN]))
        written = b"".join(pieces[token] for token in row.written).decode(errors="replace")
        place = f"after {written!r}" if written else "at the beginning"
        wants = f"it wants {shown}{' …' if wanted[SHOWN:] else ''} there, " if shown else ""
        raise RnngenError(
            f"filter {self.language.name!r} ({self.language.source}): {place} no token is left that leads to "
            f"an allowed text; {wants}and the model has never seen what is needed, or another filter forbids "
            f"it: loosen the constraint, train on text that has it, or put {self.language.name} before the "
            "other filters"
        )


def constrained(options: Constraining, tokenizer: Tokenizer) -> Constraint:
    """Let nothing through but texts of a language."""
    return Constraint(options.language, tokenizer)


def _shown(piece: bytes) -> str:
    try:
        return repr(piece.decode())
    except UnicodeDecodeError:
        return repr(piece)

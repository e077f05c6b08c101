"""The filter ``must_include``: no end before some words have been written."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rnngen.contracts import Floats, State, TokenIds, Tokenizer
from rnngen.errors import RnngenError
from rnngen.numerics import FORBIDDEN

from rnngen_constrain.options import InclusionOptions


class Inclusion:
    """Reads along; its state (B,W) is how many bytes of each word the text ends with, all once it was there.

    Args:
        words: W of them.
        tokenizer: text ↔ ids.
    """

    lookback = 0

    def __init__(self, words: Sequence[str], tokenizer: Tokenizer) -> None:
        self.pieces, self.eos_id = tokenizer.pieces, tokenizer.eos_id
        # in the model's normal form, where its tokenizer has one
        spelt = (tokenizer.encode(word).tolist() for word in words)
        self.words = [b"".join(map(self.pieces.__getitem__, tokens)) for tokens in spelt]
        self.sizes = np.array([len(word) for word in self.words])
        self._read = lru_cache(1 << 16)(self._went_on)

    def initial(self, seeds: TokenIds) -> State:
        """Nothing is written."""
        return (np.zeros((len(seeds), len(self.words)), np.int64),)

    def __call__(self, logits: Floats, history: Sequence[Sequence[int]], state: State) -> Floats:  # noqa: ARG002
        """Forbid the end where a word is missing.

        Raises:
            RnngenError: if nothing but the end could have come.
        """
        missing = (state[0] < self.sizes).any(axis=1)
        kept = logits.copy()
        kept[missing, self.eos_id] = FORBIDDEN
        if len(kept) and not (kept > FORBIDDEN).any():
            word = self.words[int((state[0][0] < self.sizes).argmax())].decode()
            raise RnngenError(
                f"filter 'must_include': the text has to end and does not hold {word!r} yet; let the other "
                "constraints allow it, or leave the word out"
            )
        return kept

    def observe(self, tokens: TokenIds, surprisal: NDArray[np.float64], state: State) -> State:  # noqa: ARG002
        """Read the tokens (B,)."""
        after = [
            [self._read(word, place, token) for word, place in enumerate(places)]
            for token, places in zip(tokens.tolist(), state[0].tolist(), strict=True)
        ]
        return (np.array(after, np.int64).reshape(state[0].shape),)

    def unmet(self, tokens: Sequence[int]) -> str | None:
        """Name the first word that a text does not hold."""
        text = b"".join(self.pieces[token] for token in tokens)
        missing = [word.decode() for word in self.words if word not in text]
        return f"filter 'must_include': the text ended without {missing[0]!r}" if missing else None

    def _went_on(self, number: int, place: int, token: int) -> int:
        """Number of bytes of a word that the text ends with after one token more."""
        word = self.words[number]
        text = word[:place] + self.pieces[token]
        if word in text:
            return len(word)
        return next(size for size in range(min(len(word), len(text)), -1, -1) if text.endswith(word[:size]))


def must_include(options: InclusionOptions, tokenizer: Tokenizer) -> Inclusion:
    """Forbid the end until every word was written; of a text that ends without one, ``unmet`` says so."""
    return Inclusion(options.wanted, tokenizer)

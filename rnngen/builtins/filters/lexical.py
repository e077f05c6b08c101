"""Lexical filters, which know the bytes of tokens: bans, biases, a choice of words, and a minimum length."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.filters.options import BanOptions, BiasOptions, ForceOptions, MinLengthOptions
from rnngen.builtins.filters.truncation import OfLogits
from rnngen.contracts import Filter, Floats, State, StatefulFilter, TokenIds, Tokenizer
from rnngen.errors import UsageError
from rnngen.numerics import FORBIDDEN

History = Sequence[Sequence[int]]


def ban(options: BanOptions, tokenizer: Tokenizer) -> Filter:
    """Forbid every token that would complete a banned text, wherever tokens begin and end in it.

    A text counts as completed too where the prompt holds its beginning.
    """
    pieces = tokenizer.pieces
    texts = [_spelt(text, tokenizer) for text in options.strings()]
    if not texts:
        raise UsageError("filter 'ban': at least one text expected, as in ban=TEXT|TEXT")
    within = np.array([any(text in piece for text in texts) for piece in pieces], bool)

    @cache
    def beginning(rest: bytes) -> NDArray[np.bool_]:
        return np.array([piece.startswith(rest) for piece in pieces], bool)

    def forbid(logits: Floats, history: History) -> Floats:
        kept = np.where(within, FORBIDDEN, logits)
        for row, past in zip(kept, history, strict=True):
            for text in texts:
                ending = _ending(pieces, past, len(text) - 1)
                for length in range(1, len(text)):
                    if ending.endswith(text[:length]):
                        row[beginning(text[length:])] = FORBIDDEN
        return kept

    return forbid


def _spelt(text: str, tokenizer: Tokenizer) -> bytes:
    """Return the bytes of a text as the model writes it: in its tokenizer's normal form, where it has one."""
    return b"".join(tokenizer.pieces[token] for token in tokenizer.encode(text).tolist())


def _ending(pieces: Sequence[bytes], past: Sequence[int], size: int) -> bytes:
    """Return at least the last ``size`` bytes of some tokens, or all of them if there are fewer."""
    ending, place = b"", len(past)
    while len(ending) < size and place:
        place -= 1
        ending = pieces[past[place]] + ending
    return ending


def force(options: ForceOptions, tokenizer: Tokenizer) -> Filter:
    """Forbid every token that is none of those which spell the given texts; a text may still end.

    Raises:
        UsageError: if there is no text.
    """
    texts = options.strings()
    if not texts:
        raise UsageError("filter 'force': at least one text expected, as in force=TEXT|TEXT")
    outside = np.ones(len(tokenizer.pieces), bool)
    for text in texts:
        outside[tokenizer.encode(text)] = False
    outside[tokenizer.eos_id] = False
    return OfLogits(lambda logits: np.where(outside, FORBIDDEN, logits))


def logit_bias(options: BiasOptions, tokenizer: Tokenizer) -> Filter:
    """Add a number to the logits of given tokens, each named by its text (OpenAI's ``logit_bias``)."""
    if not options.pairs():
        raise UsageError(
            "filter 'logit_bias': at least one bias expected, as in logit_bias=TEXT:BIAS|TEXT:BIAS"
        )
    bias = np.zeros(len(tokenizer.pieces), np.float32)
    for text, number in options.pairs():
        spelt = _spelt(text, tokenizer)
        named = [token for token, piece in enumerate(tokenizer.pieces) if piece == spelt]
        if not named:
            parts = " ".join(
                repr(tokenizer.pieces[token].decode(errors="replace")) for token in tokenizer.encode(text)
            )
            raise UsageError(f"filter 'logit_bias': no single token is {text!r}; to this model it is {parts}")
        bias[named] += np.float32(number)
    return OfLogits(lambda logits: logits + bias)


class _MinLength:
    """Counts the generated tokens; its state is that count (B,)."""

    lookback = 0

    def __init__(self, length: int, end: int) -> None:
        self.length, self.eos_id = length, end

    def initial(self, seeds: TokenIds) -> State:
        return (np.zeros(len(seeds), np.int64),)

    def __call__(self, logits: Floats, history: History, state: State) -> Floats:  # noqa: ARG002
        kept = logits.copy()
        kept[state[0] < self.length, self.eos_id] = FORBIDDEN
        return kept

    def observe(self, tokens: TokenIds, surprisal: NDArray[np.float64], state: State) -> State:  # noqa: ARG002
        return (state[0] + 1,)

    def unmet(self, tokens: Sequence[int]) -> str | None:
        if len(tokens) >= self.length:
            return None
        return f"filter 'min_length': the text ended after {len(tokens)} of {self.length} tokens"


def min_length(options: MinLengthOptions, tokenizer: Tokenizer) -> StatefulFilter:
    """Forbid the end before a number of tokens; the prompt does not count."""
    return _MinLength(options.length, tokenizer.eos_id)

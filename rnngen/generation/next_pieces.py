"""The pieces of text that may come next after a prompt, with their probabilities.

Where the end of a prompt was given back, a piece is what stands behind it: the rest of a token that reaches
over the end of the prompt, or a whole token after others that spell that end. The ways to write one are
added up.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnngen.contracts import AnyFilter
from rnngen.decoding.draws import nothing_to_draw
from rnngen.decoding.filter_chain import FilterChain
from rnngen.decoding.prefill import next_logits, select_rows
from rnngen.generation.generator import Generator
from rnngen.generation.prompts import Prompt
from rnngen.numerics import log_softmax

SHARE = 1e-6
"""Probability below which a way to spell the end of the prompt is left out."""


class NextPiece(NamedTuple):
    """A piece of text that may come next."""

    piece: bytes
    token: int
    """The token that most probably writes it."""
    nats: float
    """Its log-probability."""


def next_pieces(generator: Generator, prompt: Prompt, filters: Sequence[AnyFilter] = ()) -> list[NextPiece]:
    """Return the pieces that may come next, as they would be drawn; the most probable first.

    Of equals that of the lowest token is first.

    Raises:
        RnngenError: if the filters forbid every token, or a logit is not a number.
    """
    rest = len(generator.prefix(prompt).rest)
    if rest:
        found = _after_rest(generator, prompt, filters, rest)
    else:
        nats, pieces = generator.next_token_log_probs(prompt, filters), generator.tokenizers.target.pieces
        possible = np.flatnonzero(np.exp(nats)).tolist()
        found = [NextPiece(pieces[token], token, float(nats[token])) for token in possible]
    return sorted(found, key=lambda one: (-one.nats, one.token))


def _after_rest(
    generator: Generator, prompt: Prompt, filters: Sequence[AnyFilter], rest: int
) -> list[NextPiece]:
    """The pieces behind the bytes of a prompt that were given back: all ways to spell these, side by side."""
    model, pieces = generator.model, generator.tokenizers.target.pieces
    given, chain = next_logits(model, generator.prefill(prompt)), FilterChain(filters)
    logits, state = given.logits, given.state
    memory = chain.initial(np.zeros(1, np.int64), given.histories)
    ways = [(list(given.histories[0]), rest, 0.0)]  # history, bytes to come, log-probability
    found: dict[bytes, NextPiece] = {}
    while ways:
        assert logits is not None
        logits = logits.copy()
        logits[:, list(generator.forbidden)] = -np.inf
        shaped = chain(logits, [history for history, _, _ in ways], memory)
        with np.errstate(invalid="ignore"):  # where the filters leave a way nothing
            log_probs = log_softmax(shaped)
        longer, rows = [], []
        for row, token in np.argwhere(log_probs > -np.inf).tolist():
            history, left, nats = ways[row]
            total, piece = nats + float(log_probs[row, token]), pieces[token]
            if not left or len(piece) > left:
                _add(found, NextPiece(piece[left:], token, total))
            elif total > np.log(SHARE):
                longer.append(([*history, token], left - len(piece), total))
                rows.append(row)
        ways, tokens = longer, np.array([history[-1] for history, _, _ in longer], np.int64)
        if ways:
            memory = chain.observe(tokens, -log_probs[rows, tokens], select_rows(memory, rows))
            logits, state = model(tokens, select_rows(state, rows))
    if not found:
        raise nothing_to_draw(-np.inf)
    return list(found.values())


def _add(found: dict[bytes, NextPiece], one: NextPiece) -> None:
    """Count a way to write a piece."""
    other = found.get(one.piece, one)
    if other is not one:
        best = max(one, other, key=lambda way: way.nats)
        one = best._replace(nats=float(np.logaddexp(one.nats, other.nats)))
    found[one.piece] = one

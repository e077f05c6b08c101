"""Characters of an encoded text, and those that some tokens spell."""

import codecs
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnngen.data.token_store import TokenStore

BLOCK = 1 << 20
"""Tokens that are looked at together."""


def characters_of(store: TokenStore, pieces: Sequence[bytes], marked: NDArray[np.bool_]) -> "Counter[str]":
    """Count the characters of a text in whose bytes a marked token has a part.

    Args:
        store: the text.
        pieces: the bytes of each token.
        marked: (V,) the tokens.
    """
    lengths = np.array([len(piece) for piece in pieces])
    goes_on = np.array([piece[:1] >= b"\x80" and piece[:1] < b"\xc0" for piece in pieces])
    found: Counter[bytes] = Counter()
    start = 0
    while start < len(store):
        end = min(start + BLOCK, len(store))
        while end < len(store) and goes_on[store.tokens[end]]:  # no character is cut
            end += 1
        ids, start = store.tokens[start:end], end
        if marked[ids].any():
            spelt = b"".join([pieces[token] for token in ids.tolist()])
            found.update(_touched(spelt, np.repeat(marked[ids], lengths[ids])))
    return Counter({one.decode(errors="replace"): count for one, count in found.items()})


def alphabet(store: TokenStore, pieces: Sequence[bytes]) -> NDArray[np.int32]:
    """Return the code points of all characters of a text, (C,), in order.

    The pieces of its tokens show them, unless some are parts of characters: then the text is decoded.
    """
    met = [pieces[token] for token in np.flatnonzero(store.counts(len(pieces))).tolist()]
    try:
        found = {*"".join(piece.decode() for piece in met)}
    except UnicodeDecodeError:
        found = _decoded(store, pieces)
    return np.array(sorted(map(ord, found)), np.int32)


def _decoded(store: TokenStore, pieces: Sequence[bytes]) -> set[str]:
    found: set[str] = set()
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    for start in range(0, len(store), BLOCK):
        tokens = store.tokens[start : start + BLOCK].tolist()
        found.update(decoder.decode(b"".join([pieces[token] for token in tokens])))
    return found


def _touched(spelt: bytes, touched: NDArray[np.bool_]) -> list[bytes]:
    """Return the characters of a text in UTF-8 that have a touched byte."""
    heads = np.flatnonzero((np.frombuffer(spelt, np.uint8) & 0xC0) != 0x80)
    hit = np.logical_or.reduceat(touched, heads)
    ends = np.append(heads[1:], len(spelt))
    return [spelt[head:end] for head, end in zip(heads[hit].tolist(), ends[hit].tolist(), strict=True)]

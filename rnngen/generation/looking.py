"""What a model expects: of the next token, and of a gap between two texts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import AnyFilter
from rnngen.decoding.filter_chain import Chain
from rnngen.decoding.generation_state import read_out
from rnngen.decoding.text_stream import decode
from rnngen.errors import UsageError
from rnngen.generation.infill import Filling, FillOptions, fill
from rnngen.generation.writing import Blend, Writer
from rnngen.numerics import log_softmax


def next_tokens(
    writer: Writer, prompt: str, filters: Sequence[AnyFilter] = (), other: Blend | None = None
) -> NDArray[np.float64]:
    """Log-probabilities (V,), in nats, of the first token after a prompt, as ``sample`` would draw it."""
    moment = read_out(writer.step, writer.begin(prompt, other))
    assert moment.logits is not None
    logits = moment.logits.copy()
    logits[:, writer.forbidden] = -np.inf
    chain = Chain(filters)
    shaped = chain(logits, [list(moment.history)], chain.initial(np.zeros(1, np.int64)))
    found: NDArray[np.float64] = log_softmax(shaped)[0]
    return found


def fillings(writer: Writer, left: str, right: str, options: FillOptions) -> list[tuple[str, Filling]]:
    """The best texts between two others, best first, no text twice; all are whole characters.

    Where examples end, the end after the right text counts too.

    Raises:
        UsageError: if there is nothing to the right that a filling could lead to.
        RnngenError: if nothing fits.
    """
    eos_id = writer.tokenizer.eos_id
    after: list[int] = writer.tokenizer.encode(right).tolist() + [eos_id] * writer.has_eos
    if not after:
        raise UsageError("there is nothing after the gap to lead to; to go on with a text, use rnngen sample")
    pieces = writer.tokenizer.pieces
    found = fill(
        writer.step,
        writer.begin(left),
        after,
        options,
        forbidden=[*writer.forbidden, eos_id],
        fits=lambda tokens: _is_whole(b"".join(pieces[token] for token in tokens)),
    )
    texts: dict[str, Filling] = {}
    for one in found:
        texts.setdefault(decode(pieces, one.tokens), one)
    return list(texts.items())


def _is_whole(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True

"""The warning at the end of training that an n-gram baseline of the same text does better than the model."""

from collections.abc import Iterator
from itertools import chain

from rnngen.contracts import Chunk
from rnngen.data.dataset import EncodedDataset
from rnngen.data.token_store import TokenStore
from rnngen.decoding.text_stream import decode
from rnngen.evaluation.ngram import witten_bell

CHEAP = 1_500_000
"""Characters of a text, validation included, up to which the n-gram baseline takes less than a second."""


def below_baseline(encoded: EncodedDataset, nats_per_char: float, *, improving: bool) -> str | None:
    """Return a warning, with figures and the mend, if the model is worse than a 5-gram; else None.

    Larger texts, where the 5-gram takes long and networks beat it, are not compared; neither are pairs, for
    which there is none.

    Args:
        encoded: the text.
        nats_per_char: the loss of the model on the validation text, read as ``stream``.
        improving: whether the last weights were the best ones.
    """
    train, val = encoded.train, encoded.val
    if train.source is not None or train.chars + val.chars > CHEAP or not (train.chars and val.chars):
        return None
    known, unseen = list(_chunks(train, encoded)), list(_chunks(val, encoded))
    baseline = witten_bell(known, unseen, has_eos=encoded.has_eos).nats_per_char
    if not nats_per_char > baseline:
        return None
    return (
        f"the model is worse than a 5-gram of the same text: {nats_per_char:.3f} nats a character of the "
        f"held-out text, and the 5-gram {baseline:.3f}; {_mend(improving)}{_strangers(known, unseen)}"
    )


def _mend(improving: bool) -> str:
    if improving:
        return "it was still improving when its time was up: give it a larger budget"
    return (
        "it has learnt this text by heart: give more text, begin with another model (--init-from), or try a "
        "smaller --hidden"
    )


def _strangers(known: list[Chunk], unseen: list[Chunk]) -> str:
    """A remark on characters that training never met, if there are some."""
    alphabet = set(chain.from_iterable(chunk.text for chunk in known))
    strange = sum(character not in alphabet for chunk in unseen for character in chunk.text)
    if not strange:
        return ""
    share = strange / sum(len(chunk.text) for chunk in unseen)
    return (
        f" ({share:.1%} of the held-out characters never occur in the text that was learnt; the model has to "
        "spell them, and the 5-gram takes all of them for one)"
    )


def _chunks(store: TokenStore, encoded: EncodedDataset) -> Iterator[Chunk]:
    """The examples of a store, as text."""
    pieces = encoded.tokenizer.pieces
    return (
        Chunk(decode(pieces, store.example(number)), starts_document=True) for number in range(store.examples)
    )

"""One token a character; a character that the training text does not have goes by its bytes.

The model is the library's BPE without merges and with byte fallback. The encoder here is the same function as
a table look-up, about fifty times as fast; a test holds the two equal.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.options import CharOptions
from rnngen.builtins.tokenizers import tokenizer_json
from rnngen.builtins.tokenizers.tokenizer_json import Ids, Parts
from rnngen.contracts import Chunk
from rnngen.encodings import utf8

BYTE_TOKENS = tuple(f"<0x{byte:02X}>" for byte in range(256))
"""The library's spelling of single bytes. Their ids are 0 to 255 in every built-in tokenizer."""

MANY = 512
"""Number of different characters above which a text's script has more than the text shows."""
_CODE_POINTS = 0x110000
_BLOCK = 1 << 20
"""Characters that are counted at once."""


def byte_fallback(characters: Iterable[str], added: Iterable[str] = ()) -> Parts:
    """Return the library's tokenizer whose tokens are the 256 bytes and these characters.

    The ids of the ``added`` ones follow that of the end token, which has no entry.
    """
    model = tokenizer_json.bpe_model((*BYTE_TOKENS, *characters), byte_fallback=True)
    end = len(model["vocab"])
    model["vocab"] |= {character: token for token, character in enumerate(added, end + 1)}
    decoder = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}
    return tokenizer_json.library(model, pre_tokenizer=None, decoder=decoder)


class CharTokenizer:
    """One token a character.

    Ids: the 256 bytes, the characters by ascending code point, the end, and the characters of later texts.

    Args:
        characters: the characters that have a token of their own, by ascending code point.
        added: those that were added later, in any order.
    """

    def __init__(self, characters: str, added: str = "") -> None:
        self.characters, self.added = characters, added
        single = (bytes([byte]) for byte in range(256))
        self.pieces: tuple[bytes, ...] = (*single, *map(utf8, characters), b"", *map(utf8, added))
        self.eos_id = 256 + len(characters)

    @cached_property
    def _table(self) -> Ids:
        """The id of each code point; the end token's, which no character has, where there is none."""
        table = np.full(_CODE_POINTS, self.eos_id, tokenizer_json.id_type(len(self.pieces)))
        table[_code_points(self.characters)] = np.arange(256, self.eos_id)
        table[_code_points(self.added)] = np.arange(self.eos_id + 1, len(self.pieces))
        return table

    def encode(self, text: str) -> Ids:
        """Return the ids of a text; wherever it is cut, the parts have the same ids as the whole.

        Raises:
            CorpusError: if the text holds a lone surrogate; the message names the offset.
        """
        codes = _code_points(text)
        ids: Ids = self._table[codes]
        unknown = ids == self.eos_id
        return self._spell_out(ids, codes, unknown) if unknown.any() else ids

    def _spell_out(self, ids: Ids, codes: NDArray[np.uint32], unknown: NDArray[np.bool_]) -> Ids:
        """Put the bytes of each unknown character in its place."""
        width = np.ones(len(codes), np.int64)
        width[unknown] += sum((codes[unknown] >= least).astype(np.int64) for least in (0x80, 0x800, 0x10000))
        is_byte = np.repeat(unknown, width)
        spelt = np.empty(len(is_byte), ids.dtype)
        spelt[is_byte] = np.frombuffer(utf8(codes[unknown].tobytes().decode("utf-32-le")), np.uint8)
        spelt[~is_byte] = ids[~unknown]
        return spelt

    def to_json(self) -> str:
        """Return the text of ``tokenizer.json``."""
        return tokenizer_json.dumps("char", byte_fallback(self.characters, self.added))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Build it again; raise ``ValueError`` if the text is not what ``to_json`` wrote."""
        before, after = _around_end(tokenizer_json.loads("char", text).get("vocab"))
        tokens, added = (tokenizer_json.tokens_in_order("char", part) for part in (before, after))
        characters = tokens[len(BYTE_TOKENS) :]
        every = (*characters, *added)
        if any(len(character) != 1 or "\ud800" <= character <= "\udfff" for character in every):
            raise tokenizer_json.damaged("char", "a token is not one character")
        if characters != sorted(characters):
            raise tokenizer_json.damaged("char", "its characters are not in the order of their code points")
        tokenizer = cls("".join(characters), "".join(added))
        tokenizer_json.check_unaltered("char", text, tokenizer.to_json())
        return tokenizer

    @classmethod
    def train(cls, chunks: Iterable[Chunk], options: CharOptions) -> Self:
        """Give the characters of a text tokens of their own: the most frequent ones if not all have room.

        Ties go to the lower code point. Memory does not grow with the text. Of a script of many characters a
        text does not have all: what occurs once is spelt in bytes, or the bytes of those yet to come would
        never have been learnt (of 7,000 characters of Chinese they are a quarter of the last tenth).

        Raises:
            CorpusError: if the text holds a lone surrogate.
        """
        return cls(_frequent(chunks, options))

    def extended(self, chunks: Iterable[Chunk], options: CharOptions) -> Self:
        """Return a tokenizer with tokens for another text's characters too, by the rules of ``train``."""
        new = _frequent(chunks, options, known=self.characters + self.added)
        return type(self)(self.characters, self.added + new) if new else self


def _frequent(chunks: Iterable[Chunk], options: CharOptions, known: str = "") -> str:
    """Return the characters of a text that get tokens beside the known ones, by ascending code point."""
    counts = np.zeros(_CODE_POINTS, np.int64)
    for block in _blocks(chunks):
        found = np.bincount(block)
        counts[: len(found)] += found
    least = options.min_count or (2 if np.count_nonzero(counts) > MANY else 1)
    counts[_code_points(known)] = 0
    seen = np.flatnonzero(counts >= least)
    taken = len(BYTE_TOKENS) + 1 + len(known)
    room = len(seen) if options.vocab_size is None else max(0, options.vocab_size - taken)
    frequent = seen[np.argsort(-counts[seen], kind="stable")][:room]
    return "".join(map(chr, sorted(frequent.tolist())))


def _around_end(vocabulary: object) -> tuple[object, object]:
    """Cut a vocabulary where the end token has its id, both parts numbered from 0."""
    if not isinstance(vocabulary, dict):
        return vocabulary, {}
    items = list(vocabulary.items())
    end = next((place for place, (_, number) in enumerate(items) if number == place + 1), len(items))
    places = {number + end + 1: number for number in range(len(items) - end)}
    return dict(items[:end]), {token: places.get(number, number) for token, number in items[end:]}


def _code_points(text: str) -> NDArray[np.uint32]:
    try:
        return np.frombuffer(text.encode("utf-32-le"), np.dtype("<u4"))
    except UnicodeEncodeError:
        utf8(text)  # raises with a message for people
        raise


def _blocks(chunks: Iterable[Chunk]) -> Iterator[NDArray[np.uint32]]:
    """Yield the code points in large blocks, since a corpus of names comes a few letters a chunk."""
    waiting: list[NDArray[np.uint32]] = []
    size = 0
    for chunk in chunks:
        waiting.append(_code_points(chunk.text))
        size += len(chunk.text)
        if size >= _BLOCK:
            yield np.concatenate(waiting)
            waiting, size = [], 0
    yield np.concatenate([*waiting, np.empty(0, np.uint32)])

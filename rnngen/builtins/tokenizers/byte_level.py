"""Shared by the tokenizers with a learnt vocabulary: tokens are spelt in bytes, whatever the text.

The library works on characters, so each byte is written as a character of its own, as GPT-2 does it
(Radford et al. 2019): printable ASCII and Latin-1 stand for themselves, the rest follow from U+0100 on. As
the 256 of them are always tokens, there is no text that cannot be spelt.
"""

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from rnngen.builtins.tokenizers import tokenizer_json
from rnngen.builtins.tokenizers.tokenizer_json import Ids, Parts, utf8
from rnngen.builtins.tokenizers.words import PRE_TOKENIZER, sample, stretches
from rnngen.contracts import Chunk

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Library
    from tokenizers.trainers import Trainer

_PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
ALPHABET = tuple(chr(byte if byte in _PRINTABLE else 0x100 + _OTHERS.index(byte)) for byte in range(256))
"""The character that each byte is written as."""
BYTES: Parts = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
"""The library's decoder for it."""
_BYTES = {character: byte for byte, character in enumerate(ALPHABET)}


def write(text: str) -> str:
    """Return a text's bytes, each as its character of the alphabet."""
    return "".join([ALPHABET[byte] for byte in utf8(text)])


def read(written: str) -> bytes:
    """Return the bytes that characters of the alphabet stand for.

    Raises:
        KeyError: if a character is not in the alphabet.
    """
    return bytes([_BYTES[character] for character in written])


class ByteLevelTokenizer:
    """A model of the library behind the contract of ``Tokenizer``.

    Ids: the 256 bytes, what was learnt, the end. Parts of a text have the same ids as the whole if it is cut
    after a newline (whatever stands around it), or before a space when what precedes that is no space.

    Args:
        model: the library's model, as the library writes it.
        pieces: the bytes of its tokens, by ascending id.
    """

    kind: ClassVar[str]
    """The tokenizer's name."""
    decoder: ClassVar[Parts] = BYTES
    """The library's decoder from tokens to text."""

    def __init__(self, model: Parts, pieces: Iterable[bytes]) -> None:
        self._library_parts = tokenizer_json.library(model, pre_tokenizer=PRE_TOKENIZER, decoder=self.decoder)
        self.pieces: tuple[bytes, ...] = (*pieces, b"")
        self.eos_id = len(self.pieces) - 1

    @cached_property
    def _library(self) -> "Library":
        from tokenizers import Tokenizer as Library

        return Library.from_str(json.dumps(self._library_parts))

    def encode(self, text: str) -> Ids:
        """Return the ids of a text.

        Raises:
            CorpusError: if the text holds a lone surrogate; the message names the offset.
        """
        utf8(text)
        kind = tokenizer_json.id_type(len(self.pieces))
        encoded = self._library.encode_batch_fast(list(stretches(text)), add_special_tokens=False)
        return np.concatenate([np.empty(0, kind), *(np.array(part.ids, kind) for part in encoded)])

    def to_json(self) -> str:
        """Return the text of ``tokenizer.json``."""
        return tokenizer_json.dumps(self.kind, self._library_parts)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Build it again.

        Raises:
            ValueError: if the text is not what ``to_json`` wrote.
        """
        model = tokenizer_json.loads(cls.kind, text)
        try:
            tokenizer = cls.from_model(model)
        except (KeyError, TypeError) as error:
            raise tokenizer_json.damaged(cls.kind, f"{type(error).__name__} {error} in its model") from None
        tokenizer_json.check_unaltered(cls.kind, text, tokenizer.to_json())
        return tokenizer

    @classmethod
    def from_model(cls, model: Parts) -> Self:
        """Build it from the library's model; what it does not look at is compared afterwards.

        Raises:
            ValueError, KeyError or TypeError: if that is no model of this kind.
        """
        raise NotImplementedError

    @classmethod
    def check_bytes(cls, tokens: Sequence[str], expected: Sequence[str] = ALPHABET) -> None:
        """Refuse a vocabulary that does not begin with the single bytes.

        Raises:
            ValueError: if so.
        """
        if tuple(tokens[: len(expected)]) != tuple(expected):
            raise tokenizer_json.damaged(cls.kind, "its vocabulary does not begin with the single bytes")


def learn(empty: Parts, trainer: "Trainer", chunks: Iterable[Chunk]) -> Parts:
    """Train a model of the library, and return it as the library writes it.

    Raises:
        CorpusError: if the text holds a lone surrogate.
    """
    from tokenizers import Tokenizer as Library

    untrained = tokenizer_json.library(empty, pre_tokenizer=PRE_TOKENIZER, decoder=BYTES)
    library = Library.from_str(json.dumps(untrained))
    library.train_from_iterator(sample(chunks), trainer)
    trained: Parts = json.loads(library.to_str())["model"]
    return trained

"""One token a byte of UTF-8; there is nothing to learn."""

from collections.abc import Iterable
from typing import Self

import numpy as np

from rnngen.builtins.tokenizers import tokenizer_json
from rnngen.builtins.tokenizers.char import byte_fallback
from rnngen.builtins.tokenizers.tokenizer_json import Ids
from rnngen.contracts import Chunk
from rnngen.encodings import utf8
from rnngen.options import NoOptions


class ByteTokenizer:
    """One token a byte: ids 0 to 255 are the bytes, 256 is the end."""

    def __init__(self) -> None:
        self.pieces: tuple[bytes, ...] = (*(bytes([byte]) for byte in range(256)), b"")
        self.eos_id = 256

    def encode(self, text: str) -> Ids:
        """Return the bytes of a text; raise ``CorpusError`` at a lone surrogate.

        Wherever the text is cut, the parts have the same ids as the whole.
        """
        return np.frombuffer(utf8(text), np.uint8).astype(np.uint16)

    def to_json(self) -> str:
        """Return the text of ``tokenizer.json``."""
        return tokenizer_json.dumps("byte", byte_fallback(()))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Build it again; raise ``ValueError`` if the text is not what ``to_json`` wrote."""
        tokenizer_json.loads("byte", text)
        tokenizer = cls()
        tokenizer_json.check_unaltered("byte", text, tokenizer.to_json())
        return tokenizer

    @classmethod
    def train(cls, chunks: Iterable[Chunk], options: NoOptions) -> Self:  # noqa: ARG003 - as the contract says
        """Return a tokenizer; there is nothing to learn or to read."""
        return cls()

"""The tokenizer ``brackets``: a bracket is always a token of its own, and a frequent word is one."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rnngen.contracts import Chunk
from rnngen.encodings import utf8

from rnngen_treelstm import BracketsOptions

WORD = re.compile(r" ?[()\[\]{}]| ?[^\s()\[\]{}]+|\s")
"""A bracket or a word, with the space before it."""
EOS_ID = 256


class Brackets:
    """Ids below 256 are bytes, 256 is the end; the others are brackets and words behind a space."""

    eos_id = EOS_ID

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.pieces = [*(bytes([byte]) for byte in range(256)), b"", *(word.encode() for word in words)]
        self.ids = {word: EOS_ID + 1 + place for place, word in enumerate(words)}

    @classmethod
    def train(cls, chunks: Iterable[Chunk], options: BracketsOptions) -> Self:
        """Take the words that occur twice or more, the most frequent first."""
        counts: Counter[str] = Counter()
        for chunk in chunks:
            utf8(chunk.text)
            counts.update(word for word in WORD.findall(chunk.text) if len(word.encode()) > 1)
        known = sorted((word for word in counts if counts[word] > 1), key=lambda word: (-counts[word], word))
        return cls(known[: options.vocab_size - EOS_ID - 1])

    def encode(self, text: str) -> NDArray[np.int64]:
        """Return the ids of a text; ``CorpusError`` at a lone surrogate."""
        utf8(text)
        found: list[int] = []
        for word in WORD.findall(text):
            known = self.ids.get(word)
            found.extend(word.encode() if known is None else [known])
        return np.array(found, np.int64)

    def to_json(self) -> str:
        """Return the words."""
        return json.dumps({"kind": "brackets", "words": self.words}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Build it again; ``ValueError`` if the text is not what ``to_json`` wrote."""
        try:
            found: Any = json.loads(text)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        if not isinstance(found, dict) or found.keys() != {"kind", "words"} or found["kind"] != "brackets":
            raise ValueError("it holds no words of the tokenizer brackets")
        words = found["words"]
        whole = isinstance(words, list) and all(isinstance(word, str) for word in words)
        if not whole or any(WORD.fullmatch(word) is None for word in words) or len({*words}) < len(words):
            raise ValueError("its words are none")
        return cls(words)

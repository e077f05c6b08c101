"""A model that reads given texts, a block of tokens at a time, and shows what it computed.

::

    prefix  t₁   t₂  …  tₙ            read
          ╲    ╲    ╲
            t₁   t₂   t₃ …  (end)     predicted: logits after each token, and its state
"""

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rnngen.contracts import ChunkStep, Floats, State
from rnngen.errors import UsageError
from rnngen.generation.generator import Generator
from rnngen.generation.prompts import Prompt
from rnngen.inference.unwrapped import unwrapped

BLOCK = 512
"""Tokens that are read at a time; their logits are all there at once."""


class Text(NamedTuple):
    """A text, and what it is about in a model that reads sources."""

    text: str
    source: str | None = None


def texts_of(generator: Generator, whole: str, place: str) -> list[Text]:
    """Split what a file holds into the texts of a model: lines or pairs, or all of it as one text.

    Raises:
        UsageError: if there is nothing to read, or a line is no pair.
    """
    if not whole.strip():
        raise UsageError(f"{place} holds no text; give one with some")
    if not _by_line(generator):
        return [Text(whole)]
    found = []
    for number, line in enumerate(whole.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            source, text = generator.split_source(line.removesuffix("\r"))
        except ValueError as error:
            raise UsageError(f"{place}: line {number} {error}") from error
        found.append(Text(text, source))
    return found


def shortened(generator: Generator, whole: str, length: int) -> str:
    """Return the beginning of what a file holds; of a model of lines or pairs, whole lines, at least one."""
    end = min(length, len(whole))
    if _by_line(generator) and end < len(whole):
        end = whole.rfind("\n", 0, end + 1)
        end = whole.find("\n") if end < 0 else end
    return whole[:end] if end >= 0 else whole


def _by_line(generator: Generator) -> bool:
    return generator.ends_with_line or generator.reads_source or bool(generator.labels)


class Read(NamedTuple):
    """Some tokens that were read."""

    tokens: list[int]
    logits: Floats
    """(T,V) of the network alone, after each."""
    states: list[State]
    """The state after each."""


def tokens_of(generator: Generator, text: str) -> list[int]:
    """Return the tokens that are read before a text, and those of the text."""
    return [*generator.prefix_tokens(""), *generator.tokenizers.target.encode(text).tolist()]


@dataclass(frozen=True)
class Reading:
    """A network, without its n-gram, that reads texts."""

    generator: Generator
    network: Any
    """One step of it."""

    @classmethod
    def of(cls, generator: Generator) -> "Reading":
        """Take the network out of what generates."""
        return cls(generator, unwrapped(generator.model)[0])

    def tokens(self, text: Text) -> tuple[list[int], list[int]]:
        """Return the tokens that are read before a text, and those of the text."""
        return list(self.generator.prefix_tokens("")), self.generator.tokenizers.target.encode(
            text.text
        ).tolist()

    def start(self, text: Text) -> State:
        """Return the network's state before anything is read; errors as in ``Generator.start``."""
        return tuple(self.generator.start([Prompt("", text.source)]))[: self._arrays]

    @property
    def _arrays(self) -> int:
        example = np.zeros((1, 1), np.int64) if self.generator.reads_source else 1
        return len(self.network.start(example))

    def blocks(self, tokens: Sequence[int], state: State) -> Iterator[Read]:
        """Read tokens of one stream, a block at a time."""
        for start in range(0, len(tokens), BLOCK):
            some = list(tokens[start : start + BLOCK])
            logits, states = self._block(np.array(some, np.int64), state)
            state = states[-1]
            yield Read(some, logits, states)

    def _block(self, tokens: Any, state: State) -> tuple[Floats, list[State]]:
        if isinstance(self.network, ChunkStep):
            return self.network.forward_chunk(tokens, state)
        rows, states = [], []
        for place in range(len(tokens)):
            logits, state = self.network(tokens[place : place + 1], state)
            rows.append(logits)
            states.append(state)
        return np.concatenate(rows), states


class Piece(NamedTuple):
    """Whole characters, and the tokens that write them."""

    text: str
    tokens: range


def pieces_of(tokens: Sequence[bytes]) -> list[Piece]:
    """Join tokens where a character goes on in the next one; the end token is an empty text."""
    found: list[Piece] = []
    decoder, text, begun = codecs.getincrementaldecoder("utf-8")("replace"), "", 0
    for place, piece in enumerate(tokens):
        text += decoder.decode(piece)
        if not decoder.getstate()[0]:
            found.append(Piece(text, range(begun, place + 1)))
            text, begun = "", place + 1
    if begun < len(tokens):
        found.append(Piece(text + decoder.decode(b"", final=True), range(begun, len(tokens))))
    return found

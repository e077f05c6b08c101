"""Drafts of speculative decoding: a look-up in the text itself, or a smaller network."""

from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Protocol

import numpy as np

from rnngen.contracts import Floats, NetworkStep, State
from rnngen.decoding.draws import draw, surprisal
from rnngen.decoding.sampler import Sampler, SamplerState
from rnngen.errors import RnngenError

LOOKUP = "lookup"
"""What users call the draft that looks up."""


class Draft(Protocol):
    """What guesses how one text goes on."""

    def propose(self, sampler: Sampler, state: SamplerState, count: int) -> list[int]:
        """Return at most ``count`` tokens that may follow the text; none where there is no idea."""
        ...


class Lookup:
    """What followed the last time that the text so far, its prompt included, ended as it ends now.

    Of several endings that came before, the longest counts, and it is only told if endings of that length
    have been right of late: whether they are costs nothing to watch. Places are kept by hashes in a table
    that does not grow; one that another has taken is a guess less, no more.
    """

    SIZES = (24, 12, 6, 3)
    """Tokens of the endings that are looked for."""
    SLOTS = 1 << 16
    TRUSTED = 0.7
    """How often an ending must have been right about the next token."""
    PATIENCE = 16
    """Over about how many guesses that is judged."""

    def __init__(self) -> None:
        self.places = array("q", bytes(8 * self.SLOTS))
        """After which place of the text an ending stood, by its hash."""
        self.rates = dict.fromkeys(self.SIZES, self.TRUSTED)
        """How often endings of each length were right."""
        self.noted = 0
        """How many tokens of the text were looked at."""

    def propose(self, sampler: Sampler, state: SamplerState, count: int) -> list[int]:  # noqa: ARG002
        """Return what stood there; a text that repeats itself goes on doing so."""
        text = state.histories[0].view()
        for end in range(self.noted + 1, len(text)):
            self._learn(text, end)
        self.noted = len(text) - 1
        size, place = self._find(text, len(text))
        if not size or self.rates[size] < self.TRUSTED:
            return []
        return [text[place + ahead % (len(text) - place)] for ahead in range(count)]

    def _learn(self, text: Sequence[int], end: int) -> None:
        """See whether looking up would have been right about a token, and keep where it stands."""
        size, place = self._find(text, end)
        if size:
            self.rates[size] += ((text[place] == text[end]) - self.rates[size]) / self.PATIENCE
        for known in self.SIZES:
            if known <= end:
                self.places[self._slot(text[end - known : end])] = end

    def _find(self, text: Sequence[int], end: int) -> tuple[int, int]:
        """The longest ending before ``end`` that stood before: its length, and the place after it there."""
        for size in self.SIZES:
            ending = text[max(end - size, 0) : end]
            place = self.places[self._slot(ending)]
            # A text that was taken back leaves places beyond its end.
            if size <= place < end and text[place - size : place] == ending:
                return size, place
        return 0, 0

    def _slot(self, ending: Sequence[int]) -> int:
        return hash(tuple(ending)) % self.SLOTS


class SmallModel:
    """What another network of the same vocabulary would write, with the filters and the draws to come.

    A draw inverts the cumulative distribution: where two networks mostly agree, one random number mostly
    gives both the same token.

    Args:
        step: the network; the smaller, the better it pays.
        forbidden: tokens that never come.
    """

    def __init__(self, step: NetworkStep, forbidden: Sequence[int] = ()) -> None:
        self.step, self.never = step, np.array(forbidden, np.int64)
        self.read: list[int] = []
        """The text as far as it is known to stand…"""
        self.state = step.start(1)
        """…and the state after it."""
        self.guessed: list[tuple[int, State]] = []
        """Guesses that were read too, each with the state after it."""

    def propose(self, sampler: Sampler, state: SamplerState, count: int) -> list[int]:
        """Write on for ``count`` tokens, or until there is nothing to write."""
        logits = self._catch_up(state.histories[0].view())
        guesses: list[int] = []
        known = len(self.read)
        with suppress(RnngenError):  # a draft that cannot go on is no reason to end the text
            guesses.extend(self._written(logits, sampler, state, count))
        del self.read[known:]
        return guesses

    def _written(self, logits: Floats, sampler: Sampler, given: SamplerState, count: int) -> Iterator[int]:
        """What the sampler would draw from this network; filters see the guesses at the end of ``read``."""
        draws, memory, state = given.draws[0], given.filters, self.state
        for left in reversed(range(count)):
            logits[:, self.never] = -np.inf
            shaped = sampler.chain(logits, [self.read], memory)
            token, draws = draw(shaped[0], draws.number), draws.next()
            last = np.array([token])
            if sampler.chain.stateful:
                memory = sampler.chain.observe(last, surprisal(shaped, last), memory)
            self.read.append(token)
            yield token
            if left:
                logits, state = self.step(last, state)
                self.guessed.append((token, state))

    def _catch_up(self, history: Sequence[int]) -> Floats:
        """Read what was written since → the logits (1,V) for what follows."""
        if len(self.read) >= len(history):  # the text was taken back
            self.read, self.state = [], self.step.start(1)
            self.guessed.clear()
        for token, state in self.guessed:
            if len(self.read) == len(history) - 1 or history[len(self.read)] != token:
                break
            self.read.append(token)
            self.state = state
        self.guessed.clear()
        for token in history[len(self.read) :]:
            logits, self.state = self.step(np.array([token]), self.state)
            self.read.append(token)
        return logits

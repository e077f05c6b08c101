"""``speculative``: a cheap draft guesses what comes, and the network reads all of it in one call.

::

    text  … t h e ␣ c      drafted    a t ␣ s
                           read       c a t ␣ s  ─▸ what follows each of them, and the state after each
                           drawn      a t , │       as ever; what was guessed after the first miss is dropped

What is drawn does not depend on the draft: each token comes from the network's own distribution, filters
and all, by the very random number that it would have come by without one. That is stricter than the
acceptance rule of Leviathan et al. (2023, arXiv 2211.17192), which keeps the distribution but not the text.
The one difference left is that of a product of several rows, which BLAS may round otherwise than that of
one, in the seventh digit: a text differs only where a random number falls into that gap.
"""

from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Protocol

import numpy as np

from rnngen.builtins.strategies.options import SpeculativeOptions
from rnngen.builtins.strategies.sampling import one_text
from rnngen.contracts import (
    AnyFilter,
    ChunkStep,
    DecodingJob,
    Floats,
    Generated,
    NetworkStep,
    State,
    TokenIds,
)
from rnngen.decoding.draws import draw, surprisal
from rnngen.decoding.sampler import Sampler, SamplerState
from rnngen.errors import OptionError, RnngenError

LOOKUP = "lookup"
"""The name of the draft that looks up, for users."""


class Draft(Protocol):
    """Guesses how one text goes on."""

    def propose(self, sampler: Sampler, state: SamplerState, count: int) -> list[int]:
        """Return at most ``count`` tokens that may follow the text; none where there is no idea."""


class Lookup:
    """Guesses what followed the last time that the text so far, its prompt included, ended as it ends now.

    Of several endings that came before, the longest counts, and it is only proposed if endings of that length
    have been right of late: whether they are costs nothing to watch. Places are kept by hashes in a table
    that does not grow; one that another has taken is a guess less, no more.
    """

    SIZES = (24, 12, 6, 3)
    """Tokens of the endings that are looked for."""
    SLOTS = 1 << 16
    TRUSTED = 0.7
    """Number of times that an ending must have been right about the next token."""
    PATIENCE = 16
    """Over about how many guesses that is judged."""

    def __init__(self) -> None:
        self.places = array("q", bytes(8 * self.SLOTS))
        """After which place of the text an ending stood, by its hash."""
        self.rates = dict.fromkeys(self.SIZES, self.TRUSTED)
        """Number of times that endings of each length were right."""
        self.noted = 0
        """Number of tokens of the text that were looked at."""

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
    """Guesses what another network of the same vocabulary would draw, with the filters and draws to come.

    A draw inverts the cumulative distribution: where two networks mostly agree, one random number mostly
    gives both the same token. The smaller the network, the better it pays.
    """

    def __init__(self, step: NetworkStep, forbidden: Sequence[int] = ()) -> None:
        self.step, self.never = step, np.array(forbidden, np.int64)
        self.read = array("i")
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
        """Draw as the sampler would from this network; filters see the guesses at the end of ``read``."""
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
        if len(self.read) >= len(history) or self.read != array("i", history[: len(self.read)]):
            self.read, self.state = array("i"), self.step.start(1)  # the text was taken back
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


class SpeculativeSampler(Sampler):
    """A sampler whose network has, with luck, already read the token that it is to read next.

    How far it looks ahead follows the luck: twice as far after a draft that was right to its end, else a
    token farther than the draft was right, and never farther than ``length``. What was read ahead is a cache:
    any state of the same text may be gone on from.
    """

    def __init__(
        self,
        model: ChunkStep,
        draft: Draft,
        length: int,
        filters: Sequence[AnyFilter] = (),
        *,
        forbidden: Sequence[int] = (),
    ) -> None:
        super().__init__(model, filters, forbidden=forbidden)
        self.chunks, self.draft, self.length = model, draft, length
        self.lookback = None  # drafts know places of the text
        self.proposed = self.accepted = 0
        """Tokens that were guessed, and those of them that were right."""
        self._read: deque[tuple[int, Floats, State]] = deque()
        self._right, self._reach = 0, length
        self._after: State = ()

    def _advance(self, last: TokenIds, state: SamplerState) -> tuple[Floats, State]:
        """Read one token (1,), or take what was read of it in advance."""
        token = int(last[0])
        if self._read and self._read[0][0] == token and state.network is self._after:
            self._right += 1
            self.accepted += 1
        else:
            self._look_ahead(token, state)
        _, logits, self._after = self._read.popleft()
        return logits, self._after

    def _look_ahead(self, token: int, state: SamplerState) -> None:
        """Read a token, and what may come after it, as far as the last draft was right."""
        if self._read:
            self._reach = min(self._right + 1, self.length)
        elif self._right:
            self._reach = min(2 * self._reach, self.length)
        self._right = 0
        self._read.clear()
        guesses = self.draft.propose(self, state, self._reach)
        if not guesses:
            self._read.append((token, *self.model(np.array([token]), state.network)))
            return
        tokens = [token, *guesses]
        logits, states = self.chunks.forward_chunk(np.array(tokens), state.network)
        self.proposed += len(guesses)
        rows = (logits[place : place + 1] for place in range(len(tokens)))
        self._read.extend(zip(tokens, rows, states, strict=True))


class Speculative:
    """Draws each token as ``sample`` does, and the same ones, in fewer and larger steps."""

    def __init__(self, options: SpeculativeOptions) -> None:
        self.options = options
        self._last: SpeculativeSampler | None = None

    def sampler(self, job: DecodingJob) -> SpeculativeSampler:
        """Return what draws one token at a time of one text.

        Raises:
            OptionError: if the model reads no chunks, or the draft model cannot be opened.
        """
        if not isinstance(job.model, ChunkStep):
            raise OptionError(
                f"`draft={self.options.draft}`: this model reads one token at a time, and a draft needs one "
                "that reads several in a call: a single model, not several models, of a cell with a NumPy "
                "implementation, on the CPU and in full weights; leave the draft out"
            )
        draft, length = self._draft(job), self.options.draft_length
        self._last = SpeculativeSampler(job.model, draft, length, job.filters, forbidden=job.forbidden)
        return self._last

    def generate(self, job: DecodingJob) -> Iterator[Generated]:
        """Draw ``job.count`` texts of each prompt, one after another, token by token."""
        for prompt in range(len(job.prefixes)):
            for number in range(job.count):
                yield Generated(prompt, one_text(job, self.sampler(job), prompt, number))

    def report(self) -> str:
        """Say how often the draft of the last text was right."""
        done = self._last
        return f"draft: {done.accepted} of {done.proposed} guessed tokens were right" if done else ""

    def _draft(self, job: DecodingJob) -> Draft:
        name = self.options.draft
        if name == LOOKUP:
            return Lookup()
        if job.load_model is None:
            raise OptionError(f"`draft={name}`: no other model can be opened here; use `draft={LOOKUP}`")
        return SmallModel(job.load_model(name), job.forbidden)

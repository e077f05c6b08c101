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

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

import numpy as np

from rnngen.builtins.strategies.drafts import LOOKUP, Draft, Lookup, SmallModel
from rnngen.builtins.strategies.options import SpeculativeOptions
from rnngen.builtins.strategies.sampling import rng_of
from rnngen.contracts import (
    AnyFilter,
    ChunkStep,
    DecodingJob,
    Floats,
    Generated,
    GenerationState,
    State,
    TokenIds,
)
from rnngen.decoding.prefill import select_rows
from rnngen.decoding.sampler import Sampler, SamplerState
from rnngen.errors import OptionError


class SpeculativeSampler(Sampler):
    """A sampler whose network has, with luck, already read the token that it is to read next.

    How far it looks ahead follows the luck: twice as far after a draft that was right to its end, else a
    token farther than the draft was right. What was read ahead is a cache: any state of the same text may be
    gone on from.

    Args:
        model: the network.
        draft: what guesses, about one text.
        length: tokens that are guessed at once, at most.
        filters: what shapes the distribution, in order.
        forbidden: tokens that never come.
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
        """Read a token, and what may come after it."""
        self._set_reach()
        guesses = self.draft.propose(self, state, self._reach)
        if not guesses:
            self._read.append((token, *self.model(np.array([token]), state.network)))
            return
        tokens = [token, *guesses]
        logits, states = self.chunks.forward_chunk(np.array(tokens), state.network)
        self.proposed += len(guesses)
        rows = (logits[place : place + 1] for place in range(len(tokens)))
        self._read.extend(zip(tokens, rows, states, strict=True))

    def _set_reach(self) -> None:
        """Look as far ahead as the last draft was right, and drop what is left of it."""
        if self._read:
            self._reach = min(self._right + 1, self.length)
        elif self._right:
            self._reach = min(2 * self._reach, self.length)
        self._right = 0
        self._read.clear()


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
        draft, length = self._draft_of(job)(), self.options.draft_length
        self._last = SpeculativeSampler(job.model, draft, length, job.filters, forbidden=job.forbidden)
        return self._last

    def generate(self, job: DecodingJob) -> Iterator[Generated]:
        """Draw ``job.count`` texts of each prompt, one after another, token by token."""
        for prompt in range(len(job.prefixes)):
            for number in range(job.count):
                yield Generated(prompt, self._tokens(job, prompt, number))

    def _tokens(self, job: DecodingJob, prompt: int, number: int) -> Iterator[int]:
        sampler, given = self.sampler(job), job.prefill()
        logits = None if given.logits is None else given.logits[[prompt]]
        one = GenerationState((given.histories[prompt],), select_rows(given.state, [prompt]), logits)
        state = sampler.start(one, [rng_of(job, prompt, number)])
        for token, _ in islice(sampler.stream(state), job.max_tokens[prompt]):
            if token == job.eos_id:
                return
            yield token

    def report(self) -> str:
        """Say how often the draft of the last text was right."""
        done = self._last
        return f"draft: {done.accepted} of {done.proposed} guessed tokens were right" if done else ""

    def _draft_of(self, job: DecodingJob) -> Callable[[], Draft]:
        name = self.options.draft
        if name == LOOKUP:
            return Lookup
        if job.load_model is None:
            raise OptionError(f"`draft={name}`: no other model can be opened here; use `draft={LOOKUP}`")
        return partial(SmallModel, job.load_model(name), job.forbidden)

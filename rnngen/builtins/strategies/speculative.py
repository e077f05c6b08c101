"""Speculative decoding: a cheap draft guesses what comes, and the network reads all of it in one call.

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
from typing import Protocol

import numpy as np

from rnngen.contracts import ChunkStep, Floats, State, TokenIds
from rnngen.decoding.sampler import Sampler


class Draft(Protocol):
    """Somebody who guesses how a text goes on."""

    def propose(self, sampler: Sampler, count: int) -> list[int]:
        """At most ``count`` tokens that may follow the sampler's history; none where there is no idea.

        It may look at all that the sampler has, and must change none of it.
        """
        ...


class Foresight:
    """A network's step that has, with luck, already read the token that it is asked to read.

    It stands between one sampler and its network. How far it looks ahead follows the luck: twice as far
    after a draft that was right to its end, else a token farther than the draft was right.

    Args:
        step: the network.
        sampler: whose step this then becomes, ``sampler.step = Foresight(step, sampler, …)``.
        draft: who guesses, about this text alone.
        length: tokens that are guessed at once, at most.
    """

    def __init__(self, step: ChunkStep, sampler: Sampler, draft: Draft, length: int) -> None:
        self.sampler, self.step, self.draft, self.length = sampler, step, draft, length
        self.fixed, self.start, self.attended = step.fixed, step.start, step.attended
        self.proposed = self.accepted = 0
        """Tokens that were guessed, and those of them that were right."""
        self.read: deque[tuple[int, Floats, State]] = deque()
        self.right, self.reach = 0, length
        self.state: State = ()

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """One token (1,) and the state before it → logits (1,V) and the state after."""
        token = int(tokens[0])
        if self.read and self.read[0][0] == token and state is self.state:
            self.right += 1
            self.accepted += 1
        else:
            self._look(token, state)
        _, logits, self.state = self.read.popleft()
        return logits, self.state

    def _look(self, token: int, state: State) -> None:
        """Read a token, and what may come after it."""
        self._judge()
        guesses = self.draft.propose(self.sampler, self.reach)
        if not guesses:
            self.read.append((token, *self.step(np.array([token]), state)))
            return
        tokens = [token, *guesses]
        logits, states = self.step.forward_chunk(np.array(tokens), state)
        self.proposed += len(guesses)
        rows = (logits[place : place + 1] for place in range(len(tokens)))
        self.read.extend(zip(tokens, rows, states, strict=True))

    def _judge(self) -> None:
        """Set the reach by what came of the last draft, and drop what is left of it."""
        if self.read:
            self.reach = min(self.right + 1, self.length)
        elif self.right:
            self.reach = min(2 * self.reach, self.length)
        self.right = 0
        self.read.clear()

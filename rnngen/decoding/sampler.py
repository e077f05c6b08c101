"""Drawing tokens: read what is there, filter what may come next, draw, repeat.

::

    prefix ─▸ prefill ─▸ logits ─▸ filters ─▸ draw ─▸ token ─┐
                           ▴────────── model ◂───────────────┘

All that the next tokens depend on is a ``SamplerState``, which is never written to: to fork a text, go on
twice from one; to undo, go back to an older one; to save, write its arrays.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import AnyFilter, Floats, GenerationState, NetworkStep, State, TokenIds
from rnngen.decoding.draws import BLOCK, UniformDraws, draw, draw_rows, surprisal
from rnngen.decoding.filter_chain import FilterChain
from rnngen.decoding.prefill import prefill, select_rows

FEWEST = 4096
"""Tokens that a history keeps at least, so that forgetting costs next to nothing."""


class TokenHistory(Sequence[int]):
    """An immutable sequence of token ids at four bytes each; appending to the newest one copies nothing.

    ::

        buffer   a b c d e          one for all that go on from one another
        abc      └───┘              a history is the buffer and a length
        abcde    └───────┘
        abcx     a copy             what goes on from an older place gets a buffer of its own
    """

    __slots__ = ("_buffer", "_length")

    def __init__(self, tokens: Iterable[int] = ()) -> None:
        self._buffer = array("i", tokens)
        self._length = len(self._buffer)

    def append(self, token: int) -> "TokenHistory":
        """Return the history with one token more."""
        buffer, length = self._buffer, self._length
        if len(buffer) != length:
            buffer = buffer[:length]
        buffer.append(token)
        longer = TokenHistory.__new__(TokenHistory)
        longer._buffer, longer._length = buffer, length + 1
        return longer

    def extend(self, tokens: Sequence[int]) -> "TokenHistory":
        """Return the history with more tokens."""
        return TokenHistory([*self.view(), *tokens])

    def latest(self, count: int) -> "TokenHistory":
        """Return a history of the latest tokens, in a buffer of its own."""
        return TokenHistory(self.view()[-count:])

    def view(self) -> Sequence[int]:
        """Return the tokens for reading: the buffer itself where this is the newest history."""
        buffer = self._buffer
        return buffer if len(buffer) == self._length else buffer[: self._length]

    @property
    def last(self) -> int:
        """The latest token."""
        return self._buffer[self._length - 1]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: Any) -> Any:
        return self.view()[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class SamplerState(NamedTuple):
    """B texts between two tokens; immutable."""

    histories: tuple[TokenHistory, ...]
    """The tokens so far, prefixes included."""
    network: State
    """Before the last token of each where there are no logits, else after it."""
    filters: State
    """Of the chain of filters."""
    draws: tuple[UniformDraws, ...]
    """Sources of random numbers, one for each stream."""
    logits: "Floats | None" = None
    """(B,V) for what follows."""
    surprisal: "NDArray[np.float64] | None" = None
    """(B,) of the last tokens, as long as the filters have not observed them."""

    def select(self, rows: Sequence[Any]) -> "SamplerState":
        """Return the texts that ``rows`` names, in that order."""
        return SamplerState(
            tuple(self.histories[row] for row in rows),
            select_rows(self.network, rows),
            select_rows(self.filters, rows),
            tuple(self.draws[row] for row in rows),
            None if self.logits is None else self.logits[rows],
            None if self.surprisal is None else self.surprisal[rows],
        )


class Sampler:
    """Draws the next tokens of texts; it holds no text itself. Tokens that are forbidden never come."""

    def __init__(
        self, model: NetworkStep, filters: Sequence[AnyFilter] = (), *, forbidden: Sequence[int] = ()
    ) -> None:
        self.model, self.chain = model, FilterChain(filters)
        self.lookback = self.chain.lookback
        """The number of latest tokens that drawing depends on beside the states; None for all."""
        self.forbidden = np.array(sorted({*forbidden}), np.int64)

    def start(self, given: GenerationState, rngs: Sequence[np.random.Generator]) -> SamplerState:
        """Begin B texts.

        Args:
            given: what they go on from.
            rngs: one a text; its first number seeds the filters that have a state, the others are draws.
        """
        seeds = [int(rng.integers(1 << 62)) if self.chain.stateful else 0 for rng in rngs]
        return SamplerState(
            tuple(map(TokenHistory, given.histories)),
            given.state,
            self.chain.initial(np.array(seeds, np.int64), given.histories),
            tuple(map(UniformDraws, rngs)),
            given.logits,
        )

    def step(self, state: SamplerState) -> tuple[TokenIds, SamplerState]:
        """Draw the next token of each text (B,) → the tokens, and the state after them.

        Raises:
            RnngenError: if filters leave a text nothing, or a logit is not a number.
        """
        shaped, network, filters = self._distribution(state)
        numbers = np.array([draws.number for draws in state.draws])
        tokens = draw_rows(shaped, numbers)
        pairs = zip(state.histories, tokens.tolist(), strict=True)
        return tokens, SamplerState(
            tuple([history.append(token) for history, token in pairs]),
            network,
            filters,
            tuple([draws.next() for draws in state.draws]),
            None,
            surprisal(shaped, tokens) if self.chain.stateful else None,
        )

    def stream(self, state: SamplerState, *, forget: bool = False) -> Iterator[tuple[int, SamplerState]]:
        """Draw the tokens of one text, for ever: each with the state after it.

        They are those that ``step`` draws, at a lower cost for one text. With ``forget``, histories lose the
        old tokens that no filter looks back to, so that memory does not grow with the text.
        """
        most = max(self.lookback, FEWEST) if forget and self.lookback is not None else None
        while True:
            shaped, network, filters = self._distribution(state)
            (draws,) = state.draws
            token = draw(shaped[0], draws.number)
            history = state.histories[0].append(token)
            if most is not None and len(history) >= 2 * most:
                history = history.latest(most)
            state = SamplerState(
                (history,),
                network,
                filters,
                (draws.next(),),
                None,
                surprisal(shaped, np.array((token,))) if self.chain.stateful else None,
            )
            yield token, state

    def extend(self, state: SamplerState, tokens: Sequence[int]) -> SamplerState:
        """Let one text go on with given tokens, at least one; the last is read when the next is drawn."""
        network, filters = state.network, state.filters
        if state.logits is None:
            _, network, filters = self._next_logits(state)
        network = prefill(self.model, network, [tokens]).state
        return SamplerState((state.histories[0].extend(tokens),), network, filters, state.draws)

    def next_text(self, state: SamplerState) -> SamplerState:
        """Let another text begin after those that are there: what constraints ask for begins anew."""
        if not self.chain.constraints:
            return state
        logits, network, filters = self._next_logits(state)
        filters = self.chain.next_text(filters, state.histories)
        return SamplerState(state.histories, network, filters, state.draws, logits)

    def _distribution(self, state: SamplerState) -> tuple[Floats, State, State]:
        """Filtered logits (B,V) of the next tokens, and the states of network and filters before them."""
        logits, network, filters = self._next_logits(state)
        if len(self.forbidden):
            logits[:, self.forbidden] = -np.inf
        histories = [history.view() for history in state.histories] if self.chain.filters else []
        return self.chain(logits, histories, filters), network, filters

    def _next_logits(self, state: SamplerState) -> tuple[Floats, State, State]:
        """Logits (B,V) for the next tokens, the caller's to write to; the states of network and filters."""
        if state.logits is not None:
            return state.logits.copy(), state.network, state.filters
        last = np.array([history.last for history in state.histories])
        if state.surprisal is not None:
            filters = self.chain.observe(last.copy(), state.surprisal, state.filters)
            state = state._replace(filters=filters, surprisal=None)
        return *self._advance(last, state), state.filters

    def _advance(self, last: TokenIds, state: SamplerState) -> tuple[Floats, State]:
        """Read the last tokens (B,); a speculative sampler may have done so already."""
        return self.model(last, state.network)


def sample_rows(
    sampler: Sampler, state: SamplerState, *, eos_id: int | None, max_tokens: Sequence[int | None]
) -> Iterator[tuple[list[int], list[int]]]:
    """Draw B texts side by side, a token of each at a time → the texts' numbers and their tokens.

    Text b is what it would be alone, as long as the network gives each row what it would give it alone.
    Matrix products may round a batch otherwise than a single row, in the seventh digit; a text differs only
    where a random number falls into that gap.

    Args:
        sampler: what draws.
        state: of B texts.
        eos_id: the token that ends a text, its last. None where texts do not end by themselves.
        max_tokens: of each text; None for no limit.
    """
    alive, made = [number for number, most in enumerate(max_tokens) if most != 0], 0
    rows = _Rows(sampler, state if len(alive) == len(max_tokens) else state.select(alive))
    while alive:
        tokens, made = rows.draw(), made + 1
        yield alive, tokens
        going = [token != eos_id and made != max_tokens[n] for n, token in zip(alive, tokens, strict=True)]
        if not all(going):
            alive = list(compress(alive, going))
            rows.keep([place for place, goes in enumerate(going) if goes])


class _Rows:
    """Texts that are drawn side by side: a ``SamplerState`` to write to, since nobody else has it."""

    def __init__(self, sampler: Sampler, state: SamplerState) -> None:
        self.sampler, self.network, self.filters = sampler, state.network, state.filters
        self.logits, self.surprisal = state.logits, state.surprisal
        self.texts = [array("i", history.view()) for history in state.histories]
        self.last = np.array([history.last for history in state.histories], np.int64)
        self.rngs = [draws.generator() for draws in state.draws]
        self.numbers = np.empty((0, len(self.rngs)))  # (BLOCK,B), and the place in it
        self.place = 0

    def draw(self) -> list[int]:
        """Draw the next token of each text."""
        chain = self.sampler.chain
        logits = self._next_logits()
        if len(self.sampler.forbidden):
            logits[:, self.sampler.forbidden] = -np.inf
        shaped = chain(logits, self.texts, self.filters)
        self.last = draw_rows(shaped, self._next_numbers())
        if chain.stateful:
            self.surprisal = surprisal(shaped, self.last)
        tokens: list[int] = self.last.tolist()
        for text, token in zip(self.texts, tokens, strict=True):
            text.append(token)
        return tokens

    def keep(self, rows: list[int]) -> None:
        """Go on with some texts only."""
        self.network, self.filters = select_rows(self.network, rows), select_rows(self.filters, rows)
        self.texts, self.rngs = [self.texts[row] for row in rows], [self.rngs[row] for row in rows]
        self.last, self.numbers = self.last[rows], self.numbers[:, rows]
        self.surprisal = None if self.surprisal is None else self.surprisal[rows]

    def _next_logits(self) -> Floats:
        """Logits (B,V), to write to."""
        logits, self.logits = self.logits, None
        if logits is not None:
            return logits.copy()
        if self.surprisal is not None:
            self.filters = self.sampler.chain.observe(self.last.copy(), self.surprisal, self.filters)
        logits, self.network = self.sampler.model(self.last, self.network)
        return logits

    def _next_numbers(self) -> NDArray[np.float64]:
        """The next random number of each text (B,)."""
        if self.place == len(self.numbers):
            self.numbers, self.place = np.stack([rng.random(BLOCK) for rng in self.rngs], axis=1), 0
        self.place += 1
        numbers: NDArray[np.float64] = self.numbers[self.place - 1]
        return numbers


# ── The same as functions, for those who hold no state ─────────────────────────────────────────────────────


def sample(
    model: NetworkStep,
    state: State,
    prompt: Sequence[int],
    filters: Sequence[AnyFilter],
    rng: np.random.Generator,
    *,
    forbidden: Sequence[int] = (),
) -> Iterator[int]:
    """Generate tokens for ever; stop asking when there are enough.

    ``state`` is that of one stream before the prompt, which has at least one token and is not repeated.
    """
    sampler = Sampler(model, filters, forbidden=forbidden)
    begun = sampler.start(prefill(model, state, [prompt]), [rng])
    return (token for token, _ in sampler.stream(begun, forget=True))


def sample_many(
    model: NetworkStep,
    state: State,
    prompts: Sequence[Sequence[int]],
    filters: Sequence[AnyFilter],
    rngs: Sequence[np.random.Generator],
    *,
    eos_id: int | None,
    lengths: Sequence[int | None],
    forbidden: Sequence[int] = (),
) -> list[list[int]]:
    """Generate B texts side by side, each as ``sample`` would with its own generator.

    ``state`` is that of B streams before their prompts, which have as many tokens each; ``eos_id`` ends a
    text and is no part of it, and ``lengths`` are its tokens at most, as for ``sample_rows``.
    """
    sampler = Sampler(model, filters, forbidden=forbidden)
    begun = sampler.start(prefill(model, state, prompts), rngs)
    texts: list[list[int]] = [[] for _ in prompts]
    for numbers, tokens in sample_rows(sampler, begun, eos_id=eos_id, max_tokens=lengths):
        for number, token in zip(numbers, tokens, strict=True):
            if token != eos_id:
                texts[number].append(token)
    return texts

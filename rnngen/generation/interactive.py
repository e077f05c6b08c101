"""A text that a person and a model write in turns: every turn can be taken back, to the bit.

::

    said ─▸ read ─▸ write ─▸ text ─▸ said ─▸ …      one SamplerState after another: nothing is read twice
    ▴ turn          ▴ turn                          the states that undo goes back to

A model that reads a source takes what is said for one, and writes about it; each turn then begins anew.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import groupby, takewhile
from pathlib import Path

import numpy as np

from rnngen.contracts import AnyFilter, ConditionedStep, GenerationState
from rnngen.decoding.draws import UniformDraws
from rnngen.decoding.sampler import Sampler, SamplerState
from rnngen.decoding.text_stream import TextStream, until
from rnngen.errors import UsageError
from rnngen.generation.generator import Generator
from rnngen.generation.prompts import Prompt
from rnngen.generation.saved_state import DEFAULT_STRATEGY, ResumableGeneration, SavedState, save_state
from rnngen.requests.sample import ComponentChoice, FilterChoices

LINE_END = "\n"
UTF8_REST = 3
"""Tokens that the last character of a text may take beyond its length: bytes of UTF-8."""
MakeSampler = Callable[[Sequence[AnyFilter]], Sampler]
Whole = Callable[[str, Sequence[AnyFilter]], str]
BuildFilters = Callable[[FilterChoices], Sequence[AnyFilter]]


@dataclass(frozen=True)
class _Turn:
    """A conversation's place before a turn, and what was said in it; None if a state was loaded."""

    said: str | None
    state: SamplerState | None
    draws: UniformDraws
    hidden: int
    source: str | None
    filters: FilterChoices


class Conversation:
    """A text in the making, by turns; it knows no terminal.

    Args:
        generator: the model.
        sampler: makes what draws tokens, from filters; None where the strategy generates whole texts.
        build: makes filters of a chain, as names and the texts of their options.
        filters: the chain to begin with.
        seed: of the draws.
        model: returns the fingerprint that states are kept with.
        strategy: what states are kept with.
        whole: generates a whole text for a source, where the strategy does not choose token by token.
        final: returns whether all tokens of what is said are final under a chain.
    """

    def __init__(
        self,
        generator: Generator,
        sampler: MakeSampler | None,
        build: BuildFilters,
        filters: FilterChoices = (),
        *,
        seed: int = 0,
        model: Callable[[], str] = str,
        strategy: ComponentChoice = DEFAULT_STRATEGY,
        whole: Whole | None = None,
        final: Callable[[FilterChoices], bool] = lambda _: False,
    ) -> None:
        self.generator, self.filters, self._final = generator, tuple(filters), final
        self._build, self._model, self._strategy = build, model, strategy
        self._make, self._whole, self._said = sampler, whole, ""
        self._sampler = self._made(self.filters)
        self._draws = UniformDraws(np.random.default_rng([seed, 0]))
        self._state: SamplerState | None = None
        self._hidden = 0
        self._source: str | None = None
        self._turns: list[_Turn] = []

    # ── turns ──────────────────────────────────────────────────────────────────────────────────────────────

    def say(self, text: str) -> None:
        """Begin a turn: the model reads this, which may be empty, after all that was written before."""
        turn = self._now(text)
        self._said = text
        if self._sampler is None:
            pass  # the text is generated as a whole
        elif self.generator.reads_source:
            self._begin(Prompt("", text))
        elif self._state is None:
            self._begin(Prompt(text))
        else:
            if text:
                self._state = self._read(self._state, text)
            self._state = self._drawing.next_text(self._state)
        self._turns.append(turn)

    def write(
        self,
        length: int | None,
        stops: Sequence[str] = (),
        halt: Callable[[], bool] = lambda: False,
        *,
        keep_stop: bool = False,
    ) -> Iterator[str]:
        """Go on from everything so far → the characters, as they come.

        Args:
            length: tokens at most, but for those that the last character still needs; -1 for no limit, None
                for what suits the model and its source.
            stops: texts to end before; what was drawn of one stays part of the conversation. Without any,
                a text without a source ends with its first line that is not blank.
            halt: asked before each token; True ends the text there.
            keep_stop: whether the stop that ends the text is passed on.
        """
        if self._sampler is None:
            assert self._whole is not None
            yield self._whole(self._said, self._build(self.filters))
            return
        pieces = self._pieces(length, halt)
        if stops or self.generator.reads_source:
            yield from until(pieces, stops, keep=keep_stop)
            return
        line = ""
        for piece in pieces:
            yield piece
            line += piece
            if LINE_END in line.lstrip():
                return

    def undo(self) -> None:
        """Take the last turn back: state, text, draws and the filters' memory are as they were before it.

        The filters are those of now: their memory is as it was only if they are the same.

        Raises:
            UsageError: if there is none.
        """
        if not self._turns:
            raise UsageError("there is nothing to undo; say something first")
        turn = self._turns.pop()
        self._state, self._draws = turn.state, turn.draws
        self._hidden, self._source = turn.hidden, turn.source
        if turn.filters != self.filters:
            self._restart()

    def again(self) -> None:
        """Take the last turn back and say the same again; draws go on, so that another text follows.

        Raises:
            UsageError: if the last turn said nothing.
        """
        if not self._turns or self._turns[-1].said is None:
            raise UsageError("there is nothing to draw anew; say something first")
        said, draws = self._turns[-1].said, self._current_draws
        self.undo()
        self.say(said or "")
        if self._state is None:
            self._draws = draws
        else:
            self._state = self._state._replace(draws=(draws,))

    def fork(self) -> "Conversation":
        """Return one that goes on from here on its own; what either says does not concern the other."""
        twin = copy(self)
        twin._turns = [*self._turns]
        return twin

    # ── settings ───────────────────────────────────────────────────────────────────────────────────────────

    def choose(self, filters: FilterChoices) -> None:
        """Write with other filters from here on; those that have a state begin anew.

        Raises:
            UnknownName, UsageError: for what is no filter or no value; the filters stay what they were.
        """
        self._sampler = self._made(filters)
        self.filters = tuple(filters)
        self._restart()

    def seed(self, seed: int) -> None:
        """Let the draws begin anew from a seed, and those of the filters too."""
        self._draws = UniformDraws(np.random.default_rng([seed, 0]))
        self._restart(self._draws)

    # ── what there is ──────────────────────────────────────────────────────────────────────────────────────

    @property
    def tokens(self) -> tuple[int, ...]:
        """All tokens so far, what the model began with included."""
        return tuple(self._state.histories[0]) if self._state else ()

    @property
    def text(self) -> str:
        """All that was said and written; where an example ended, a line ends."""
        eos_id, decode = self.generator.eos_id, self.generator.decode
        ends = groupby(self.tokens[self._hidden :], key=lambda token: token == eos_id)
        shown = [LINE_END * len([*run]) if ended else decode(run) for ended, run in ends]
        return "".join([*shown, self._pending.decode(errors="replace")])

    def save(self, path: Path) -> None:
        """Keep it in a file that ``load`` and ``rnngen sample --from-state`` go on from."""
        sampler, state, target = self._drawing, self._begun(), self.generator.tokenizers.target
        text = ResumableGeneration(sampler, state, target, len(self.tokens), skip=len(self._pending))
        strategy, source = self._strategy, self._source
        save_state(path, text, self._model(), self.filters, strategy=strategy, source=source)

    def load(self, path: Path) -> None:
        """Go on from such a file, with its filters; ``undo`` leads back.

        Raises:
            NotFoundError, ModelError, UsageError: if there is no such file, or nothing to go on from in it.
        """
        saved = SavedState.read(path)
        sampler = self._made(saved.filters)
        if sampler is None:
            raise UsageError("this strategy does not choose token by token, and cannot go on from a state")
        text = saved.resume(
            self.generator, sampler, model=self._model(), filters=saved.filters, strategy=self._strategy
        )
        self._turns.append(self._now(None))
        self._state, self._sampler = text.state, sampler
        self.filters, self._source = saved.filters, saved.source
        self._hidden = int(self.tokens[0] == self.generator.eos_id)

    def _now(self, said: str | None) -> _Turn:
        return _Turn(said, self._state, self._current_draws, self._hidden, self._source, self.filters)

    @property
    def _current_draws(self) -> UniformDraws:
        return self._state.draws[0] if self._state else self._draws

    def _made(self, filters: FilterChoices) -> Sampler | None:
        built = self._build(filters)
        return self._make(built) if self._make else None

    @property
    def _drawing(self) -> Sampler:
        if self._sampler is None:
            raise UsageError("this strategy generates whole texts, which have no state")
        return self._sampler

    def _begin(self, prompt: Prompt) -> SamplerState:
        """Read a prompt; draws go on from where they are."""
        prompt = replace(prompt, final=self._final(self.filters))
        given = self.generator.prefill(prompt)
        self._state = self._drawing.start(given, [self._current_draws.generator()])
        self._hidden = self.generator.prefix(prompt).hidden
        self._source = prompt.source
        return self._state

    @property
    def _pending(self) -> bytes:
        """The bytes said last that were given back, as long as they are not drawn again."""
        model = self.generator.model
        if self._state is None or not isinstance(model, ConditionedStep):
            return b""
        return model.pending(self._state.network)[0]

    def _read(self, state: SamplerState, text: str) -> SamplerState:
        """Let the model read a text, and before it what was given back; then its end is given back."""
        encode, model, sampler = self.generator.tokenizers.target.encode, self.generator.model, self._drawing
        if not isinstance(model, ConditionedStep):
            return sampler.extend(state, encode(text).tolist())
        tokens = encode(self._pending.decode(errors="replace") + text).tolist()
        kept, rest = (len(tokens), b"") if self._final(self.filters) else model.split(tokens)
        state = state._replace(network=model.expect(state.network, [b""]))
        if kept:
            state = sampler.extend(state, tokens[:kept])
        if state.logits is None:
            return state._replace(network=model.expect(state.network, [rest], 1))
        network = model.expect(state.network, [rest])
        return state._replace(network=network, logits=model.condition(state.logits, network))

    def _begun(self) -> SamplerState:
        return self._state or self._begin(Prompt("", "" if self.generator.reads_source else None))

    def _restart(self, draws: UniformDraws | None = None) -> None:
        """Go on from the same place with the filters and the draws of now."""
        if self._pending and self._final(self.filters):
            assert self._state is not None
            self._state = self._read(self._state, "")
        if old := self._state:
            given = GenerationState(old.histories, old.network, old.logits)
            self._state = self._drawing.start(given, [(draws or old.draws[0]).generator()])

    def _pieces(self, length: int | None, halt: Callable[[], bool]) -> Iterator[str]:
        self._begun()
        eos_id = self.generator.eos_id
        constrained = self._final(self.filters) or bool(self._drawing.chain.constraints)
        length = self.generator.max_tokens(length, self._source, constrained=constrained)
        stream = TextStream(self.generator.tokenizers.target.pieces, len(self._pending))
        return stream.stream(takewhile(lambda one: one != eos_id, self._tokens(length, halt, stream)))

    def _tokens(self, length: int | None, halt: Callable[[], bool], stream: TextStream) -> Iterator[int]:
        """New tokens, and after the last those that a character still needs which has begun."""
        drawn, given = self._drawing.stream(self._begun()), len(self._pending)
        while length is None or length > 0:
            if not given and halt():
                return
            token, self._state = next(drawn)
            yield token
            size = len(self.generator.tokenizers.target.pieces[token])
            if length is not None and (not given or size > given):
                length -= 1
            given = max(given - size, 0)
        for _ in range(UTF8_REST):
            if not stream.copy().flush():
                return
            token, self._state = next(drawn)
            yield token

"""A text that a person and a model write in turns: every turn can be taken back, to the bit.

::

    said ─▸ read ─▸ write ─▸ text ─▸ said ─▸ …      one state all along: nothing is read twice
    ▴ turn          ▴ turn                          what undo goes back to
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from itertools import chain as concatenated
from itertools import groupby, repeat
from pathlib import Path

import numpy as np

from rnngen.contracts import AnyFilter
from rnngen.decoding.generation_state import Moment, read_up
from rnngen.decoding.sampler import Sampler
from rnngen.decoding.stop import until
from rnngen.decoding.text_stream import TextStream, decode
from rnngen.errors import UsageError
from rnngen.generation.resumable import Passage
from rnngen.generation.saved_state import FilterChain, Kept, save
from rnngen.generation.writing import Writer

LINE_END = "\n"
REST = 3
"""Tokens that the last character of a text may take beyond its length: bytes of UTF-8."""


@dataclass(frozen=True)
class _Turn:
    """Where a conversation stood, and what was said there; None if a state was loaded there."""

    said: str | None
    sampler: Sampler | None
    rng: np.random.Generator
    hidden: int
    chain: FilterChain


class Conversation:
    """A text in the making, by turns; it knows no terminal.

    Args:
        writer: the model.
        build: makes filters of a chain, as names and the texts of their options.
        chain: the filters to begin with.
        seed: of the draws.
        model: gives the fingerprint that states are kept with; asked for when one is.
    """

    def __init__(
        self,
        writer: Writer,
        build: Callable[[FilterChain], Sequence[AnyFilter]],
        chain: FilterChain = (),
        *,
        seed: int = 0,
        model: Callable[[], str] = str,
    ) -> None:
        self.writer, self.chain, self._build, self._model = writer, tuple(chain), build, model
        self._filters = build(chain)
        self._rng = np.random.default_rng([seed, 0])
        self._sampler: Sampler | None = None
        self._hidden = 0
        self._turns: list[_Turn] = []

    # ── turns ──────────────────────────────────────────────────────────────────────────────────────────────

    def say(self, text: str) -> None:
        """Begin a turn: the model reads this, which may be empty, after all that was written before."""
        tokens: list[int] = self.writer.tokenizer.encode(text).tolist()
        turn = self._now(text)
        if self._sampler is None:
            self._begin(text)
        elif tokens:
            _hear(self._sampler, tokens)
        self._turns.append(turn)

    def write(
        self, length: int | None, stops: Sequence[str] = (), halt: Callable[[], bool] = lambda: False
    ) -> Iterator[str]:
        """Go on from everything so far → the characters, as they come.

        Args:
            length: tokens at most, but for those that the last character still needs; None for no limit.
            stops: texts to end before; what was drawn of one stays part of the conversation. Without any,
                the text ends with its first line that is not blank.
            halt: asked before each token; True ends the text there.
        """
        pieces = self._pieces(length, halt)
        if stops:
            yield from until(pieces, stops)
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
        self._sampler, self._rng, self._hidden = turn.sampler, turn.rng, turn.hidden
        if turn.chain != self.chain:
            self._restart()

    def again(self) -> None:
        """Take the last turn back and say the same again; draws go on, so that another text follows.

        Raises:
            UsageError: if the last turn said nothing.
        """
        if not self._turns or self._turns[-1].said is None:
            raise UsageError("there is nothing to draw anew; say something first")
        said, drawn = self._turns[-1].said, self._rng.bit_generator.state
        self.undo()
        self.say(said or "")
        self._rng.bit_generator.state = drawn

    def fork(self) -> "Conversation":
        """One that goes on from here on its own; what either says does not concern the other."""
        twin, now = copy(self), self._now(None)
        twin._sampler, twin._rng, twin._turns = now.sampler, now.rng, [*self._turns]
        return twin

    # ── settings ───────────────────────────────────────────────────────────────────────────────────────────

    def choose(self, chain: FilterChain) -> None:
        """Write with other filters from here on; those that remember begin anew.

        Raises:
            UnknownName, UsageError: for what is no filter or no value; the filters stay what they were.
        """
        self._filters = self._build(chain)
        self.chain = tuple(chain)
        self._restart()

    def seed(self, seed: int) -> None:
        """Let the draws begin anew from a seed, and those of the filters too."""
        self._rng = np.random.default_rng([seed, 0])
        self._restart()

    # ── what there is ──────────────────────────────────────────────────────────────────────────────────────

    @property
    def tokens(self) -> tuple[int, ...]:
        """All tokens so far, what the model began with included."""
        return tuple(self._sampler.history[0]) if self._sampler else ()

    @property
    def text(self) -> str:
        """All that was said and written; where an example ended, a line ends."""
        pieces, eos_id = self.writer.tokenizer.pieces, self.writer.tokenizer.eos_id
        ends = groupby(self.tokens[self._hidden :], key=lambda token: token == eos_id)
        return "".join(LINE_END * len([*run]) if ended else decode(pieces, run) for ended, run in ends)

    def save(self, path: Path) -> None:
        """Keep it in a file that ``load`` and ``rnngen sample --from-state`` go on from."""
        passage = Passage(self._begun(), self.writer.tokenizer, len(self.tokens))
        save(path, passage, self._model(), self.chain)

    def load(self, path: Path) -> None:
        """Go on from such a file, with its filters; ``undo`` leads back.

        Raises:
            NotFoundError, ModelError, UsageError: if there is no such file, or nothing to go on from in it.
        """
        kept = Kept.read(path)
        filters = self._build(kept.chain)
        sampler = kept.passage(self.writer, self._model(), filters, kept.chain).sampler
        self._turns.append(self._now(None))
        self._sampler, self._rng, self._filters, self.chain = sampler, sampler.rng, filters, tuple(kept.chain)
        self._hidden = int(self.tokens[0] == self.writer.tokenizer.eos_id)

    # ── within ─────────────────────────────────────────────────────────────────────────────────────────────

    def _now(self, said: str | None) -> _Turn:
        """Where it stands, to be come back to: nothing of it is written to any more."""
        rng = deepcopy(self._rng)
        sampler = copy(self._sampler)
        if sampler:
            sampler.rng, sampler.history = rng, [list(self.tokens)]
        return _Turn(said, sampler, rng, self._hidden, self.chain)

    def _begin(self, prompt: str) -> Sampler:
        self._sampler = self.writer.sampler(prompt, self._filters, self._rng)
        self._hidden = int(self.writer.has_eos) if prompt else len(self.tokens)
        return self._sampler

    def _begun(self) -> Sampler:
        return self._sampler or self._begin("")

    def _restart(self) -> None:
        """Go on from the same place with the filters and the draws of now."""
        if old := self._sampler:
            moment = Moment(self.tokens, old.state, old.logits)
            never = self.writer.forbidden
            self._sampler = Sampler(old.step, moment, self._filters, self._rng, forbidden=never)

    def _pieces(self, length: int | None, halt: Callable[[], bool]) -> Iterator[str]:
        stream, sampler = TextStream(self.writer.tokenizer.pieces), self._begun()
        for token in concatenated(_tokens(sampler, length, halt), _rest(sampler, stream)):
            if token == self.writer.tokenizer.eos_id:
                break
            if text := stream.push(token):
                yield text
        if text := stream.flush():
            yield text


def _hear(sampler: Sampler, tokens: Sequence[int]) -> None:
    """Let a network read at least one token more; the last comes with the next draw."""
    history = sampler.history[0]
    if sampler.logits is None:
        last = np.array(history[-1:])
        if sampler.surprisal is not None:
            sampler.memory = sampler.chain.observe(last, sampler.surprisal, sampler.memory)
        _, sampler.state = sampler.step(last, sampler.state)
    sampler.logits = sampler.surprisal = None
    sampler.state = read_up(sampler.step, sampler.state, tokens).state
    history.extend(tokens)


def _tokens(sampler: Sampler, length: int | None, halt: Callable[[], bool]) -> Iterator[int]:
    for _ in repeat(None) if length is None else range(length):
        if halt():
            return
        yield next(sampler)


def _rest(sampler: Sampler, stream: TextStream) -> Iterator[int]:
    """The tokens that a character still needs which has begun."""
    for _ in range(REST):
        if not stream.copy().flush():
            return
        yield next(sampler)

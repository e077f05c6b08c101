"""Texts that can be left off between any two tokens and gone on with, as if they had not been.

A state file is written whole or not at all, and tied to the model that made it::

    arrays    state.0 … │ memory.0 … (the filters') │ history │ surprise? │ logits?
    record    rng · model · chain · given · shown · over      version 1
              strategy · source                               version 2, where one of them is not the default
              skip                                            version 3, where tokens were given back
"""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, Self

import numpy as np

from rnngen.contracts import ConditionedStep, Tokenizer
from rnngen.decoding.draws import UniformDraws
from rnngen.decoding.filter_chain import unmet
from rnngen.decoding.sampler import Sampler, SamplerState, TokenHistory
from rnngen.decoding.text_stream import TextStream, first_tokens, until
from rnngen.errors import ModelError, NotFoundError, RnngenError, UsageError
from rnngen.generation.generator import Generator
from rnngen.generation.prefix_cache import Arrays, arrays_of, as_numpy, state_from
from rnngen.generation.prompts import Prompt
from rnngen.requests.sample import ComponentChoice, FilterChoices
from rnngen.store import checkpoint
from rnngen.store.model_folder import StoredModel

VERSIONS = (1, 2, 3)
DEFAULT_STRATEGY = ComponentChoice("sample")


@dataclass(eq=False)
class ResumableGeneration:
    """One text in the making, and how much of it was shown."""

    sampler: Sampler
    """Draws its tokens."""
    state: SamplerState
    """The state that it has come to."""
    tokenizer: Tokenizer
    given: int
    """Number of tokens of its history that were given, not drawn."""
    shown: int = 0
    """Characters that were shown already."""
    ended: bool = field(default=False, kw_only=True)
    """True if the text had come to its end or to a stop then."""
    skip: int = field(default=0, kw_only=True)
    """Bytes of the prompt that were given back, which the tokens drawn begin with."""
    cut: bool = field(default=True, init=False)
    """True if the last ``write`` left off, and did not come to the end of the text or to a stop."""

    def __post_init__(self) -> None:
        self._shown_at_end = self.shown if self.ended else -1

    @property
    def ends(self) -> bool:
        """True if the text came to an end in the last ``write``, and had not done so before."""
        return not self.cut and self.shown != self._shown_at_end

    def unmet(self) -> str | None:
        """Return what the text lacks that a constraint asks for, or None if it lacks nothing."""
        tokens = takewhile(lambda one: one != self.tokenizer.eos_id, self.state.histories[0][self.given :])
        return unmet(self.sampler.chain.constraints, list(tokens))

    def write(
        self,
        length: int | None,
        stops: Sequence[str] = (),
        *,
        keep_stop: bool = False,
        last: bool = False,
    ) -> Iterator[str]:
        """Go on → the characters not yet shown.

        What could be half of a character or of a stop when the length is reached is not shown, but comes with
        what follows; unless this is the last call. What was generated before is decoded again first, which
        costs no step of the network: so a stop is found wherever it began. One that was shown whole counts
        only where the text ended with it, kept.

        Args:
            length: tokens at most; None for no limit.
            stops: texts that end the text before them.
            keep_stop: whether the one that does is passed on.
            last: whether this is the last call.
        """
        ended = not self.cut or self.shown == self._shown_at_end
        self.cut = False
        behind = self.shown
        eos_id, tokens = self.tokenizer.eos_id, self._tokens(length, last)
        pieces = TextStream(self.tokenizer.pieces, self.skip).stream(
            takewhile(lambda one: one != eos_id, tokens)
        )
        for text in until(pieces, stops, keep=keep_stop, after=self.shown - ended):
            if self.cut:
                return
            new = text[behind:]
            behind = max(behind - len(text), 0)
            if new:
                self.shown += len(new)
                yield new

    def _tokens(self, length: int | None, last: bool) -> Iterator[int]:
        """Yield the tokens generated already, then new ones."""
        pieces, skip = self.tokenizer.pieces, self.skip
        for token in self.state.histories[0][self.given :]:
            yield token
            skip = max(skip - len(pieces[token]), 0)
        yield from first_tokens(pieces, self._drawn(), length, skip)
        self.cut = not last

    def _drawn(self) -> Iterator[int]:
        for token, after in self.sampler.stream(self.state):
            self.state = after
            yield token


def fingerprint(models: Sequence[StoredModel], identity: str) -> str:
    """Return a hash of all that a state depends on: configurations, tokenizers, weights, and what computes
    it, whose identity ``rnngen.inference.build.identity`` gives.
    """
    digest = hashlib.sha256(identity.encode())
    for model in models:
        digest.update(f"{model.config.identity}\0{model.tokenizer_json}\0".encode())
        for name in sorted(model.weights):
            array = np.ascontiguousarray(model.weights[name])
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def save_state(
    path: Path,
    text: ResumableGeneration,
    model: str,
    filters: FilterChoices,
    *,
    strategy: ComponentChoice = DEFAULT_STRATEGY,
    source: str | None = None,
) -> None:
    """Keep a text in the making: a few KiB, most of it the network's state.

    ``model`` is the fingerprint of what generates it; ``filters`` and ``strategy`` choose its tokens.
    """
    state = text.state
    arrays = {**arrays_of(state.network), **arrays_of(state.filters, "memory")}
    arrays["history"] = np.array(state.histories[0].view(), np.int32)
    pending = {"surprise": state.surprisal, "logits": state.logits}
    arrays |= {key: value for key, value in pending.items() if value is not None}
    record = {"kind": "state", "version": 1, "model": model, "chain": [list(one) for one in filters]}
    record |= {"rng": state.draws[0].state, "given": text.given, "shown": text.shown, "over": not text.cut}
    if strategy != DEFAULT_STRATEGY or source is not None:
        record |= {"version": 2, "source": source, "strategy": [strategy.name, dict(strategy.options)]}
    if text.skip:
        record |= {"version": 3, "skip": text.skip}
    checkpoint.write_tensors(path, arrays, record)


@dataclass(frozen=True)
class SavedState:
    """The contents of such a file."""

    path: Path
    arrays: Arrays
    record: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file that ``save_state`` wrote.

        Raises:
            NotFoundError: if there is none.
            ModelError: if it is damaged, was changed, or is something else.
        """
        if not path.exists():
            raise NotFoundError(f"{path}: no such file; write one with --save-state")
        try:
            arrays, record = checkpoint.read_tensors(path)
        except ModelError as error:
            reason = str(error).partition("; ")[0]
            raise ModelError(f"{reason}; write the state again with --save-state") from error
        if record.get("kind") != "state" or record.get("version") not in VERSIONS:
            raise ModelError(f"{path} holds no state that this rnngen can go on from; use --save-state")
        return cls(path, dict(arrays), record)

    @property
    def filters(self) -> FilterChoices:
        """The chain that the text was generated with."""
        try:
            return tuple((str(name), str(value)) for name, value in self.record["chain"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(error) from error

    @property
    def strategy(self) -> ComponentChoice:
        """The strategy that chose its tokens."""
        try:
            name, options = self.record.get("strategy", [DEFAULT_STRATEGY.name, {}])
            return ComponentChoice(str(name), tuple((str(k), str(v)) for k, v in options.items()))
        except (AttributeError, TypeError, ValueError) as error:
            raise self._damaged(error) from error

    @property
    def source(self) -> str | None:
        """The source it is about, if any."""
        return self.record.get("source")

    def resume(
        self,
        generator: Generator,
        sampler: Sampler,
        *,
        model: str,
        filters: FilterChoices,
        strategy: ComponentChoice = DEFAULT_STRATEGY,
    ) -> ResumableGeneration:
        """Go on with the text, by a sampler of the same model (with that fingerprint), filters and strategy.

        Raises:
            UsageError: if the model, the chain or the strategy is another.
            ModelError: if the file holds something else than it says.
        """
        if self.record.get("model") != model:
            raise UsageError(
                f"{self.path} was saved by another model, or by this one with other options; give that one "
                "with -m, and --quantize, --adapt, --cache and --device as they were"
            )
        if self.filters != tuple(filters):
            raise UsageError(
                f"{self.path} was saved with other filters; leave yours out, or give "
                f"--filters {_written(self.filters)}"
            )
        if _family(self.strategy) != _family(strategy):
            raise UsageError(
                f"{self.path} was saved with the strategy {self.strategy.name}; leave yours out, or give "
                f"--strategy {self.strategy.name}"
            )
        try:
            state = self._state(generator, sampler)
            given, shown = int(self.record["given"]), int(self.record["shown"])
            ended, skip = bool(self.record["over"]), int(self.record.get("skip", 0))
            _try(sampler, state, given, min(shown, skip))
        except RnngenError:
            raise
        except Exception as error:  # a file can hold anything, and arrays of wrong shapes lead to anything
            raise self._damaged(error) from error
        return ResumableGeneration(
            sampler, state, generator.tokenizers.target, given, shown, ended=ended, skip=skip
        )

    def _state(self, generator: Generator, sampler: Sampler) -> SamplerState:
        tokens, known = self.arrays["history"].tolist(), range(len(generator.tokenizers.target.pieces))
        if not tokens or not all(token in known for token in tokens):
            raise ValueError("tokens that the model has not, or none at all")
        for name, shape in (("logits", (1, len(known))), ("surprise", (1,))):
            if name in self.arrays and self.arrays[name].shape != shape:
                raise ValueError(f"{name} {self.arrays[name].shape}")
        history = TokenHistory(tokens)
        start = generator.start([Prompt("", self.source)])
        if isinstance(generator.model, ConditionedStep) and f"state.{len(start)}" in self.arrays:
            start = generator.model.expect(start, [b" "])  # as one that waits for bytes
        return SamplerState(
            (history,),
            state_from(self.arrays, start),
            state_from(self.arrays, sampler.chain.initial(np.zeros(1, np.int64)), "memory"),
            (UniformDraws.restore(self.record["rng"]),),
            self.arrays.get("logits"),
            self.arrays.get("surprise"),
        )

    def _damaged(self, error: Exception) -> ModelError:
        return ModelError(f"{self.path} is damaged ({error}); write the state again with --save-state")


def _try(sampler: Sampler, state: SamplerState, given: int, counted: int) -> None:
    """Draw two tokens, in which all that a state is made of takes part; or ``Exception``."""
    if not 0 <= given <= len(state.histories[0]) or counted < 0:
        raise ValueError("numbers of tokens or characters that cannot be")
    if not all(np.isfinite(array).all() for array in map(as_numpy, state.network)):
        raise ValueError("NaN or infinity")
    with np.errstate(all="ignore"), contextlib.suppress(RnngenError):  # filters may leave no token
        _, state = sampler.step(state)
        sampler.step(state)


def _family(strategy: ComponentChoice) -> str:
    """Return the strategy that states are of: speculation draws the very tokens of sampling."""
    return "sample" if strategy.name == "speculative" else strategy.name


def _written(filters: FilterChoices) -> str:
    return '"' + ",".join(f"{name}={value}" if value else name for name, value in filters) + '"'

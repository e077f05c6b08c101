"""One step of the network for all requests that wait for one.

::

    request ─ generator ─ strategy ─▸ SharedStep ─┐                        ┌─▸ logits, state
    request ─ generator ─ strategy ─▸ SharedStep ─┼─▸ Batcher ─▸ model ────┼─▸ logits, state
    request ─ generator ─ strategy ─▸ SharedStep ─┘   one thread, one call └─▸ logits, state

Each request generates in a thread of its own, as ``rnngen sample`` does: only its steps are taken together
with those of others. A row of a batch is what it is alone, but for rounding in the seventh digit, so that a
text differs only where a random number falls into that gap.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

import numpy as np
from rnngen.contracts import ConditionedStep, Floats, NetworkStep, State, TokenIds
from rnngen.errors import RnngenError

GATHER = 0.001
"""Seconds that a step waits at most for requests that are busy otherwise."""


@dataclass(frozen=True)
class _Call:
    """Tokens (B,) to read, or what to start from, and where the answer goes."""

    tokens: Any
    state: State | None = None
    answer: "SimpleQueue[Any]" = field(default_factory=SimpleQueue)


class Batcher:
    """Calls a model, in one thread, for all who ask."""

    def __init__(self, model: NetworkStep) -> None:
        self.model = model
        self.active = 0
        """Requests that are generating."""
        self._lock = threading.Lock()
        self._closed = False
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="rnngen-steps", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, once those who wait have their answers."""
        with self._lock:
            self._closed = True
            self._calls.put(None)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count one request more, while it generates."""
        with self._lock:
            self.active += 1
        try:
            yield
        finally:
            with self._lock:
                self.active -= 1

    def ask(self, tokens: Any, state: State | None) -> Any:
        """Return what the model returns for tokens (B,) and a state, or for a start; raise what it raises.

        Raises:
            RnngenError: after ``close``: nobody would answer.
        """
        call = _Call(tokens, state)
        with self._lock:
            if self._closed:
                raise RnngenError("the server is closing; ask again once it is back")
            self._calls.put(call)
        answer = call.answer.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _run(self) -> None:
        while (first := self._calls.get()) is not None:
            groups: dict[Any, list[_Call]] = {}
            for call in self._gathered(first):
                groups.setdefault(_kind(call), []).append(call)
            for calls in groups.values():
                self._answer(calls)

    def _gathered(self, first: _Call) -> list[_Call]:
        """Return the calls of all who generate, or of those who ask in time."""
        calls, until = [first], monotonic() + GATHER
        while len(calls) < self.active:
            try:
                call = self._calls.get(timeout=max(0, until - monotonic()))
            except Empty:
                break
            if call is None:  # that end is still to come
                self._calls.put(None)
                break
            calls.append(call)
        return calls

    def _answer(self, calls: Sequence[_Call]) -> None:
        answers: Sequence[Any]
        try:
            answers = self._steps(calls)
        except Exception as error:  # it is that of the requests
            answers = [error] * len(calls)
        for call, answer in zip(calls, answers, strict=True):
            call.answer.put(answer)

    def _steps(self, calls: Sequence[_Call]) -> Sequence[Any]:
        (first, *others), states = calls, [call.state for call in calls if call.state is not None]
        if not states:
            return [self.model.start(first.tokens)]
        if not others:
            return [self.model(first.tokens, states[0])]
        tokens = np.concatenate([call.tokens for call in calls])
        logits, after = self.model(tokens, tuple(map(_joined, zip(*states, strict=True))))
        ends = np.cumsum([len(call.tokens) for call in calls]).tolist()
        spans = [slice(end - len(call.tokens), end) for call, end in zip(calls, ends, strict=True)]
        return [(logits[span], tuple(array[span] for array in after)) for span in spans]


def _kind(call: _Call) -> Any:
    """Return what calls that are answered together have in common: their states' shapes; starts nothing."""
    if call.state is None:
        return id(call)
    return tuple((array.dtype, tuple(array.shape[1:])) for array in call.state)


def _joined(arrays: Sequence[Any]) -> Any:
    """Join arrays, NumPy's or torch's, along the batch."""
    if isinstance(arrays[0], np.ndarray):
        return np.concatenate(arrays)
    import torch

    return torch.cat(list(arrays))


class SharedStep:
    """A ``rnngen.contracts.NetworkStep`` whose steps a ``Batcher`` takes.

    Args:
        batcher: what takes them.
        check: called before each; it raises where the request is not to go on.
    """

    def __init__(self, batcher: Batcher, check: Callable[[], None]) -> None:
        self._batcher, self._check = batcher, check
        self._model: Any = batcher.model
        self.fixed: int = batcher.model.fixed

    def start(self, about: Any) -> State:
        """Return the state before the first token of ``about`` streams, or of sources (B,S)."""
        self._check()
        state: State = self._batcher.ask(about, None)
        return state

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,) and the state before them → logits (B,V) and the state after."""
        self._check()
        found: tuple[Floats, State] = self._batcher.ask(tokens, state)
        return found

    def attended(self, state: State) -> "Floats | None":
        """Return the attention weights of the last token (B,S); None for a network that does not attend."""
        weights: Floats | None = self._model.attended(state)
        return weights


class SharedConditionedStep(SharedStep):
    """The same of a ``rnngen.contracts.ConditionedStep``."""

    def split(self, tokens: Sequence[int]) -> tuple[int, bytes]:
        """Return how many tokens of a prompt are final, and the bytes of the others, which are given back."""
        found: tuple[int, bytes] = self._model.split(tokens)
        return found

    def expect(self, state: State, rests: Sequence[bytes], after: int = 0) -> State:
        """Return a state whose B streams must begin with ``rests``, once ``after`` tokens more are read."""
        found: State = self._model.expect(state, rests, after)
        return found

    def pending(self, state: State) -> list[bytes]:
        """Return the bytes that are still to be drawn in each of B streams."""
        found: list[bytes] = self._model.pending(state)
        return found

    def condition(self, logits: Floats, state: State) -> Floats:
        """The network's logits (B,V) and the state after its tokens → those that the next are drawn from."""
        found: Floats = self._model.condition(logits, state)
        return found


def shared_step(batcher: Batcher, check: Callable[[], None]) -> SharedStep:
    """Return a step for one request, which can do what the model can."""
    kind = SharedConditionedStep if isinstance(batcher.model, ConditionedStep) else SharedStep
    return kind(batcher, check)

"""Batches of a token store: parallel streams of free text, or examples of similar length side by side.

::

    streams   ├─ stream 0 ──┤├─ stream 1 ──┤├─ stream 2 ──┤     the text, cut in B equal stretches
               w0 w1 w2 …      w0 w1 w2 …     w0 w1 w2 …        window k of every stream is batch k
                      ║ a document begins: the window ends before it, the next one starts afresh

    spans     ├──────────┤            each span from a fresh state; what is shorter than its
              ├───────┤░░░            neighbours is padded with targets that do not count
              ├─────────┤░

Targets are inputs one position on. The position in the text is plain data, so that a resumed run reads on
exactly where it stopped.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import IGNORE, NO_TOKEN
from rnngen.data.token_store import TokenStore

Ints = NDArray[np.int64]


NEARLY = 0.75
"""Share of the rows that would fit which a batch has at least, for a number that other batches have too."""


class Batch(NamedTuple):
    """Tokens that one step of training or evaluation reads."""

    inputs: Ints
    """(B,T) token ids."""
    targets: Ints
    """(B,T) token ids, or ``IGNORE``."""
    reset_state: NDArray[np.bool_]
    """(B,) true where the row begins from the network's initial state, not the one after the batch before."""
    source: Ints | None = None
    """(B,S) each row's source, closed by the end token and padded with ``NO_TOKEN``; None without one."""

    def rows(self, which: slice) -> "Batch":
        """Return some of the rows."""
        source = None if self.source is None else self.source[which]
        return Batch(self.inputs[which], self.targets[which], self.reset_state[which], source)


class StreamBatches:
    """Free text in B parallel streams, for truncated backpropagation through time.

    Args:
        store: the tokens.
        batch: B; fewer where the text is shorter than B sequences.
        seq: T.
        state_reset_prob: the probability that a stream begins a window from the initial state though its
            text goes on. A network that never starts afresh generates nonsense from its initial state, where
            every prompt begins.
        seed: of those draws.
        vary: standard deviation of T from batch to batch, as a share of it (Merity et al. 2017); 0 for none.
        shuffle: whether every pass but the first reads the documents in an order of its own.
    """

    HALVED = 0.05
    """The probability that T varies around half of it."""

    def __init__(
        self,
        store: TokenStore,
        batch: int,
        seq: int,
        *,
        state_reset_prob: float = 0.0,
        seed: int = 0,
        vary: float = 0.0,
        shuffle: bool = False,
    ) -> None:
        self.store, self.seq, self.epoch, self.shuffle = store, seq, 0, shuffle
        self.state_reset_prob, self.seed, self.read, self.vary = state_reset_prob, seed, 0, vary
        self.eos_id = int(store.tokens[0])
        last = len(store) - 1  # the last token is nobody's input
        self.batch = max(1, min(batch, last // seq))
        self.edges = np.linspace(0, last, self.batch + 1).astype(np.int64)
        self.pointers = self.edges[:-1].copy()
        self._arrange()
        self.steps_per_epoch = max(map(self._windows, self.edges[:-1], self.edges[1:]))
        self.tokens_per_epoch = int(last)

    def _arrange(self) -> None:
        """Lay the documents of this pass one behind another: their order, and where each begins."""
        lengths = np.diff(self.store.starts)
        self.order = np.arange(len(lengths))
        if self.shuffle and self.epoch:
            self.order = np.random.default_rng([self.seed, self.epoch, 2]).permutation(len(lengths))
        self.begins = np.concatenate([[0], lengths[self.order].cumsum()])

    def _windows(self, start: int, stop: int) -> int:
        """Count the windows of a stream: every document in it begins a new one."""
        starts = self.store.starts
        inside = starts[np.searchsorted(starts, start, "right") : np.searchsorted(starts, stop, "left")]
        lengths = np.diff(np.concatenate([[start], inside, [stop]]))
        return int(-(-lengths // self.seq).sum())

    def _length(self) -> int:
        """Return T of the next batch, from the seed and the count of batches, as resuming needs."""
        if not self.vary:
            return self.seq
        rng = np.random.default_rng([self.seed, self.read, 1])
        mean = self.seq / 2 if rng.random() < self.HALVED else self.seq
        drawn = round(mean + self.vary * self.seq * rng.standard_normal())
        return min(max(drawn, 5, self.seq // 4), 2 * self.seq)

    def __next__(self) -> Batch:
        """Return the next window of every stream."""
        if (self.pointers >= self.edges[1:]).all():
            self.epoch += 1
            self.pointers = self.edges[:-1].copy()
            self._arrange()
        begins = self.begins
        here = np.searchsorted(begins[:-1], self.pointers, "right")  # the next document's place in the order
        stops = np.minimum(self.edges[1:], begins[here])
        lengths = np.clip(stops - self.pointers, 0, self._length())
        reset_state = (self.pointers == self.edges[:-1]) | (begins[here - 1] == self.pointers)
        if self.state_reset_prob:
            draws = np.random.default_rng([self.seed, self.read]).random(self.batch)
            reset_state |= draws < self.state_reset_prob
        starts = self.store.starts[self.order[here - 1]] + self.pointers - begins[here - 1]
        inputs, targets = gather(self.store, starts, lengths, int(lengths.max()))
        targets[targets == self.eos_id] = IGNORE  # free text has no end to learn
        self.pointers = self.pointers + lengths
        self.read += 1
        return Batch(inputs, targets, reset_state)

    def sweep(self) -> Iterator[Batch]:
        """Yield the batches of one pass, from the beginning of the text."""
        self.pointers = self.edges[:-1].copy()
        while (self.pointers < self.edges[1:]).any():
            yield next(self)

    def position(self) -> dict[str, Any]:
        """Return the epoch, the batches read, every stream's place and whether passes differ, as JSON."""
        places = self.pointers.tolist()
        return {"epoch": self.epoch, "read": self.read, "pointers": places, "shuffle": self.shuffle}

    def restore(self, position: dict[str, Any]) -> None:
        """Go to a saved position; a run that an earlier version began keeps its order."""
        self.epoch, self.read = position["epoch"], position["read"]
        self.pointers = np.array(position["pointers"], np.int64)
        self.shuffle = position.get("shuffle", False)
        self._arrange()


class SpanBatches:
    """Spans of the store, each read from a fresh state, in batches of similar length.

    Args:
        store: the tokens.
        spans: ``(starts, stops)``: inputs are ``tokens[start:stop]``, targets one position on.
        budget: tokens in a batch, padding included.
        seed: the order of each epoch follows from it and the epoch's number.
    """

    POOL = 32
    """Batches that are sorted by length together; more would pad less and shuffle less."""

    def __init__(self, store: TokenStore, spans: tuple[Ints, Ints], budget: int, seed: int = 0) -> None:
        self.store, self.budget, self.seed = store, budget, seed
        self.starts, self.stops = spans
        self.lengths = self._lengths()
        self.epoch = self.index = 0
        self.order = self._shuffled()
        self.steps_per_epoch = len(self.order)

    @property
    def tokens_per_epoch(self) -> int:
        """The inputs of a pass, padding included."""
        lengths = self.stops - self.starts
        return sum(len(rows) * self._width(lengths[rows]) for rows in self.order)

    def _lengths(self) -> Ints:
        return self.stops - self.starts

    def _width(self, lengths: Ints) -> int:
        """Return the T of a batch."""
        return int(lengths.max())

    def _shuffled(self) -> list[Ints]:
        """Return this epoch's batches, each an array of span numbers."""
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(len(self.starts))
        mean = int(self.lengths.sum()) // max(1, len(order))
        size = max(1, self.POOL * self.budget // max(1, mean))
        batches: list[Ints] = []
        for begin in range(0, len(order), size):
            pool = order[begin : begin + size]
            own = self.stops[pool] - self.starts[pool]
            pool[:] = pool[np.lexsort((own, self.lengths[pool]))]  # in place: batches are views of the order
            batches.extend(_packed(pool, self.lengths, self.budget))
        return [batches[i] for i in rng.permutation(len(batches))]

    def batch(self, rows: Ints) -> Batch:
        """Return the spans of some numbers side by side."""
        lengths = self.stops[rows] - self.starts[rows]
        inputs, targets = gather(self.store, self.starts[rows], lengths, self._width(lengths))
        return Batch(inputs, targets, np.ones(len(rows), bool))

    def __next__(self) -> Batch:
        """Return the next batch of this epoch's order."""
        if self.index == len(self.order):
            self.epoch, self.index = self.epoch + 1, 0
            self.order = self._shuffled()
        self.index += 1
        return self.batch(self.order[self.index - 1])

    def sweep(self) -> Iterator[Batch]:
        """Yield every span once."""
        return map(self.batch, self.order)

    def position(self) -> dict[str, Any]:
        """Return the epoch, and the number of its batches that have been read, as JSON."""
        return {"epoch": self.epoch, "index": self.index}

    def restore(self, position: dict[str, Any]) -> None:
        """Go to a saved position."""
        self.epoch, self.index = position["epoch"], position["index"]
        self.order = self._shuffled()


class SourceBatches(SpanBatches):
    """Examples with their sources, in batches in which both sides are of similar length.

    Both sides are padded to one of few lengths: the library of matrix products prepares its kernels anew for
    every shape that it has not met lately, which took half of a step where nearly every batch had its own.

    ``budget`` holds on either side. Examples with more than ``limit`` tokens on a side are left out;
    ``left_out`` counts them.
    """

    def __init__(self, store: TokenStore, budget: int, seed: int = 0, limit: int = 1 << 30) -> None:
        assert store.source is not None
        self.source = store.source
        longer = np.maximum(np.diff(store.starts), np.diff(self.source.starts)) - 1
        kept = np.flatnonzero(longer <= limit)
        self.left_out = len(longer) - len(kept)
        self.source_starts = self.source.starts[:-1][kept] + 1
        self.source_lengths = self.source.starts[1:][kept] - self.source_starts + 1  # the end token too
        super().__init__(store, (store.starts[:-1][kept], store.starts[1:][kept]), budget, seed)

    def _lengths(self) -> Ints:
        return _rounded(np.maximum(self.stops - self.starts, self.source_lengths))

    def _width(self, lengths: Ints) -> int:
        return int(_rounded(lengths).max())

    def batch(self, rows: Ints) -> Batch:
        """Return the examples of some numbers side by side, with their sources."""
        lengths = self.source_lengths[rows]
        columns = np.arange(self._width(lengths))
        places = np.minimum(self.source_starts[rows][:, None] + columns, len(self.source) - 1)
        tokens = self.source.tokens[places].astype(np.int64)
        source = np.where(columns < lengths[:, None], tokens, NO_TOKEN)
        return super().batch(rows)._replace(source=source)


Batches: TypeAlias = StreamBatches | SpanBatches
"""Training batches without end, epoch after epoch, whose position can be saved as JSON and restored."""


def segment_batches(store: TokenStore, size: int, *, has_eos: bool) -> Iterator[Batch]:
    """Yield a text in order, about ``size`` tokens at a time.

    Where examples end by themselves they are never cut: neighbours stand side by side, as many as are whole
    within ``size`` tokens, one at least.
    """
    if not has_eos:
        yield from StreamBatches(store, 1, size).sweep()
        return
    examples = (
        SpanBatches(store, example_spans(store, 1 << 30), size)
        if store.source is None
        else SourceBatches(store, size)
    )
    begin = 0
    while begin < len(examples.starts):
        end = max(begin + 1, int(examples.stops.searchsorted(examples.starts[begin] + size, "right")))
        yield examples.batch(np.arange(begin, end))
        begin = end


def gather(store: TokenStore, starts: Ints, lengths: Ints, width: int) -> tuple[Ints, Ints]:
    """Cut rows of up to ``width`` tokens → inputs and targets (B,width).

    Past a row's length the targets are ``IGNORE`` and the inputs arbitrary.
    """
    columns = np.arange(width + 1)
    places = np.minimum(starts[:, None] + columns, len(store) - 1)
    tokens = store.tokens[places].astype(np.int64)
    targets = np.where(columns[:-1] < lengths[:, None], tokens[:, 1:], IGNORE)
    return tokens[:, :-1], targets


def example_spans(store: TokenStore, limit: int) -> tuple[Ints, Ints]:
    """Return the examples, each from its first ``end`` to its last, cut where longer than ``limit``."""
    return _cut(store.starts[:-1], store.starts[1:], limit)


def window_spans(store: TokenStore, window: int) -> tuple[Ints, Ints]:
    """Return non-overlapping windows over each document's own tokens, the first of which nothing predicts."""
    return _cut(store.starts[:-1] + 1, store.starts[1:] - 1, window)


def _cut(starts: Ints, stops: Ints, limit: int) -> tuple[Ints, Ints]:
    """Cut spans into pieces of at most ``limit``; empty ones vanish."""
    lengths = np.maximum(stops - starts, 0)
    if lengths.max(initial=0) <= limit:  # what follows takes several times the memory
        whole = lengths > 0
        return (starts, stops) if whole.all() else (starts[whole], stops[whole])
    pieces = -(-lengths // limit)
    which = np.repeat(np.arange(len(starts)), pieces)
    nth = np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    first = np.asarray(starts)[which] + nth * limit
    return first, np.minimum(first + limit, np.asarray(stops)[which])


def _rounded(lengths: Ints) -> Ints:
    """Round lengths up to a multiple of 4 or, from 64 on, to one of an eighth of a power of two."""
    grid: Ints = 2 ** np.maximum(2, np.log2(np.maximum(lengths, 1)).astype(np.int64) - 3)
    rounded: Ints = -(-lengths // grid) * grid
    return rounded


def _packed(rows: Ints, lengths: Ints, budget: int) -> Iterator[Ints]:
    """Cut rows, sorted by length, into batches whose longest row times their number is within the budget.

    A batch that a longer row ends has as many rows as fit of those, if that leaves few of its own to the
    next one: equal numbers make equal shapes.
    """
    begin = 0
    while begin < len(rows):
        end = begin + 1
        while end < len(rows) and int(lengths[rows[end]]) * (end - begin + 1) <= budget:
            end += 1
        usual = budget // int(lengths[rows[end]]) if end < len(rows) else 0
        if NEARLY * (end - begin) <= usual < end - begin:
            end = begin + usual
        yield rows[begin:end]
        begin = end

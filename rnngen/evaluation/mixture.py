"""The loss of a network together with its n-gram, and the weights of both that make it least.

The n-gram reads what the network reads: contexts begin anew wherever the network's state does.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import IGNORE, Floats, TokenIds
from rnngen.data.batches import Batch, segment_batches
from rnngen.data.token_store import TokenStore
from rnngen.evaluation.perplexity import Loss, LossEvaluator, evaluating
from rnngen.inference.ngram.counts import NGram, Nodes, Prediction
from rnngen.inference.ngram.mixture import (
    ADAPTIVE_PRIOR,
    PRIOR,
    Mixture,
    features,
    fitted,
    surprisals,
)
from rnngen.inference.ngram.recent import Recent
from rnngen.nn.loss import batch_logits
from rnngen.numerics import Doubles, log_softmax32

MOST = 1 << 22
"""Most logits that are computed at once."""
SEGMENT = 256
"""Tokens that are read at once in order; a matter of speed alone."""
STREAMS = 32
"""Stretches from all over a text that are read side by side where order does not matter."""
SAMPLED = 1 << 25
"""Most logits that are computed for a sample of tokens, unless so many are kept."""


class Compared(NamedTuple):
    """The predictions of every expert for N tokens that came."""

    experts: tuple[Floats, ...]
    """(N,V) log-probabilities of the network, of the n-gram and, if there is one, of the adaptive n-gram."""
    features: Doubles
    """(N,F) of their contexts."""
    targets: TokenIds
    """(N,) the tokens."""

    def surprisals(self, weights: Doubles) -> Doubles:
        """Return the surprisals (N,), in nats, of the mixture."""
        return surprisals(self.experts, self.features, self.targets, weights)

    def alone(self, expert: int) -> Doubles:
        """Return the surprisals (N,) of one expert."""
        found: Doubles = -self.experts[expert][np.arange(len(self.targets)), self.targets].astype(np.float64)
        return found


@dataclass(frozen=True)
class MixtureEvaluator(LossEvaluator):
    """Measures the loss of a network and its n-gram, as ``LossEvaluator`` does that of the network alone."""

    mixture: Mixture | None = None
    """None for the network alone."""

    def total(self, batches: Iterable[Batch]) -> tuple[float, int]:
        """Return the summed nats of all targets, and their number."""
        if self.mixture is None:
            return super().total(batches)
        with evaluating(self.network):
            return self.summed(batches)

    def summed(self, batches: Iterable[Batch], *, adaptive: bool = False) -> tuple[float, int]:
        """Return the nats of all targets, with an adaptive n-gram or without, and their number.

        The network's mode stays.
        """
        assert self.mixture is not None
        weights = self.mixture.adaptive_weights if adaptive else self.mixture.weights
        nats, tokens = 0.0, 0
        for part in self.compared(batches, adaptive=adaptive):
            nats, tokens = nats + float(part.surprisals(weights).sum()), tokens + len(part.targets)
        return nats, tokens

    def parts(self, store: TokenStore, *, has_eos: bool) -> dict[str, Loss]:
        """Return the losses, as ``stream``, of the mixture and of its parts, ``network`` and ``ngram``."""
        assert self.mixture is not None
        sums, tokens = np.zeros(3), 0
        with evaluating(self.network):
            for part in self.compared(self.batches(store, has_eos=has_eos)):
                whole = part.surprisals(self.mixture.weights)
                sums += [whole.sum(), part.alone(0).sum(), part.alone(1).sum()]
                tokens += len(whole)
        names = ("stream", "network", "ngram")
        found = zip(names, sums.tolist(), strict=True)
        return {name: Loss.of(store, nats, tokens, has_eos=has_eos) for name, nats in found}

    def adaptive(self, store: TokenStore, *, has_eos: bool) -> Loss:
        """Return the loss with an n-gram that goes on counting; the text is read in order, state carried."""
        with evaluating(self.network):
            sums = self.summed(segment_batches(store, SEGMENT, has_eos=has_eos), adaptive=True)
        return Loss.of(store, *sums, has_eos=has_eos)

    def fitted_to(self, found: Compared) -> Mixture:
        """Return the mixture with the weights that suit some tokens best."""
        assert self.mixture is not None
        if len(found.experts) == 2:
            return replace(self.mixture, weights=fitted(*found, PRIOR))
        return replace(self.mixture, adaptive_weights=fitted(*found, ADAPTIVE_PRIOR))

    def sample(self, store: TokenStore, *, has_eos: bool, positions: int, adaptive: bool = False) -> Compared:
        """Compare the experts on about so many tokens from all over a text, or ``adaptive`` on its first.

        Where examples end by themselves, some are read from beginning to end; of free text, stretches that
        are long enough that the fresh state at their beginning does not matter. Of more tokens than are
        wanted, some count.
        """
        assert self.mixture is not None
        most = max(positions, min(STREAMS * SEGMENT, SAMPLED // self.mixture.ngram.vocabulary))
        batches = _thinned(self._few(store, most, has_eos=has_eos), most // positions)
        if adaptive:
            batches = segment_batches(store, SEGMENT, has_eos=has_eos)
        parts, count = list[Compared](), 0
        with evaluating(self.network):
            for part in self.compared(batches, adaptive=adaptive):
                parts.append(part)
                if (count := count + len(part.targets)) >= positions and (adaptive or not has_eos):
                    break
        experts = zip(*(part.experts for part in parts), strict=True)
        return Compared(
            tuple(np.concatenate(arrays) for arrays in experts),
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.targets for part in parts]),
        )

    def _few(self, store: TokenStore, tokens: int, *, has_eos: bool) -> Iterator[Batch]:
        """Read about so many tokens from all over a text: examples, or the beginnings of stretches."""
        if not has_eos:
            streams = max(1, min(STREAMS, tokens // SEGMENT))
            yield from self.batches(store, has_eos=False, streams=streams, seq=SEGMENT)
            return
        every, read = max(1, len(store) // tokens), 0
        for batch in self.batches(store, has_eos=has_eos):
            first, read = -read % every, read + len(batch.inputs)
            if first < len(batch.inputs):
                yield batch.rows(slice(first, None, every))

    def compared(self, batches: Iterable[Batch], *, adaptive: bool = False) -> Iterator[Compared]:
        """Read batches one after another, each going on where the one before ended; the network's mode stays.

        An ``adaptive`` n-gram reads their rows one after another, as one text.
        """
        assert self.mixture is not None
        recent = Recent.start(1)
        for read in self._stretches(batches, by_row=adaptive):
            below = self.mixture.ngram.predict(read.contexts)
            experts, latest = [read.network, below.log_probs], None
            if adaptive:
                latest, recent = _read_on(recent, read.inputs, read.counts, below)
                experts.append(latest.log_probs)
            yield Compared(tuple(experts), features(below, latest), read.targets)

    def _stretches(self, batches: Iterable[Batch], *, by_row: bool) -> Iterator["_Read"]:
        """Read batches a stretch of columns at a time or, ``by_row``, each whole if it has several rows."""
        assert self.mixture is not None
        ngram, state = self.mixture.ngram, None
        nodes = ngram.start(0)
        for batch in batches:
            fresh, parts = ngram.start(len(batch.inputs)), list[_Read]()
            nodes = np.where(batch.reset_state[:, None], fresh, nodes if len(nodes) == len(fresh) else fresh)
            for columns, logits, after in batch_logits(self.network, batch, state, self.precision, MOST):
                inputs, targets = batch.inputs[:, columns], batch.targets[:, columns]
                contexts, nodes = _contexts(ngram, nodes, inputs)
                counts, state = targets != IGNORE, after
                network = log_softmax32(logits.cpu().numpy()[counts])
                parts.append(_Read(inputs, counts, targets[counts], network, contexts[counts]))
                if not by_row or len(inputs) == 1:
                    yield parts.pop()
            if parts:
                yield _Read.joined(parts)
            state = None if batch.source is not None else state


def _thinned(batches: Iterable[Batch], every: int) -> Iterator[Batch]:
    """Yield batches in which one of ``every`` so many targets counts."""
    read = 0
    for batch in batches:
        places = np.flatnonzero(batch.targets != IGNORE)
        kept, read = places[-read % every :: every], read + len(places)
        targets = np.full(batch.targets.size, IGNORE)
        targets[kept] = batch.targets.ravel()[kept]
        yield batch._replace(targets=targets.reshape(batch.targets.shape))


class _Read(NamedTuple):
    """Rows (B) that were read: T columns, of whose targets N count, those of a row side by side."""

    inputs: TokenIds
    """(B,T)"""
    counts: NDArray[np.bool_]
    """(B,T) true where the target counts."""
    targets: TokenIds
    """(N,)"""
    network: Floats
    """(N,V) the network's log-probabilities."""
    contexts: Nodes
    """(N,n) the n-gram's contexts."""

    @classmethod
    def joined(cls, parts: "Sequence[_Read]") -> "_Read":
        """Join stretches of columns."""
        rows = np.concatenate([part.counts.nonzero()[0] for part in parts]).argsort(kind="stable")
        inputs, counts, *found = zip(*parts, strict=True)
        by_row = (np.concatenate(arrays)[rows] for arrays in found)
        return cls(np.concatenate(inputs, axis=1), np.concatenate(counts, axis=1), *by_row)


def _contexts(ngram: NGram, nodes: Nodes, inputs: TokenIds) -> tuple[Nodes, Nodes]:
    """Contexts (B,n) and the tokens (B,T) after them → the contexts after each (B,T,n), and the last ones."""
    found = np.empty((*inputs.shape, nodes.shape[1]), np.int64)
    for place, tokens in enumerate(inputs.T):
        nodes = found[:, place] = ngram.advance(nodes, tokens)
    return found, nodes


def _read_on(
    recent: Recent, inputs: TokenIds, counts: NDArray[np.bool_], below: Prediction
) -> tuple[Prediction, Recent]:
    """Let the adaptive n-gram read rows (B,T), one after another → its predictions where targets count."""
    found, number = list[Prediction](), 0
    for row, counted in zip(inputs, counts, strict=True):
        for token, wanted in zip(row[: counted.nonzero()[0].max(initial=-1) + 1], counted, strict=False):
            recent = recent.after(np.array([token]))
            if wanted:
                here = slice(number, number + 1)
                found.append(recent.predict(below.rows(here)))
                number += 1
    if not found:
        return below, recent
    return Prediction.joined(found), recent

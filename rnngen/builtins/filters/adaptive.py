"""Adaptive filters, which keep a state: XTC tosses coins, and Mirostat follows the surprisal."""

from collections.abc import Sequence

import numpy as np

from rnngen.builtins.filters.options import MirostatOptions, XTCOptions
from rnngen.builtins.filters.truncation import keep_where
from rnngen.contracts import Floats, State, StatefulFilter, TokenIds
from rnngen.numerics import FORBIDDEN, Doubles, log_softmax, softmax


class _XTC:
    """Its state: a seed for each stream (B,), and the number of coins tossed (B,)."""

    lookback = 0

    def __init__(self, options: XTCOptions) -> None:
        self.options = options

    def initial(self, seeds: TokenIds) -> State:
        return seeds.copy(), np.zeros(len(seeds), np.int64)

    def __call__(self, logits: Floats, history: Sequence[Sequence[int]], state: State) -> Floats:  # noqa: ARG002
        heads = [
            np.random.default_rng(pair).random() < self.options.probability
            for pair in zip(*state, strict=True)
        ]
        p = softmax(logits)
        top = p >= self.options.threshold
        last = logits.shape[-1] - 1 - np.where(top, logits, np.inf)[:, ::-1].argmin(axis=-1)
        dropped = top & np.array(heads, bool)[:, None] & (top.sum(axis=-1, keepdims=True) > 1)
        dropped[np.arange(len(logits)), last] = False
        return np.where(dropped, FORBIDDEN, logits)

    def observe(self, tokens: TokenIds, surprisal: Doubles, state: State) -> State:  # noqa: ARG002
        return state[0], state[1] + 1


def xtc(options: XTCOptions) -> StatefulFilter:
    """With some probability, exclude the top choices: all tokens with p ≥ threshold but the least probable.

    Of equally improbable ones that of the highest id stays (p-e-w 2024,
    github.com/oobabooga/text-generation-webui/pull/6335).
    """
    return _XTC(options)


class _Mirostat:
    """Its state: the bound μ (B,), in bits."""

    CONSIDERED = 100
    """The number of most probable tokens from which version 1 estimates Zipf's exponent."""

    lookback = 0

    def __init__(self, options: MirostatOptions) -> None:
        self.options = options

    def initial(self, seeds: TokenIds) -> State:
        return (np.full(len(seeds), 2 * self.options.tau),)

    def __call__(self, logits: Floats, history: Sequence[Sequence[int]], state: State) -> Floats:  # noqa: ARG002
        log_p = log_softmax(logits)
        if self.options.version == 2:
            return keep_where(-log_p / np.log(2) <= state[0][:, None], logits)
        kept = np.zeros(logits.shape, bool)
        for row, log_probs, bound in zip(kept, log_p, state[0], strict=True):
            order = np.argsort(-log_probs, kind="stable")
            row[order[: self._size(log_probs[order], bound)]] = True
        return np.where(kept, logits, FORBIDDEN)

    def _size(self, log_p: Doubles, bound: float) -> int:
        """K from falling ln p (V,): ((ε·2^μ)/(1 − V^−ε))^(1/s), with ε = s − 1."""
        best = log_p[: self.CONSIDERED]
        best = best[np.isfinite(best)]
        if len(best) < 2:
            return 1
        t = np.log1p(1 / np.arange(1, len(best)))
        s = max(float((t * -np.diff(best)).sum() / (t * t).sum()), 1e-9)
        rest, size = s - 1, np.log(len(log_p))
        # (1 − V^−ε)/ε tends to ln V as ε vanishes
        spread = -np.expm1(-rest * size) / rest if abs(rest) > 1e-9 else size
        log_k = (bound * np.log(2) - np.log(spread)) / s
        return len(log_p) if log_k >= size else max(int(np.exp(log_k)), 1)

    def observe(self, tokens: TokenIds, surprisal: Doubles, state: State) -> State:  # noqa: ARG002
        return (state[0] - self.options.eta * (surprisal / np.log(2) - self.options.tau),)


def mirostat(options: MirostatOptions) -> StatefulFilter:
    """Hold the surprisal of the text near τ bits a token (Basu et al. 2021, arXiv 2007.14966).

    Version 2 drops tokens of more than μ bits, version 1 keeps the k best, where by Zipf's law the k-th
    has μ bits; the best token always stays. μ starts at 2τ, and after each token of s
    bits, under the distribution that it was drawn from, μ ← μ − η(s − τ), as in llama.cpp.
    """
    return _Mirostat(options)

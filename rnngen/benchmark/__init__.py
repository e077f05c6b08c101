"""The speed of generation and training, as ratios to plain PyTorch and to what the hardware can do.

This module is light: the results, and rates measured by turns. ``generation`` and ``training`` measure.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rnngen.errors import UsageError
from rnngen.requests.bench import BenchNetwork, TrainBench

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
"""The cells that torch has a module of, and how many rows of H each gives its weight matrices."""


@dataclass(frozen=True)
class Compared:
    """Tokens a second of rnngen and of a plain PyTorch program with a network of the same sizes."""

    network: BenchNetwork
    rnngen: float
    plain: float

    @property
    def ratio(self) -> float:
        """The speed as a multiple of plain PyTorch's."""
        return self.rnngen / self.plain

    def as_json(self) -> dict[str, Any]:
        """The sizes, the two rates and their ratio."""
        return {
            **asdict(self.network),
            "embed": self.network.embedding,
            **({} if self.network.cell in GATES else {"plain_cell": plain_sizes(self.network).cell}),
            "rnngen_tokens_per_second": self.rnngen,
            "plain_tokens_per_second": self.plain,
            "ratio": self.ratio,
        }


@dataclass(frozen=True)
class Generation(Compared):
    """The measured speed of generation, one stream; on the CPU on one thread."""

    device: str
    weight_bytes: int
    """Bytes of weights that are read for a token."""
    products: float | None = None
    """Matrix-vector products a second, of one fp32 matrix of that size; None elsewhere than on the CPU."""
    count: int | None = None
    """Texts side by side."""
    batched: float | None = None
    """Tokens a second of all these together."""
    quantize: str | None = None
    """A format of weights."""
    quantized: float | None = None
    """Tokens a second of one stream with the weights in that format."""
    both: float | None = None
    """Tokens a second of the texts side by side with the weights in that format."""

    @property
    def bandwidth_fraction(self) -> float | None:
        """Bytes of weights read a second, over what the matrix-vector product reads."""
        return None if self.products is None else self.rnngen / self.products

    def as_json(self) -> dict[str, Any]:
        """The record for JSON; what was not measured is left out."""
        record = {**super().as_json(), "device": self.device, "weight_bytes": self.weight_bytes}
        if self.products is not None:
            record |= {"products_per_second": self.products, "bandwidth_fraction": self.bandwidth_fraction}
        if self.batched is not None:
            record |= {"count": self.count, **self._beside("batched", self.batched)}
        if self.quantized is not None:
            record |= {"quantize": self.quantize, **self._beside("quantized", self.quantized)}
        if self.both is not None:
            record |= self._beside("quantized_batched", self.both)
        return record

    def _beside(self, name: str, rate: float) -> dict[str, float]:
        """A rate, and its ratios to that of one stream in fp32 and to plain PyTorch's."""
        return {
            f"{name}_tokens_per_second": rate,
            f"{name}_ratio": rate / self.rnngen,
            f"{name}_plain_ratio": rate / self.plain,
        }


@dataclass(frozen=True)
class Learning(Compared):
    """The measured speed of training."""

    training: TrainBench
    device: str
    precision: str
    """Number format of rnngen's matrix products, and of the large one."""
    parameters: int
    gemm: float
    """Floating-point operations a second of a large matrix product."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """The options of the cell, as they were given; plain PyTorch's has none."""

    @property
    def gemm_fraction(self) -> float:
        """6·parameters·tokens/s, which is what the products of a training step take, over ``gemm``."""
        return 6 * self.parameters * self.rnngen / self.gemm

    def as_json(self) -> dict[str, Any]:
        """The record for JSON."""
        return {
            **super().as_json(),
            "batch": self.training.batch,
            "seq": self.training.seq,
            "device": self.device,
            "precision": self.precision,
            "parameters": self.parameters,
            "gemm_flops_per_second": self.gemm,
            "gemm_fraction": self.gemm_fraction,
            "options": dict(self.settings),
        }


def plain_sizes(sizes: BenchNetwork) -> BenchNetwork:
    """Return the sizes of the plain network: of a cell that torch has no module of, those of an LSTM."""
    return sizes if sizes.cell in GATES else replace(sizes, cell="lstm")


def require_layer(cell: str, *, whole: bool) -> None:
    """Refuse a whole network, by a UsageError: what is measured are stacked layers."""
    if whole:
        raise UsageError(
            f"cell {cell!r} is a whole network; bench takes a recurrent layer, as lstm or a plugin's"
        )


Work = Callable[[int], int]
"""Does N units of work, or a few more, and returns their number."""

ROUNDS = 11
"""Number of turns of each program."""
PROBE = 0.2
"""Share of a turn that a probe must take, to estimate how many units make a turn."""


def rates(works: Mapping[str, Work], seconds: float) -> dict[str, float]:
    """Return the units a second of each, medians of ``ROUNDS`` turns that take ``seconds`` together, about.

    They are measured by turns, so that what else the machine does meanwhile falls on all alike::

        find counts │ a a b b b c │ a a b b b c │ …     each turn takes as long, and has one unit at least
    """
    turn = seconds / ROUNDS / len(works)
    counts = {name: _count(work, turn) for name, work in works.items()}
    measured = [{name: _rate(work, counts[name]) for name, work in works.items()} for _ in range(ROUNDS)]
    return {name: statistics.median(one[name] for one in measured) for name in works}


def _count(work: Work, turn: float) -> int:
    work(1)  # the first is slower than those to come
    count = 1
    while count < (enough := _rate(work, count) * turn) * PROBE:
        count *= 2
    return max(1, round(enough))


def _rate(work: Work, count: int) -> float:
    began = time.perf_counter()
    done = work(count)
    return done / max(1e-9, time.perf_counter() - began)

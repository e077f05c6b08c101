"""Requests to measure how fast generation and training are."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from rnngen.options import require_range
from rnngen.options.given import Given
from rnngen.options.model import NetworkOptions, PrecisionName
from rnngen.requests.conflicts import Conflict, check


@dataclass(frozen=True)
class BenchNetwork:
    """The network that is measured, where no model is given; its weights are random."""

    cell: str = "lstm"
    """The recurrent layer; of a plugin's the plain network beside it is an LSTM."""
    layers: int = 2
    """Number of stacked recurrent layers (L)."""
    hidden: int = 256
    """Size of each recurrent layer (H)."""
    embed: int | None = None
    """Size of a token's embedding (E); as in training if not given."""
    vocab: int = 65
    """Number of tokens in the vocabulary (V)."""

    def __post_init__(self) -> None:
        require_range("vocab", self.vocab, 2)
        self.sizes()

    def sizes(self) -> NetworkOptions:
        """Return the same as options of a network."""
        return NetworkOptions(hidden=self.hidden, layers=self.layers, embed=self.embed, dropout=0.0)

    @property
    def embedding(self) -> int:
        """The embedding size in force."""
        return self.sizes().embedding(self.vocab)


@dataclass(frozen=True)
class SampleBench:
    """Options of measuring generation."""

    count: int | None = None
    """Measure N texts side by side as well, and report their rate as a ratio to one text alone."""
    quantize: Literal["int8", "bf16"] | None = None
    """Measure one text with the weights in this format as well, and report its rate as a ratio to fp32."""
    device: str = "cpu"
    """Device: cpu, cuda, cuda:N, mps or auto; on other devices than the CPU through torch."""
    seconds: float = 10.0
    """Time of the measurement, about."""

    def __post_init__(self) -> None:
        require_range("count", self.count, 1)
        require_range("seconds", self.seconds, 0, above=True)


@dataclass(frozen=True)
class TrainBench:
    """Options of measuring training."""

    batch: int = 64
    """Streams that are trained side by side (B)."""
    seq: int = 128
    """Tokens that a gradient flows back through (T)."""
    precision: PrecisionName = "auto"
    """Number format of rnngen's matrix products; plain PyTorch always has fp32."""
    device: str = "auto"
    """Device: auto, cpu, cuda, cuda:N or mps."""
    seconds: float = 20.0
    """Time of the measurement, about."""

    def __post_init__(self) -> None:
        require_range("batch", self.batch, 1)
        require_range("seq", self.seq, 1)
        require_range("seconds", self.seconds, 0, above=True)


SAMPLE_CONFLICTS = tuple(
    Conflict("model", size.name, "a model has its own sizes") for size in fields(BenchNetwork)
)
"""Options that cannot stand together, by name."""


@dataclass(frozen=True)
class SampleBenchRequest:
    """A measurement of generation.

    Raises:
        ConflictError: for options that cannot stand together.
    """

    network: Given[BenchNetwork] = field(default_factory=lambda: Given(BenchNetwork()))
    bench: SampleBench = SampleBench()
    model: str | None = None
    """The model whose network is measured; one of the sizes of ``network`` if not given."""

    def __post_init__(self) -> None:
        check(self, SAMPLE_CONFLICTS)


@dataclass(frozen=True)
class TrainBenchRequest:
    """A measurement of training."""

    network: BenchNetwork = BenchNetwork()
    bench: TrainBench = TrainBench()
    settings: Mapping[str, str] = field(default_factory=dict)
    """Options of the cell, as texts."""

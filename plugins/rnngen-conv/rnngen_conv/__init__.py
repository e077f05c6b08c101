"""Gated convolutions for rnngen: a cell, and a network for pairs.

The one is of Dauphin et al. 2017 (arXiv:1612.08083), the other of Gehring et al. 2017 (arXiv:1705.03122).
Listings import this module: it names both and imports neither torch nor NumPy.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rnngen import hookimpl
from rnngen.contracts import CellSpec, NetworkSpec
from rnngen.options import require_range

BASE = 10_000.0
"""Of the wavelengths of places (Vaswani et al. 2017)."""


@dataclass(frozen=True)
class ConvOptions:
    """The options of the cell ``conv``."""

    width: int = 4
    """Inputs that a layer sees at once, the newest included; L layers see ``L · (width − 1) + 1`` tokens."""

    def __post_init__(self) -> None:
        require_range("width", self.width, 1)


@dataclass(frozen=True)
class ConvSeq2SeqOptions:
    """The options of the network ``conv-seq2seq``."""

    width: int = 3
    """Tokens that a layer sees at once: of the source on both sides, of the target those before."""
    encoder_layers: int | None = None
    """Layers of the encoder; as many as the decoder if not given."""

    def __post_init__(self) -> None:
        require_range("width", self.width, 1)
        require_range("encoder_layers", self.encoder_layers, 1)


@hookimpl
def rnngen_cells() -> Iterable[CellSpec]:
    """Return the cell ``conv`` and the network ``conv-seq2seq``."""
    return [
        CellSpec(
            name="conv",
            summary="gated convolution over the last inputs (Dauphin et al. 2017), parallel over time",
            load="rnngen_conv.torch:Conv",
            numpy="rnngen_conv.numpy:ConvStep",
            options=ConvOptions,
        ),
        NetworkSpec(
            name="conv-seq2seq",
            summary="convolutions on both sides of pairs, attention in every layer (Gehring et al. 2017)",
            load="rnngen_conv.seq2seq:ConvSeq2Seq",
            numpy="rnngen_conv.seq2seq_numpy:ConvSeq2SeqStep",
            options=ConvSeq2SeqOptions,
        ),
    ]

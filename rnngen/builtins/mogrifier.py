"""The Mogrifier: what a cell is about to read, and what it remembers, gate one another first."""

from itertools import pairwise

from torch import Tensor, nn


class Mogrifier(nn.Module):
    r"""Input and last output scale one another in turn (Melis et al. 2020, arXiv 1909.01792).

    ::

        x ← 2σ(Q₁ h) ∘ x,   h ← 2σ(R₂ x) ∘ h,   x ← 2σ(Q₃ h) ∘ x,   …        Q (I,H), R (H,I)

    With matrices of zeros every factor is 1 and nothing changes.

    Args:
        input_size: I.
        hidden_size: H.
        rounds: how many such lines there are.
        rank: of Q and R, each then a product of two thin matrices; 0 for full rank.
    """

    def __init__(self, input_size: int, hidden_size: int, rounds: int, rank: int) -> None:
        super().__init__()
        sizes = [(hidden_size, input_size), (input_size, hidden_size)]
        self.rounds = nn.ModuleList(_matrix(*sizes[turn % 2], rank) for turn in range(rounds))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """``x`` (B,I), ``h`` (B,H) → both, as the cell is to see them."""
        for turn, matrix in enumerate(self.rounds):
            if turn % 2:
                h = 2 * matrix(x).sigmoid() * h
            else:
                x = 2 * matrix(h).sigmoid() * x
        return x, h


def _matrix(source: int, target: int, rank: int) -> nn.Sequential:
    """From ``source`` to ``target`` features, by way of ``rank`` where that is not 0; Glorot matrices."""
    sizes = [source, rank, target] if rank else [source, target]
    factors = [nn.Linear(a, b, bias=False) for a, b in pairwise(sizes)]
    for factor in factors:
        nn.init.xavier_uniform_(factor.weight)
    return nn.Sequential(*factors)

"""What can be chosen about generation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DecodingOptions:
    """How text is generated.

    ``filters`` are chosen apart, since plugins bring them.
    """

    length: int | None = None
    """Tokens to generate at most. -1: for ever. By default 500, or until an example ends by itself."""
    seed: int | None = None
    """Seed of the draws; chosen and told if not given. The same seed gives the same bytes."""
    beam: int = 0
    """Search for the most probable text with this many hypotheses instead of drawing. 0: draw."""
    length_penalty: float = 0.6
    """How much longer hypotheses are favoured under beam search (alpha of Wu et al. 2016)."""

    def __post_init__(self) -> None:
        if self.length is not None and self.length < -1:
            raise ValueError(f"length={self.length}: 0 or more, or -1 for ever, expected")
        if self.beam < 0:
            raise ValueError(f"beam={self.beam}: 0 or more expected")
        if self.beam and self.length == -1:
            raise ValueError("beam search has to come to an end; give a length of 0 or more")
        if self.seed is not None and not 0 <= self.seed < 2**63:
            raise ValueError(f"seed={self.seed}: from 0 to 2^63-1 expected")
        if not 0 <= self.length_penalty < float("inf"):
            raise ValueError(f"length_penalty={self.length_penalty}: 0 or more expected")

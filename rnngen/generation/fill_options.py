"""Options of filling a gap; apart, so that the help imports nothing heavy."""

from dataclasses import dataclass

from rnngen.options import require, require_range


@dataclass(frozen=True)
class FillOptions:
    """Options of filling a gap."""

    beam: int = 16
    """Fillings of each length that are gone on with (K)."""
    length: int = 40
    """Tokens of a filling at most."""
    length_penalty: float = 0.0
    """Length penalty, for longer fillings: the log-probability is divided by ((5 + tokens) / 6)^this. At
    0 it is not divided: a filling pays for each of its tokens, and is paid by what it makes of the text to
    the right."""

    def __post_init__(self) -> None:
        require(self.beam >= 1, f"beam={self.beam}: 1 or more expected")
        require(self.length >= 1, f"length={self.length}: 1 or more expected")
        require_range("length_penalty", self.length_penalty, 0)

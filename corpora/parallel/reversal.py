"""Strings of digits → the same digits from the last to the first."""

from .draw import Draw

LONGEST = 25


def pair(draw: Draw) -> tuple[str, str]:
    """A string of 1 to 25 digits and its reversal; every length is as likely as the others."""
    source = "".join(str(draw.below(10)) for _ in range(draw.between(1, LONGEST)))
    return source, source[::-1]

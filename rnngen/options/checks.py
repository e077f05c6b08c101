"""Checks of option values, for ``__post_init__`` of an options dataclass.

They raise ``ValueError``; ``rnngen.options.build`` turns that into a message that names the owner, and the
command line writes the flag for the field's name.
"""

from math import inf


def require(condition: bool, message: str) -> None:
    """Raise ``ValueError`` with a message unless a condition holds."""
    if not condition:
        raise ValueError(message)


def require_range(
    name: str,
    value: float | None,
    low: float = -inf,
    high: float = inf,
    *,
    above: bool = False,
    below: bool = False,
) -> None:
    """Raise ``ValueError`` unless a number is finite and lies in a range; None, an option not given, passes.

    Args:
        name: the field's name.
        value: the field's value.
        low: the least number allowed.
        high: the largest number allowed.
        above: exclude ``low`` itself.
        below: exclude ``high`` itself.

    Example:
        ``require_range("p", 2.0, 0, 1, above=True)`` raises "p=2.0: a number above 0 and up to 1 expected".
    """
    if value is None:
        return
    enough = low < value if above else low <= value
    if not (enough and (value < high if below else value <= high) and abs(value) < inf):
        raise ValueError(f"{name}={value}: {_range(low, high, above, below)} expected")


def _range(low: float, high: float, above: bool, below: bool) -> str:
    if low == -inf and high == inf:
        return "a finite number"
    if high == inf:
        return f"a number above {low:g}" if above else "0 or more" if low == 0 else f"at least {low:g}"
    if above and below:
        return f"a number between {low:g} and {high:g}"
    if above:
        return f"a number above {low:g} and up to {high:g}"
    return f"a number from {low:g} to {'below ' * below}{high:g}"

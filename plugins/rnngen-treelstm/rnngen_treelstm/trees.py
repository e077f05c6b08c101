"""Trees in brackets: which of them are none, and what the nodes are.

::

    tokens    (  S  (  NP  the  dog  )  (  VP  barks  )  )  ∎
    nodes        S     NP  the  dog        VP  barks        ∎        the end is the root of all
    parents      ∎     S   NP   NP         S   VP

A bracket's node is the token behind it, its label, or the bracket itself where another follows at once. Other
tokens are leaves. A closing bracket and white space are no nodes.
"""

from collections.abc import Sequence

from rnngen.errors import OptionError

PAIRS = {"(": ")", "[": "]", "{": "}"}
OPENING, CLOSING = frozenset(PAIRS), frozenset(PAIRS.values())
NODE, OPEN, CLOSE, BLANK = range(4)
"""What a token is to a tree."""
NO_NODE = -1


def check(source: str) -> None:
    """Check that every bracket has its other.

    Raises:
        ValueError: at the first that has not, with its place and the mend.
    """
    opened: list[tuple[str, int]] = []
    for place, sign in enumerate(source, start=1):
        if sign in OPENING:
            opened.append((sign, place))
        elif sign in CLOSING:
            if not opened:
                raise ValueError(
                    f"the {sign!r} at character {place} closes no bracket; remove it, or open one"
                )
            other, before = opened.pop()
            if PAIRS[other] != sign:
                raise ValueError(
                    f"the {sign!r} at character {place} does not close the {other!r} at character {before}; "
                    f"write {PAIRS[other]!r}"
                )
    if opened:
        other, before = opened[-1]
        raise ValueError(f"the {other!r} at character {before} is never closed; add {PAIRS[other]!r}")


def kinds(pieces: Sequence[bytes]) -> list[int]:
    """Return what each token of a vocabulary is to a tree.

    Raises:
        ValueError: if a token has a bracket and something else in it.
    """
    return [_kind(piece) for piece in pieces]


def _kind(piece: bytes) -> int:
    text = piece.strip()
    found = [sign for sign in OPENING | CLOSING if sign.encode() in text]
    if not found:
        return BLANK if piece and not text else NODE
    if text != found[0].encode():
        raise ValueError(
            f"the token {piece.decode(errors='replace')!r} is more than a bracket; "
            "use `source_tokenizer=brackets`"
        )
    return OPEN if found[0] in OPENING else CLOSE


def parents_of(tokens: Sequence[int]) -> list[int]:
    """Kinds of a source's tokens, the end last → the place of each one's parent, ``NO_NODE`` without one.

    Raises:
        ValueError: if brackets are not balanced.
    """
    root = len(tokens) - 1
    parents, path, waiting = [NO_NODE] * len(tokens), [root], NO_NODE
    for place, kind in enumerate(tokens[:-1]):
        if kind == BLANK:
            continue
        if waiting != NO_NODE:
            node = place if kind == NODE else waiting
            parents[node] = path[-1]
            path.append(node)
            waiting = NO_NODE
        elif kind == NODE:
            parents[place] = path[-1]
        if kind == OPEN:
            waiting = place
        elif kind == CLOSE and path.pop() == root:
            raise ValueError("a bracket is closed that was not opened")
    if waiting != NO_NODE or path != [root]:
        raise ValueError("a bracket is not closed")
    return parents


def heights_of(parents: Sequence[int]) -> list[int]:
    """Parents of a source's tokens → the longest way down from each node, ``NO_NODE`` for what is none."""
    heights = [NO_NODE if parent == NO_NODE else 0 for parent in parents]
    heights[-1] = 0
    for place in range(len(parents) - 2, -1, -1):  # children stand behind their parents, all but the root's
        if (parent := parents[place]) != NO_NODE:
            heights[parent] = max(heights[parent], heights[place] + 1)
    return heights


def ranks_of(parents: Sequence[int]) -> list[int]:
    """Parents of a source's tokens → the place of each node among its siblings, from 0."""
    seen: dict[int, int] = {}
    ranks = [0] * len(parents)
    for place, parent in enumerate(parents):
        if parent != NO_NODE:
            ranks[place] = seen[parent] = seen.get(parent, -1) + 1
    return ranks


def forest(rows: Sequence[Sequence[int]], lengths: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Kinds of B sources' tokens (B,S) and how many count → parents, heights and ranks of all in a row (B·S).

    Raises:
        OptionError: if brackets of a source are not balanced.
    """
    parents, heights, ranks = list[int](), list[int](), list[int]()
    for number, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        padding = [NO_NODE] * (len(row) - length)
        try:
            own = parents_of(row[:length])
        except ValueError as error:
            raise OptionError(
                f"a source is no tree: {error}; mend it, and train with `task=trees`, which names its line"
            ) from error
        behind = number * len(row)
        parents += [one if one == NO_NODE else behind + one for one in own] + padding
        heights += heights_of(own) + padding
        ranks += ranks_of(own) + [0] * len(padding)
    return parents, heights, ranks

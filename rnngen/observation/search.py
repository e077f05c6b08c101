"""The tree of a search: what it kept, what it pruned, and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from rnngen.contracts import Generated, SearchNode
from rnngen.errors import UsageError


@dataclass(frozen=True)
class Branch:
    """One line of a tree."""

    depth: int
    """Branches that it stands behind."""
    begins: bool
    """True if it is the first of its branch."""
    node: SearchNode
    best: bool
    """True if it is a part of the best text."""


@dataclass
class Tree:
    """The nodes of a search, and the texts that it found."""

    nodes: list[SearchNode]
    found: tuple[Generated, ...]
    children: dict[int | None, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.children = {}
        for number, node in enumerate(self.nodes):
            self.children.setdefault(node.parent, []).append(number)
        self._sizes: dict[int, int] = {}
        for number in range(len(self.nodes) - 1, -1, -1):  # children stand behind their parents
            below = [self._sizes[child] for child in self.children.get(number, [])]
            self._sizes[number] = 1 + max(below, default=0)
        self._best = set(self._path_of_best())

    def _path_of_best(self) -> Iterator[int]:
        """Yield the nodes of the best text, that of its end included."""
        best = next((one.hypothesis for one in self.found if one.hypothesis), None)
        parent: int | None = None
        for token in best.tokens if best else ():
            here = [child for child in self.children.get(parent, []) if self.nodes[child].token == token]
            if not here:
                return
            parent = here[0]
            yield parent
        if best:
            ends = (child for child in self.children.get(parent, []) if self.nodes[child].fate == "finished")
            yield from islice(ends, 1)

    def branches(self, parent: int | None = None, depth: int = 0) -> Iterator[Branch]:
        """Yield the tree line by line: what lives longest goes straight on, the others stand beside it."""
        while children := self.children.get(parent, []):
            main, *others = sorted(children, key=self._rank, reverse=True)
            yield self._branch(main, depth)
            for other in others:
                yield self._branch(other, depth + 1, begins=True)
                yield from self.branches(other, depth + 1)
            parent = main

    def _rank(self, number: int) -> tuple[bool, int, float]:
        return number in self._best, self._sizes[number], self.nodes[number].total

    def _branch(self, number: int, depth: int, *, begins: bool = False) -> Branch:
        return Branch(depth, begins, self.nodes[number], number in self._best)


def search(decoder: Any, prompt: Any) -> Tree:
    """Run a search for one prompt, and keep what it weighed.

    Raises:
        UsageError: if the strategy notes nothing of its search.
    """
    from dataclasses import replace

    nodes: list[SearchNode] = []
    job = replace(decoder.generator.job([prompt], decoder.settings), trace=nodes)
    found = tuple(decoder.strategy.generate(job))
    if not nodes:
        raise UsageError("the search came to nothing that could be shown; ask for a longer text")
    return Tree(nodes, found)


def texts(tree: Tree, decode: Any) -> Sequence[tuple[str, float]]:
    """Return the texts that were found, with their scores."""
    return [
        (decode(one.hypothesis.tokens), one.hypothesis.score)
        for one in tree.found
        if one.hypothesis is not None
    ]

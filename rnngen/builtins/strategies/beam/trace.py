"""What a beam search weighed, noted as a tree for whoever wants to look at it."""

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.strategies.beam.candidates import ActiveBeams, Candidates
from rnngen.contracts import SearchNode
from rnngen.numerics import Doubles


class Trace:
    """Notes candidates as nodes, and knows which node each row of the search stands for."""

    def __init__(self, nodes: list[SearchNode]) -> None:
        self.nodes = nodes
        self.rows: dict[int, int] = {}
        """Row → the number of its node; the rows of the beginning have none."""

    def note(
        self,
        found: Candidates,
        totals: Doubles,
        ended: NDArray[np.bool_],
        before: ActiveBeams,
        after: ActiveBeams,
        *,
        over: bool,
    ) -> None:
        """Note the candidates (n,C) of a step, of which the best that have not ``ended`` may have gone on.

        ``over`` says that the search came to its length.
        """
        rows: dict[int, int] = {}
        alive = dict(zip(after.beams.tolist(), range(len(after.beams)), strict=True))
        size = after.keys.shape[1]
        for place, beam in enumerate(before.beams.tolist()):
            going = int((after.keys[alive[beam]] > -np.inf).sum()) if beam in alive else 0
            room = found.keys.shape[1] // 2 if over else going
            taken, worst = 0, -np.inf
            for column in np.flatnonzero(found.possible[place]).tolist():
                total = float(totals[place, column])
                if ended[place, column]:
                    fate, why = _ended(column, found.keys.shape[1] // 2)
                elif taken < room:
                    fate, why = ("finished", "at the length asked for") if over else ("kept", "")
                    if not over:
                        rows[alive[beam] * size + taken] = len(self.nodes)
                    taken, worst = taken + 1, total
                elif room:
                    fate, why = "pruned", f"{worst - total:.2f} nats behind the last one kept"
                else:
                    fate, why = "pruned", "it cannot beat the finished texts any more"
                parent = self.rows.get(int(found.rows[place, column]))
                self.nodes.append(SearchNode(parent, int(found.tokens[place, column]), total, fate, why))
        self.rows = rows


def _ended(column: int, width: int) -> tuple[str, str]:
    """Return the fate of a candidate that ends the text: it counts among the first K only."""
    if column < width:
        return "finished", "the text ends here"
    return "pruned", f"an end counts only among the {width} best"

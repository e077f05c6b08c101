"""How far a gradient reaches back: ‖∂ loss_T / ∂ s_t‖ against T − t.

::

    s_1 ─▸ s_2 ─▸ … ─▸ s_t ─▸ … ─▸ s_T ─▸ loss_T        the loss of the last token alone
                        └────────── a product of T − t Jacobians: it vanishes where they shrink vectors, and
                                    explodes where they stretch them

(Hochreiter 1991; Bengio et al. 1994; Pascanu et al. 2013, arXiv 1211.5063.) s_t is the whole state after
token t: h of a plain RNN and of a GRU, h and c of an LSTM.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import TYPE_CHECKING, Any

import numpy as np

from rnngen.contracts import NetworkSpec, State
from rnngen.errors import UsageError
from rnngen.numerics import Doubles
from rnngen.options import describe, divide
from rnngen.registry import Registry
from rnngen.registry.components import Component, choose, parse_component, restore

if TYPE_CHECKING:
    from torch import Tensor

    from rnngen.store.model_folder import StoredModel

VOCABULARY, STREAMS = 64, 8
"""Sizes of the task of fresh cells: random tokens, in streams side by side."""
FADED = 1e-25
"""Norms below this are not fitted: fp32 has nothing there."""
FEWEST = 3
"""Tokens at least, which make two distances."""
KEPT = 0.02
"""A factor a step that differs from 1 by less than this neither vanishes nor explodes."""


@dataclass(frozen=True, eq=False)
class Gradient:
    """The gradient of one network's last loss."""

    name: str
    norms: Doubles
    """(T,) the norm at a distance of 1, 2, 3 … steps from the end, the mean of the streams."""
    whole: float
    """The norm of the gradient of all parameters."""

    @property
    def rate(self) -> float:
        """The factor of a step back, fitted to the logarithms."""
        kept = np.flatnonzero(self.norms > FADED)
        if len(kept) < 2:
            return 0.0
        return exp(float(np.polyfit(kept, np.log(self.norms[kept]), 1)[0]))

    @property
    def verdict(self) -> str:
        """Its fate: it keeps, vanishes or explodes."""
        if abs(self.rate - 1) < KEPT:
            return "keeps"
        return "vanishes" if self.rate < 1 else "explodes"

    @property
    def half_life(self) -> float | None:
        """The steps after which half of it is left; None unless it vanishes."""
        return log(0.5) / log(self.rate) if 0 < self.rate < 1 else None

    def clipped(self, limit: float) -> Doubles | None:
        """Return the norms as they are once the whole gradient is clipped; None where it need not be."""
        return self.norms * (limit / self.whole) if self.whole > limit else None


def named_cells(registry: Registry, cells: str, activations: str | None) -> dict[str, Component]:
    """Return cells by the names of their lines, one for each activation of those that have a choice.

    Args:
        registry: the plugins.
        cells: ``rnn,lstm;forget_bias=0``.
        activations: ``tanh,relu``; None is tanh.

    Raises:
        UnknownName: for a cell, an option or an activation that there is not.
        UsageError: for a cell that is a whole network, a value that is refused, or activations that no cell
            has a choice of.
    """
    found: dict[str, Component] = {}
    chosen = False
    for text in divide(cells, ","):
        name, settings = parse_component(text.strip())
        spec = registry.find("cell", name).spec
        if isinstance(spec, NetworkSpec):
            raise UsageError(f"cell {name!r} is a whole network; name a recurrent layer, as lstm or gru")
        has_choice = "activation" in {option.name for option in describe(spec.options)}
        chooses = has_choice and "activation" not in settings
        chosen |= chooses
        for one in divide(activations or "tanh", ",") if chooses else [""]:
            given = {**settings, **({"activation": one.strip()} if one else {})}
            found[f"{text.strip()} {one.strip()}".strip()] = choose(registry, {"cell": name}, given)["cell"]
    if activations is not None and not chosen:
        raise UsageError(f"no cell of {cells!r} has a choice of activation; leave {activations!r} out")
    return found


def fresh(name: str, cell: Component, *, hidden: int, length: int, seed: int) -> Gradient:
    """Measure a cell with its initial weights, between a random embedding and a random output layer."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        embedding, layer = nn.Embedding(VOCABULARY, hidden), cell.build(hidden, hidden)
        head = nn.Linear(hidden, VOCABULARY)
        tokens = torch.randint(VOCABULARY, (STREAMS, length + 2))

    def step(column: "Tensor", state: State) -> "tuple[Tensor, State]":
        y, state = layer(embedding(column), state)
        return head(y), state

    return _measured(
        name, step, tokens, layer.initial_state(STREAMS), nn.ModuleList([embedding, layer, head])
    )


def check_text_alone(model: "StoredModel", name: str) -> None:
    """Raise ``UsageError`` if a model reads a source."""
    if model.config.reads_source:
        raise UsageError(f"{name} reads a source, whose gradient takes other ways; give a model without one")


def trained(registry: Registry, model: "StoredModel", name: str, tokens: Sequence[int]) -> Gradient:
    """Measure a model on a text; ``UsageError`` if it is too short, and as in ``check_text_alone``."""
    import torch

    from rnngen.nn.build import load_network

    check_text_alone(model, name)
    network: Any = load_network(restore(registry, "cell", model.config.cell), model, "cpu")
    return _measured(name, network, torch.tensor([list(tokens)]), network.start(1), network)


def _measured(
    name: str,
    step: "Callable[[Tensor, State], tuple[Tensor, State]]",
    tokens: Any,
    state: State,
    parameters: Any,
) -> Gradient:
    """Read T tokens (B,T+1) one by one → the gradient of the last loss."""
    import torch

    states: list[list[Any]] = []
    logits: Any = None
    with torch.enable_grad():
        for place in range(tokens.shape[1] - 1):
            logits, state = step(tokens[:, place : place + 1], state)
            states.append([array for array in state if array.requires_grad])
        if len(states) < FEWEST:
            raise UsageError(
                f"{name}: a text of {tokens.shape[1] - 1} tokens is too short to look back in; "
                "another seed may give a longer one"
            )
        loss = torch.nn.functional.cross_entropy(logits[:, 0], tokens[:, -1])
        states.pop()  # the loss reads an output, which need not be a part of the state beside it
        flat = [array for arrays in states for array in arrays]
        weights = [one for one in parameters.parameters() if one.requires_grad]
        found = torch.autograd.grad(loss, [*flat, *weights], allow_unused=True)
    whole = float(
        sum(float((one.double() ** 2).sum()) for one in found[len(flat) :] if one is not None) ** 0.5
    )
    gradients = iter(found[: len(flat)])
    norms = []
    for arrays in states:
        own = [next(gradients) for _ in arrays]
        squares = [(one.double() ** 2).flatten(1).sum(1) for one in own if one is not None]
        # The loss is the mean of the streams: each one's share, times their number, is its own gradient.
        total: Any = sum(squares)
        norms.append(float(total.sqrt().mean()) * len(tokens) if squares else 0.0)
    return Gradient(name, np.array(norms[::-1]), whole)


def rows(found: Mapping[str, Gradient], clip: float) -> list[list[object]]:
    """Return a row for each gradient: its rate, its half-life, and what clipping leaves of it."""
    return [
        [
            name,
            f"{one.rate:.4f}",
            one.verdict,
            None if one.half_life is None else f"{one.half_life:.1f}",
            f"{one.whole:.3g}",
            "none" if one.whole <= clip else f"× {clip / one.whole:.2g}",
        ]
        for name, one in found.items()
    ]


COLUMNS = ("cell", "factor a step", "so it", "steps to half", "norm of all", "clipping")
"""Headings of ``rows``."""

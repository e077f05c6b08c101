r"""The network in torch, a window of text at a time.

The two upper tiers of SampleRNN (Mehri et al. 2017, arXiv:1612.07837, section 2.1), for tokens. A slow cell
steps at every k-th token, the first included, and reads the last k embeddings at once; the fast layers step
at every token and read with it the slow cell's last output::

    tokens       x₀  x₁  x₂  x₃ │ x₄  x₅  x₆  x₇ │ x₈                      k = 4
    slow cell    u₀ ──────────────▸ u₁ ─────────────▸ u₂                   u = slow(W [x_{t−k+1}; …; x_t] + b)
    fast         y₀  y₁  y₂  y₃   y₄  y₅  y₆  y₇   y₈                      y = fast([x; V u])

What the slow cell remembers of T tokens it remembers over T/k steps, and gradients take that way back. It
does not read the fast layers, and so a whole window of it is computed before theirs. The state::

    ( phase (B,), the last inputs (B,k−1,E), u (B,H), the slow cell's state …, the fast layers' states … )

Phase is the number of tokens since the slow cell's last step, 0 where one is due; rows have each their own.
"""

from itertools import accumulate, pairwise
from typing import Any

import torch
from rnngen.contracts import Blueprint, ModuleFactory, State
from torch import Tensor, nn

from rnngen_hierarchical import HierarchicalOptions


class Hierarchical(nn.Module):
    """The whole network; also a ``rnngen.contracts.FeatureNetwork``."""

    fixed = 0

    def __init__(self, blueprint: Blueprint, modules: ModuleFactory, options: HierarchicalOptions) -> None:
        super().__init__()
        embed, hidden, layers = blueprint.embed, blueprint.hidden, blueprint.layers
        self.period, self.embed, self.feature_size = options.period, embed, hidden
        self.embedding = nn.Embedding(blueprint.vocabulary, embed)
        nn.init.normal_(self.embedding.weight, std=embed**-0.5)
        build = blueprint.parts["cell"].build
        self.frame = nn.Linear(options.period * embed, hidden)
        self.slow = blueprint.parts["slow"].build(hidden, hidden)
        stack = [build(size, hidden) for size in [embed + hidden] + [hidden] * (layers - 1)]
        self.fast: Any = nn.ModuleList(stack)
        self.context = nn.Linear(hidden, hidden, bias=False)
        self.dropout = modules.dropout()
        narrowed = blueprint.tied and embed != hidden
        self.projection = nn.Linear(hidden, embed, bias=False) if narrowed else nn.Identity()
        tied = self.embedding.get_parameter("weight") if blueprint.tied else None
        self.head = modules.head(hidden if tied is None else embed, tied)
        counts = [1, 1, 1, *(len(layer.initial_state(1)) for layer in (self.slow, *stack))]
        self.spans = [slice(*borders) for borders in pairwise(accumulate(counts, initial=0))]

    def start(self, about: int) -> State:
        """Return the state before the first token of ``about`` streams."""
        zeros = self.frame.weight.new_zeros(about, self.period - 1, self.embed)
        phase = torch.zeros(about, dtype=torch.int64, device=zeros.device)
        last = zeros.new_zeros(about, self.feature_size)
        layers = (self.slow, *self.fast)
        return phase, zeros, last, *(array for layer in layers for array in layer.initial_state(about))

    def attended(self, state: State) -> None:
        """Return None: there is no source to attend to."""

    def hidden(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → what ``predict`` reads (B,T,H), state."""
        x = self.embedding(tokens)
        u, before = self._slow(x, state)
        y, after = torch.cat((x, self.context(u)), 2), list(before)
        for layer, span in zip(self.fast, self.spans[4:], strict=True):
            y, more = layer(y, _full(state[span]))
            y = self.dropout(y)
            after.extend(more)
        return y, tuple(after)

    def _slow(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Inputs (B,T,E), state → the slow cell's last output (B,T,H), and its part of the state."""
        (phase,), (window,), (last,), slow = (state[span] for span in self.spans[:4])
        steps, wait = x.shape[1], -phase % self.period  # tokens before a row's first step
        seen = torch.cat((window.to(x.dtype), x), 1)
        counts = (steps - 1 + self.period - wait) // self.period  # of steps in the window, at most one apart
        least, most = int(counts.min()), int(counts.max())
        first = wait[:, None] + self.period * torch.arange(most, device=x.device)
        places = first.clamp(max=steps - 1)[:, :, None] + torch.arange(self.period, device=x.device)
        rows = torch.arange(len(x), device=x.device)
        frames = self.frame(seen[rows[:, None, None], places].flatten(2))
        outputs, slow = [last[:, None]], _full(slow)
        if least:
            u, slow = self.slow(frames[:, :least], slow)
            outputs.append(u)
        if most > least:  # some rows have one step more
            u, after = self.slow(frames[:, least:], _full(slow))
            outputs.append(u)
            slow = tuple(
                torch.where((counts > least).view(-1, *[1] * (a.ndim - 1)), b, a)
                for a, b in zip(slow, after, strict=True)
            )
        done = (torch.arange(steps, device=x.device) + self.period - wait[:, None]) // self.period
        u = torch.cat([one.to(x.dtype) for one in outputs], 1)[rows[:, None], done]
        return u, ((phase + steps) % self.period, seen[:, steps:], u[:, -1], *slow)

    def predict(self, x: Tensor) -> Tensor:
        """Features (…,H) → logits (…,V)."""
        logits: Tensor = self.head(self.projection(x))
        return logits

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → logits (B,T,V), state."""
        x, state = self.hidden(tokens, state)
        return self.predict(x), state

    def nll(self, tokens: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the loss of ``targets`` (B,T) and the state after."""
        x, state = self.hidden(tokens, state)
        loss: Tensor = self.head.nll(self.projection(x), targets)
        return loss, state


def _full(state: State) -> State:
    """Return a layer's state in float32, as its contract requires; under autocast it may be less."""
    return tuple(array.float() if array.is_floating_point() else array for array in state)

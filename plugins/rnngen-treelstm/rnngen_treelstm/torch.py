r"""The network ``treelstm`` in torch.

The encoder is the child-sum Tree-LSTM of Tai et al. 2015 (arXiv:1503.00075), equations 2 to 8. For a node j
with children k, from the leaves to the root::

    s_j = Σ h_k        i, o, u = σ, σ, tanh (W x_j + U s_j + b)        f_jk = σ(W x_j + U h_k + b)
    c_j = i ⊙ u + Σ f_jk ⊙ c_k         h_j = o ⊙ tanh(c_j)

where x_j is the embedding of the node's token (`rnngen_treelstm.trees`), and with ``ordered`` the sines of
its place among its siblings. The decoder is that of Luong et al. 2015 over the nodes, and reads the root with
every token::

    y = cells([e; h_root])        z = tanh(W [y; attention(y, h)]) ─▸ head ─▸ logits

The state::

    ( attention's prepared …, h_root (B,H) │ weights (B,S), attention's state …, cells' states … )
      └──────── fixed after start ───────┘
"""

from itertools import accumulate, pairwise
from typing import Any

import torch
from rnngen.contracts import NO_TOKEN, Blueprint, ModuleFactory, State
from torch import Tensor, nn

from rnngen_treelstm import BASE, TreeOptions
from rnngen_treelstm.trees import forest, kinds


class ChildSum(nn.Module):
    """The encoder: all trees of a batch side by side, a height at a time."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(input_size, 4 * hidden_size)  # rows: i, o, u, f
        self.below = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        self.forget = nn.Linear(hidden_size, hidden_size, bias=False)
        with torch.no_grad():
            self.inputs.bias.zero_()[3 * hidden_size :].fill_(1.0)

    def forward(self, x: Tensor, parents: Tensor, heights: Tensor) -> Tensor:
        """Inputs (N,E) of nodes, their parents' places (N,), heights (N,) → h (N,H), 0 for no node."""
        gates, forget = (
            self.inputs(x).float().split([3 * self.forget.in_features, self.forget.in_features], 1)
        )
        sums, kept, outputs = (torch.zeros_like(forget) for _ in range(3))
        for height in range(int(heights.max()) + 1):
            nodes = (heights == height).nonzero()[:, 0]
            i, o, u = (gates[nodes] + self.below(sums[nodes])).chunk(3, 1)
            c = i.sigmoid() * u.tanh() + kept[nodes]
            h = o.sigmoid() * c.tanh()
            outputs = outputs.index_add(0, nodes, h)
            children = parents[nodes] >= 0  # all but roots
            above, h, c = parents[nodes][children], h[children], c[children]
            f = (forget[above] + self.forget(h)).sigmoid()
            sums, kept = sums.index_add(0, above, h), kept.index_add(0, above, f * c)
        return outputs


class TreeSeq2Seq(nn.Module):
    """The whole network; also a ``FeatureNetwork`` and a ``PieceNetwork`` of ``rnngen.contracts``."""

    kinds: Tensor
    """(V,) what each token of sources is to a tree."""

    def __init__(self, blueprint: Blueprint, modules: ModuleFactory, options: TreeOptions) -> None:
        super().__init__()
        plan, hidden = blueprint, blueprint.hidden
        self.ordered, self.feature_size = options.ordered, hidden
        one = plan.tied and plan.shared
        read = plan.embed if one else plan.source_embed
        self.embedding = _embedding(plan.vocabulary, plan.embed)
        self.source_embedding = None if one else _embedding(plan.source_vocabulary, read)
        self.encoder = ChildSum(read, hidden)
        self.attention = plan.parts["attention"].build(hidden, hidden)
        sizes = [plan.embed + hidden] + [hidden] * (plan.layers - 1)
        stack = [plan.parts["decoder"].build(size, hidden) for size in sizes]
        self.layers: Any = nn.ModuleList(stack)
        self.combine = nn.Linear(hidden + self.attention.size, hidden, bias=False)
        narrowed = plan.tied and plan.embed != hidden
        self.projection = nn.Linear(hidden, plan.embed, bias=False) if narrowed else nn.Identity()
        self.dropout = modules.dropout()
        tied = self.embedding.get_parameter("weight") if plan.tied else None
        self.head = modules.head(hidden if tied is None else plan.embed, tied)
        self.register_buffer("kinds", torch.zeros(plan.source_vocabulary))
        memory, mask = torch.zeros(1, 1, hidden), torch.ones(1, 1, dtype=torch.bool)
        counts = [len(self.attention.prepare(memory, mask)), 1, 1, len(self.attention.initial_state(mask))]
        counts += [len(layer.initial_state(1)) for layer in stack]
        self.spans = [slice(*borders) for borders in pairwise(accumulate(counts, initial=0))]
        self.fixed = self.spans[2].start

    def set_pieces(self, target: list[bytes], source: list[bytes]) -> None:  # noqa: ARG002 - of sources alone
        """Learn which tokens are brackets; ``ValueError`` where brackets are parts of tokens."""
        self.kinds.copy_(torch.tensor(kinds(source)))

    def start(self, source: Tensor) -> State:
        """Read the sources (B,S), padded with ``NO_TOKEN`` → the state before the first token."""
        lengths = (source != NO_TOKEN).sum(1)
        read = self.kinds[source.clamp(min=0)].int().tolist()
        embed = self.embedding if self.source_embedding is None else self.source_embedding
        x = self.dropout(embed(source.clamp(min=0))).flatten(0, 1)
        places = torch.tensor(forest(read, lengths.tolist()), device=source.device)
        if self.ordered:
            x = x + sines(places[2], x.shape[1]) * (2 / x.shape[1]) ** 0.5
        memory = self.encoder(x, places[0], places[1])
        memory, mask = memory.view(*source.shape, -1), places[1].view(source.shape) >= 0
        root = memory[torch.arange(len(source), device=source.device), lengths - 1]
        memory = self.dropout(memory)
        return (
            *self.attention.prepare(memory, mask),
            root,
            torch.zeros_like(source, dtype=torch.float32),
            *self.attention.initial_state(mask),
            *(array for layer in self.layers for array in layer.initial_state(len(source))),
        )

    def attended(self, state: State) -> Tensor | None:
        """Return the attention weights of the last token (B,S), those of nodes; None without attention."""
        weights: Tensor = state[self.fixed]
        return weights if self.attention.size else None

    def hidden(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → what ``predict`` reads (B,T,H), state."""
        prepared, (root,), _, attending, *layers = (state[span] for span in self.spans)
        x = self.dropout(self.embedding(tokens))
        y = torch.cat((x, root[:, None].expand(-1, x.shape[1], -1)), 2)
        after: list[Any] = []
        for layer, before in zip(self.layers, layers, strict=True):
            full = tuple(a.float() if a.is_floating_point() else a for a in before)  # less under autocast
            y, more = layer(self.dropout(y) if after else y, full)
            after.extend(more)
        context, weights, attending = self.attention(y, prepared, attending)
        z = torch.tanh(self.combine(torch.cat((y, context), 2)))
        return self.dropout(z), (*prepared, root, weights[:, -1], *attending, *after)

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


def sines(places: Tensor, size: int) -> Tensor:
    """Vectors of E numbers for places (N,) → (N,E): sines of many wavelengths, then cosines."""
    half = (size + 1) // 2
    rates = BASE ** (-torch.arange(half, device=places.device, dtype=torch.float32) / half)
    angles = places[:, None] * rates
    return torch.cat((angles.sin(), angles.cos()), 1)[:, :size]


def _embedding(vocabulary: int, size: int) -> nn.Embedding:
    made = nn.Embedding(vocabulary, size)
    nn.init.normal_(made.weight, std=size**-0.5)
    return made

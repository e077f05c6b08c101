"""Parts of the networks that the suite builds: small sizes, a module factory, and components."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnngen.contracts import (
    IGNORE,
    NO_TOKEN,
    AttentionSpec,
    Blueprint,
    CellSpec,
    Spec,
    Weights,
    imported,
)
from rnngen.errors import UnknownName
from rnngen.options import build, divide

LENGTHS = (6, 2, 4, 1)
"""Lengths of the sources, the end token included; the last has no other."""
VOCABULARY, SOURCE_VOCABULARY = 11, 13
HIDDEN, EMBED, LAYERS, DROPOUT = 8, 6, 2, 0.1
EOS_ID = 0


@dataclass(frozen=True)
class ComponentFactory:
    """A cell or an attention with its options chosen (``rnngen.contracts.ComponentFactory``)."""

    spec: Any
    options: Any

    @property
    def has_numpy(self) -> bool:
        """True if there is a NumPy implementation."""
        return self.spec.numpy is not None

    def build(self, *sizes: int) -> Any:
        """Build the torch implementation."""
        return imported(self.spec.load)(*sizes, self.options)

    def numpy(self, weights: Weights, prefix: str = "") -> Any:
        """Build the NumPy implementation."""
        own = {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}
        return imported(self.spec.numpy)(own, self.options)


def component(kind: str, text: str, parts: Sequence[Spec]) -> ComponentFactory:
    """Choose a component by ``NAME`` or ``NAME;key=value``."""
    name, *settings = divide(text, ";")
    wanted = AttentionSpec if kind == "attention" else CellSpec
    known = {part.name: part for part in parts if isinstance(part, wanted)}
    if name not in known:
        raise UnknownName(kind, name, known)
    given = dict(setting.split("=", 1) for setting in settings)
    return ComponentFactory(known[name], build(known[name].options, given, owner=f"{kind} {name!r}"))


def small_blueprint(parts: Mapping[str, ComponentFactory], *, shared: bool, tied: bool) -> Blueprint:
    """Return a small network of two layers."""
    return Blueprint(
        vocabulary=VOCABULARY,
        source_vocabulary=VOCABULARY if shared else SOURCE_VOCABULARY,
        shared=shared,
        hidden=HIDDEN,
        layers=LAYERS,
        embed=EMBED,
        source_embed=EMBED if shared else EMBED - 1,
        dropout=DROPOUT,
        tied=tied,
        parts=parts,
    )


class ModuleFactory:
    """A ``rnngen.contracts.ModuleFactory`` of torch's own modules."""

    def head(self, inputs: int, weight: Any = None) -> Any:
        """Return a new output layer."""
        from torch import nn

        class Head(nn.Linear):
            def nll(self, x: Any, targets: Any) -> Any:
                return nll(self(x), targets)

        head = Head(inputs, VOCABULARY)
        if weight is not None:
            fits = tuple(weight.shape) == (VOCABULARY, inputs)
            assert fits, "head(inputs, weight): weight is not (V,inputs)"
            head.weight = weight
        return head

    def dropout(self) -> Any:
        """Return a new dropout module."""
        from torch import nn

        return nn.Dropout(DROPOUT)


def nll(logits: Any, targets: Any) -> Any:
    """Return the summed cross-entropy of the targets (B,T) that count."""
    from torch.nn.functional import cross_entropy

    flat = logits.float().flatten(0, 1)
    return cross_entropy(flat, targets.flatten(), ignore_index=IGNORE, reduction="sum")


def perturb(network: Any) -> None:
    """Move every parameter a little: one that starts at 0, as biases do, could be left out unnoticed."""
    import torch

    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


def sources(vocabulary: int) -> Any:
    """Return sources (B,S): rows closed by the end token, then padding."""
    import torch

    source = torch.randint(1, vocabulary, (len(LENGTHS), max(LENGTHS)))
    for row, length in zip(source, LENGTHS, strict=True):
        row[length - 1] = EOS_ID
        row[length:] = NO_TOKEN
    return source

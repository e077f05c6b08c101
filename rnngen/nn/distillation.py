"""Distillation: a network learns from the text and from the probabilities of other networks at once.

::

    tokens (B,T) ─▸ student  ─▸ p ─▸ (1−w) · −log p(target)  +  w · τ² · −Σ q_τ log p_τ
                 ├▸ teacher 1 ─▸ q₁ ⎤
                 └▸ teacher 2 ─▸ q₂ ⎦ ─▸ q, the mean of the probabilities

    state   the student's │ teacher 1's │ teacher 2's

The second part, the cross-entropy of the teachers' probabilities, is KL(q_τ ‖ p_τ) and the entropy of q_τ,
which the student cannot change; so both parts are nats of the same size. The teachers are in evaluation mode
and get no gradient; their state is carried beside the student's, so that they read on where the batch before
ended. Hinton et al. 2015 (arXiv 1503.02531); of teachers that are no larger than the student: Furlanello
et al. 2018 (arXiv 1805.04770).
"""

from collections.abc import Sequence
from itertools import accumulate, chain, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rnngen.contracts import IGNORE, State
from rnngen.nn.carry import carry


class Distillation(nn.Module):
    """A student and its teachers, which train as one network.

    Args:
        student: the network that learns, a ``rnngen.contracts.Network``.
        teachers: others with the same vocabulary, at least one, in evaluation mode.
        example: an argument that their ``start`` takes: a number of streams, or sources (B,S).
        weight: w, the teachers' share of the loss, from 0 to 1.
        temperature: τ, which divides all logits before the softmax in the teachers' part.
        smoothing: the label smoothing of the targets' part.
    """

    def __init__(
        self,
        student: nn.Module,
        teachers: Sequence[nn.Module],
        example: "int | Tensor",
        *,
        weight: float = 0.5,
        temperature: float = 1.0,
        smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.student: Any = student
        self.teachers = nn.ModuleList(teachers)
        self.weight, self.temperature, self.smoothing = weight, temperature, smoothing
        with torch.no_grad():
            sizes = [len(network.start(example)) for network in self._networks()]
        self._spans = [slice(*span) for span in pairwise([0, *accumulate(sizes)])]

    def _networks(self) -> list[Any]:
        return [self.student, *self.teachers]

    def start(self, about: "int | Tensor") -> State:
        """Return the states of all before the first token of ``about`` streams, or of sources (B,S)."""
        with torch.no_grad():
            taught = [network.start(about) for network in self._networks()[1:]]
        return (*self.student.start(about), *chain.from_iterable(taught))

    def carry(self, state: State, reset: Tensor) -> State:
        """Return the states in which the next window begins; rows where ``reset`` (B,) is true begin anew."""
        parts = zip(self._networks(), self._spans, strict=True)
        return tuple(chain.from_iterable(carry(network, state[span], reset) for network, span in parts))

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → the student's logits (B,T,V), and its part of the state alone."""
        logits, after = self.student(tokens, state[self._spans[0]])
        return logits, after

    def nll(self, tokens: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the summed loss of ``targets`` (B,T), those that count, in nats, and the state after."""
        logits, own = self(tokens, state)
        probabilities, others = self._taught(tokens, state)
        counts = targets != IGNORE
        logits, probabilities = logits[counts].float(), probabilities[counts]
        hard = cross_entropy(logits, targets[counts], reduction="sum", label_smoothing=self.smoothing)
        soft = cross_entropy(logits / self.temperature, probabilities, reduction="sum")
        loss = (1 - self.weight) * hard + self.weight * self.temperature**2 * soft
        return loss, (*own, *others)

    @torch.no_grad()
    def _taught(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the mean of the teachers' probabilities (B,T,V), and their states after."""
        total, after = torch.zeros(()), []
        for teacher, span in zip(self.teachers, self._spans[1:], strict=True):
            logits, part = teacher(tokens, state[span])
            total = (logits.float() / self.temperature).softmax(-1) + total.to(logits.device)
            after.extend(part)
        return total / len(self.teachers), tuple(after)

"""The n-gram that a model has beside its network, while that is trained."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn

from rnngen.data.token_store import TokenStore
from rnngen.evaluation.mixture import MixtureEvaluator
from rnngen.evaluation.perplexity import Loss
from rnngen.inference.ngram import Mixture, NGram
from rnngen.inference.ngram.mixture import ADAPTIVE_PRIOR, PRIOR
from rnngen.store.checkpoint import Tensors
from rnngen.training.distributed import ProcessGroup
from rnngen.training.plan import Plan

CONTEXT = 8
"""Characters that an n-gram predicts from and with, about; its order is chosen for it."""
MOST_LOGITS = 1 << 21
"""Logits of the validation tokens that the weights are fitted to while training…"""
FINAL_LOGITS = 1 << 24
"""…and in the end."""
FEWEST = 1_000
"""Tokens that they are fitted to at least, however large the vocabulary…"""
ADAPTIVE = 10_000
"""…and those that the adaptive n-gram's weights are fitted to, at most."""
PAYS = 0.001
"""Nats per token that an n-gram must gain; one that gains less is left out."""


def order_of(ngram: str, store: TokenStore) -> int | None:
    """Return the order that the option ``ngram`` means for a text; None for no n-gram."""
    if ngram == "none":
        return None
    if ngram != "auto":
        return int(ngram)
    per_token = store.chars / max(1, store.text_tokens)
    return min(CONTEXT, max(3, round(CONTEXT / per_token)))


@dataclass
class Mixing:
    """Finds at each evaluation how much the n-gram counts.

    The loss of all validation tokens is the network's, less what the mixture gains on some of them.
    """

    network: nn.Module
    val: TokenStore
    """The validation text as far as it is read while training."""
    has_eos: bool
    precision: str
    network_loss: Callable[[], Loss]
    """Measures the loss of the network alone, on all of ``val``."""
    ngram: NGram
    group: ProcessGroup
    mixture: Mixture | None = None
    """The mixture of the last evaluation; None before it, and where the n-gram does not pay."""

    @classmethod
    def begin(
        cls,
        network: nn.Module,
        plan: Plan,
        val: TokenStore,
        precision: str,
        *,
        network_loss: Callable[[], Loss],
        group: ProcessGroup,
    ) -> "Mixing | None":
        """Count the n-gram, if the plan wants one; it is no larger than the network.

        This is done before the first step, not beside it: threads of training that wait for one another at
        every time step crawl where another takes one of their cores.
        """
        encoded, store = plan.encoded, plan.encoded.train
        order = order_of(plan.config.training.ngram, store)
        if order is None:
            return None
        ngram = NGram.count(
            store.tokens,
            plan.config.vocabulary,
            order,
            end=int(store.tokens[0]),
            predicts_end=encoded.has_eos,
            bytes_=sum(parameter.nbytes for parameter in network.parameters()),
        )
        return cls(network, val, encoded.has_eos, precision, network_loss, ngram, group)

    def __call__(self) -> Loss:
        """Return the loss of the network and its n-gram now."""
        loss = self.network_loss()
        gain = self.group.first(self._gain)
        return replace(loss, nats=loss.nats - gain * loss.tokens, network_nats=loss.nats)

    def _gain(self) -> float:
        """Nats per token that the mixture gains with the weights that suit best, which are kept."""
        mixture = Mixture(self.ngram, PRIOR, ADAPTIVE_PRIOR)
        evaluator = MixtureEvaluator(self.network, self.precision, mixture)
        positions = _positions(mixture, MOST_LOGITS)
        found = evaluator.sample(self.val, has_eos=self.has_eos, positions=positions)
        mixture = evaluator.fitted_to(found)
        gain = float((found.alone(0) - found.surprisals(mixture.weights)).mean())
        self.mixture = mixture if gain > PAYS else None
        return gain if gain > PAYS else 0.0

    def tensors(self) -> Tensors:
        """Return what the model's file holds of it."""
        return {} if self.mixture is None else self.mixture.tensors()


def settled(network: nn.Module, mixture: Mixture, val: TokenStore, *, has_eos: bool) -> Mixture:
    """Return the mixture with weights fitted to more of the text, and those of the adaptive n-gram."""
    most = _positions(mixture, FINAL_LOGITS)
    for adaptive, positions in ((False, most), (True, min(most, ADAPTIVE))):
        evaluator = MixtureEvaluator(network, mixture=mixture)
        found = evaluator.sample(val, has_eos=has_eos, positions=positions, adaptive=adaptive)
        mixture = evaluator.fitted_to(found)
    return mixture


def _positions(mixture: Mixture, logits: int) -> int:
    return max(FEWEST, logits // mixture.ngram.vocabulary)

"""The composition root: from names and options to built objects; new, open and save a model.

This is where the plugin system, the engine and the decoders meet. It prints nothing and knows no shell;
a program that wants to train or to generate without a shell starts here::

    from rnngen.api import Session

    session = Session.here()
    for event in session.train(session.plan(TrainRequest.of("corpus.txt"))):
        ...
    writer = session.open("corpus")
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnngen.paths import cache, home

if TYPE_CHECKING:
    from rnngen.contracts import AnyFilter, Listener, Tokenizer
    from rnngen.evaluation.dynamic import Adapted
    from rnngen.evaluation.evaluator import Evaluation
    from rnngen.events import Event
    from rnngen.generation.answering import Answerer
    from rnngen.generation.writing import Writer
    from rnngen.options.corpus import AdaptingOptions
    from rnngen.registry import Registry
    from rnngen.requests.evaluate import EvaluateRequest
    from rnngen.requests.train import TrainRequest
    from rnngen.store.model_folder import ModelStore, StoredModel
    from rnngen.training.plan import Plan
    from rnngen.training.sizing import Proposal

__all__ = ["Session", "cache", "home", "model_names", "models"]


def models() -> "ModelStore":
    """The store of this user's models."""
    from rnngen.store.model_folder import ModelStore

    return ModelStore(home() / "models")


def model_names() -> list[str]:
    """The names of this user's models."""
    return models().names()


@dataclass(frozen=True)
class Session:
    """What plugins there are, and where models are kept."""

    registry: "Registry"
    models: "ModelStore"

    @classmethod
    def here(cls) -> "Session":
        """With everything that is installed, and the user's models."""
        from rnngen.registry import Registry

        return cls(Registry.discover(), models())

    def plan(self, request: "TrainRequest") -> "Plan":
        """Check a request to train, and read its text; writes nothing but the cache."""
        from rnngen.training.plan import plan

        return plan(self.registry, self.models, request)

    def propose(
        self, plan: "Plan", parameters: int | None = None, *, given: Collection[str] = ()
    ) -> "Proposal":
        """Choose the sizes of a planned network by what it may cost, and say what to expect."""
        from rnngen.training.sizing import propose

        return propose(plan, parameters, given=given)

    def train(
        self,
        plan: "Plan",
        stop: Callable[[], bool] = lambda: False,
        listeners: "Sequence[Listener]" = (),
    ) -> "Iterator[Event]":
        """Train, and report as it goes."""
        from rnngen.training.fit import fit

        return fit(plan, stop, listeners)

    def read(self, name: str | None) -> "StoredModel":
        """Read a model by name or path; without either, the one trained last."""
        return self.models.open(name)

    def writer(
        self,
        *models: "StoredModel",
        device: str = "cpu",
        quantize: str | None = None,
        adapting: "AdaptingOptions | None" = None,
    ) -> "Writer":
        """Get a model ready to write, or several to write together."""
        from rnngen.generation.loading import open_writer

        return open_writer(self.registry, *models, device=device, quantize=quantize, adapting=adapting)

    def adapt(
        self, model: "StoredModel", prompt: str, options: "AdaptingOptions", device: str = "cpu"
    ) -> "Adapted":
        """Let a model's weights adapt to a prompt; those on disk stay as they are."""
        from rnngen.evaluation.dynamic import adapt

        return adapt(self.registry, model, prompt, options, device)

    def answerer(
        self, *models: "StoredModel", device: str = "cpu", quantize: str | None = None
    ) -> "Answerer":
        """Get a model ready to write about sources, or several to do so together."""
        from rnngen.generation.loading import open_answerer

        return open_answerer(self.registry, *models, device=device, quantize=quantize)

    def filters(self, chain: Sequence[tuple[str, str]]) -> "Callable[[Tokenizer], list[AnyFilter]]":
        """Check a chain of filters, names and the texts of their options → what builds it for a tokenizer."""
        from functools import partial

        from rnngen.registry.components import choose_filters, make_filters

        return partial(make_filters, choose_filters(self.registry, chain))

    def evaluate(self, model: "StoredModel", request: "EvaluateRequest") -> "Evaluation":
        """Evaluate a model on a text, or on its own validation text."""
        from rnngen.evaluation.evaluator import evaluate

        return evaluate(self.registry, model, request)

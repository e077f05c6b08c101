"""Letting a writer speculate, with a lookup in the text so far or with another model that drafts."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from rnngen.builtins.strategies.drafts import LOOKUP, Lookup, SmallModel
from rnngen.builtins.strategies.speculative import Draft, Foresight
from rnngen.contracts import ChunkStep
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.api import Session
    from rnngen.builtins.strategies.options import DraftOptions
    from rnngen.decoding.sampler import Sampler
    from rnngen.generation.writing import Writer
    from rnngen.store.model_folder import StoredModel


class Drafting:
    """What ``Writer.hasten`` is set to: each sampler gets a draft of its own.

    Args:
        step: the network.
        begin: makes a draft.
        length: tokens that it guesses at once, at most.
    """

    def __init__(self, step: ChunkStep, begin: Callable[[], Draft], length: int) -> None:
        self.step, self.begin, self.length = step, begin, length
        self.foresight: Foresight | None = None
        """That of the last text."""

    def __call__(self, sampler: "Sampler") -> "Sampler":
        """Let a sampler step with foresight."""
        sampler.step = self.foresight = Foresight(self.step, sampler, self.begin(), self.length)
        return sampler


def speculate(session: "Session", writer: "Writer", model: "StoredModel", options: "DraftOptions") -> None:
    """Let a writer draft each text that it draws alone; the texts stay the same.

    Args:
        session: where the model that drafts is found.
        writer: of one model.
        model: that one, as read from disk.
        options: who drafts, and how far.

    Raises:
        UsageError: if the writer cannot read ahead, or the models differ in their vocabulary or their task.
        NotFoundError, PluginError, ModelError: if the model that drafts cannot be opened.
    """
    step: Any = writer.step
    if not isinstance(step, ChunkStep):
        raise UsageError(
            f"--draft {options.draft}: {model.path.name} has no NumPy step that reads ahead; a draft is for "
            "one model of a cell that has one, on the CPU and in full weights: leave --draft out"
        )
    begin = _beginning(session, writer, model, options.draft or LOOKUP)
    writer.hasten = Drafting(step, begin, options.draft_length)


def _beginning(session: "Session", writer: "Writer", model: "StoredModel", draft: str) -> Callable[[], Draft]:
    """What makes drafts."""
    if draft == LOOKUP:
        return Lookup
    other = session.read(draft)
    if other.tokenizer_json != model.tokenizer_json or other.config.task.name != model.config.task.name:
        raise UsageError(
            f"{other.path.name} cannot draft for {model.path.name}: their tasks or vocabularies differ; "
            f"train both on the same text, or say --draft {LOOKUP}"
        )
    return partial(SmallModel, session.writer(other).step, writer.forbidden)

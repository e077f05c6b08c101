"""The network inside a step that generates, without what is around it."""

from typing import Any

from rnngen.inference.conditioned import Conditioned
from rnngen.inference.ngram.mixture import Mixture
from rnngen.inference.ngram.step import MixedStep


def unwrapped(step: Any) -> tuple[Any, Mixture | None]:
    """Return one step of the network alone, and the n-gram beside it, if there is one."""
    mixture = None
    while isinstance(step, Conditioned | MixedStep):
        if isinstance(step, MixedStep):
            mixture = step.mixture
        step = step.network
    return step, mixture

"""A listener for rnngen: losses, rate, gradient norm, speed and samples of a training for TensorBoard.

Listings import this module: it names the listener and imports nothing of TensorBoard.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rnngen import hookimpl
from rnngen.contracts import ListenerSpec


@dataclass(frozen=True)
class TensorBoardOptions:
    """The options of the listener ``tensorboard``."""

    folder: str = "runs"
    """The folder of all runs, for ``tensorboard --logdir``; each model has one of its own in it."""


@hookimpl
def rnngen_listeners() -> Iterable[ListenerSpec]:
    """Return the listener ``tensorboard``."""
    return [
        ListenerSpec(
            name="tensorboard",
            summary="writes what TensorBoard shows",
            load="rnngen_tensorboard.listener:Writer",
            options=TensorBoardOptions,
        )
    ]

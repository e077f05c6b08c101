"""The course of training runs, from what their folders hold: losses, rate, gradient norm, speed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from rnngen.errors import UsageError
from rnngen.store.config import ModelConfig
from rnngen.store.model_folder import StoredModel, read_metrics, read_speed

Align: TypeAlias = Literal["step", "token", "minute"]
PANELS = {
    "loss": "loss in nats per token",
    "lr": "learning rate",
    "grad_norm": "norm of the gradient before clipping",
    "tokens_per_second": "tokens a second",
}
"""What is drawn, each over the same axis."""


@dataclass(frozen=True)
class Run:
    """A training run."""

    name: str
    rows: tuple[dict[str, Any], ...]
    """Its evaluations, with the clock's figures where they are known."""
    tokens_per_step: int

    @classmethod
    def of(cls, model: StoredModel) -> "Run":
        """Read what a model's folder holds.

        Raises:
            UsageError: if the model is one file, or no evaluation is there.
            ModelError: if the record is damaged.
        """
        name = model.path.name
        if not model.path.is_dir():
            raise UsageError(f"{name} is a model in one file, which holds nothing of its training")
        clock = {row["step"]: row for row in read_speed(model.path)}
        rows = tuple({**row, **clock.get(row["step"], {})} for row in read_metrics(model.path))
        if not rows:
            raise UsageError(f"{name} holds no evaluation of its training; there is nothing to draw")
        return cls(name, rows, tokens_per_step(model.config))

    def at(self, row: dict[str, Any], align: Align) -> float | None:
        """Return where a row stands on the axis; None where that is not known."""
        if align == "minute":
            seconds = row.get("seconds")
            return None if seconds is None else seconds / 60
        return float(row["step"] * (self.tokens_per_step if align == "token" else 1))

    def line(self, key: str, align: Align) -> list[tuple[float, float]]:
        """Return the points of one figure."""
        points = [(self.at(row, align), row.get(key)) for row in self.rows]
        return [(x, float(y)) for x, y in points if x is not None and y is not None]

    @property
    def best(self) -> dict[str, Any]:
        """The evaluation of the weights that are kept."""
        return [row for row in self.rows if row.get("best")][-1] if self.has_best else self.rows[-1]

    @property
    def has_best(self) -> bool:
        """True if one evaluation is marked as the best."""
        return any(row.get("best") for row in self.rows)


def tokens_per_step(config: ModelConfig) -> int:
    """Return the tokens of a step of training, as its options have them."""
    options = config.training
    return int((options.batch or 1) * (options.seq or 1))


def check_axis(runs: Sequence[Run], align: Align) -> None:
    """Raise ``UsageError`` if a run does not know where its evaluations stand on an axis."""
    for run in runs:
        if all(run.at(row, align) is None for row in run.rows):
            raise UsageError(
                f"{run.name} was trained by an earlier version, which kept no time; align by step or token"
            )

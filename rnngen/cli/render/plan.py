"""The display of a training's plan, and the flag for a number of parameters."""

import re
from typing import TYPE_CHECKING, Any, Final

import click

from rnngen.cli.render import console
from rnngen.cli.render.progress import amount, clock

if TYPE_CHECKING:
    from rnngen.training.sizing import Proposal

SCALES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


class Count(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.5
    """A number as people write it: ``500k``, ``1.5M``."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([kmg]?)", str(value).strip().lower())
        if not found or not float(found[1]):
            self.fail(f"{value!r} is no number above 0, as 500k or 2M", param, ctx)
        return round(float(found[1]) * SCALES[found[2]])


COUNT: Final = Count()


def show_plan(proposal: "Proposal") -> None:
    """Show a plan on stderr."""
    config = proposal.plan.config
    network, training = config.network, config.training
    sizes = f"hidden {network.hidden}, layers {network.layers}, dropout {network.dropout}"
    parts = f"{config.cell.name}, {config.tokenizer.name} tokens"
    console.note(f"plan: {parts}, {sizes}, {amount(proposal.parameters)} parameters")
    console.note(
        f"plan: {amount(proposal.tokens)} tokens in about {clock(proposal.seconds)} "
        f"at {amount(proposal.tokens_per_second)} tok/s"
    )
    console.note(
        f"plan: {training.batch} streams of {training.seq}, {training.optimizer} at {training.lr:g}, "
        f"{training.schedule} schedule"
    )
    for reason in proposal.reasons:
        console.note(f"plan: {reason}")

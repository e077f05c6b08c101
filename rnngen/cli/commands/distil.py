"""``rnngen distil``: one model that learns from several, which is ``rnngen train`` with teachers."""

from copy import copy
from typing import Any

import click

from rnngen.cli import flags
from rnngen.cli.commands.train import train
from rnngen.errors import UsageError


def _own(param: click.Parameter) -> click.Parameter:
    """Return a parameter of ``train`` as this command shows it."""
    if not isinstance(param, flags.Option) or not str(param.name).startswith("teacher"):
        return param
    param = copy(param)
    param.common, param.heading = True, None
    return param


@flags.examples(
    "rnngen distil corpus.txt --teacher a --teacher b --name small",
    "rnngen distil corpus.txt --teacher a --name again --hidden 192 --minutes 5",
)
@click.command(cls=flags.Command, params=[_own(param) for param in train.params if param.expose_value])
@click.pass_context
def distil(ctx: click.Context, /, **params: Any) -> None:
    """Train one model that learns from several: from CORPUS and from their probabilities.

    The teachers are models of one vocabulary, which the new one takes; train them on the same text with
    different seeds. Every flag of 'rnngen train' holds.
    """
    if not params["teacher"] and not params["resume"]:
        raise UsageError("distil needs --teacher MODEL, once for each model to learn from")
    assert train.callback is not None
    ctx.invoke(train.callback, **params)

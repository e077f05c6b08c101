"""``rnngen look``: pictures of what happens inside a model."""

import click

from rnngen.cli.commands.attend import attend
from rnngen.cli.commands.look.beam import beam
from rnngen.cli.commands.look.embeddings import embeddings
from rnngen.cli.commands.look.gates import gates
from rnngen.cli.commands.look.gradients import gradients
from rnngen.cli.commands.look.neurons import neurons
from rnngen.cli.commands.look.surprise import surprise
from rnngen.cli.commands.look.training import training


@click.group()
def look() -> None:
    """Look inside a model: its surprisal, units, gates, gradients, attention, searches and training.

    Everything is drawn from real activations: in the terminal, in colour where it has some and with signs
    where not, or with -o FILE as SVG, PNG or one HTML page.
    """


for command in (surprise, neurons, gates, gradients, training, beam, embeddings):
    look.add_command(command)
look.add_command(attend, "attention")

"""``rnngen completion``: prints the completion script of a shell."""

import click

from rnngen.cli import flags


@flags.examples(
    'eval "$(rnngen completion bash)"      # in ~/.bashrc',
    'eval "$(rnngen completion zsh)"       # in ~/.zshrc',
    "rnngen completion fish > ~/.config/fish/completions/rnngen.fish",
)
@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script with which SHELL completes commands, flags, and names of models and plugins."""
    from click.shell_completion import get_completion_class

    from rnngen.cli.app import app

    script = get_completion_class(shell)
    assert script is not None  # the argument's choices are those that Click brings
    click.echo(script(app, {}, "rnngen", "_RNNGEN_COMPLETE").source())

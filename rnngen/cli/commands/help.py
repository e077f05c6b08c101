"""``rnngen help``: guides that are read in the terminal, by topic."""

from pathlib import Path
from typing import Final

import click

from rnngen import paths
from rnngen.cli import completers, flags
from rnngen.cli.app import COMMANDS, app
from rnngen.cli.render import console
from rnngen.errors import NotFoundError, UnknownName

TOPICS: Final = (
    "tutorial",
    "data",
    "training",
    "sampling",
    "seq2seq",
    "evaluation",
    "plugins",
    "python",
    "files",
    "reliability",
    "benchmarks",
    "internals",
)
"""The guides, in the order in which one may read them."""
TRANSLATIONS: Final = {"教程": "tutorial"}
"""Guides in other languages, and the topics that they translate."""


def guide(topic: str) -> tuple[str, str]:
    """Return the summary of a guide and its Markdown.

    Raises:
        NotFoundError: if the file, which ships with rnngen, is not there.
    """
    path = paths.shipped(Path("man", "guides")) / f"{topic}.md"
    if not path.is_file():
        raise NotFoundError(f"the guide {topic!r} is not at {path}; install rnngen again")
    markdown = path.read_text(encoding="utf-8")
    return markdown.partition("\n")[0].partition(": ")[2], markdown


def _names() -> list[str]:
    """Return topics and commands, once each: ``plugins`` is both."""
    return list(dict.fromkeys((*TOPICS, *TRANSLATIONS, *COMMANDS)))


complete_names: Final = completers.of(lambda _: _names())
"""The completer of topics and commands."""


@flags.examples("rnngen help", "rnngen help tutorial", "rnngen help 教程", "rnngen help sampling | less")
@click.command("help")
@click.argument("topic", required=False, shell_complete=complete_names)
@click.pass_context
def show_help(ctx: click.Context, topic: str | None) -> None:
    """Show the guide to TOPIC; without one, list the guides.

    The name of a command shows that command's help. Guides are man pages too: man rnngen-tutorial.
    """
    if topic is None:
        console.table([[name, guide(name)[0]] for name in (*TOPICS, *TRANSLATIONS)], ("topic", "guide"))
    elif topic in TOPICS or topic in TRANSLATIONS:
        console.markdown(guide(topic)[1])
    elif command := app.get_command(ctx, topic):
        wanted = flags.HELP_ALL if flags.has_more(command) else "--help"
        command.make_context(topic, [wanted], parent=ctx.find_root())  # shows the help and ends
    else:
        raise UnknownName("topic", topic, _names())

"""``rnngen man``: writes the manual pages, from the commands themselves and from the guides.

A page is the same on every machine and on every day; ``--check`` names those that are out of date.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from rnngen.cli import flags
from rnngen.cli.app import COMMANDS, app
from rnngen.cli.commands.help import TOPICS, guide
from rnngen.cli.context import Program
from rnngen.cli.render.roff import Page, add_markdown, bold, escaped, italic, reference
from rnngen.errors import RnngenError
from rnngen.version import __version__

STATUSES = {
    "0": "All went well.",
    "1": "The work failed; a line on standard error says why.",
    "2": "The command line or a settings file is wrong.",
    "3": "There is no such model or corpus.",
    "4": "A plugin is missing, broken, or in conflict with another.",
    "130": "Interrupted with Ctrl-C.",
    "141": "The reader of the output closed the pipe.",
}
VARIABLES = {
    "RNNGEN_HOME": "The folder of models, settings and caches, instead of the user's own folders.",
    "RNNGEN_DEBUG": "Set to 1 to see the traceback of an error.",
    "NO_COLOR, FORCE_COLOR": "Never, or always, write in colour.",
}
FILES = {
    "./rnngen.toml": "Settings of the current folder: a table for each command, a key for each flag.",
    "$RNNGEN_HOME/config.toml": "The user's settings, likewise; by default under ~/.config/rnngen or where "
    "the platform keeps configuration. A flag overrides an environment variable, that overrides "
    "./rnngen.toml, and that overrides this file.",
}


@flags.examples("rnngen man -o man", "rnngen man --check -o man")
@click.command(hidden=True)
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("man"),
    help="The folder of the pages.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail if a page is out of date.")
def man(output: Path, check: bool) -> None:
    """Write the manual pages: one a command in man1, one a guide in man7."""
    if check:
        stale = stale_pages(output, pages())
        if stale:
            raise RnngenError(f"{output}: {', '.join(stale)} out of date; run 'rnngen man -o {output}'")
        return
    wanted = pages()
    for name in stale_pages(output, wanted):
        _write(output / name, wanted.get(name))


def stale_pages(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """Pages in ``folder`` that are missing, differ from those ``wanted``, or are no longer wanted."""
    found = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.glob("man[17]/*.[17]")
    }
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def pages() -> dict[str, str]:
    """Every page, by the path of its file."""
    root = root_context()
    shown = [name for name, builtin in COMMANDS.items() if not builtin.hidden]
    written = {"man1/rnngen.1": _overview(root, shown)}
    for name in shown:
        command = app.get_command(root, name)
        assert command is not None
        siblings = ["rnngen(1)", *(f"rnngen-{other}(1)" for other in shown if other != name)]
        page = command_page(command, name, COMMANDS[name].summary, root, siblings)
        written[f"man1/rnngen-{name}.1"] = page
    return written | {f"man7/rnngen-{topic}.7": _guide_page(topic) for topic in TOPICS}


def _guide_page(topic: str) -> str:
    summary, markdown = guide(topic)
    page = Page(f"rnngen-{topic}", summary, version=__version__, section=7)
    add_markdown(page, markdown.partition("\n")[2])
    page.section("SEE ALSO")
    page.pages(["rnngen(1)", *(f"rnngen-{other}(7)" for other in TOPICS if other != topic)])
    return page.roff()


def root_context() -> click.Context:
    """Return the program's context without arguments, settings or plugins."""
    return click.Context(app, info_name="rnngen", obj=Program(plugins=False), **app.context_settings)


def command_page(
    command: click.Command, name: str, summary: str, parent: click.Context, see_also: list[str]
) -> str:
    """The page of one command, or of a group with all its commands."""
    page = Page(f"rnngen-{name}", summary, version=__version__)
    commands = list(_family(command, name, parent))
    page.section("SYNOPSIS")
    for ctx in commands:
        page.usage(ctx.command_path, ctx.command.collect_usage_pieces(ctx))
    page.section("DESCRIPTION")
    page.text(command.help or "")
    for ctx in commands[1:]:
        page.subsection(ctx.command_path)
        page.text(ctx.command.help or "")
        _options(page, ctx)
    if len(commands) == 1:
        page.section("OPTIONS")
        _options(page, commands[0])
    _closing(page, [line for ctx in commands for line in flags.examples_of(ctx.command)], see_also)
    return page.roff()


def _overview(root: click.Context, shown: list[str]) -> str:
    page = Page("rnngen", (app.help or "").rstrip("."), version=__version__)
    page.section("SYNOPSIS")
    page.usage("rnngen", app.collect_usage_pieces(root))
    page.section("DESCRIPTION")
    page.text(app.help or "")
    page.section("COMMANDS")
    for name in shown:
        page.entry(reference(f"rnngen-{name}(1)"), escaped(COMMANDS[name].summary))
    page.section("GUIDES")
    for topic in TOPICS:
        page.entry(reference(f"rnngen-{topic}(7)"), escaped(guide(topic)[0]))
    page.section("OPTIONS")
    _options(page, root)
    _closing(page, flags.examples_of(app), [f"rnngen-{name}(1)" for name in shown])
    return page.roff()


def _family(command: click.Command, name: str, parent: click.Context) -> Iterator[click.Context]:
    """Yield a context for the command and, in a group, for each command below it."""
    ctx = click.Context(command, info_name=name, parent=parent)
    yield ctx
    if isinstance(command, click.Group):
        for below in command.list_commands(ctx):
            found = command.get_command(ctx, below)
            if found and not found.hidden:
                yield from _family(found, below, ctx)


def _options(page: Page, ctx: click.Context) -> None:
    """The flags, under the headings that ``flags.options_from`` gave them."""
    shown = [param for param in ctx.command.get_params(ctx) if isinstance(param, click.Option)]
    headings = list(dict.fromkeys(getattr(option, "heading", None) for option in shown))
    for heading in sorted(headings, key=lambda heading: heading is not None):
        if heading:
            page.subsection(heading)
        for option in shown:
            if not option.hidden and getattr(option, "heading", None) == heading:
                page.entry(_names(option, ctx), " ".join([escaped(option.help or ""), *_extras(option, ctx)]))


def _names(option: click.Option, ctx: click.Context) -> str:
    names = ", ".join(bold(name) for name in [*option.opts, *option.secondary_opts])
    return names if option.is_flag or option.count else f"{names} {italic(option.make_metavar(ctx))}"


def _extras(option: click.Option, ctx: click.Context) -> Iterator[str]:
    extra = option.get_help_extra(ctx)
    if "default" in extra:
        yield escaped(f"Default: {extra['default']}.")
    if "range" in extra:
        yield escaped(f"Range: {extra['range']}.")
    if option.expose_value and option.allow_from_autoenv and option.name:
        yield f"Environment: {bold(f'{ctx.auto_envvar_prefix}_{option.name.upper()}')}."


def _closing(page: Page, examples: list[str], see_also: list[str]) -> None:
    for title, entries in (("EXIT STATUS", STATUSES), ("ENVIRONMENT", VARIABLES), ("FILES", FILES)):
        page.section(title)
        for term, meaning in entries.items():
            page.entry(bold(term), escaped(meaning))
    if examples:
        page.section("EXAMPLES")
        page.verbatim(examples)
    page.section("SEE ALSO")
    page.pages(see_also)


def _write(path: Path, text: str | None) -> None:
    """Write a page, or remove one that is no longer wanted."""
    if text is None:
        path.unlink()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

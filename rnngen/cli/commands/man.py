"""``rnngen man``: writes the manual pages from the commands themselves, so that they cannot disagree.

A page is the same on every machine and on every day; ``--check`` says which ones no longer are what the
commands say.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from rnngen import __version__
from rnngen.cli import flags
from rnngen.cli.app import COMMANDS, app
from rnngen.cli.render.roff import Page, bold, escaped, italic
from rnngen.errors import RnngenError

STATUSES = {
    "0": "All went well.",
    "1": "The work failed; a line on standard error says why.",
    "2": "The command line, or a settings file, makes no sense.",
    "3": "There is no such model or corpus.",
    "4": "A plugin is missing, broken, or in conflict with another.",
    "130": "Interrupted with Ctrl-C.",
    "141": "Nobody read the output any more.",
}
VARIABLES = {
    "RNNGEN_HOME": "The folder of models, settings and caches, instead of the user's own folders.",
    "RNNGEN_DEBUG": "Set to 1 to see the traceback of an error.",
    "NO_COLOR, FORCE_COLOR": "Never, or always, write in colour.",
}
FILES = {
    "./rnngen.toml": "Settings for the folder one works in: a table for each command, a key for each flag.",
    "$RNNGEN_HOME/config.toml": "The user's settings, likewise; by default under ~/.config/rnngen or where "
    "the platform keeps configuration. A flag goes before an environment variable, that before "
    "./rnngen.toml, and that before this file.",
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
@click.option("--check", is_flag=True, help="Write nothing; fail if a page is not what it should be.")
def man(output: Path, check: bool) -> None:
    """Write the manual pages, one a command."""
    if check:
        stale = stale_pages(output, pages())
        if stale:
            raise RnngenError(f"{output}: {', '.join(stale)} out of date; run 'rnngen man -o {output}'")
        return
    output.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for name in stale_pages(output, wanted):
        _write(output / name, wanted.get(name))


def stale_pages(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """Pages in ``folder`` that are missing, differ from those ``wanted``, or belong to no command."""
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.1")}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def pages() -> dict[str, str]:
    """Every page, by the name of its file."""
    root = root_context()
    shown = [name for name, builtin in COMMANDS.items() if not builtin.hidden]
    written = {"rnngen.1": _overview(root, shown)}
    for name in shown:
        command = app.get_command(root, name)
        assert command is not None
        siblings = ["rnngen", *(f"rnngen-{other}" for other in shown if other != name)]
        written[f"rnngen-{name}.1"] = command_page(command, name, COMMANDS[name].summary, root, siblings)
    return written


def root_context() -> click.Context:
    """The program's context without arguments or settings."""
    return click.Context(app, info_name="rnngen", **app.context_settings)


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
        page.entry(f"{bold(f'rnngen-{name}')}(1)", escaped(COMMANDS[name].summary))
    page.section("OPTIONS")
    _options(page, root)
    _closing(page, flags.examples_of(app), [f"rnngen-{name}" for name in shown])
    return page.roff()


def _family(command: click.Command, name: str, parent: click.Context) -> Iterator[click.Context]:
    """A context for the command, and for each below it if it is a group."""
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
    page.names(see_also)


def _write(path: Path, text: str | None) -> None:
    """Write a page, or remove one that belongs to no command any more."""
    if text is None:
        path.unlink()
    else:
        path.write_text(text, encoding="utf-8")

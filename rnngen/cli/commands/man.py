"""``rnngen man``: reads and writes the manual pages, from the commands themselves and from the guides.

A page is the same on every machine and on every day; ``--check`` names those that are out of date.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from shutil import which
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from rnngen.cli import flags
from rnngen.cli.app import COMMANDS, app
from rnngen.cli.commands.help import TOPICS, complete_names, guide, show_help
from rnngen.cli.context import Program
from rnngen.discovery import Selection
from rnngen.errors import RnngenError, UnknownName, UsageError
from rnngen.version import __version__

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

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
    "RNNGEN_PLUGINS": "Plugins to load: none, a list as a,b, or all but some as no:a,b.",
    "RNNGEN_PLUGINS_STRICT": "Set to 1 to end with status 4 at a plugin that cannot be loaded.",
    "RNNGEN_DEBUG": "Set to 1 to see the traceback of an error.",
    "NO_COLOR, FORCE_COLOR": "Never, or always, write in colour.",
}
FILES = {
    "./rnngen.toml": "Settings of the current folder, or of the nearest above it: a table for each command, "
    "a key for each flag.",
    "$RNNGEN_HOME/config.toml": "The user's settings, likewise; by default under ~/.config/rnngen or where "
    "the platform keeps configuration. A flag overrides an environment variable, that overrides "
    "./rnngen.toml, and that overrides this file.",
}


@flags.examples("rnngen man sample", "rnngen man tutorial", "rnngen man -o man")
@click.command(cls=flags.Command)
@click.argument("name", required=False, metavar="[COMMAND]", shell_complete=complete_names)
@flags.option(
    "-o",
    "--output",
    sensitive=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write all pages into a folder: one a command in man1, one a guide in man7.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail if a page in the folder is out of date.")
def man(name: str | None, output: Path | None, check: bool) -> None:
    """Read the manual page of COMMAND, or of a guide; without one, that of rnngen.

    The system's man shows it; where there is none, the help stands in.
    """
    if output is None:
        if check:
            raise UsageError("--check compares the pages of a folder; name it with -o")
        _read(name)
        return
    if name is not None:
        raise UsageError(f"{name} and -o both; -o writes all pages")
    _write(output, pages(), check=check)


def _read(name: str | None) -> None:
    """Show a page with the system's ``man``, or the help that it is made of."""
    names = {"rnngen": "man1/rnngen.1"} | {one: f"man1/rnngen-{one}.1" for one in COMMANDS}
    names |= {topic: f"man7/rnngen-{topic}.7" for topic in TOPICS}
    if name is not None and name not in names:
        raise UnknownName("manual page", name, names)
    program = which("man")
    if program is None:
        click.get_current_context().invoke(show_help, topic=None if name == "rnngen" else name)
        return
    with TemporaryDirectory() as folder:
        place = Path(folder, PurePath(names[name or "rnngen"]).name)
        place.write_text(pages()[names[name or "rnngen"]], encoding="utf-8")
        sys.stdout.flush()
        subprocess.run([program, "-l", str(place)], check=False)


def _write(output: Path, wanted: Mapping[str, str], *, check: bool) -> None:
    """Write pages that are out of date, and remove others; with ``check`` only name them."""
    stale = stale_pages(output, wanted)
    if check and stale:
        raise RnngenError(f"{output}: {', '.join(stale)} out of date; run 'rnngen man -o {output}'")
    for path in () if check else (output / name for name in stale):
        text = wanted.get(path.relative_to(output).as_posix())
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def stale_pages(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """Pages in ``folder`` that are missing, differ from those ``wanted``, or are no longer wanted."""
    found = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.glob("man[17]/rnngen*.[17]")
    }
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def pages() -> dict[str, str]:
    """Every page, by the path of its file."""
    root = root_context()
    written = {"man1/rnngen.1": _overview(root)}
    for name, builtin in COMMANDS.items():
        command = app.get_command(root, name)
        assert command is not None
        siblings = ["rnngen(1)", *(f"rnngen-{other}(1)" for other in COMMANDS if other != name)]
        page = command_page(command, name, builtin.summary, root, siblings)
        written[f"man1/rnngen-{name}.1"] = page
    return written | {f"man7/rnngen-{topic}.7": _guide_page(topic) for topic in TOPICS}


def _guide_page(topic: str) -> str:
    summary, markdown = guide(topic)
    page = Page(f"rnngen-{topic}", summary, section=7)
    add_markdown(page, markdown.partition("\n")[2])
    page.section("SEE ALSO")
    page.pages(["rnngen(1)", *(f"rnngen-{other}(7)" for other in TOPICS if other != topic)])
    return page.roff()


def root_context() -> click.Context:
    """Return the program's context without arguments, settings or plugins."""
    alone = Program(selection=Selection((frozenset(),)))
    return click.Context(app, info_name="rnngen", obj=alone, **app.context_settings)


def command_page(
    command: click.Command, name: str, summary: str, parent: click.Context, see_also: list[str]
) -> str:
    """The page of one command, or of a group with all its commands."""
    page = Page(f"rnngen-{name}", summary)
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


def _overview(root: click.Context) -> str:
    page = Page("rnngen", (app.help or "").rstrip("."))
    page.section("SYNOPSIS")
    page.usage("rnngen", app.collect_usage_pieces(root))
    page.section("DESCRIPTION")
    page.text(app.help or "")
    page.section("COMMANDS")
    for name, builtin in COMMANDS.items():
        page.entry(reference(f"rnngen-{name}(1)"), escaped(builtin.summary))
    page.section("GUIDES")
    for topic in TOPICS:
        page.entry(reference(f"rnngen-{topic}(7)"), escaped(guide(topic)[0]))
    page.section("OPTIONS")
    _options(page, root)
    _closing(page, flags.examples_of(app), [f"rnngen-{name}(1)" for name in COMMANDS])
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


def _options(page: "Page", ctx: click.Context) -> None:
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


def _closing(page: "Page", examples: list[str], see_also: list[str]) -> None:
    for title, entries in (("EXIT STATUS", STATUSES), ("ENVIRONMENT", VARIABLES), ("FILES", FILES)):
        page.section(title)
        for term, meaning in entries.items():
            page.entry(bold(term), escaped(meaning))
    if examples:
        page.section("EXAMPLES")
        page.verbatim(examples)
    page.section("SEE ALSO")
    page.pages(see_also)


# ── Pages in the ``man`` macros of roff ────────────────────────────────────────────────────────────────────


class Page:
    """One page; its section is 1 for commands, 7 for guides.

    Text is plain and means itself, but for the terms and meanings of entries, which are roff already, made of
    ``escaped``, ``bold``, ``italic`` and ``_inline``.
    """

    def __init__(self, name: str, summary: str, *, section: int = 1) -> None:
        source = f'"rnngen {escaped(__version__)}" "rnngen manual"'
        self.lines = [f'.TH "{escaped(name.upper())}" "{section}" "" {source}', ".nh", ".ad l"]
        self.section("NAME")
        self.lines.append(f"{escaped(name)} \\- {escaped(summary.rstrip('.'))}")

    def section(self, title: str) -> None:
        """Open a section."""
        self.lines.append(f".SH {_line(escaped(title))}")

    def subsection(self, title: str) -> None:
        """Open a subsection."""
        self.lines.append(f".SS {_line(escaped(title))}")

    def usage(self, command: str, pieces: Sequence[str]) -> None:
        """A line of the synopsis: the command and what comes after it."""
        self.lines += [".PP", f"{bold(command)} {escaped(' '.join(pieces))}".rstrip()]

    def text(self, text: str) -> None:
        r"""Paragraphs as Click has them: a blank line between, and ``\b`` where lines stay as they are."""
        for paragraph in re.split(r"\n\s*\n", text.partition("\f")[0].strip()):
            if paragraph.startswith("\b"):
                self.verbatim(paragraph.splitlines()[1:])
            elif paragraph:
                self.lines += [".PP", _line(escaped(" ".join(paragraph.split())))]

    def entry(self, term: str, meaning: str) -> None:
        """A term, with its meaning indented below; both are roff."""
        self.lines += [".TP", _line(term), _line(" ".join(meaning.split()) or "\\&")]

    def pages(self, names: Sequence[str]) -> None:
        """Other pages, each as ``name(section)``, as a list in the text."""
        self.lines += [".PP", ", ".join(map(reference, names))]

    def verbatim(self, lines: Sequence[str]) -> None:
        """Lines that stay as they are."""
        self.lines += [".PP", ".nf", ".RS 4", *(_line(escaped(line)) for line in lines), ".RE", ".fi"]

    def roff(self) -> str:
        """The page's source."""
        return "\n".join(self.lines) + "\n"


def escaped(text: str) -> str:
    """The text so that roff shows it as it is: backslashes, hyphens that can be copied, and ASCII alone."""
    return "".join(
        _ESCAPES.get(char) or (char if char.isascii() else f"\\[u{ord(char):04X}]") for char in text
    )


_ESCAPES = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", '"': "\\(dq", "~": "\\(ti", "^": "\\(ha"}


def bold(text: str) -> str:
    """The text in bold: what is typed as it is."""
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    """The text in italics: what stands for something else."""
    return f"\\fI{escaped(text)}\\fR"


def reference(page: str) -> str:
    """The name of another page, ``name(section)``, its name in bold."""
    name, bracket, section = page.partition("(")
    return bold(name) + bracket + section


def _line(text: str) -> str:
    """A line that roff does not take for a request."""
    return f"\\&{text}" if text.startswith(".") else text


# ── From Markdown ──────────────────────────────────────────────────────────────────────────────────────────


def add_markdown(page: Page, markdown: str) -> None:
    """Append Markdown to a page: headings, paragraphs, lists, code and tables.

    A table of two columns becomes a list of terms and meanings; a wider one stays a table, its lines uncut.

    Raises:
        KeyError: for any other kind of block.
    """
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

    for node in SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(markdown)).children:
        _BLOCKS[node.type](page, node)


def _heading(page: Page, node: "SyntaxTreeNode") -> None:
    title = _plain(node)
    page.section(title.upper()) if node.tag == "h2" else page.subsection(title)


def _paragraph(page: Page, node: "SyntaxTreeNode") -> None:
    page.lines += [".PP", _line(_inline(node))]


def _code(page: Page, node: "SyntaxTreeNode") -> None:
    page.verbatim(node.content.splitlines())


def _list(page: Page, node: "SyntaxTreeNode") -> None:
    ordered = node.type == "ordered_list"
    for number, item in enumerate(node.children, start=1):
        page.lines += [f".IP {number}. 4" if ordered else ".IP \\(bu 2", _line(_inline(item.children[0]))]
        for block in item.children[1:]:
            page.lines.append(".RS")
            _BLOCKS[block.type](page, block)
            page.lines.append(".RE")


def _table(page: Page, node: "SyntaxTreeNode") -> None:
    head, *body = [row.children for part in node.children for row in part.children]
    if len(head) == 2:
        for term, meaning in body:
            page.entry(_inline(term), _inline(meaning))
        return
    cells = [[_plain(cell) for cell in row] for row in (head, *body)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = [[text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in cells]
    page.verbatim(["  ".join(row).rstrip() for row in padded])


_BLOCKS: "dict[str, Callable[[Page, SyntaxTreeNode], None]]" = {
    "heading": _heading,
    "paragraph": _paragraph,
    "fence": _code,
    "code_block": _code,
    "bullet_list": _list,
    "ordered_list": _list,
    "table": _table,
}


def _inline(node: "SyntaxTreeNode") -> str:
    """Roff of the text in a node: code and strong text bold, emphasis in italics, other guides as pages."""
    if node.type in _MARKS:
        return _MARKS[node.type](_plain(node))
    target = PurePath(str(node.attrs.get("href", "")))
    if target.suffix == ".md":
        return reference(f"rnngen-{target.stem}(7)")
    return "".join(map(_inline, node.children))


_MARKS: dict[str, Callable[[str], str]] = {
    "text": escaped,
    "softbreak": escaped,
    "code_inline": bold,
    "strong": bold,
    "em": italic,
}


def _plain(node: "SyntaxTreeNode") -> str:
    if node.type == "softbreak":
        return " "
    return "".join(map(_plain, node.children)) if node.children else node.content

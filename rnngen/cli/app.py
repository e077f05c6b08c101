"""The program ``rnngen``: a group of commands, each imported only when it is called.

``rnngen --help`` and ``--version`` print the table below and the cache of plugin commands, so that they take
milliseconds whatever is installed.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from rnngen import discovery
from rnngen.cli.context import Program, selection
from rnngen.discovery import Selection
from rnngen.errors import RnngenError, UnknownName, UsageError, is_output
from rnngen.version import __version__


class Builtin(NamedTuple):
    """A command that ships with rnngen."""

    target: str
    """Import string, ``"package.module:attribute"``."""
    summary: str
    """One line for ``--help``."""


COMMANDS: dict[str, Builtin] = {
    "train": Builtin("rnngen.cli.commands.train:train", "Train a model on text, or resume training."),
    "distil": Builtin(
        "rnngen.cli.commands.distil:distil", "Train one model that learns from several others."
    ),
    "tune": Builtin("rnngen.cli.commands.tune:tune", "Search for good sizes and settings for a text."),
    "sample": Builtin("rnngen.cli.commands.sample:sample", "Generate text with a model."),
    "eval": Builtin("rnngen.cli.commands.eval:evaluate", "Evaluate a model on a text."),
    "score": Builtin("rnngen.cli.commands.score:score", "Print the log-probability of each line."),
    "classify": Builtin("rnngen.cli.commands.classify:classify", "Print the likeliest label of each line."),
    "next": Builtin("rnngen.cli.commands.next:next_token", "Show the most probable next tokens."),
    "fill": Builtin("rnngen.cli.commands.fill:fill", "Fill a gap in a text."),
    "look": Builtin("rnngen.cli.commands.look:look", "Look inside a model: surprisal, units, gates …"),
    "report": Builtin(
        "rnngen.cli.commands.report:report", "Write a page with all that look shows of a model."
    ),
    "attend": Builtin("rnngen.cli.commands.attend:attend", "Draw the attention weights of a seq2seq model."),
    "log": Builtin("rnngen.cli.commands.log:log", "List and repeat what was generated with --log."),
    "bench": Builtin("rnngen.cli.commands.bench:bench", "Measure the speed of training and generation."),
    "models": Builtin("rnngen.cli.commands.models:models", "List, show, copy and remove models."),
    "cache": Builtin("rnngen.cli.commands.cache:cache", "Show or clear what can be made again."),
    "export": Builtin("rnngen.cli.commands.export:export", "Pack a model into one file, a page, or ONNX."),
    "devices": Builtin("rnngen.cli.commands.devices:devices", "List the devices of this machine."),
    "doctor": Builtin("rnngen.cli.commands.doctor:doctor", "Show what is installed, and what to mend."),
    "config": Builtin("rnngen.cli.commands.config:config", "Show the settings, and where each comes from."),
    "plugins": Builtin(
        "rnngen.cli.commands.plugins:plugins", "List, check, write and install plugins: cells, filters …"
    ),
    "corpora": Builtin(
        "rnngen.cli.commands.corpora:corpora", "List the corpora that ship with rnngen; build others."
    ),
    "completion": Builtin(
        "rnngen.cli.commands.completion:completion", "Print the completion script of a shell."
    ),
    "help": Builtin("rnngen.cli.commands.help:show_help", "Show a guide: tutorial, training, sampling …"),
    "man": Builtin("rnngen.cli.commands.man:man", "Read the manual page of a command or a guide."),
}
"""The commands that ship with rnngen, in the order in which ``--help`` shows them."""
UNSTOPPED = ("doctor", "completion")
"""Commands that run whatever a settings file holds: one reports it, the other stands in the shell's own."""


class App(click.Group):
    """The group of all commands, built-in and from plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, built-ins first."""
        return [name for name, _ in self._summaries(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; plugins are asked only where no built-in has the name."""
        if cmd_name in COMMANDS:
            module, _, attribute = COMMANDS[cmd_name].target.partition(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command
        from rnngen.cli import plugin_commands

        quiet = ctx.resilient_parsing
        return plugin_commands.find(selection(ctx), cmd_name, reserved=COMMANDS, quiet=quiet)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the flags before the command; they say which plugins count, for the help too."""
        given, _, _ = self.make_parser(ctx).parse_args([*args])
        words = [*given.get("plugin", ()), *["none"] * given.get("no_plugins", False)]
        ctx.ensure_object(Program).selection = Selection.parse(words)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            PluginError: naming the plugin of a command that raises what rnngen and Click do not.
        """
        try:
            return super().invoke(ctx)
        except Exception as error:
            passes = click.ClickException | click.exceptions.Exit | click.Abort | RnngenError
            if ctx.invoked_subcommand in COMMANDS or isinstance(error, passes) or is_output(error):
                raise
            from rnngen.cli import plugin_commands

            raise plugin_commands.failed(selection(ctx), str(ctx.invoked_subcommand), error) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that ``args`` begin with, and its defaults in the settings files.

        Raises:
            UnknownName: if there is none; the closest is named.
        """
        name, rest = args[0], args[1:]
        command = self.get_command(ctx, name)
        if command is None and not ctx.resilient_parsing:
            raise UnknownName("command", name, self.list_commands(ctx))
        if command and not ctx.resilient_parsing and not _asks_for_help(rest):
            from rnngen.cli.settings import defaults

            try:
                ctx.default_map = {name: defaults(command, name, COMMANDS)}
            except UsageError:
                if name not in UNSTOPPED:
                    raise
        return (name if command else None), command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        rows, count = [*self._summaries(ctx)], len(COMMANDS)
        for title, part in (("Commands", rows[:count]), ("Commands of plugins", rows[count:])):
            if part:
                with formatter.section(title):
                    formatter.write_dl(part)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the names of commands, again without importing any."""
        found = [row for row in self._summaries(ctx) if row[0].startswith(incomplete)]
        names = [CompletionItem(name, help=summary) for name, summary in found]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def _summaries(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        for name, builtin in COMMANDS.items():
            yield name, builtin.summary
        from rnngen.cli import plugin_commands

        yield from plugin_commands.summaries_of(
            selection(ctx), reserved=COMMANDS, quiet=ctx.resilient_parsing
        )


def _asks_for_help(args: list[str]) -> bool:
    """Report whether help is asked for, which a broken settings file must not prevent."""
    options = args[: args.index("--")] if "--" in args else args
    return not {"--help", "-h", "--help-all"}.isdisjoint(options)


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Show the version, and the plugins that there are, without importing any."""
    if not wanted or ctx.resilient_parsing:
        return
    click.echo(f"rnngen {__version__}")
    selected = selection(ctx) & Selection.of_environment()
    for source in discovery.sources():
        off = "" if selected.takes(source) else "  (switched off)"
        click.echo(f"  {source.distribution.name} {source.distribution.version}{off}")
    ctx.exit()


app = App(
    name="rnngen",
    help="Train recurrent text generators on your own text, and run them in the shell.",
    epilog="\b\nExamples:\n"
    "  rnngen train corpus.txt\n  rnngen sample --temp 0.8 'ROMEO:'\n  rnngen help tutorial",
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "RNNGEN"},
    params=[
        click.Option(
            ["-p", "plugin"],
            multiple=True,
            metavar="NAME|no:NAME",
            allow_from_autoenv=False,
            help="Load this plugin and no other, or all but this; RNNGEN_PLUGINS=a,b does the same.",
        ),
        click.Option(["--no-plugins"], is_flag=True, allow_from_autoenv=False, help="Load no plugin at all."),
        click.Option(
            ["-V", "--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            allow_from_autoenv=False,  # RNNGEN_VERSION may well be set by whoever packs rnngen
            callback=_show_version,
            help="Show the version, and those of the plugins.",
        ),
    ],
)
"""The program. ``rnngen.__main__`` runs it; tests may call it through ``main``."""

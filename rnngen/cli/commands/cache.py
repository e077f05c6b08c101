"""``rnngen cache``: what is kept so that it need not be made again, and how to be rid of it."""

import time
from pathlib import Path

import click

from rnngen import paths
from rnngen.cli import flags
from rnngen.cli.render import console
from rnngen.cli.render.progress import age, disk_size
from rnngen.printable import counted
from rnngen.store import caches

SUMMARIES = {
    "corpora": "encoded texts, for the next training on them",
    "prefixes": "states after long prompts",
    "stdin": "texts from standard input, for --resume",
    "plugins": "what each plugin brings",
}
"""What each kind is."""
COLUMNS = ("kind", "number", "disk", "last used", "what it is")


@click.group()
def cache() -> None:
    """Show or clear what is kept so that it need not be made again."""


@flags.examples("rnngen cache list", "rnngen cache list --json | jq '.[].bytes'")
@cache.command("list", cls=flags.Command)
@flags.json_flag
def list_cache(json: bool) -> None:
    """List what is kept, by kind: its number, its size on disk, and when any of it was used last."""
    rows = [_described(kind) for kind in caches.KINDS]
    if json:
        console.write_json(rows)
        return
    console.table([_row(row) for row in rows], COLUMNS)
    console.note(f"in {paths.cache()}; above {disk_size(caches.LIMIT)} the oldest of it goes by itself")


def _described(kind: str) -> dict[str, object]:
    entries = [entry for entry in caches.entries() if entry.kind == kind]
    used = max((entry.used for entry in entries), default=None)
    return {"kind": kind, "number": len(entries), "bytes": sum(entry.size for entry in entries), "used": used}


def _row(described: dict[str, object]) -> list[object]:
    kind, number, size, used = described.values()
    last = age(time.time() - float(str(used))) if used else None
    return [kind, number, disk_size(int(str(size))), last, SUMMARIES[str(kind)]]


@flags.examples("rnngen cache clear", "rnngen cache clear corpora", "rnngen cache clear stdin --all")
@cache.command(cls=flags.Command)
@click.argument("kinds", nargs=-1, type=click.Choice(caches.KINDS), metavar="[KIND]...")
@flags.option(
    "--all",
    "everything",
    is_flag=True,
    sensitive=True,
    help="Also texts from standard input that models need for --resume.",
)
def clear(kinds: tuple[str, ...], everything: bool) -> None:
    """Remove what is kept of some KINDs, by default of all, and what killed processes have left.

    All of it is made again when it is needed, except text that came through a pipe: that is kept as long as
    there is a model which --resume could go on with.
    """
    needed: set[Path] = set() if everything else caches.needed_texts()
    gone = caches.clear(lambda entry: entry.kind in (kinds or caches.KINDS) and entry.place not in needed)
    console.note(f"removed {counted(len(gone), 'things')}, {disk_size(sum(entry.size for entry in gone))}")
    left = sum(entry.place in needed for entry in caches.entries())
    if left and "stdin" in (kinds or caches.KINDS):
        console.note(f"kept, since models go on with them: {counted(left, 'texts')}; --all removes them too")

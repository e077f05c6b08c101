"""``rnngen look embeddings``: the nearest tokens of each, and a map of them."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnngen.cli import flags
from rnngen.cli.commands.look import inputs
from rnngen.cli.context import load, session
from rnngen.cli.render import console
from rnngen.cli.settings import rank_of
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.observation.embeddings import Embeddings
    from rnngen.plots.chart import Map


@flags.examples(
    "rnngen look embeddings -m diary",
    'rnngen look embeddings -m diary a e " "',
    "rnngen look embeddings -m diary -o map.svg --count 200",
)
@click.command(cls=flags.Command)
@click.argument("tokens", nargs=-1, metavar="[TOKEN]...")
@flags.model_flag
@click.option("--count", type=click.IntRange(2), default=60, show_default=True, help="Tokens on the map.")
@click.option(
    "--near", type=click.IntRange(1), default=5, show_default=True, help="Neighbours of each token."
)
@flags.picture_flag
@flags.json_flag
@flags.quiet_flag
@click.pass_context
def embeddings(
    ctx: click.Context,
    /,
    *,
    tokens: tuple[str, ...],
    model: str | None,
    count: int,
    near: int,
    output: Path | None,
    json: bool,
    quiet: bool,
) -> None:
    """Show which tokens a model holds alike: the neighbours of each TOKEN, and a map of the most frequent.

    Likeness is the cosine of the angle between two embeddings. The map shows the two directions in which the
    embeddings differ most. Without TOKEN, the neighbours of the most frequent ones are listed.
    """
    from rnngen.observation.embeddings import embeddings as read

    inputs.check_output(output)
    if json and not output and rank_of(ctx, "count") == 0:
        raise UsageError(
            "--count is the number of tokens on the map, and --json draws none; leave it out, or give -o"
        )
    if output and not json and (tokens or rank_of(ctx, "near") == 0):
        what = "TOKENs have" if tokens else "--near has"
        raise UsageError(
            f"{what} no place on the map, which shows the most frequent tokens; leave -o out for their "
            "neighbours, or give --json as well"
        )
    loaded = load(session(ctx), [model], "cpu", quiet=quiet)
    found = read(loaded.generator, loaded.stored[0], loaded.name)
    places = [found.find(text) for text in tokens] or [*range(min(12, len(found.tokens)))]
    picture = picture_of(found.first(count), loaded.name)
    rows = [[_spelled(found, place), *_neighbours(found, place, near)] for place in places]
    record = [
        {"token": row[0], "neighbours": _pairs(found, place, near)}
        for row, place in zip(rows, places, strict=True)
    ]
    inputs.show(picture, output, partial(_draw, picture, rows, near), record if json else None)


def picture_of(found: "Embeddings", model: str) -> "Map":
    """Return the map."""
    from rnngen.plots.chart import Map, Point

    flat, share = found.plane()
    points = tuple(
        Point(_name(piece), float(x), float(y)) for piece, (x, y) in zip(found.pieces, flat, strict=True)
    )
    note = f"{len(points)} tokens; the plane shows {100 * share:.0f} % of what their embeddings differ by"
    return Map(f"{model}: embeddings", points, (note,))


def _name(piece: bytes) -> str:
    """Return a token as it is, or spelt out where it is a part of a character."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return console.spelled(piece)


def _spelled(found: "Embeddings", place: int) -> str:
    return console.spelled(found.pieces[place])


def _neighbours(found: "Embeddings", place: int, near: int) -> list[str]:
    listed = [f"{_spelled(found, at)} {cosine:.2f}" for at, cosine in found.neighbours(place, near)]
    return listed + [""] * (near - len(listed))


def _pairs(found: "Embeddings", place: int, near: int) -> list[dict[str, object]]:
    return [{"token": _spelled(found, at), "cosine": cosine} for at, cosine in found.neighbours(place, near)]


def _draw(picture: "Map", rows: list[list[str]], near: int) -> None:
    console.map_of_points(picture)
    console.table(rows, ["token", *(f"nearest {number}" for number in range(1, near + 1))])

"""``rnngen report``: everything that ``rnngen look`` shows of a model, in one page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags
from rnngen.cli.commands.look import inputs
from rnngen.cli.context import load, registry, session
from rnngen.cli.render import console
from rnngen.cli.render.progress import disk_size
from rnngen.errors import RnngenError, UsageError

if TYPE_CHECKING:
    from rnngen.api import Model
    from rnngen.observation.reading import Text

CHARACTERS, GATED, BACK = 1500, 60, 100
"""Characters that are read, those whose gates are drawn, and steps back of the gradient."""


@flags.examples("rnngen report -m diary -o report.html", "rnngen report -m diary text.txt -o report.html")
@click.command(cls=flags.Command)
@inputs.file_argument
@flags.model_flag
@flags.output_flag("The page to write, with the ending .html.", required=True)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the text that the model writes."
)
@flags.quiet_flag
@click.pass_context
def report(
    ctx: click.Context, /, *, file: str | None, model: str | None, output: Path, seed: int, quiet: bool
) -> None:
    """Write one page with all that can be seen of a model: training, surprisal, units, gates and more.

    The page holds everything itself, opens without a network, and prints. What is read is FILE or, without
    it, a text that the model writes itself; a model that reads sources needs FILE, with a source, a tab and a
    text a line. What a model has not, as gates or attention, is named with the reason.
    """
    from rnngen.plots.pages import plain_page
    from rnngen.store.checkpoint import atomic

    if output.suffix.lower() not in (".html", ".htm") or output.is_dir():
        raise UsageError(f"{output}: a report is a page; give a name that ends in .html")
    here = session(ctx)
    loaded = load(here, [model], "cpu", quiet=quiet)
    page = Report(loaded, file, seed, registry(ctx), quiet)
    if file is not None:
        _ = page.texts  # what is wrong with it is no matter of one section
    body = "\n".join(page.sections())
    with atomic(output) as target:
        target.write(plain_page(f"{loaded.name}: a report", body).encode())
    if not quiet:
        console.note(f"wrote {output} ({disk_size(output.stat().st_size)})")


@dataclass
class Report:
    """The sections of a page about one model."""

    model: "Model"
    file: str | None
    seed: int
    registry: Any
    quiet: bool

    def sections(self) -> Iterator[str]:
        """Yield each section; of what the model has not, the reason."""
        for title, write in {
            "The model": self.facts,
            "Training": self.training,
            "Surprisal": self.surprise,
            "Units": self.neurons,
            "Gates": self.gates,
            "Gradients": self.gradients,
            "Attention": self.attention,
            "A search": self.beam,
            "Embeddings": self.embeddings,
        }.items():
            yield f"<h2>{title}</h2>\n{_written(write)}"

    @cached_property
    def texts(self) -> "list[Text]":
        """The texts that are read.

        Raises:
            UsageError: if there are none.
        """
        from rnngen.observation.reading import texts_of

        generator = self.model.generator
        if self.file is not None:
            return inputs.read_texts(generator, self.file, CHARACTERS, quiet=self.quiet)
        if generator.reads_source:
            raise UsageError("this model reads sources; give a file with a source, a tab and a text a line")
        written = self.model.generate(length=CHARACTERS, seed=self.seed)
        return texts_of(generator, str(written)[:CHARACTERS], "the text that the model wrote")

    def facts(self) -> str:
        """Its parts and sizes, without paths."""
        from rnngen.plots.chart import table
        from rnngen.store.model_folder import is_fact

        stored, config = self.model.stored[0], self.model.stored[0].config
        count = sum(array.size for name, array in stored.weights.items() if not is_fact(name))
        network, corpus = config.network, config.corpus
        rows: list[list[object]] = [
            ["task", config.task.name],
            ["cell", f"{config.cell.name} ({config.cell.distribution} {config.cell.version})"],
            ["tokenizer", f"{config.tokenizer.name}, {config.vocabulary:,} tokens"],
            ["size", f"{network.layers} × {network.hidden} units, dropout {network.dropout or 0:g}"],
            ["parameters", f"{count:,}"],
            ["trained on", f"{corpus.chars:,} characters, SHA-256 {corpus.sha256[:16]}…"],
            ["seed", config.training.seed],
            ["made by", f"rnngen {config.rnngen}"],
        ]
        sample = "" if self.model.generator.reads_source else f'<p class="text">{escape(self._sample())}</p>'
        return table(rows, ["", self.model.name]) + sample

    def _sample(self) -> str:
        return str(self.model.generate(length=300, seed=self.seed))

    def training(self) -> str:
        """The curves of its run."""
        from rnngen.cli.commands.look.training import COLUMNS, pictures_of, row_of
        from rnngen.observation.training import Run
        from rnngen.plots.chart import table

        run = Run.of(self.model.stored[0])
        return "\n".join([*(one.body() for one in pictures_of([run], "step")), table([row_of(run)], COLUMNS)])

    def surprise(self) -> str:
        """The text in the colours of its surprisal."""
        from rnngen.cli.commands.look.surprise import picture_of
        from rnngen.observation.surprise import surprise

        found = surprise(self.model.generator, self.texts)
        pictures = [picture_of(found, name, 10, self.model.name) for name in found.bits]
        return "\n".join(f"<h3>{escape(one.title)}</h3>{one.body()}" for one in pictures)

    def neurons(self) -> str:
        """The text in the colours of the units that follow something, or of the nearest."""
        from rnngen.cli.commands.look.neurons import best_unit, picture_of
        from rnngen.observation.neurons import find, observe

        units = observe(self.model.generator, self.texts)
        found = find(units)
        shown = list(dict.fromkeys(one.unit for one in found if one.telling and one.unit is not None))[:3]
        pictures = [
            picture_of(units, found, unit, self.model.name) for unit in shown or [best_unit(units, found)]
        ]
        return "\n".join(f"<h3>{escape(one.title)}</h3>{one.body()}" for one in pictures)

    def gates(self) -> str:
        """Return the gates at the beginning of the text: how open they are."""
        from rnngen.cli.commands.look.gates import picture_of
        from rnngen.observation.gates import observe_gates

        first = self.texts[0]
        pieces, found = observe_gates(
            self.model.generator, first._replace(text=first.text[:GATED]), self.model.name
        )
        return picture_of(pieces, found, self.model.name).body()

    def gradients(self) -> str:
        """Return how far its gradient reaches back, beside that of its cell with fresh weights."""
        from rnngen.cli.commands.look.gradients import picture_of
        from rnngen.observation.gradients import COLUMNS, rows, trained
        from rnngen.observation.reading import tokens_of
        from rnngen.plots.chart import table

        generator, stored = self.model.generator, self.model.stored[0]
        text = "".join(one.text for one in self.texts)
        tokens = tokens_of(generator, text)[: BACK + 1]
        found = {self.model.name: trained(self.registry, stored, self.model.name, tokens)}
        return picture_of(found, 1.0).body() + table(rows(found, 1.0), COLUMNS)

    def attention(self) -> str:
        """Return its attention on the first source."""
        from rnngen.plots.grid import Alignments

        if not self.model.generator.attends:
            raise UsageError("this model attends to nothing")
        found = self.model.attention([self.texts[0].source or ""])
        return Alignments(found, f"{self.model.name}: attention weights").body()

    def beam(self) -> str:
        """A small search from the beginning of the text."""
        from rnngen.cli.commands.look.beam import picture_of
        from rnngen.generation.prompts import Prompt
        from rnngen.observation.search import search

        first, generator = self.texts[0], self.model.generator
        start = Prompt("", first.source) if generator.reads_source else Prompt(first.text[:20])
        tree = search(self.model.decoder(beam=3, length=8), start)
        return picture_of(tree, generator, f"{self.model.name}: beam of 3").body()

    def embeddings(self) -> str:
        """A map of the most frequent tokens."""
        from rnngen.cli.commands.look.embeddings import picture_of
        from rnngen.observation.embeddings import embeddings

        found = embeddings(self.model.generator, self.model.stored[0], self.model.name)
        return picture_of(found.first(80), self.model.name).body()


def _written(write: Callable[[], str]) -> str:
    """Return a section, or why there is none."""
    try:
        return write()
    except RnngenError as error:
        return f"<p>Not shown: {escape(str(error))}.</p>"

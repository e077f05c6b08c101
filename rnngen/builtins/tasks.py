"""The tasks that come with rnngen: free text, which never ends, and lines, pairs and labelled texts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rnngen.contracts import Chunk
from rnngen.options import NoOptions


class _Task:
    has_eos = True
    separator = "\n"

    def __init__(self, options: NoOptions) -> None: ...


class Continue(_Task):
    """Free text: every document is one example, passed on as it comes."""

    has_eos = False

    def examples(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Pass the chunks on, without the empty ones."""
        starts_document = True
        for chunk in chunks:
            starts_document = starts_document or chunk.starts_document
            if chunk.text:
                yield Chunk(chunk.text, starts_document)
                starts_document = False


class Lines(_Task):
    r"""Every line that is not blank is one example, without its ``\n`` or ``\r\n``.

    No other character cuts a line, and no line goes on in the next document.
    """

    def examples(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Cut documents into lines; a line longer than a chunk comes in several, as it was read."""
        line = _Line()
        for chunk in chunks:
            if chunk.starts_document:
                yield from line.close()
            first, *others = chunk.text.split("\n")
            line.held += first
            if others:
                yield from line.end()
                for text in others[:-1]:
                    whole = text.removesuffix("\r")
                    if whole and not whole.isspace():
                        yield Chunk(whole, starts_document=True)
                line.held = others[-1]
            yield from line.release()
        yield from line.close()


class Pairs(_Task):
    """Texts with their sources: a line ``source TAB text``, or what comes with its source already."""

    def examples(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Cut lines in two; blank ones are nothing. No line goes on in the next document.

        Raises:
            ValueError: at a line that is not two texts with a tab between, with its number.
        """
        for number, line in _whole_lines(chunks):
            yield from _pair(line, number) if isinstance(line, str) else (line,)


class Labelled(_Task):
    """Texts under a label, each the example ``label TAB text``: from such a line, or from a record.

    The first tab of a line divides; others belong to the text.
    """

    def examples(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Join labels and texts; blank lines are nothing. No line goes on in the next document.

        Raises:
            ValueError: at a line without a label or without a text, with its number; at a label that holds a
                tab or a line end.
        """
        for number, line in _whole_lines(chunks):
            if isinstance(line, Chunk):
                yield Chunk(f"{_label(line.source)}\t{line.text}", starts_document=True)
            elif line.strip():
                yield Chunk(_labelled(line.removesuffix("\r"), number), starts_document=True)


def _whole_lines(chunks: Iterable[Chunk]) -> Iterator[tuple[int, str | Chunk]]:
    """Yield every line with its number; a chunk that has a source is passed on as it is."""
    done, held = 0, ""
    for chunk in chunks:
        if chunk.source:
            yield done, chunk
            continue
        if chunk.starts_document and held:
            held += "\n"
        *lines, held = (held + chunk.text).split("\n")
        yield from enumerate(lines, start=done + 1)
        done += len(lines)
    yield done + 1, held


def _label(label: str) -> str:
    if "\t" in label or "\n" in label:
        raise ValueError(f"the label {label!r} holds a tab or a line end; a label is one line without a tab")
    return label


def _labelled(line: str, number: int) -> str:
    label, tab, text = line.partition("\t")
    if not tab:
        raise ValueError(
            f"line {number} has no label: a label, a tab, a text are expected; "
            "name the fields of CSV, TSV and JSON with --label-field and --field"
        )
    if not label.strip() or not text.strip():
        side = "text after" if label.strip() else "label before"
        raise ValueError(f"line {number} has no {side} its tab; fill it in, or remove the line")
    return line


def _pair(line: str, number: int) -> Iterator[Chunk]:
    """Yield the pair in a line, or none in a blank one."""
    if not line.strip():
        return
    source, *texts = line.removesuffix("\r").split("\t")
    if len(texts) != 1:
        columns = f"{len(texts) + 1} columns" if texts else "one column"
        raise ValueError(
            f"line {number} has {columns}, and a pair has two: a source, a tab, a text; "
            + ("keep two with cut -f 1,2" if texts else "files of two kinds go with --source and --target")
        )
    if not source.strip() or not texts[0].strip():
        side = "text after" if source.strip() else "source before"
        raise ValueError(f"line {number} has no {side} its tab; fill it in, or remove the line")
    yield Chunk(texts[0], True, source)


@dataclass
class _Line:
    """The line that is being read.

    Two things have to wait for the next chunk: white space at its beginning (the line may be blank) and a
    carriage return at its end (it may be half of the line end).
    """

    held: str = ""
    """Text that is read but not yet given."""
    begun: bool = False
    """True once some of the line has been given."""

    def end(self) -> Iterator[Chunk]:
        r"""Give the rest: ``\n`` has been read."""
        self.held = self.held.removesuffix("\r")
        yield from self.close()

    def close(self) -> Iterator[Chunk]:
        """Give the rest: the line is over, with or without its line end."""
        yield from self._give(self.held)
        self.held, self.begun = "", False

    def release(self) -> Iterator[Chunk]:
        """Give what need not wait."""
        text = self.held.removesuffix("\r")
        if self.begun or not text.isspace():
            yield from self._give(text)
            self.held = self.held[len(text) :]

    def _give(self, text: str) -> Iterator[Chunk]:
        if text and (self.begun or not text.isspace()):
            yield Chunk(text, starts_document=not self.begun)
            self.begun = True

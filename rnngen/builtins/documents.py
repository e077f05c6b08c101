r"""The task ``documents``: examples of several lines, each of which ends by itself.

::

    a record of JSON, a cell of a table      is a document as it is
    the text of a file                       is divided at separators

A file is divided as a stream: a document may be larger than memory, and a separator may lie across chunks.
"""

import re
from collections.abc import Iterable, Iterator

from rnngen.builtins.line_ends import LineEnds
from rnngen.builtins.options import DocumentsOptions
from rnngen.contracts import Chunk

LONGEST = 1 << 14
"""Characters of a separator at most, and those that an expression can look behind and ahead."""


class Documents:
    """Whole documents: records, or the text between separators, without the blank lines at its edges."""

    has_eos = True

    def __init__(self, options: DocumentsOptions) -> None:
        self.pattern, self.separator = options.pattern, options.written

    def examples(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        r"""Divide files and pass records on; blank ones are nothing. No document goes on in the next file.

        Raises:
            ValueError: at the end of a file whose lines end in ``\r`` alone.
        """
        file, ends = _File(self.pattern), LineEnds()
        for chunk in chunks:
            ends.see(chunk)
            if chunk.starts_document:
                yield from file.close()
            if not chunk.is_record:
                yield from file.read(chunk.text)
            elif not chunk.text.isspace():
                yield chunk
        yield from file.close()
        ends.check()


class _File:
    """The file that is being divided.

    ::

        held   ├─ LONGEST ─┤├──── to search ────┤├─ LONGEST ─┤
                            at                               end: a separator may begin here, and go on
    """

    def __init__(self, pattern: re.Pattern[str] | None) -> None:
        self.pattern = pattern
        self.held, self.at = "", 0
        self.document = _Document()

    def read(self, text: str) -> Iterator[Chunk]:
        """Go on; give what is sure."""
        if self.pattern is None:
            yield from self.document.read(text)
            return
        self.held += text
        if len(self.held) > self.at + 2 * LONGEST:
            yield from self._divide(self.pattern, len(self.held) - LONGEST)
            cut = max(0, self.at - LONGEST)
            self.held, self.at = self.held[cut:], self.at - cut

    def close(self) -> Iterator[Chunk]:
        """Give the rest: the file is over."""
        if self.pattern is not None:
            yield from self._divide(self.pattern, len(self.held) + 1)
        yield from self.document.close()
        self.held, self.at = "", 0

    def _divide(self, pattern: re.Pattern[str], sure: int) -> Iterator[Chunk]:
        """Give the text up to a place, divided at the separators that begin before it."""
        search = self.at
        while (found := pattern.search(self.held, search)) and found.start() < sure:
            yield from self.document.read(self.held[self.at : found.start()])
            yield from self.document.close()
            self.at = found.end()
            search = self.at + (found.start() == found.end())
            if search > len(self.held):
                break
        if self.at < sure:
            yield from self.document.read(self.held[self.at : sure])
            self.at = min(sure, len(self.held))


class _Document:
    """The document that is being read. White space has to wait: it may be that of blank lines at an edge."""

    def __init__(self) -> None:
        self.held, self.begun = "", False

    def read(self, text: str) -> Iterator[Chunk]:
        """Go on; give what belongs to the document for sure."""
        text = self.held + text
        if not self.begun:
            first = len(text) - len(text.lstrip())
            text = text[text.rfind("\n", 0, first) + 1 :] if first < len(text) else text
        visible = len(text.rstrip())
        self.held = text[visible:]
        if visible:
            yield Chunk(text[:visible], starts_document=not self.begun)
            self.begun = True

    def close(self) -> Iterator[Chunk]:
        """Give what follows on the last line: the document is over."""
        rest = self.held.partition("\n")[0].removesuffix("\r")
        if self.begun and rest:
            yield Chunk(rest, starts_document=False)
        self.held, self.begun = "", False

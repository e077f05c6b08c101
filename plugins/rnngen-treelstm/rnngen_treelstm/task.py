"""The task ``trees``: pairs, the sources of which are checked before anything is learnt from them."""

from collections.abc import Iterable, Iterator

from rnngen.contracts import Chunk
from rnngen.options import NoOptions

from rnngen_treelstm.trees import check


class Trees:
    """Lines ``tree TAB text``, or what comes with its source already; blank lines are nothing."""

    has_eos = True
    separator = "\n"

    def __init__(self, options: NoOptions) -> None: ...

    def check_source(self, source: str) -> None:
        """Raise ``ValueError`` at brackets that are not balanced."""
        check(source)

    def examples(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Cut lines in two; no line goes on in the next document.

        Raises:
            ValueError: at a line that is no pair, or whose tree is none, with its number.
        """
        held, number = "", 0
        for chunk in chunks:
            if chunk.source:
                yield chunk
                continue
            if chunk.starts_document and held:
                held += "\n"
            *lines, held = (held + chunk.text).split("\n")
            for number, line in enumerate(lines, start=number + 1):  # noqa: B020 - it counts on
                yield from _pair(line, number)
        yield from _pair(held, number + 1)


def _pair(line: str, number: int) -> Iterator[Chunk]:
    if not line.strip():
        return
    source, *texts = line.removesuffix("\r").split("\t")
    if len(texts) != 1 or not source.strip() or not texts[0].strip():
        raise ValueError(f"line {number} is no pair: a tree, a tab and a text are expected; mend the line")
    try:
        check(source)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error
    yield Chunk(texts[0], True, source)

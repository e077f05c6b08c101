"""The conformance suite for tasks: examples depend on the text alone, not on how it was read."""

from collections.abc import Iterable, Iterator, Sequence

from rnngen.contracts import Chunk, Task, TaskSpec, imported
from rnngen.options import build
from rnngen.testing import checks

DOCUMENTS = (
    "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:\n\n \nRough winds\n",
    "one\r\n\r\ntwo\r\n  three \r\n",
    "天地玄黃\t宇宙洪荒\n日月盈昃\t辰宿列張",
    "naïve 🙂\x0b\x0c\x85\u2028fin\n\n\n",
    "x",
)
"""Verse, foreign line ends, other scripts, odd separators, a last line that does not end."""
PAIRED = (
    "How are you?\t你好嗎?\n\nIt's very easy.\tEs ist sehr einfach.\n \n",
    "one\teins\r\n\r\ntwo \t zwei\r\n",
    "天地玄黃\t宇宙洪荒\n日月盈昃\t辰宿列張",
    "naïve 🙂\x0b\x0c\tfin\x85\u2028e\n\n\n",
    "x\ty",
)
"""The same for tasks whose examples have a source or a label besides their text."""
PATIENCE = 10_000
"""Documents that a task may read before its first example, in repetitions of the five."""


@checks.suite
def check_task(spec: TaskSpec, **options: str) -> None:
    """Check a task against its contract."""
    chosen = build(spec.options, options, owner=f"task {spec.name!r}")
    task: Task = imported(spec.load)(chosen)
    for name, expected in (("has_eos", bool), ("separator", str)):
        value = getattr(task, name, None)
        assert isinstance(value, expected), f"{name} should be a {expected.__name__}, and is {value!r}"
    documents = PAIRED if spec.has_source or spec.has_labels else DOCUMENTS
    whole = _joined(task, _pieces(documents))
    assert whole, "no example was found in five documents of text"
    assert "" not in whole, f"example {whole.index('')} is empty"
    for size in (1, 2, 7):
        found = _joined(task, _pieces(documents, size))
        assert found == whole, f"read in chunks of {size} characters, {_difference(found, whole)}"
    assert _joined(task, _pieces(documents)) == whole, "the same text read again gives other examples"
    assert not list(task.examples([])), "no text at all should give no examples"
    _check_lossless(whole, documents)
    if spec.has_source:
        _check_sources(task)
    if spec.has_labels:
        _check_labels(task)
    _check_streams(task, documents)


def _pieces(documents: Iterable[str], size: int | None = None) -> Iterator[Chunk]:
    """Return the documents, each in chunks of ``size`` characters or in one."""
    for text in documents:
        step = size or len(text)
        for at in range(0, len(text), step):
            yield Chunk(text[at : at + step], starts_document=at == 0)


def _joined(task: Task, chunks: Iterable[Chunk]) -> list[str]:
    """Return the examples, each in one string; a source comes before its text."""
    found: list[str] = []
    for chunk in task.examples(chunks):
        assert isinstance(chunk, Chunk), f"examples are given as Chunks, not as {type(chunk).__name__}"
        assert found or chunk.starts_document, "the first chunk does not open an example"
        if chunk.starts_document:
            found.append(chunk.source)
        found[-1] += chunk.text
    return found


def _check_lossless(examples: list[str], documents: Iterable[str]) -> None:
    """Check that nothing but white space goes, and nothing comes."""
    found, given = ("".join("".join(texts).split()) for texts in (examples, documents))
    at = next((i for i, (a, b) in enumerate(zip(found, given, strict=False)) if a != b), len(found))
    if found != given:
        raise AssertionError(
            f"text is lost or added: {given[at : at + 20]!r} of a document comes as {found[at : at + 20]!r}"
        )


def _difference(found: list[str], whole: list[str]) -> str:
    for number, (one, other) in enumerate(zip(found, whole, strict=False)):
        if one != other:
            return f"example {number} is {one!r} instead of {other!r}"
    return f"there are {len(found)} examples instead of {len(whole)}"


def _check_sources(task: Task) -> None:
    """Check that examples have sources, and that a reader's own sources are kept."""
    for chunk in task.examples(_pieces(PAIRED)):
        assert chunk.source or not chunk.starts_document, f"the example {chunk.text!r} opens without a source"
    given = [Chunk("a\tb\nc", True, "d\te"), Chunk("f", True, "g")]
    found = list(task.examples(given))
    assert found == given, f"pairs that a reader has split come out as {found}"


def _check_labels(task: Task) -> None:
    """Check that a first chunk holds the label and a tab, and that a reader's own labels are kept."""
    for chunk in task.examples(_pieces(PAIRED)):
        labelled = "\t" in chunk.text[1:] and not chunk.source
        assert labelled or not chunk.starts_document, f"the example {chunk.text!r} opens without label TAB"
    found = list(task.examples([Chunk("a\tb\nc", True, "d e"), Chunk("f", True, "g")]))
    expected = [Chunk("d e\ta\tb\nc", True), Chunk("g\tf", True)]
    assert found == expected, f"texts whose labels a reader has found come out as {found}"


def _check_streams(task: Task, documents: Sequence[str]) -> None:
    """Check that the first example does not wait for the last document, in a corpus larger than memory."""

    def endless() -> Iterator[Chunk]:
        for _ in range(PATIENCE):
            yield from _pieces(documents)
        raise AssertionError(f"no example was given after {PATIENCE * len(documents)} documents; stream them")

    next(iter(task.examples(endless())))

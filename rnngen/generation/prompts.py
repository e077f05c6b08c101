"""Prompts, settings and outputs: the input of a generator, and its result."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from rnngen.contracts import AnyFilter, Hypothesis
from rnngen.errors import ConstraintError

BLANK = "the source is blank, and nothing can be made of it; give one with text"


@dataclass(frozen=True)
class Prompt:
    """The beginning of a text, and its source."""

    text: str = ""
    """The beginning of the text."""
    source: str | None = None
    """The source, for models that read one."""
    blend: "tuple[str, float] | None" = None
    """Another prompt's text, and how much of the state after it is mixed in, from 0 to 1."""
    final: bool = False
    """True if all its tokens are final. Else those at its end that may be the beginning of a longer one are
    given back, so that what is generated goes on from the text. Those of a blend are final."""
    label: str | None = None
    """The label under which the text stands, of models with labels; it is not part of what is shown."""

    @property
    def whole(self) -> str:
        """The beginning of the example: the text, or ``label TAB text``."""
        return self.text if self.label is None else f"{self.label}\t{self.text}"

    @property
    def is_blank(self) -> bool:
        """True if there is a source and nothing in it but white space: nothing is made of that."""
        return self.source is not None and not self.source.strip()


@dataclass(frozen=True)
class Prefix:
    """A prompt in tokens."""

    tokens: tuple[int, ...]
    """The tokens that the network reads before it generates, at least one."""
    hidden: int
    """The number of those at the beginning that are no part of the prompt."""
    rest: bytes = b""
    """The end of the prompt that was given back: what is generated begins with it…"""
    spelt: int = 0
    """…and by how many tokens it was spelt."""


@dataclass(frozen=True)
class GenerationSettings:
    """Settings of generation, whatever the strategy."""

    length: int | None = None
    """Tokens at most; -1 for no limit. By default what suits the model."""
    count: int = 1
    """Number of texts of each prompt."""
    seed: int = 0
    """Text k of prompt n draws from ``numpy.random.default_rng([seed + n, k])``."""
    filters: Sequence[AnyFilter] = ()
    """Filters of the distribution, in order."""
    stops: tuple[str, ...] = ()
    """Texts that end a text before them."""
    keep_stop: bool = False
    """True if the stop that ends a text stays at its end."""
    sentences: int | None = None
    """Number of sentences that a text ends after."""
    attention: bool = False
    """True if outputs keep the attention weights."""
    constrained: bool = False
    """True if a filter or the strategy says what a whole text has to be, its least length among it."""


def require_constraints(outputs: "Sequence[Output]") -> None:
    """Refuse texts that ended before they were what a constraint asks for.

    Raises:
        ConstraintError: with all texts.
    """
    texts = [output.text for output in outputs]
    short = [clause for output in outputs if (clause := output.unmet())]
    if short:
        raise ConstraintError(short[0], len(short), len(texts), texts)


@dataclass(frozen=True)
class Output:
    """One generated text."""

    prompt: Prompt
    number: int
    """Number of the text among those of its prompt."""
    pieces: Iterator[str]
    """The text as it comes, without the prompt, up to a stop."""
    found: Hypothesis | None = None
    """What the strategy knows of all that it generated, a stop and what comes after it included."""
    given: int = 0
    """Bytes of the prompt that its tokens begin with."""
    unmet: Callable[[], str | None] = lambda: None
    """Returns what the text lacks that a constraint asks for, once it is whole; None if nothing."""
    shorten: "Callable[[Hypothesis, str], Hypothesis] | None" = None
    """Returns a hypothesis of what is left of one in a text, where that may be cut short."""

    @cached_property
    def hypothesis(self) -> Hypothesis | None:
        """The tokens of the text, with their log-probability, score and attention, where these are known."""
        if self.found is None or self.shorten is None:
            return self.found
        return self.shorten(self.found, self.text)

    @cached_property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)

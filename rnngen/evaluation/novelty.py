"""Novelty: how much of what a model generates stands in its training text already.

Two figures, both of the default draws, from fixed seeds, so that the same model has the same ones::

    examples    the share of generated examples that are examples of the training text, and that repeat
                one that was generated before
    spans       the longest stretch of characters that stands in the training text; of free text also the
                share of characters in stretches of ``SPAN`` or more
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from rnngen.builtins.filters.options import TemperatureOptions
from rnngen.builtins.filters.truncation import temperature
from rnngen.builtins.strategies.sampling import Sample
from rnngen.contracts import Chunk
from rnngen.generation.generator import Generator
from rnngen.generation.prompts import GenerationSettings, Prompt
from rnngen.printable import counted

EXAMPLES, LENGTH = 100, 2_000
"""Examples that are generated at most, and tokens of free text or of an example…"""
ONE_TEXT = 500
"""…which are several texts of free text from here on: side by side they take a third of the time of one."""
SHARE, LEAST = 0.25, 200
"""Tokens of free text as a share of the training text's characters where that is shorter, but no fewer."""
TEMP = 0.8
"""The temperature of the draws, which is that of ``rnngen sample``."""
SPAN = 50
"""Characters from which on a stretch of free text counts as copied."""
SEARCHED = 8_000_000
"""Characters of the training text that stretches are looked for in; the rest is left out."""


@dataclass(frozen=True)
class Novelty:
    """The figures of one model."""

    generated: int
    """Examples, or characters of free text."""
    copied: float
    """The share of these that stands in the training text: whole examples, or long stretches."""
    repeated: float
    """The share of examples that repeat one generated before; 0 for free text."""
    longest: str
    """The longest stretch that stands in the training text."""
    has_eos: bool
    """True if examples end by themselves."""

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints."""
        return asdict(self)

    def __str__(self) -> str:
        longest = f"the longest stretch that stands there has {counted(len(self.longest), 'characters')}"
        if not self.has_eos:
            amount = counted(self.generated, "generated characters")
            where = f"in stretches of {SPAN} or more that stand in the training text"
            return f"{self.copied:.1%} of {amount} are {where}; {longest}"
        again = f", {self.repeated:.0%} repeat another" if self.repeated else ""
        amount = counted(self.generated, "generated examples")
        return f"{self.copied:.0%} of {amount} stand in the training text{again}; {longest}"


def measure(generator: Generator, training: Iterable[Chunk]) -> Novelty:
    """Generate with a model, and compare with its training text.

    Args:
        generator: of a model that reads no source.
        training: the text that it was trained on; the mean number of tokens in its first examples decides how
            many are generated.
    """
    examples = _read(training)
    text, known = "\n".join(examples), set(examples)
    tokens = round(min(LENGTH, max(LEAST, SHARE * len(text))))
    count = max(1, tokens // ONE_TEXT)
    length = tokens // count
    if generator.has_eos:
        encode, first = generator.tokenizers.target.encode, examples[:EXAMPLES]
        typical = sum(len(encode(example)) for example in first) / len(first)
        length = round(min(LENGTH, 50 + 4 * typical))
        count = min(EXAMPLES, len(known), max(10, round(10 * LENGTH / (1 + typical))))
    settings = GenerationSettings(length=length, count=count, filters=[temperature(TemperatureOptions(TEMP))])
    outputs = generator.generate([Prompt()], Sample(), settings)
    return novelty([output.text for output in outputs], text, known, has_eos=generator.has_eos)


def _read(training: Iterable[Chunk]) -> list[str]:
    """Return the examples of the beginning of a training text."""
    texts: list[str] = []
    parts: list[str] = []
    chars = 0
    for chunk in training:
        if chunk.starts_document and parts:
            texts.append("".join(parts))
            parts.clear()
        parts.append(chunk.text)
        chars += len(chunk.text)
        if chars >= SEARCHED:
            break
    texts.append("".join(parts))
    return texts


def novelty(generated: Iterable[str], training: str, examples: set[str], *, has_eos: bool) -> Novelty:
    """Compare generated texts with the training text."""
    texts = list(generated)
    stretches = [stretch for text in texts for stretch in copied_stretches(text, training)]
    longest = max(stretches, key=len, default="")
    if has_eos:
        copied, count = sum(text in examples for text in texts), len(texts)
    else:
        copied, count = sum(len(one) for one in stretches if len(one) >= SPAN), sum(map(len, texts))
    repeated = (len(texts) - len(set(texts))) / max(1, len(texts)) if has_eos else 0.0
    return Novelty(count, copied / max(1, count), repeated, longest, has_eos)


def copied_stretches(text: str, training: str) -> list[str]:
    """Cut a text, from its beginning on, into the longest stretches that stand in the training text."""
    found, begin = [], 0
    while begin < len(text):
        end = _end(text, begin, training)
        found.append(text[begin:end])
        begin = max(end, begin + 1)
    return found


def _end(text: str, begin: int, training: str) -> int:
    """Return the end of the longest stretch from ``begin`` that stands in the training text, by bisection."""
    low, high = begin, begin + 1
    while high <= len(text) and text[begin:high] in training:
        low, high = high, begin + 2 * (high - begin)
    high = min(high, len(text) + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if text[begin:middle] in training else (low, middle)
    return low

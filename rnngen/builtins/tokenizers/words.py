"""Words: their borders, which no token of the learnt tokenizers crosses, and their counts.

The rule is GPT-2's (Radford et al. 2019): the space before a word belongs to it. Three things differ. A
combining mark belongs to its letter, without which Hindi or Thai fall apart; a newline ends a word always, so
that long texts can be cut there; and no word is longer than 32 characters and a space, so that a line of
DNA or of Chinese costs no more than prose.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from rnngen.builtins.tokenizers.tokenizer_json import Parts
from rnngen.contracts import Chunk
from rnngen.encodings import utf8

PATTERN = (
    r"'(?:[sdmt]|ll|ve|re)"
    r"| ?[\p{L}\p{M}]{1,32}"
    r"| ?\p{N}{1,32}"
    r"| ?[^\s\p{L}\p{M}\p{N}]{1,32}"
    r"|[^\S\n]{0,31}\n"
    r"|[^\S\n]{1,32}(?!\S)"
    r"|[^\S\n]{1,32}"
)
"""A word, as a regular expression of the library."""

PRE_TOKENIZER: Parts = {
    "type": "Sequence",
    "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    ],
}
"""Cuts text into words and writes their bytes as characters, in the library's own words."""

_STRETCH = 8192
"""Characters that the library is given at once: it is slower on long texts, and takes several in parallel."""
_BORDER = re.compile(r"\n|\S(?= )")
"""After a newline, and before a space that follows no space, there is always a border between words."""


def stretches(text: str) -> Iterator[str]:
    """Cut a text at borders between words, so that the parts have the same words as the whole."""
    start = 0
    while start < len(text):
        border = _BORDER.search(text, start + _STRETCH - 1)
        end = border.end() if border else len(text)
        yield text[start:end]
        start = end


def sample(chunks: Iterable[Chunk], whole: int = 1 << 28) -> Iterator[str]:
    """Sample what a vocabulary is learnt from, in stretches: everything up to a size, ever fewer after that.

    ::

        characters      whole         2 whole                 4 whole
        ├───────────────┼──────────────┼───────────────────────┼─ ─ ─
        every stretch     every 2nd       every 4th               every 8th …

    So a corpus of any size costs time and memory in the order of its logarithm.

    Raises:
        CorpusError: if a chunk holds a lone surrogate.
    """
    seen = number = 0
    for chunk in chunks:
        utf8(chunk.text)
        for stretch in stretches(chunk.text):
            if number % (1 << (seen // whole).bit_length()) == 0:
                yield stretch
            number += 1
            seen += len(stretch)


def count_words(texts: Iterable[str], limit: int = 1 << 20) -> "Counter[str]":
    """Count how often each word occurs, by lossy counting (Manku and Motwani 2002).

    Up to ``limit`` different words the counts are exact. Beyond it the rarest are forgotten: a word that
    is found was counted too low, if at all, by no more than the count that was forgotten last.
    """
    from tokenizers import Regex, pre_tokenizers

    splitter = pre_tokenizers.Split(Regex(PATTERN), "isolated")
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update([word for word, _ in splitter.pre_tokenize_str(text)])
        forget_rarest(counts, limit)
    return counts


def forget_rarest(counts: "Counter[str]", limit: int) -> None:
    """Of more than ``limit`` keys, drop the rarest until at most half as many are left."""
    rare = 1
    while len(counts) > (limit if rare == 1 else limit // 2):
        for key in [key for key, count in counts.items() if count <= rare]:
            del counts[key]
        rare += 1


def by_frequency(counts: "Counter[str]") -> "list[tuple[str, int]]":
    """Return the keys and their counts, most frequent first, equals in the order of their code points."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

"""Which tokenizers suit a text, where nobody names them."""

from collections import Counter
from itertools import islice
from unicodedata import name

from rnngen.data.dataset import Texts
from rnngen.data.splits import Split
from rnngen.options.corpus import PartsOptions

LOOKED_AT = 20_000
"""Pairs that the choice rests on."""
OFTEN = 5
"""How often a word must come to be one that comes again."""
MOST = 0.7
"""The share of a side's running words that come again above which pieces of words pay…"""
SPELT = 0.9
"""…if so much of it, signs and white space aside, is spelt in letters: digits and ideographs stand for
themselves, and to see several as one piece hides what they say."""
IDEOGRAPHS = ("CJK", "HIRAGANA", "KATAKANA")
"""How the Unicode names of letters begin that are no letters of an alphabet."""


def choose_tokenizers(options: PartsOptions, texts: Texts, fraction: float) -> dict[str, str]:
    """The names of the tokenizers by kind: as asked for, or as the text wants it.

    Free text and lines are written in characters. A side of pairs goes by ``bpe`` where most of its words,
    cut at white space, come again and again and are spelt in letters, as in a language with spaces between
    words; else, as for numbers, dates, codes and Chinese, by ``char``.
    """
    if not texts.pairs:
        return {"tokenizer": options.tokenizer or "char"}
    asked = options.tokenizer, options.source_tokenizer
    if None in asked and not (options.shared_vocabulary and options.tokenizer):
        written, read = _suited(texts, fraction)
    else:
        written = read = "char"
    if options.shared_vocabulary:
        return {"tokenizer": options.tokenizer or ("bpe" if "bpe" in (written, read) else "char")}
    return {"tokenizer": options.tokenizer or written, "source_tokenizer": options.source_tokenizer or read}


def _suited(texts: Texts, fraction: float) -> tuple[str, str]:
    """A tokenizer for what is written, and one for what is read."""
    sides: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for chunk in islice(texts.train_chunks(Split(0, fraction)), LOOKED_AT):
        sides[0].update(chunk.text.split())
        sides[1].update(chunk.source.split())
    return _for_words(sides[0]), _for_words(sides[1])


def _for_words(words: Counter[str]) -> str:
    again = sum(count for count in words.values() if count >= OFTEN)
    letters, others = _spelling(words)
    spelt = letters > SPELT * (letters + others)
    return "bpe" if spelt and again > MOST * words.total() else "char"


def _spelling(words: Counter[str]) -> tuple[int, int]:
    """How many characters are letters of an alphabet, and how many digits and ideographs."""
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
    kinds = Counter({True: 0, False: 0})
    for character, count in characters.items():
        if character.isalnum():
            kinds[character.isalpha() and not name(character, "").startswith(IDEOGRAPHS)] += count
    return kinds[True], kinds[False]

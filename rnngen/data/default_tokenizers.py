"""Default tokenizers: characters, or pieces of words where most words of a text recur."""

from collections import Counter
from itertools import islice
from unicodedata import name as unicode_name

from rnngen.data.dataset import CorpusFiles
from rnngen.options.corpus import PartsOptions

LOOKED_AT = 20_000
"""Examples that the choice rests on."""
OFTEN = 5
"""Occurrences from which on a word counts as frequent."""
MOST = 0.7
"""The share of frequent words among a side's running words above which pieces of words pay…"""
SPELT = 0.9
"""…if so much of it, signs and white space aside, is spelt in letters: digits and ideographs stand for
themselves, and to see several as one piece hides what they say."""
IDEOGRAPHS = ("CJK", "HIRAGANA", "KATAKANA")
"""Beginnings of the Unicode names of letters that belong to no alphabet."""


def choose_tokenizers(options: PartsOptions, files: CorpusFiles) -> dict[str, str]:
    """Return the names of the tokenizers by kind: those asked for, or those that suit the text.

    Free text and lines are written in characters. A side of examples with a source goes by ``bpe`` where most
    of its words, cut at white space, are frequent and spelt in letters, as in a language with spaces between
    words; else, as for numbers, dates, codes and Chinese, by ``char``.
    """
    if not files.has_source:
        return {"tokenizer": options.tokenizer or "char"}
    target = source = "char"
    asked = options.tokenizer, options.source_tokenizer
    if None in asked and not (options.shared_vocabulary and options.tokenizer):
        targets: Counter[str] = Counter()
        sources: Counter[str] = Counter()
        for chunk in islice(files.examples(), LOOKED_AT):
            targets.update(chunk.text.split())
            sources.update(chunk.source.split())
        target, source = _for_words(targets), _for_words(sources)
    if options.shared_vocabulary:
        return {"tokenizer": options.tokenizer or ("bpe" if "bpe" in (target, source) else "char")}
    return {"tokenizer": options.tokenizer or target, "source_tokenizer": options.source_tokenizer or source}


def _for_words(words: Counter[str]) -> str:
    frequent = sum(count for count in words.values() if count >= OFTEN)
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
    alphabetic = ((one, count) for one, count in characters.items() if one.isalpha())
    letters = sum(n for one, n in alphabetic if not unicode_name(one, "").startswith(IDEOGRAPHS))
    spelt = letters > SPELT * sum(count for one, count in characters.items() if one.isalnum())
    return "bpe" if spelt and frequent > MOST * words.total() else "char"

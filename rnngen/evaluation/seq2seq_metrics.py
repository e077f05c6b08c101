"""Metrics of a seq2seq model's outputs beside targets: BLEU, chrF, ROUGE, accuracies; all from 0 to 100.

BLEU and chrF are sacreBLEU's (Post 2018), scores and signature. The others count in tokens that suit every
script, cut by one rule::

    It's 5 o'clock.      It ' s 5 o ' clock .          words, numbers, and each sign alone
    我住在3号楼。          我 住 在 3 号 楼 。             a character alone where a script has no spaces

An output has one reference or several; ``references`` holds a string an output, or a sequence of strings.
All functions raise ValueError where there are no outputs, or not as many references.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, zip_longest
from operator import eq
from typing import TYPE_CHECKING, Any, TypeAlias

from rnngen.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

References: TypeAlias = Sequence[str] | Sequence[Sequence[str]]
"""One reference an output, or several."""

HAN = frozenset({"CJK", "IDEOGRAPHIC", "HANGZHOU", "BOPOMOFO"})
KANA = frozenset({"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH"})
UNSPACED = HAN | KANA | {"THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"}
"""Scripts that put no spaces between words, by the first word of their characters' names in Unicode."""


@dataclass(frozen=True)
class Scores:
    """Metrics of a set of outputs; all are percentages, 100 the best."""

    bleu: float
    """BLEU of the whole set (Papineni et al. 2002), as sacreBLEU computes it."""
    chrf: float
    """chrF2 of the whole set, character n-grams up to 6 (Popović 2015), as sacreBLEU computes it."""
    rouge1: float
    """F1 of single words, the mean over the outputs (Lin 2004)."""
    rouge2: float
    """F1 of pairs of words, likewise."""
    rougeL: float  # noqa: N815 - the field's own name for it, and the key in the JSON
    """F1 of the longest common subsequence of words, likewise."""
    token_accuracy: float
    """Tokens that stand where the reference has them."""
    sequence_accuracy: float
    """Outputs that equal a reference."""
    signature: str
    """sacreBLEU's signatures of BLEU and chrF, a space between: to quote beside the scores."""


def score_outputs(outputs: Sequence[str], references: References, *, tokenize: str | None = None) -> Scores:
    """Compute all metrics; ``tokenize`` names a tokenizer of sacreBLEU, else ``bleu_tokenizer`` chooses.

    Raises:
        UnknownName: if sacreBLEU has no such tokenizer.
        UsageError: if that tokenizer needs a package that is not installed.
    """
    by_words, by_chars = _bleu_metric(references, tokenize), _chrf_metric()
    return Scores(
        _corpus_score(by_words, outputs, references),
        _corpus_score(by_chars, outputs, references),
        *rouge(outputs, references),
        token_accuracy=token_accuracy(outputs, references),
        sequence_accuracy=sequence_accuracy(outputs, references),
        signature=f"BLEU|{by_words.get_signature().format()} chrF2|{by_chars.get_signature().format()}",
    )


def grouped(pairs: Iterable[tuple[str, str]]) -> tuple[list[str], References]:
    """Return the different sources of pairs, in order, and the different texts of each as references."""
    texts: dict[str, dict[str, None]] = {}
    for source, text in pairs:
        texts.setdefault(source, {})[text] = None
    return list(texts), [list(each) for each in texts.values()]


# ── BLEU and chrF ──────────────────────────────────────────────────────────────────────────────────────────


def bleu(outputs: Sequence[str], references: References, *, tokenize: str | None = None) -> float:
    """Compute BLEU alone; arguments and errors as in ``score_outputs``.

    It is sacreBLEU's default but for one case. Where no reference has four tokens (single words, numbers),
    that default is 0 for all outputs; n-grams are then counted up to the longest order there is, and the
    signature says ``eff:yes`` (effective order).
    """
    return _corpus_score(_bleu_metric(references, tokenize), outputs, references)


def chrf(outputs: Sequence[str], references: References) -> float:
    """Compute chrF2 alone. It needs no tokenizer."""
    return _corpus_score(_chrf_metric(), outputs, references)


def bleu_tokenizer(references: References) -> str:
    """Return the name of sacreBLEU's tokenizer that suits the references.

    ::

        13a     unless more than half of the words and unspaced characters (numbers and signs aside) are Han,
                kana, Hangul, Thai, Lao, Khmer, Burmese or Tibetan; and if so,
        zh      where at least nine tenths of these are Han: Chinese
        char    otherwise: Japanese, Korean, Thai …

    sacreBLEU's own choice for Japanese and Korean, MeCab, takes another package: ask for ``ja-mecab`` or
    ``ko-mecab`` by name where it is installed. Scores of different tokenizers do not compare.
    """
    scripts: Counter[str] = Counter()
    for reference in chain.from_iterable(_listed(references)):
        scripts.update(_script(word[0]) for word in words(reference) if not word[0].isdecimal())
    dense = sum(scripts[script] for script in UNSPACED | {"HANGUL"})
    if 2 * dense <= scripts.total():
        return "13a"
    return "zh" if 10 * sum(scripts[script] for script in HAN) >= 9 * dense else "char"


def _bleu_metric(references: References, tokenize: str | None) -> "BLEU":
    from sacrebleu.metrics.bleu import BLEU

    tokenize = bleu_tokenizer(references) if tokenize is None else tokenize
    known = set(BLEU.TOKENIZERS) - {"spm"}  # the old name of flores101, which sacreBLEU warns of
    if tokenize not in known:
        raise UnknownName("BLEU tokenizer", tokenize, known)
    try:
        metric = BLEU(tokenize=tokenize, force=True)  # force: no warning of outputs that end in " ."
    except (ImportError, RuntimeError) as error:
        raise UsageError(f"BLEU tokenizer {tokenize!r}: {' '.join(str(error).split())}") from error
    cut = (metric.tokenizer(text.rstrip()).split() for text in chain.from_iterable(_listed(references)))
    metric.effective_order = all(len(parts) < metric.max_ngram_order for parts in cut)
    return metric


def _chrf_metric() -> "CHRF":
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def _corpus_score(metric: "BLEU | CHRF", outputs: Sequence[str], references: References) -> float:
    streams: list[Any] = list(zip_longest(*(expected for _, expected in _paired(outputs, references))))
    score: float = metric.corpus_score(list(outputs), streams).score
    return min(100.0, score)  # rounding takes a perfect one above


# ── ROUGE ──────────────────────────────────────────────────────────────────────────────────────────────────


def rouge(outputs: Sequence[str], references: References) -> tuple[float, float, float]:
    """Compute ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004), each the mean F1 of the outputs.

    ROUGE-L takes an output as one sentence. For English all three equal those of the package
    ``rouge-score`` without stemming, times 100. Of several references the best one counts, for each metric
    by itself. An output or a reference without words scores 0, and one without pairs of them 0 in ROUGE-2.
    """
    best = []
    for output, expected in _paired(outputs, references):
        each = [_rouge(words(output), words(text)) for text in expected]
        best.append([max(scores) for scores in zip(*each, strict=True)])
    one, two, longest = (100 * sum(scores) / len(best) for scores in zip(*best, strict=True))
    return one, two, longest


def _rouge(found: Sequence[str], expected: Sequence[str]) -> tuple[float, float, float]:
    longest = _f1(common_subsequence(found, expected), found, expected)
    return _overlap(found, expected, 1), _overlap(found, expected, 2), longest


def _overlap(found: Sequence[str], expected: Sequence[str], n: int) -> float:
    """F1 of n-grams, each counted as often as both sides have it."""
    mine, theirs = (list(zip(*(side[i:] for i in range(n)), strict=False)) for side in (found, expected))
    return _f1((Counter(mine) & Counter(theirs)).total(), mine, theirs)


def _f1(common: int, found: Sequence[Any], expected: Sequence[Any]) -> float:
    return 2 * common / (len(found) + len(expected)) if common else 0.0


def common_subsequence(left: Sequence[str], right: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, a row of the table held in the bits of one number.

    A bit is cleared where the row of the usual table grows by one (Hyyrö 2004).
    """
    places: dict[str, int] = {}
    for at, token in enumerate(right):
        places[token] = places.get(token, 0) | 1 << at
    row = every = (1 << len(right)) - 1
    for token in left:
        met = row & places.get(token, 0)
        row = ((row + met) | (row - met)) & every
    return len(right) - row.bit_count()


# ── Accuracies ─────────────────────────────────────────────────────────────────────────────────────────────


def token_accuracy(outputs: Sequence[str], references: References) -> float:
    """Compute the share of tokens that stand at the place where the reference has them, over all outputs.

    ``100 · Σ agreeing places / Σ max(tokens of the output, tokens of the reference)``: missing tokens and
    superfluous ones both cost. The whole generated output counts, not the next token after a given beginning.
    Tokens are those of ``tokens``, case and signs kept. Of several references the one with the highest share
    counts. An empty output where nothing is expected is 100.
    """
    agreeing = places = 0
    for output, expected in _paired(outputs, references):
        found = tokens(output)
        agree, of = max((_agreement(found, tokens(text)) for text in expected), key=_share)
        agreeing, places = agreeing + agree, places + of
    return 100 * _share((agreeing, places))


def _agreement(found: Sequence[str], expected: Sequence[str]) -> tuple[int, int]:
    return sum(map(eq, found, expected)), max(len(found), len(expected))


def _share(agreement: tuple[int, int]) -> float:
    agreeing, places = agreement
    return agreeing / places if places else 1.0


def sequence_accuracy(outputs: Sequence[str], references: References) -> float:
    """Compute the share of outputs that equal a reference, but for one line end after either."""
    pairs = _paired(outputs, references)
    return 100 * sum(_line(output) in map(_line, expected) for output, expected in pairs) / len(pairs)


def _line(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


# ── Tokens ─────────────────────────────────────────────────────────────────────────────────────────────────


def tokens(text: str) -> list[str]:
    """Cut into words and numbers, single characters of ``UNSPACED`` scripts, and single signs; drop spaces.

    A combining mark or a joiner stays with what it follows.
    """
    return _cut(text, _TOKEN)


def words(text: str) -> list[str]:
    """Return ROUGE's tokens: those of the lower-cased text that are no signs."""
    return _cut(text.lower(), _WORD)


_TOKEN = re.compile("w[wm]*|[cs]m*|m+")
_WORD = re.compile("w[wm]*|cm*")


def _cut(text: str, pattern: re.Pattern[str]) -> list[str]:
    """Return the parts of the text whose kinds, one letter a character, match the pattern."""
    kinds = "".join(map(_kind, text))
    return [text[found.start() : found.end()] for found in pattern.finditer(kinds)]


@cache
def _kind(char: str) -> str:
    """``w`` letter or digit, ``c`` character of an unspaced script, ``m`` mark, ``s`` sign, or a space."""
    category = unicodedata.category(char)
    if category[0] in "LN":
        return "c" if _script(char) in UNSPACED else "w"
    if category[0] == "M" or char in "\u200c\u200d":  # the zero-width joiners of Persian, Hindi and emoji
        return "m"
    return " " if category[0] == "Z" or category in ("Cc", "Cf") else "s"


@cache
def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]


# ── References ─────────────────────────────────────────────────────────────────────────────────────────────


def _listed(references: References) -> list[Sequence[str]]:
    return [(expected,) if isinstance(expected, str) else expected for expected in references]


def _paired(outputs: Sequence[str], references: References) -> list[tuple[str, Sequence[str]]]:
    """Return each output with its references."""
    listed = _listed(references)
    if len(outputs) != len(listed):
        raise ValueError(f"{len(outputs)} outputs and {len(listed)} references; there must be as many")
    if not outputs:
        raise ValueError("there are no outputs to score; give at least one, with its reference")
    for number, expected in enumerate(listed, 1):
        if not expected:
            raise ValueError(f"output {number} has no reference; give at least one")
    return list(zip(outputs, listed, strict=True))

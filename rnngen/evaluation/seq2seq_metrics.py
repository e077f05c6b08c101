"""How good written answers are beside references: BLEU, chrF, ROUGE and accuracies, all from 0 to 100.

BLEU and chrF are sacreBLEU's (Post 2018), figures and signature. The others count in tokens that suit every
script, cut by one rule::

    It's 5 o'clock.      It ' s 5 o ' clock .          words, numbers, and each sign alone
    我住在3号楼。          我 住 在 3 号 楼 。             a character alone where a script has no spaces

An answer has one reference or several; ``references`` holds a string an answer, or a sequence of strings.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import chain, zip_longest
from operator import eq
from typing import TYPE_CHECKING, Any, TypeAlias

from rnngen.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

References: TypeAlias = Sequence[str] | Sequence[Sequence[str]]
"""What each answer is held beside: a reference an answer, or several, as many as there are."""

HAN = frozenset({"CJK", "IDEOGRAPHIC", "HANGZHOU", "BOPOMOFO"})
KANA = frozenset({"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH"})
UNSPACED = HAN | KANA | {"THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"}
"""Scripts that put no spaces between words, by the first word of their characters' names in Unicode."""


@dataclass(frozen=True)
class Scores:
    """How good a set of answers is; every figure is a percentage, 100 the best."""

    bleu: float
    """BLEU of the whole set (Papineni et al. 2002), as sacreBLEU computes it."""
    chrf: float
    """chrF2 of the whole set, character n-grams up to 6 (Popović 2015), as sacreBLEU computes it."""
    rouge1: float
    """F1 of single words, the mean over the answers (Lin 2004)."""
    rouge2: float
    """F1 of pairs of words, likewise."""
    rougeL: float  # noqa: N815 - the field's own name for it, and the key in the JSON
    """F1 of the longest common subsequence of words, likewise."""
    token_accuracy: float
    """Tokens that stand where the reference has them."""
    sequence_accuracy: float
    """Answers that equal a reference."""
    signature: str
    """sacreBLEU's signatures of BLEU and chrF, a space between: what to quote beside the figures."""

    def as_json(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)


def score_outputs(answers: Sequence[str], references: References, *, tokenize: str | None = None) -> Scores:
    """Every figure at once.

    Args:
        answers: what was written.
        references: what should have been.
        tokenize: sacreBLEU's name of BLEU's tokenizer; None leaves it to ``bleu_tokenizer``.

    Raises:
        ValueError: if there are no answers, or not as many references.
        UnknownName: if sacreBLEU has no such tokenizer.
        UsageError: if that tokenizer needs a package that is not installed.
    """
    by_words, by_chars = _bleu_metric(references, tokenize), _chrf_metric()
    one, two, longest = rouge(answers, references)
    return Scores(
        bleu=_score(by_words, answers, references),
        chrf=_score(by_chars, answers, references),
        rouge1=one,
        rouge2=two,
        rougeL=longest,
        token_accuracy=token_accuracy(answers, references),
        sequence_accuracy=sequence_accuracy(answers, references),
        signature=f"BLEU|{by_words.get_signature().format()} chrF2|{by_chars.get_signature().format()}",
    )


def bleu(answers: Sequence[str], references: References, *, tokenize: str | None = None) -> float:
    """BLEU alone, 0 to 100; arguments and errors as ``score_outputs``.

    It is sacreBLEU's default but for one case. Where no reference has four tokens (single words, numbers),
    that default is 0 whatever is answered; n-grams are then counted up to the longest order there is, and
    the signature says ``eff:yes`` (effective order).
    """
    return _score(_bleu_metric(references, tokenize), answers, references)


def chrf(answers: Sequence[str], references: References) -> float:
    """chrF2 alone, 0 to 100. It needs no tokenizer; it raises ValueError as ``score_outputs``."""
    return _score(_chrf_metric(), answers, references)


def bleu_tokenizer(references: References) -> str:
    """The tokenizer of sacreBLEU that suits the references.

    ::

        13a     unless more than half of the words and unspaced characters (numbers and signs aside) are Han,
                kana, Hangul, Thai, Lao, Khmer, Burmese or Tibetan; and if so,
        zh      where at least nine tenths of these are Han: Chinese
        char    otherwise: Japanese, Korean, Thai …

    sacreBLEU's own choice for Japanese and Korean, MeCab, takes another package: ask for ``ja-mecab`` or
    ``ko-mecab`` by name where it is installed. Figures of different tokenizers do not compare.
    """
    scripts: Counter[str] = Counter()
    for reference in chain.from_iterable(_each(references)):
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
        metric = BLEU(tokenize=tokenize, force=True)  # force: no warning of answers that end in " ."
    except (ImportError, RuntimeError) as error:
        raise UsageError(f"BLEU tokenizer {tokenize!r}: {' '.join(str(error).split())}") from error
    cut = (metric.tokenizer(text.rstrip()).split() for text in chain.from_iterable(_each(references)))
    metric.effective_order = all(len(parts) < metric.max_ngram_order for parts in cut)
    return metric


def _chrf_metric() -> "CHRF":
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def _score(metric: "BLEU | CHRF", answers: Sequence[str], references: References) -> float:
    _check(answers, references)
    streams: list[Any] = list(zip_longest(*_each(references)))  # all first references, all second ones …
    score: float = metric.corpus_score(list(answers), streams).score
    return min(100.0, score)  # rounding takes a perfect one above


def rouge(answers: Sequence[str], references: References) -> tuple[float, float, float]:
    """ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004), each the mean F1 of the answers, 0 to 100.

    ROUGE-L takes an answer as one sentence. For English all three equal those of the package
    ``rouge-score`` without stemming, times 100. Of several references the best one counts, for each figure
    by itself. An answer or a reference without words scores 0, and one without pairs of them 0 in ROUGE-2.

    Raises:
        ValueError: as ``score_outputs``.
    """
    best = []
    for answer, expected in _paired(answers, references):
        each = [_rouge(words(answer), words(text)) for text in expected]
        best.append([max(figures) for figures in zip(*each, strict=True)])
    one, two, longest = (100 * sum(figures) / len(best) for figures in zip(*best, strict=True))
    return one, two, longest


def _rouge(found: Sequence[str], expected: Sequence[str]) -> tuple[float, float, float]:
    common = common_subsequence(found, expected)
    return _overlap(found, expected, 1), _overlap(found, expected, 2), _f1(common, found, expected)


def _overlap(found: Sequence[str], expected: Sequence[str], n: int) -> float:
    """F1 of n-grams, each counted as often as both sides have it."""
    mine, theirs = (list(zip(*(side[i:] for i in range(n)), strict=False)) for side in (found, expected))
    return _f1((Counter(mine) & Counter(theirs)).total(), mine, theirs)


def _f1(common: int, found: Sequence[Any], expected: Sequence[Any]) -> float:
    return 2 * common / (len(found) + len(expected)) if common else 0.0


def common_subsequence(left: Sequence[str], right: Sequence[str]) -> int:
    """The length of the longest common subsequence, with a row of the table in the bits of one number.

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


def token_accuracy(answers: Sequence[str], references: References) -> float:
    """Tokens that stand at the place where the reference has them, over all answers, 0 to 100.

    ``100 · Σ agreeing places / Σ max(tokens of the answer, tokens of the reference)``: what is missing and
    what is too much both cost, It is the answer as it
    was written that counts, not the next token after a given beginning. Tokens are those of ``tokens``, case
    and signs kept. Of several references the one with the highest share counts. Nothing answered where
    nothing is expected is 100.

    Raises:
        ValueError: as ``score_outputs``.
    """
    agreeing = places = 0
    for answer, expected in _paired(answers, references):
        found = tokens(answer)
        agree, of = max((_agreement(found, tokens(text)) for text in expected), key=_share)
        agreeing, places = agreeing + agree, places + of
    return 100 * _share((agreeing, places))


def _agreement(found: Sequence[str], expected: Sequence[str]) -> tuple[int, int]:
    return sum(map(eq, found, expected)), max(len(found), len(expected))


def _share(agreement: tuple[int, int]) -> float:
    agreeing, places = agreement
    return agreeing / places if places else 1.0


def sequence_accuracy(answers: Sequence[str], references: References) -> float:
    """Answers that equal a reference, 0 to 100, to the character; one line end after either is no difference.

    Raises:
        ValueError: as ``score_outputs``.
    """
    pairs = _paired(answers, references)
    return 100 * sum(_line(answer) in map(_line, expected) for answer, expected in pairs) / len(answers)


def _line(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def tokens(text: str) -> list[str]:
    """Words and numbers, single characters of ``UNSPACED`` scripts, and every other sign alone; no spaces.

    A combining mark or a joiner stays with what it follows.
    """
    return _cut(text, _TOKEN)


def words(text: str) -> list[str]:
    """ROUGE's tokens: those of the lower-cased text that are no signs."""
    return _cut(text.lower(), _WORD)


_TOKEN = re.compile("w[wm]*|[cs]m*|m+")
_WORD = re.compile("w[wm]*|cm*")


def _cut(text: str, pattern: re.Pattern[str]) -> list[str]:
    """The parts of the text whose kinds, one letter a character, match the pattern."""
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


def _each(references: References) -> Iterator[Sequence[str]]:
    """The references of each answer."""
    return ((expected,) if isinstance(expected, str) else expected for expected in references)


def _check(answers: Sequence[str], references: References) -> None:
    if len(answers) != len(references):
        raise ValueError(f"{len(answers)} answers and {len(references)} references; there must be as many")
    if not answers:
        raise ValueError("there are no answers to judge; give at least one, with its reference")
    for number, expected in enumerate(_each(references), 1):
        if not expected:
            raise ValueError(f"answer {number} has no reference; give at least one")


def _paired(answers: Sequence[str], references: References) -> Iterator[tuple[str, Sequence[str]]]:
    """Each answer with its references."""
    _check(answers, references)
    return zip(answers, _each(references), strict=True)

"""Minimum Bayes risk: of texts drawn from a model, the one that is most like all the others.

The most probable text is often an odd one (empty, or a repetition); the one with the highest expected utility
is what the draws agree about (Eikema and Aziz 2020, arXiv 2005.10283). The utility is chrF, reckoned here
because n texts have n² pairs.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

ORDER = 6
"""Characters of the longest n-grams."""
BETA = 2
"""How many times as much recall counts as precision."""

Grams = list[Counter[str]]
"""The n-grams of a text, from 1 to ``ORDER``."""


def grams(text: str) -> Grams:
    """How often each n-gram of characters occurs, white space left out."""
    signs = "".join(text.split())
    return [Counter(map("".join, zip(*(signs[k:] for k in range(n))))) for n in range(1, ORDER + 1)]  # noqa: B905


def chrf(hypothesis: str, reference: str) -> float:
    """chrF2 of one text beside another (Popović 2015), 0 to 100, just as sacreBLEU's ``sentence_chrf``."""
    one, other = grams(hypothesis), grams(reference)
    return f_score(_common(one, other), _sizes(one), _sizes(other))


def utilities(texts: Sequence[str]) -> list[float]:
    """The mean chrF of each text beside all the others as references, 0 to 100; 0 where there are none.

    Texts that are alike are judged once: of n, u of them different, u(u − 1)/2 pairs are compared.
    """
    times = Counter(texts)
    counted = {text: grams(text) for text in times}
    sizes = {text: _sizes(found) for text, found in counted.items()}
    sums = {text: (times[text] - 1) * chrf(text, text) for text in times}
    for one, other in combinations(times, 2):
        common = _common(counted[one], counted[other])
        sums[one] += times[other] * f_score(common, sizes[one], sizes[other])
        sums[other] += times[one] * f_score(common, sizes[other], sizes[one])
    return [sums[text] / max(len(texts) - 1, 1) for text in texts]


def f_score(common: Sequence[int], written: Sequence[int], wanted: Sequence[int]) -> float:
    """F_β, 0 to 100, of the means of precision and recall over the orders that both texts have.

    Args:
        common: n-grams that both have, by order.
        written: n-grams of the hypothesis.
        wanted: n-grams of the reference.
    """
    orders = [counts for counts in zip(common, written, wanted, strict=True) if counts[1] and counts[2]]
    if not any(common):
        return 0.0
    precision = sum(match / made for match, made, _ in orders) / len(orders)
    recall = sum(match / asked for match, _, asked in orders) / len(orders)
    return 100 * (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def _common(one: Grams, other: Grams) -> list[int]:
    pairs = zip(one, other, strict=True)
    return [sum(min(a[gram], b[gram]) for gram in a.keys() & b.keys()) for a, b in pairs]


def _sizes(counted: Grams) -> list[int]:
    return [found.total() for found in counted]

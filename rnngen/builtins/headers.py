"""Recognition of a header: the first row of a table, where it names the columns and is no example.

A wrong guess costs an example or teaches one too many. So a row has to look like names, none of which recurs
below, and has to have some of these: usual names for columns, numbers below a word, labels below (a few that
recur), or texts of another form.
"""

import re
from collections import Counter
from collections.abc import Sequence
from operator import or_

_WORDS = """
abc answer article artist artwork author body caption card category chinese city class cmn code comment
completion composer content context country date de deck description deu document dst eco email en en_us eng
english es example fen fr fra french gender genre german group hypothesis id input instruction intent it
italian ja japanese kind label lang language line lyrics mail meaning message mood moves musicxml name note
notes number opening origin output person pgn phrase place player poem poet prompt question quote rating
reference region response review ru russian score sentence sentiment sex song source spam spanish speaker
src state story summary surname tag tags target text tgt title topic translation trg tune tweet type url
user verse word words year zh
"""
USUAL = frozenset(_WORDS.split())
"""Usual names of columns, in lower case."""
LOOKED_AT = 500
"""Rows below a header that it is compared with."""
NEARLY_ALL = 0.9
"""The share of a column that has to be of another form."""
FEW = 0.2
"""The share of a column's rows above which its different values are too many for labels."""
_NAME = re.compile(r"[^\W\d][\w .()/#-]{0,39}")
_NUMBER = re.compile(r"[-+]?[\d.,:/%-]*\d[\d.,:/%-]*")


def is_header(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row of a table names its columns.

    Args:
        first: the row.
        rows: the rows below it, or the first ``LOOKED_AT`` of them, each as wide.
    """
    names = [cell.strip() for cell in first]
    if not all(map(_like_a_name, names)) or len({*names}) < len(names):
        return False
    columns = [[row[index].strip() for row in rows] for index in range(len(names))]
    if any(name in column for name, column in zip(names, columns, strict=True)):
        return False
    usual = [name.casefold().replace(" ", "_") in USUAL for name in names]
    if all(usual) or any(map(_of_other_kind, columns)):
        return True
    unlike = [_of_other_form(column, name) for column, name in zip(columns, names, strict=True)]
    return any(usual) and all(map(or_, usual, unlike))


def _like_a_name(cell: str) -> bool:
    return bool(_NAME.fullmatch(cell)) and len(cell.split()) <= 4 and not cell.endswith(".")


def _of_other_kind(column: Sequence[str]) -> bool:
    """Return whether a column holds numbers, or a few values that recur."""
    filled = [cell for cell in column if cell]
    if len(filled) < 3:
        return False
    if sum(bool(_NUMBER.fullmatch(cell)) for cell in filled) >= NEARLY_ALL * len(filled):
        return True
    counts = Counter(filled)
    return min(counts.values()) > 1 and 1 < len(counts) <= FEW * len(filled)


def _of_other_form(column: Sequence[str], name: str) -> bool:
    """Return whether nearly all of a column is of another form than its name: words, case, script, signs."""
    filled = [cell for cell in column if cell]
    unlike = sum(_form(cell) != _form(name) for cell in filled)
    return bool(filled) and unlike >= NEARLY_ALL * len(filled)


def _form(text: str) -> tuple[bool, ...]:
    one_word = len(text.split()) == 1
    return text.isascii(), one_word, text[:1].isupper(), bool(_NAME.fullmatch(text))

"""Makes ``places.txt``: names of places that are on no map, in six invented languages.

Each language is a small context-free grammar. The same script always writes the same bytes, on every Python::

    python corpora/make_places.py > corpora/places.txt
"""

import random
import sys
from collections.abc import Iterator, Mapping
from typing import TextIO, TypeAlias

Grammar: TypeAlias = Mapping[str, str]
"""Symbol → alternatives, parted by ``|``; each is a row of symbols and literals, ``_`` a space.

An alternative that occurs twice is twice as likely. A name begins with the first symbol.
"""

SEED = 1907
NAMES_PER_LANGUAGE = 500
LONGEST = 22

QUAY: Grammar = {
    "name": "root end | root end | root link end | before _ root end | root end _ after",
    "root": "sall | orr | penth | cadd | mirr | tolv | hask | wend | quill | lorn | dwenn | farr | brenn | "
    "oss | thrupp | keld | marl | grimm | elv | tarr | wyck | dunn | hoth | ebb",
    "link": "ow | er | ing | le | en",
    "end": "wick | by | mouth | ness | stead | low | combe | thwaite | holm | garth | mere | strand | "
    "hithe | gate",
    "before": "low | high | nether | old | long | saint | far | great",
    "after": "quay | sound | sands | light | bar | cross | weir",
}

ITHUNE: Grammar = {
    "name": "open flow | open flow flow | open flow flow | open flow close | open flow flow close",
    "open": "i | ai | e | lu | mi | se | va | ni | a | o | lei | thu | ya | ru",
    "flow": "lue | tha | rien | mi | na | lli | sue | vei | ro | the | nu | li | ssa | wen | rai",
    "close": "nne | th | l | s | lle | reth | mar | nor",
}

KHARVAK: Grammar = {
    "name": "hard | hard hard | stem hard | stem hard | stem hard _ seat",
    "stem": "kha | dro | gu | zha | vo | bru | ska | ty | mra | che",
    "hard": "head heart tail",
    "head": "g | k | dr | kh | z | v | br | gr | zh | sk | t | m",
    "heart": "a | o | u | o | y | a | e",
    "tail": "rvak | zhd | grad | lk | mzk | rg | ntsk | v | rn | dov | zhin | rka | sh",
    "seat": "gora | voda | kamen | brod",
}

XITLAN: Grammar = {
    "name": "first last | first mid last | first mid last | first mid mid last",
    "first": "tla | xi | tse | coa | qui | chi | ma | po | a | te | xo | hua | ne",
    "mid": "ca | tli | xo | pan | mi | tza | coy | hue | pil | lo | na | qua",
    "last": "tlan | pec | co | xtla | yan | lli | tzin | can | huac | toc",
}

SKJOL: Grammar = {
    "name": "land end | land end | land s end | colour land end | land end",
    "land": "skjøl | hjør | drån | flæ | brynj | tjarr | øsk | vår | grim | "
    "snær | lyngr | hav | rjúp | tov | eld | måk | krok | stjæl | isk",
    "s": "s | ar | a",
    "colour": "svart | hvit | grå | raud | stør | litl",
    "end": "vik | nes | fjell | øy | dal | havn | bø | sund | våg | skjer | strond | heim",
}

MOTUAHE: Grammar = {
    "name": "beat beat beat | beat beat break beat | beat beat _ beat beat | beat beat beat beat | "
    "beat long break beat beat",
    "beat": "onset vowel",
    "onset": "m | t | k | l | n | h | p | w | r | ng",
    "vowel": "a | e | i | o | u | a | o | ai",
    "long": "ā | ō | ū",
    "break": "'",
}

LANGUAGES = (QUAY, ITHUNE, KHARVAK, XITLAN, SKJOL, MOTUAHE)


def build(out: TextIO) -> int:
    """Write all names to ``out``, one a line and shuffled → their number."""
    rng = random.Random(SEED)
    found: dict[str, float] = {}
    for grammar in LANGUAGES:
        wanted = len(found) + NAMES_PER_LANGUAGE
        for name in _names(grammar, rng):
            if len(name) <= LONGEST:
                found.setdefault(name, rng.random())
            if len(found) == wanted:
                break
    out.writelines(f"{name}\n" for name in sorted(found, key=found.__getitem__))
    return len(found)


def _names(grammar: Grammar, rng: random.Random) -> Iterator[str]:
    start = next(iter(grammar))
    while True:
        words = _expand(grammar, start, rng).split("_")
        yield " ".join(word[:1].upper() + word[1:] for word in words)


def _expand(grammar: Grammar, symbol: str, rng: random.Random) -> str:
    """Follow one alternative at every symbol; a literal stands for itself."""
    if symbol not in grammar:
        return symbol
    alternatives = grammar[symbol].split("|")
    # Of all that `random` offers, only `random()` is promised to stay the same in every Python.
    chosen = alternatives[int(rng.random() * len(alternatives))]
    return "".join(_expand(grammar, part, rng) for part in chosen.split())


if __name__ == "__main__":
    build(sys.stdout)

"""The generators of parallel text: what all of them promise, and whether their targets are right."""

import io
import os
import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.data import shipped_corpora

parallel = shipped_corpora.generators()
NAMES = [Path(corpus.generator).stem for corpus in shipped_corpora.known().values() if corpus.generator]
each = pytest.mark.parametrize("name", NAMES)


def part(name):
    """A module of the generators' package."""
    __import__(f"{parallel.__name__}.{name}")
    return sys.modules[f"{parallel.__name__}.{name}"]


def made(name, count=1500, seed=1, held_out=False):
    return list(parallel.pairs(parallel.generator(name), count, seed=seed, held_out=held_out))


def text(name, **options):
    out = io.StringIO()
    parallel.write(parallel.generator(name), out, **{"count": 300, "seed": 1, "held_out": False, **options})
    return out.getvalue()


# ── What all of them promise ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@each
def test_there_are_as_many_pairs_as_asked_for_and_no_source_twice(name):
    assert len({source for source, _ in made(name)}) == len(made(name)) == 1500


@each
def test_both_sides_are_one_clean_line(name):
    for side in (side for pair in made(name) for side in pair):
        assert side == side.strip() != ""
        assert not re.search(r"[\t\n\r{}\ufffd]|  ", side)


@pytest.mark.slow
@each
def test_sides_share_no_source_whatever_the_seeds(name):
    training = {source for seed in (1, 2, 3) for source, _ in made(name, seed=seed)}
    held_out = {source for seed in (1, 2, 4) for source, _ in made(name, 200, seed=seed, held_out=True)}
    assert not training & held_out
    assert all(parallel.is_held_out(source) for source in held_out)


@pytest.mark.slow
@each
def test_a_tenth_of_the_sources_is_held_out(name):
    draw, generate = part("draw").Draw(5), parallel.generator(name)
    sources = {generate(draw)[0] for _ in range(3000)}
    assert 0.08 < sum(map(parallel.is_held_out, sources)) / len(sources) < 0.12


@pytest.mark.slow
@each
def test_a_source_has_one_target_whatever_the_seed(name):
    targets = {}
    for seed in range(4):
        for source, target in made(name, seed=seed):
            assert targets.setdefault(source, target) == target


@each
def test_same_seed_same_bytes_and_another_seed_others(name):
    assert text(name, seed=7) == text(name, seed=7) != text(name, seed=8)


@each
def test_fewer_pairs_are_the_beginning_of_more(name):
    assert text(name, count=300).startswith(text(name, count=100))


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("dates", "ace5e8eca076efe9"),
        ("numbers", "fea753709976ab07"),
        ("phrases", "fae18d645f36c7e8"),
        ("reports", "0d634a2fc0f9103e"),
        ("reversal", "d89c55eb490d2665"),
    ],
)
def test_bytes_are_the_same_on_every_python(name, digest):
    from hashlib import sha256

    assert sha256(text(name).encode()).hexdigest()[:16] == digest


def test_a_generator_that_runs_out_ends():
    def small(draw):
        number = draw.below(200)
        return f"n{number}", str(number)

    training = list(parallel.pairs(small, 1000, seed=1, held_out=False))
    held_out = list(parallel.pairs(small, 1000, seed=1, held_out=True))
    assert sorted(int(target) for _, target in training + held_out) == list(range(200))


def test_generators_need_nothing_but_the_standard_library():
    program = (
        "import io, sys; from rnngen.data import shipped_corpora; package = shipped_corpora.generators();"
        "options = {'count': 9, 'seed': 1, 'held_out': False};"
        "[package.write(package.generator(name), io.StringIO(), **options) for name in sys.argv[1:]];"
        "print(sorted({'torch', 'numpy', 'tokenizers', 'rich', 'rnngen.api'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program, *NAMES], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_hash_seed_of_python_changes_nothing():
    command = [sys.executable, "-m", "rnngen", "corpora", "build", "reports", "-o", "-", "--count", "30"]
    runs = [
        subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout == text("reports", count=30).encode()


# ── Dates ──────────────────────────────────────────────────────────────────────────────────────────────────

MONTHS = (
    "jan ene gen янв i | feb fév фев ii | mar mär мар iii | apr avr abr апр iv | may mai mag мая v | "
    "jun juin giu июн vi | jul juil lug июл vii | aug aoû ago авг viii | sep set сен ix | oct okt ott окт x "
    "| nov ноя xi | dec dez déc dic дек xii"
)
"""How months begin, in all languages; the last of each is the Roman figure."""
FEASTS = {
    "new year's day": (1, 1),
    "valentine's day": (2, 14),
    "st patrick's day": (3, 17),
    "april fools' day": (4, 1),
    "bastille day": (7, 14),
    "halloween": (10, 31),
    "all saints' day": (11, 1),
    "christmas eve": (12, 24),
    "christmas day": (12, 25),
    "boxing day": (12, 26),
    "new year's eve": (12, 31),
    "元旦": (1, 1),
    "圣诞节": (12, 25),
}
WEEKDAYS = (
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|mon|tue|wed|thu|fri|sat|sun|(?:mon|diens|donners|frei|sams|sonn)tag"
    r"|mittwoch|(?:lun|mar|mercre|jeu|vendre|same)di|dimanche|lunes|martes|miércoles|jueves|viernes|sábado|domingo)\b"
)
ORDINALS = {"first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12}
ORDINALS |= {"twentieth": 20, "thirtieth": 30}


def read_date(source):
    """Read a date by rules of this file's own: year, month and day."""
    text = source.lower()
    if (feast := re.sub(r" ?\d{4}年?", "", text)) in FEASTS:
        return int(re.findall(r"\d{4}", text)[0]), *FEASTS[feast]
    if eastern := re.search(r"([\d〇一二三四五六七八九]{4}) ?[年년] ?(\w+?) ?[月월] ?(\w+?) ?[日号일]", text):
        return tuple(map(read_eastern, eastern.groups()))
    if re.fullmatch(r"[\d/. ]+", text):
        return read_figures(text)
    return read_western(re.sub(WEEKDAYS, "", text))


def read_eastern(number):
    if number.isdecimal():
        return int(number)
    digits = ["〇一二三四五六七八九".find(digit) for digit in number]
    return int("".join(map(str, digits))) if len(digits) == 4 else read_chinese(number)


def read_figures(text):
    if re.fullmatch(r"\d{8}", text):
        return int(text[:4]), int(text[4:6]), int(text[6:])
    first, second, third = map(int, re.findall(r"\d+", text))
    if first > 31:
        return first, second, third
    if "/" in text and second > 12:
        return third, first, second
    assert "/" not in text or first > 12
    return third, second, first


def read_western(text):
    """Read what names its month: the day and the year are figures or words."""
    year = None
    if spoken := re.search(r", ((?:eigh|nine|twen|two)\D+)$", text):
        text, year = text[: spoken.start()], read_spoken_year(spoken[1])
    (month,) = {found for word in re.findall(r"[^\W\d_]+", text) if (found := read_month(word))}
    figures = re.findall(r"'?\d+", text)
    if year is None:
        place = next((i for i, figure in enumerate(figures) if len(figure) > 2), len(figures) - 1)
        year = int(figures.pop(place).strip("'"))
        year += 0 if year > 99 else 1900 if year >= 69 else 2000
    if figures:
        return year, month, int(figures[0])
    ordinal = re.search(r"\b(?:(twenty|thirty)-)?(?!august)(\w+(?:st|nd|rd|th))\b", text)
    unit = ORDINALS.get(ordinal[2]) or WORDS[ordinal[2][:-2]]
    return year, month, WORDS.get(ordinal[1], 0) + unit


def read_month(word):
    for number, beginnings in enumerate(MONTHS.split(" | "), 1):
        *names, roman = beginnings.split()
        if word == roman or any(word.startswith(name) for name in names):
            return number
    return None


def read_spoken_year(words):
    century, *rest = words.split()
    if "thousand" in rest:
        return read_english(words)
    rest = " ".join(rest).removeprefix("oh ")
    return 100 * read_english(century) + (0 if rest == "hundred" else read_english(rest))


@pytest.fixture(scope="module")
def dates():
    return [(source, date.fromisoformat(target)) for source, target in made("dates", 8000)]


def test_dates_are_read_back(dates):
    for source, day in dates:
        assert read_date(source) == (day.year, day.month, day.day), source


def test_weekdays_are_right(dates):
    seen = 0
    for source, day in dates:
        for name in re.findall(r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b", source.lower()):
            assert name == day.strftime("%A").lower()
            seen += 1
        for name in re.findall(r"(?:星期|周)([一二三四五六日])", source):
            assert "一二三四五六日".index(name) == day.weekday()
            seen += 1
    assert seen > 600


def test_dates_counts_its_sources():
    """A month and day has as many sources in any year, but for the years of ``%y``, which have more."""
    module = part("dates")
    counts, total, day = {}, 0, module.FIRST
    while day <= module.LAST:
        alike = (day.month, day.day, day.year in module.POSIX_YEARS)
        if alike not in counts:
            counts[alike] = len(sources_of(module, day))
        total += counts[alike]
        day += timedelta(1)
    assert total == module.SOURCES


def sources_of(module, day):
    """Every way to write a day."""
    fields, found = module._fields(day), set()
    for kind, table in module.DATA["kinds"].items():
        for form in table.get("forms", ()):
            ambiguous = kind == "beyond_12" and day.day <= 12
            if not ambiguous and ("{yy}" not in form or day.year in module.POSIX_YEARS):
                source = form.format_map(fields)
                found |= {source, source.lower(), source.upper()} if kind == "english" else {source}
    feasts = [form for form, feast in module.DATA["feasts"].items() if tuple(feast) == (day.month, day.day)]
    return found | {form.format_map(fields) for form in feasts}


# ── Numbers ────────────────────────────────────────────────────────────────────────────────────────────────

UNDER_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
WORDS = {word: value for value, word in enumerate(UNDER_TWENTY.split())}
WORDS |= {word: 10 * value for value, word in enumerate(TENS.split(), 2)}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}


def read_english(words):
    """Read a number in English words."""
    total = group = 0
    for word in re.split(r"[ -]", words):
        if word in SCALES:
            total, group = total + group * SCALES[word], 0
        elif word == "hundred":
            group *= 100
        elif word != "and":
            group += WORDS[word]
    return total + group


def read_chinese(numeral):
    """Read a Chinese numeral from left to right."""
    total = group = digit = 0
    for character in numeral:
        if character in "亿万":
            total, group, digit = total + (group + digit) * {"亿": 10**8, "万": 10**4}[character], 0, 0
        elif character in "千百十":
            group, digit = group + (digit or 1) * {"千": 1000, "百": 100, "十": 10}[character], 0
        else:
            digit = "零一二三四五六七八九两".index(character)
            digit = 2 if digit == 10 else digit
    return total + group + digit


READERS = {
    "digits": lambda figures: int(figures.replace(",", "")),
    "words": read_english,
    "中文": read_chinese,
}


def writing(number):
    """Which of the three writings a text is in."""
    if number[0].isdigit():
        return "digits"
    return "words" if number[0].isascii() else "中文"


def test_numbers_are_the_same_on_both_sides():
    seen = set()
    for source, target in made("numbers", 6000):
        tag, number = source.split(": ")
        assert writing(target) == tag != writing(number)
        assert READERS[tag](target) == READERS[writing(number)](number) <= 999_999_999
        seen.add((writing(number), tag, len(str(READERS[tag](target)))))
    assert len(seen) == 6 * 9


def test_targets_have_one_spelling():
    for source, target in made("numbers", 3000):
        assert not re.search("[,两〇]", target)
        if source.startswith("words") and (found := re.search(r"hundred (\w+)", target)):
            assert found[1] in ("and", "thousand", "million")


@pytest.mark.parametrize(
    ("number", "numeral"),
    [
        (0, "零"),
        (10, "十"),
        (12, "十二"),
        (110, "一百一十"),
        (1010, "一千零一十"),
        (2002, "二千零二"),
        (10_010, "一万零一十"),
        (100_005, "十万零五"),
        (120_500, "十二万零五百"),
        (205_000, "二十万五千"),
        (1_000_010, "一百万零一十"),
        (100_000_005, "一亿零五"),
        (100_005_000, "一亿零五千"),
        (100_050_000, "一亿零五万"),
        (110_010_010, "一亿一千零一万零一十"),
        (999_999_999, "九亿九千九百九十九万九千九百九十九"),
    ],
)
def test_chinese_numerals_follow_the_rules_of_nought(number, numeral):
    assert part("numerals").chinese(number) == numeral


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (2, "二"),
        (12, "十二"),
        (20, "二十"),
        (200, "两百"),
        (2222, "两千两百二十二"),
        (20000, "两万"),
        (120000, "十二万"),
        (1020000, "一百零二万"),
        (22000000, "两千两百万"),
        (200000002, "两亿零二"),
    ],
)
def test_two_is_said_as_one_says_it(number, said):
    assert part("numerals").spoken(number) == said


@given(st.integers(0, 10**12 - 1))
def test_numerals_are_read_back(number):
    numerals = part("numerals")
    assert read_chinese(numerals.chinese(number)) == read_chinese(numerals.spoken(number)) == number
    for conjunction in (True, False):
        assert read_english(numerals.english(number, conjunction=conjunction)) == number


@given(st.integers(1, 10**12 - 1))
def test_chinese_noughts_stand_alone_and_never_last(number):
    numeral = part("numerals").chinese(number)
    assert not re.search("零零|零$|零[千百十万亿]|^零|^一十", numeral)


@pytest.mark.parametrize(
    ("number", "word", "figures"),
    [
        (1, "first", "1st"),
        (2, "second", "2nd"),
        (3, "third", "3rd"),
        (5, "fifth", "5th"),
        (8, "eighth", "8th"),
        (9, "ninth", "9th"),
        (11, "eleventh", "11th"),
        (12, "twelfth", "12th"),
        (13, "thirteenth", "13th"),
        (20, "twentieth", "20th"),
        (21, "twenty-first", "21st"),
        (30, "thirtieth", "30th"),
        (111, "one hundred and eleventh", "111th"),
    ],
)
def test_ordinals_have_their_endings(number, word, figures):
    assert (part("numerals").ordinal(number), part("numerals").suffixed(number)) == (word, figures)


# ── Phrases ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def phrases():
    return made("phrases", 8000)


def test_phrases_are_in_their_languages(phrases):
    for source, target in phrases:
        assert source.isascii()
        assert source[0].isupper() or source[0].isdigit()
        assert source[-1] in ".?!"
        assert target[-1] in "。？！"
        assert re.fullmatch(r"[\u4e00-\u9fff〇，。？！：]+|.*\d+元.*", target)


def test_sentences_begin_with_capitals_and_end_once(phrases):
    for source, _ in phrases:
        assert not re.search(r"[.?!] [a-z]|[.?!]{2}", source)


def test_prices_are_read_back(phrases):
    seen = 0
    for source, target in phrases:
        price = re.fullmatch(r"Your change is ([\d.,]+|[a-z-]+) yuan\.", source)
        if price:
            yuan = price[1].replace(",", "")
            fen = round(100 * (float(yuan) if yuan[0].isdigit() else read_english(yuan)))
            assert read_price(re.fullmatch("找您(.+)。", target)[1]) == fen, target
            seen += 1
    assert seen > 20


def read_price(said):
    """Fen in a spoken price: 三块五 is 350."""
    yuan, block, rest = said.rpartition("块")
    fen = 100 * read_chinese(yuan) if block else 0
    jiao, dime, cents = rest.rpartition("毛")
    if dime:
        return fen + 10 * read_chinese(jiao) + (read_chinese(cents) if cents else 0)
    if rest.endswith("分"):
        return fen + read_chinese(rest[:-1].lstrip("零"))
    return fen + (10 * read_chinese(rest) if rest else 0)


@pytest.mark.parametrize(
    ("yuan", "jiao", "fen", "said"),
    [
        (3, 5, 0, "五"),
        (3, 2, 5, "两毛五"),
        (3, 2, 2, "两毛二"),
        (12, 0, 5, "零五分"),
        (0, 2, 0, "两毛"),
        (0, 0, 2, "两分"),
        (0, 5, 5, "五毛五"),
    ],
)
def test_change_is_said_as_one_says_it(yuan, jiao, fen, said):
    assert part("quantities")._change(yuan, jiao, fen) == said


def test_times_are_read_back(phrases):
    seen = 0
    for source, target in phrases:
        clock = re.search(r"(\d+):(\d\d) (am|pm)", source)
        if clock:
            said = re.search(r"(早上|上午|下午|晚上)(\w+?)点零?(\w+?)分", target)
            assert (read_chinese(said[2]), read_chinese(said[3])) == (int(clock[1]), int(clock[2]))
            assert (said[1] in ("早上", "上午")) == (clock[3] == "am")
            seen += 1
    assert seen > 200


def test_two_before_a_measure_word_is_counted(phrases):
    counted = [target for source, target in phrases if re.search(r"\btwo\b (?!hundred|yuan)", source)]
    assert len(counted) > 50
    assert not any(
        re.search("(?<![十第月])二[本张把支件条顶双副块台个封份朵幅杯瓶碗盘点]", target) for target in counted
    )


def test_things_keep_their_measure_words(phrases):
    words = {
        "伞": "把",
        "书": "本",
        "毛衣": "件",
        "眼镜": "副",
        "马": "匹",
        "照相机": "台",
        "裙子": "条",
        "啤酒": "瓶",
    }
    for thing, measure in words.items():
        found = {
            mark
            for _, target in phrases
            for mark in re.findall(rf"[一两三四五六七八九十这那](\w){thing}[。多一和花]", target)
        }
        assert found == {measure}


# ── Reports ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def reports():
    return made("reports", 2500)


def test_reports_are_short_and_their_headlines_are_no_part_of_them(reports):
    for report, headline in reports:
        assert 40 <= len(report.split()) <= 90
        assert headline.casefold() not in report.casefold()
        assert 4 <= len(headline.split()) <= 16
        assert headline[-1] not in ".!"


def test_names_and_figures_of_headlines_are_told_in_the_report(reports):
    for report, headline in reports:
        for fact in re.findall(r"\d+(?:[.-]\d+)?", headline.replace(",000", "")):
            assert re.search(rf"(?<!\d){re.escape(fact)}(?!\d)", report)
        for name in re.findall(r"(?<= )[A-Z][a-z]+", headline):
            assert name in report or name in ("Storm",), headline


def test_headlines_need_a_choice_between_names_and_figures(reports):
    """Nine in ten reports have a name that their headline has not, and a figure or number likewise."""

    def others(report, headline, pattern):
        return set(re.findall(pattern, report)) - set(re.findall(pattern, headline))

    names = [others(report, headline, r"(?<=[a-z] )[A-Z][a-z]+") for report, headline in reports]
    assert sum(map(bool, names)) > 0.9 * len(reports)


def test_headlines_are_not_taken_from_the_first_sentence_alone(reports):
    def told(report, headline):
        first = report.split(". ")[0]
        return all(name in first for name in re.findall(r"(?<= )[A-Z][a-z]+", headline))

    assert 0.3 < sum(told(*pair) for pair in reports) / len(reports) < 0.9


def test_every_subject_and_kind_is_reported(reports):
    kinds = [kind for desk in part("reports").DESKS.values() for kind in desk["kinds"].values()]
    shapes = [
        re.sub("{.+?}", ".+", re.escape(kind["headline"]).replace(r"\{", "{").replace(r"\}", "}"))
        for kind in kinds
    ]
    counts = [sum(bool(re.fullmatch(shape, headline, re.I)) for _, headline in reports) for shape in shapes]
    assert len(kinds) >= 18
    assert min(counts) > 30


# ── Reversal ───────────────────────────────────────────────────────────────────────────────────────────────


def test_reversal_reverses_strings_of_every_length():
    pairs = made("reversal", 3000)
    assert all(target == "".join(reversed(source)) and source.isdecimal() for source, target in pairs)
    assert {len(source) for source, _ in pairs} == set(range(1, 26))

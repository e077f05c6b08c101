"""The corpora that ship: what they promise, and how they are found."""

import importlib.util
import io
import re
import shutil
from pathlib import Path

import pytest

from rnngen import paths
from rnngen.data import shipped_corpora
from rnngen.errors import NotFoundError

SHIPPED = [corpus for corpus in shipped_corpora.known().values() if corpus.file]
BUILT = [corpus for corpus in shipped_corpora.known().values() if corpus.builder]


def script(name):
    """Import a maker or builder, which is in no package."""
    spec = importlib.util.spec_from_file_location(f"tested_{name}", shipped_corpora.folder() / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_index_names_every_file_in_the_folder():
    indexed = {
        name
        for corpus in shipped_corpora.known().values()
        for name in (corpus.file, corpus.builder, corpus.maker)
    }
    present = {path.name for path in shipped_corpora.folder().iterdir() if path.is_file()}
    assert indexed - {""} == present - {shipped_corpora.INDEX, "README.md"}


def test_index_names_every_generator():
    indexed = {corpus.generator for corpus in shipped_corpora.known().values()}
    files = (shipped_corpora.folder() / "parallel").glob("*.py")
    present = {f"parallel/{path.name}" for path in files if "\ndef pair(" in path.read_text(encoding="utf-8")}
    assert indexed - {""} == present


@pytest.mark.parametrize("corpus", shipped_corpora.known().values(), ids=lambda corpus: corpus.name)
def test_task_of_every_corpus_exists(corpus):
    from rnngen.registry import Registry

    assert corpus.task in Registry().names("task")


@pytest.mark.parametrize("corpus", shipped_corpora.known().values(), ids=lambda corpus: corpus.name)
def test_readme_agrees_with_the_index(corpus):
    readme = (shipped_corpora.folder() / "README.md").read_text(encoding="utf-8")
    assert f"## {corpus.name}\n\n{corpus.summary}\n" in readme
    (row,) = re.findall(rf"^\| {corpus.name} \|.*$", readme, re.M)
    size, characters, distinct, task, licence = [cell.strip() for cell in row.strip("|").split("|")][1:]
    assert (task, licence) == (corpus.task, corpus.licence)
    if corpus.file:
        data = corpus.path.read_bytes()
        text = data.decode()
        assert [size, characters, distinct] == [f"{n:,}" for n in (len(data), len(text), len(set(text)))]


@pytest.mark.parametrize("corpus", SHIPPED, ids=lambda corpus: corpus.name)
def test_shipped_text_is_clean(corpus):
    text = corpus.path.read_bytes().decode("utf-8")
    assert text.endswith("\n")
    assert not re.search(r"[\r\t\ufeff\ufffd]|[ \u3000]$", text, re.M)


def test_almanac_has_a_small_alphabet_and_is_no_repetition():
    text = (shipped_corpora.folder() / "almanac.txt").read_text(encoding="utf-8")
    assert text.isascii()
    assert len(set(text)) <= 75
    long_lines = [line for line in text.splitlines() if len(line) > 60]
    assert len(set(long_lines)) == len(long_lines) > 300


def test_almanac_names_each_day_once_and_in_order():
    text = (shipped_corpora.folder() / "almanac.txt").read_text(encoding="utf-8")
    days = re.findall(r"^THE (.+) OF ([A-Z]+)\.\nWind|^THE (.+) OF ([A-Z]+)\.\nThe fog", text, re.M)
    dated = [(a or c, b or d) for a, b, c, d in days]
    assert len(set(dated)) == len(dated) > 150
    assert len(dict.fromkeys(month for _, month in dated)) == 12
    for month in {month for _, month in dated}:
        numbers = [ORDINALS.index(day) for day, name in dated if name == month]
        assert numbers == sorted(numbers)


UNITS = ["FIRST", "SECOND", "THIRD", "FOURTH", "FIFTH", "SIXTH", "SEVENTH", "EIGHTH", "NINTH"]
TEENS = [f"{stem}TEENTH" for stem in ("THIR", "FOUR", "FIF", "SIX", "SEVEN", "EIGH", "NINE")]
TWENTIES = ["TWENTIETH", *(f"TWENTY-{unit}" for unit in UNITS)]
ORDINALS = [*UNITS, "TENTH", "ELEVENTH", "TWELFTH", *TEENS, *TWENTIES, "THIRTIETH", "LAST"]


def test_places_are_what_their_maker_writes_byte_for_byte():
    made = io.StringIO()
    count = script("make_places").build(made)
    assert made.getvalue().encode() == (shipped_corpora.folder() / "places.txt").read_bytes()
    assert count == len(set(made.getvalue().splitlines())) == 3000


def test_qinghe_couplets_have_lines_of_equal_length():
    text = (shipped_corpora.folder() / "qinghe.txt").read_text(encoding="utf-8")
    verses = text[: text.index("老渡的话")]  # the sayings after it are prose of two clauses
    couplets = re.findall(r"^([^，。：？；、\n]+)，([^，。：？；、\n]+)。$", verses, re.M)
    assert len(couplets) > 150
    assert {(len(left), len(right)) for left, right in couplets} == {(5, 5), (7, 7)}


def test_corpora_are_found_inside_an_installed_package_first(tmp_path, monkeypatch):
    inside = tmp_path / "rnngen" / "corpora"
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "rnngen" / "paths.py"))
    with pytest.raises(NotFoundError, match="install rnngen again"):
        shipped_corpora.folder()
    shutil.copytree(Path(__file__).parents[2] / "corpora", tmp_path / "corpora")
    assert shipped_corpora.folder() == tmp_path / "corpora"
    shutil.copytree(tmp_path / "corpora", inside)
    assert shipped_corpora.folder() == inside


@pytest.mark.slow
@pytest.mark.parametrize("corpus", BUILT, ids=lambda corpus: corpus.name)
def test_builder_gives_the_same_text_twice(corpus):
    first, second = io.StringIO(), io.StringIO()
    build = script(corpus.builder.removesuffix(".py")).build
    assert build(first) == build(second) > 100
    assert first.getvalue() == second.getvalue()

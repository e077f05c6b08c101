"""``rnngen look surprise``: columns hold in any width and script, files are whole, errors are clear."""

import json
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from rich.cells import cell_len

from rnngen.cli.render.coloured import draw
from rnngen.plots.sheet import bounded
from rnngen.plots.text import ColouredText, Run, wrapped

TEXT = "the cat sees 中文 é שלום\ta red door.\n"


@pytest.fixture
def look(run, shelf):
    return lambda *args, **options: run("look", "surprise", "-m", "tale", *args, **options)


def test_json_holds_every_character_with_its_bits(look):
    told = json.loads(look("--json", "-q", stdin="the cat sees a red door.\n").out)
    assert "".join(one["text"] for one in told["text"]) == "the cat sees a red door.\n"
    assert all(one["network"] >= 0 for one in told["text"])


def test_peaks_are_those_of_the_predictor_that_is_asked_for(run, shelf, place, tiny):
    (place / "mixed.txt").write_text("the cat sees a red door.\n" * 60)
    run("train", "mixed.txt", "-q", *tiny, "--ngram", "2", "--steps", 4)
    for by in ("network", "n-gram"):
        told = run("look", "surprise", "-m", "mixed", "--by", by, "--json", "-q", stdin="the cat sees\n").out
        found = json.loads(told)
        assert found["peaks"]
        for peak in found["peaks"]:
            assert peak["bits"] == pytest.approx(found["text"][peak["place"]][by])


@pytest.mark.parametrize("kind", ["svg", "html", "png"])
def test_files_hold_the_text(look, place, kind):
    path = place / f"map.{kind}"
    assert look("-o", str(path), stdin="the cat sees a red door.\n").status == 0
    if kind == "svg":
        words = [one.text or "" for one in ET.parse(path).getroot().iter("{http://www.w3.org/2000/svg}text")]
        assert "thecatseesareddoor.⏎" in "".join(words)
    if kind == "html":
        assert "http" not in path.read_text().replace('http-equiv="Content', "")


def test_what_cannot_be_drawn_is_refused_before_reading(look, place):
    look("-o", "map.gif", stdin="x", status=2)
    look(stdin=" \n", status=2)
    look("nosuch.txt", status=3)
    assert "no n-gram" in look("--by", "n-gram", stdin="the cat\n", status=2).err


def test_pairs_and_lines_are_never_cut(run, models):
    told = run("look", "surprise", "-m", "pairs", "-n", 12, "--json", stdin="abc\tCBA\n" * 5)
    assert "the first 7 of 40 characters" in told.err
    assert "".join(one["text"] for one in json.loads(told.out)["text"]) == "CBA"
    assert run("look", "surprise", "-m", "pairs", "-n", 2, stdin="abc\tCBA\n" * 5).status == 0


def test_one_model_is_one(look):
    assert "2 models, where this command takes one" in look("-m", "names", stdin="x", status=2).err


@pytest.mark.parametrize("width", [20, 80])
@pytest.mark.parametrize("colours", [None, "standard", "256", "truecolor"])
@pytest.mark.parametrize("kind", ["heat", "two-sided"])
def test_lines_fit_and_signs_stand_below_their_characters(width, colours, kind):
    runs = tuple(Run(char, 1.0 if char == "文" else 0.0) for char in TEXT * 3)
    lines = draw(ColouredText("t", runs, kind, ((1.0, "twelve"),), "bits", ("a note " * 9,)), width, colours)
    texts = ["".join(text for text, _ in line) for line in lines]
    assert all(cell_len(text) < width for text in texts)
    if colours is None:
        above, below = next(pair for pair in pairwise(texts) if "文" in pair[0])
        start = cell_len(above[: above.index("文")])
        assert below[start : start + 2] == "##"


def test_words_beside_the_text_are_not_cut():
    runs = (Run("ab", 0.5), Run(" behind the last one kept\n", None), Run("cd", 0.5), Run(" it ends\n", None))
    lines = ["".join(run.text for run in line) for line in wrapped(runs, 15)]
    assert lines == ["ab behind the", "last one kept", "cd it ends"]


def test_a_tree_runs_from_left_to_right_whatever_its_tokens():
    assert 'dir="ltr"' in ColouredText("t", (Run("שלום", 0.5), Run(" 50 %\n", None))).page()
    assert 'dir="auto"' in ColouredText("t", (Run("שלום", 0.5),)).page()


def test_what_is_quoted_from_right_to_left_ends_before_the_figures_behind_it():
    assert bounded("שלום").endswith("\u200e")
    assert bounded("peace") == "peace"

"""A text with characters that training never met is reported wherever it enters; stdout stays as it is."""

import json

import pytest

NEVER = "what the model has never seen"


@pytest.mark.parametrize(
    ("words", "stdin", "named"),
    [
        (["sample", "-m", "tale", "-n", "3", "THE"], "", "T H E, it knows them in the other case"),
        (["sample", "-m", "tale", "-n", "3", "--stop", r"\n", "the"], "", "--stop holds"),
        (["sample", "-m", "tale", "-n", "3", "--blend", "水", "0.5", "the"], "", "--blend holds"),
        (["sample", "-m", "other", "--prefix", "水"], "abc\n", "--prefix holds"),
        (["sample", "-m", "other"], "abc\tCBA\n", "cut -f 1"),
        (["sample", "-m", "names", "-n", "3", "An\nBe"], "", "give each prompt on a line of its own"),
        (["score", "-m", "tale"], "the\ncat’s\n", "’"),
        (["score", "-m", "other"], "水\tA\n", "source 1 holds"),
        (["next", "-m", "tale", "th\u00a0"], "", "U+00A0, no blank"),
        (["next", "-m", "other", "--source", "水", "A"], "", "--source holds"),
        (["fill", "-m", "tale", "THE ___ sea"], "", "the text holds"),
        (["attend", "-m", "other", "--json", "水"], "", "source 1 holds"),
        (["attend", "-m", "other", "--json", "--text", "水", "abc"], "", "--text holds"),
    ],
)
def test_it_is_reported_wherever_a_text_enters(run, models, words, stdin, named):
    ran = run(*words, stdin=stdin)
    (line,) = [line for line in ran.err.splitlines() if NEVER in line]
    assert line.startswith("rnngen: warning: ")
    assert named in line
    assert NEVER not in ran.out


def test_many_sources_have_one_line_first_and_one_last(run, models):
    sources = ["abc", "水", *["abc"] * 7, "火"]
    ran = run("sample", "-m", "other", stdin="\n".join(sources))
    assert len(ran.out.splitlines()) == len(sources)
    first, last = [line for line in ran.err.splitlines() if NEVER in line]
    assert "source 2 holds" in first
    assert "2 of 10 sources hold" in last
    assert "水 火 (2 of 26 characters)" in last


@pytest.mark.parametrize("words", [["sample", "-n", "3"], ["next"]])
def test_quiet_says_nothing_of_it(run, models, words):
    assert run(*words, "-m", "tale", "-q", "水").err == ""


def test_evaluation_reports_what_a_given_text_holds(run, models, place):
    (place / "new.txt").write_text("THE CAT SEES THE SEA. 水\n" * 20)
    ran = run("eval", "-m", "tale", "new.txt", "--json")
    assert "the text holds what the model has never seen" in ran.err
    json.loads(ran.out)
    assert NEVER not in run("eval", "-m", "tale").err


def test_each_line_piped_in_is_a_prompt_where_examples_are_lines(run, models):
    one = run("sample", "-m", "names", "--seed", "1", "An").out
    assert run("sample", "-m", "names", "--seed", "1", stdin="An\n").out == one
    several = run("sample", "-m", "names", "--seed", "1", stdin="An\r\nBe\n").out.splitlines()
    assert several[0] == one.rstrip("\n")
    assert several[1].startswith("Be")
    assert len(several) == 2
    assert run("sample", "-m", "names", "--seed", "1", stdin="").out.count("\n") == 1

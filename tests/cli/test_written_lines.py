"""What stands on a line of the output: every answer one, whatever it holds, and as many as were asked for."""

import json
import re

import pytest
from fixtures.commands import SEQ2SEQ

ODD = "\u2028\x0c\x85\x0b\x1c"
"""What other programs take for line ends."""


def trained(run, place, targets):
    """Train a model named ``many`` that answers each of a to f with one of six texts."""
    pairs = [{"s": key, "t": text} for key, text in zip("abcdef", targets, strict=True)]
    lines = "".join(json.dumps(pair) + "\n" for pair in pairs * 8)
    (place / "many.jsonl").write_text(lines)
    run("train", "many.jsonl", "-q", "--task", "pairs", "--field", "t", "--source-field", "s", *SEQ2SEQ)


DRAWS = ("sample", "-m", "many", "--temp", "1", "--seed", "1", "-n", "14")


@pytest.mark.slow
def test_an_answer_with_line_ends_is_one_line_that_spells_them(run, home, place):
    trained(run, place, [f"{k}\n{k}\r\n{ODD}{k}" for k in "abcdef"])
    sources = "a\nb\nc\nd\n" * 4
    told, kept = run(*DRAWS, stdin=sources), run(*DRAWS, "-0", stdin=sources)
    whole = kept.out.removesuffix("\0").split("\0")
    assert sum("\n" in text for text in whole) > 1
    assert told.out.count("\n") == len(whole) == 16
    spelt = [re.sub(r"\r\Z", r"\\r", text.replace("\r\n", "\\r\\n").replace("\n", "\\n")) for text in whole]
    assert told.out.split("\n")[:-1] == spelt
    assert any(sign in told.out for sign in ODD)
    changed = sum(one != other for one, other in zip(spelt, whole, strict=True))
    assert f"{changed} outputs have line ends" in told.err
    assert kept.err == ""
    records = [json.loads(line) for line in run(*DRAWS, "--json", stdin=sources).out.split("\n")[:-1]]
    assert [record["text"] for record in records] == whole


@pytest.mark.slow
def test_what_only_looks_like_a_line_end_passes_unchanged(run, home, place):
    trained(run, place, [f"{k}{ODD}{k}" for k in "abcdef"])
    told = run(*DRAWS, stdin="a\nb\n" * 8)
    assert told.err == ""
    assert told.out == run(*DRAWS, "-0", stdin="a\nb\n" * 8).out.replace("\0", "\n")
    assert set(told.out) & set(ODD)


@pytest.mark.parametrize("flags", [(), ("--beam", "4", "--nbest", "4"), ("--count", "3", "--temp", "1")])
def test_a_blank_source_has_as_many_lines_as_any_other(run, models, flags):
    lines, wanted = ["abc", "", "  ", "fedc"], int(flags[-1 if "--nbest" in flags else 1]) if flags else 1
    flags = (
        ("sample", "-m", "pairs", "--seed", "1", *flags)
        if "--temp" in flags
        else ("sample", "-m", "pairs", *flags)
    )
    told = run(*flags, stdin="\n".join(lines)).out.split("\n")
    assert len(told) == len(lines) * wanted + 1
    assert told[wanted : 3 * wanted] == [""] * 2 * wanted
    assert all(told[:wanted])
    assert run(*flags, "-0", stdin="\n".join(lines)).out.split("\0") == told
    records = [
        json.loads(line) for line in run(*flags, "--json", stdin="\n".join(lines)).out.split("\n")[:-1]
    ]
    assert [record["source"] for record in records] == lines
    assert [len(record["hypotheses"]) for record in records] == [wanted, 0, 0, wanted]


def test_a_search_that_finds_fewer_texts_leaves_the_other_lines_empty(run, models):
    told = run("sample", "-m", "pairs", "--beam", "9", "--nbest", "9", "-n", "0", "abc").out
    assert told == "\n" * 9


def test_a_carriage_return_is_no_part_of_a_source_that_is_an_argument(run, models):
    assert run("sample", "-m", "pairs", "abc\r\nbb").out == run("sample", "-m", "pairs", "abc\nbb").out


@pytest.mark.parametrize("source", ["", " \t"])
@pytest.mark.parametrize(
    "command", [["attend"], ["next", "A", "--source"], ["fill", "A___", "--source"], ["score"]]
)
def test_nothing_is_invented_for_a_blank_source(run, models, command, source):
    if command == ["score"]:
        assert run("score", "-m", "pairs", stdin=f"abc\tCBA\n{source}\nbb\tBB\n").out.split("\n")[1] == ""
        record = run("score", "-m", "pairs", "--json", stdin=f"{source}\nbb\tBB\n").out.split("\n")[0]
        assert json.loads(record)["log_probability"] is None
        return
    told = run(*command[:1], "-m", "pairs", *command[1:], source, status=2)
    assert told.out == ""
    assert "blank" in told.err
    assert told.err.count("\n") == 1

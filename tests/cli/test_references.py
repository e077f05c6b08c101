"""Several references for one source, as ``rnngen eval`` takes them."""

import json

import pytest


@pytest.fixture
def pairs(run, place, tiny):
    """A model of pairs that has hardly learnt."""
    (place / "pairs.tsv").write_text("".join(f"{n}\tno {n}\n" for n in range(80)))
    options = ("--task", "pairs", "--tokenizer", "char", "--source-tokenizer", "char", "--name", "pairs")
    run("train", "pairs.tsv", *options, "-q", *tiny)
    return "pairs"


def scores(run, *args):
    return json.loads(run("eval", "-m", "pairs", *args, "--json").out)


def test_targets_of_one_source_are_its_references(run, pairs, place):
    written = run("sample", "-m", pairs, "12").out.rstrip("\n")
    (place / "one.tsv").write_text("12\tquite another text\n")
    (place / "two.tsv").write_text(f"12\tquite another text\n12\t{written or 'x'}\n12\tquite another text\n")
    one, two = scores(run, "one.tsv"), scores(run, "two.tsv")
    assert (one["pairs"], one["sources"], two["pairs"], two["sources"]) == (1, 1, 3, 1)
    assert "nrefs:1" in one["signature"]
    assert "nrefs:2" in two["signature"]
    if written:
        assert (one["sequence_accuracy"], two["sequence_accuracy"]) == (0, 100)


def test_files_of_targets_are_references_side_by_side(run, pairs, place):
    (place / "in").write_text("1\n2\n")
    (place / "a").write_text("no 1\nno 2\n")
    (place / "b").write_text("number 1\nnumber 2\n")
    (place / "both.tsv").write_text("1\tno 1\n2\tno 2\n1\tnumber 1\n2\tnumber 2\n")
    found = scores(run, "--source", "in", "--target", "a", "--target", "b")
    expected = scores(run, "both.tsv")
    found.pop("seconds"), expected.pop("seconds")
    assert found == expected
    single = scores(run, "--source", "in", "--target", "a")
    assert single["signature"].count("nrefs:1") >= 1


@pytest.mark.parametrize("args", [("--source", "in"), ("--target", "a")])
def test_one_side_alone_is_refused_with_the_other(run, pairs, place, args):
    for name in ("in", "a", "c.tsv"):
        (place / name).write_text("1\tx\n")
    ran = run("eval", "-m", pairs, *args, status=2)
    assert "--source" in ran.err
    assert "--target" in ran.err or "CORPUS" in ran.err

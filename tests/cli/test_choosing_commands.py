"""``rnngen sample --best-of`` and ``--mbr`` as a shell sees it: one text where many are drawn."""

import json

import pytest

from rnngen.builtins.strategies.selection import chrf

pytestmark = pytest.mark.usefixtures("shelf")

NAMES = ("sample", "-m", "names", "--seed", "7")
TALE = ("sample", "-m", "tale", "--seed", "7", "-n", "30")


def records(done):
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.parametrize("model", [NAMES, TALE])
@pytest.mark.parametrize("flag", ["--best-of", "--mbr"])
def test_the_same_seed_gives_the_same_bytes(run, model, flag):
    first = run(*model, flag, "5", "a")
    assert first.out == run(*model, flag, "5", "a").out
    assert first.err == ""


@pytest.mark.parametrize("model", [NAMES, TALE])
@pytest.mark.parametrize("count", ["1", "3"])
@pytest.mark.parametrize("flag", ["--best-of", "--mbr"])
def test_the_best_of_one_is_a_plain_draw(run, model, count, flag):
    assert run(*model, flag, "1", "--count", count).out == run(*model, "--count", count).out


def test_the_likeliest_per_token_of_those_that_count_lists_is_written(run):
    listed = [record["text"] for record in records(run(*NAMES, "--count", "8", "--json"))]
    scored = records(run("score", "-m", "names", "--json", stdin="".join(f"{one}\n" for one in listed)))
    means = [one["log_probability"] / one["tokens"] for one in scored]
    expected = [max(range(at, at + 4), key=means.__getitem__) for at in (0, 4)]
    found = records(run(*NAMES, "--best-of", "4", "--count", "2", "--json"))
    assert [one["text"] for one in found] == [listed[number] for number in expected]
    assert [one["number"] for one in found] == [0, 1]
    for one, number in zip(found, expected, strict=True):
        assert one["score"] == pytest.approx(means[number], rel=1e-4)
        assert one["log_probability"] == pytest.approx(scored[number]["log_probability"], rel=1e-4)


def test_what_is_most_like_the_others_that_count_lists_is_written(run):
    listed = [record["text"] for record in records(run(*NAMES, "--count", "12", "--json"))]
    expected = []
    for group in (listed[:6], listed[6:]):
        worth = [mean_chrf(text, group[:k] + group[k + 1 :]) for k, text in enumerate(group)]
        expected.append((group[worth.index(max(worth))], pytest.approx(max(worth))))
    found = records(run(*NAMES, "--mbr", "6", "--count", "2", "--json"))
    assert [(one["text"], one["score"]) for one in found] == expected
    assert all(one["log_probability"] < 0 for one in found)


def mean_chrf(text, others):
    return sum(chrf(text, other) for other in others) / len(others)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--best-of", "4", "--beam", "3"], "--beam and --best-of cannot stand together"),
        (["--best-of", "0", "--beam", "0", "--strategy", "best-of"], "--strategy best-of and --best-of"),
        (["--best-of", "-1"], "--best-of -1: a number from 1 to 10000 expected"),
        (["--best-of", "4", "-n", "-1"], "--best-of and --length -1 cannot stand together"),
        (["--mbr", "4", "-n", "-1", "--stop", "x"], "--mbr and --length -1 cannot stand together"),
        (["--mbr", "4", "--beam", "3"], "--beam and --mbr cannot stand together"),
        (["--mbr", "-1"], "--mbr -1: a number from 1 to 10000 expected"),
        (["--mbr", "4", "--best-of", "3"], "--best-of and --mbr cannot stand together"),
        (["--mbr", "4", "--from-state", "a"], "--mbr and --from-state cannot stand together"),
        (["--best-of", "4", "--save-state", "a"], "--best-of and --save-state cannot stand together"),
    ],
)
def test_flags_that_contradict_are_refused(run, arguments, says):
    done = run("sample", "-m", "tale", *arguments, status=2)
    assert says in done.err
    assert done.out == ""


def test_a_way_to_choose_of_a_settings_file_gives_way_to_a_flag(run, place):
    plain = {flag: run(*NAMES, flag, "3").out for flag in ("--best-of", "--mbr", "--beam")}
    (place / "rnngen.toml").write_text("[sample]\nmbr = 9\n")
    assert run(*NAMES, "--best-of", "3").out == plain["--best-of"]
    assert run(*NAMES, "--beam", "3").out == plain["--beam"]
    assert run(*NAMES, "--mbr", "3").out == plain["--mbr"]

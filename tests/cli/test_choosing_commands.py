"""``rnngen sample --best-of`` as a shell sees it: one text where many are drawn."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("shelf")

NAMES = ("sample", "-m", "names", "--seed", "7")
TALE = ("sample", "-m", "tale", "--seed", "7", "-n", "30")


def records(done):
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.parametrize("model", [NAMES, TALE])
def test_the_same_seed_gives_the_same_bytes(run, model):
    first = run(*model, "--best-of", "5", "a")
    assert first.out == run(*model, "--best-of", "5", "a").out
    assert first.err == ""


@pytest.mark.parametrize("model", [NAMES, TALE])
@pytest.mark.parametrize("count", ["1", "3"])
def test_the_best_of_one_is_a_plain_draw(run, model, count):
    assert run(*model, "--best-of", "1", "--count", count).out == run(*model, "--count", count).out


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


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--best-of", "4", "--beam", "3"], "--best-of=4 draws and --beam=3 searches"),
        (["--best-of", "0"], "--best-of=0: 1 or more expected"),
        (["--best-of", "4", "-n", "-1"], "texts without an end cannot be chosen from"),
        (["--best-of", "4", "--save-state", "a"], "--save-state and --best-of cannot stand together"),
    ],
)
def test_flags_that_contradict_are_refused(run, arguments, says):
    done = run("sample", "-m", "tale", *arguments, status=2)
    assert says in done.err
    assert done.out == ""

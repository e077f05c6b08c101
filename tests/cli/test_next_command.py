"""``rnngen next``: what is expected after a text."""

import json
import math

import pytest

pytestmark = pytest.mark.usefixtures("shelf")


def rows(run, *args, **options):
    return json.loads(run("next", "-m", "tale", "--json", *args, **options).out)["next"]


def test_a_model_of_pairs_wants_its_source_by_name(run, models):
    for words in (["next", "A"], ["fill", "A ___ B"]):
        assert "give one with --source" in run(*words, "-m", "pairs", status=2).err


def test_the_most_probable_come_first_and_all_of_them_sum_to_one(run):
    found = rows(run, "the cat", "--top", "1000")
    chances = [row["probability"] for row in found]
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) == pytest.approx(1) == found[-1]["cumulative"]
    assert all(row["bits"] == pytest.approx(-math.log2(row["probability"])) for row in found)
    assert len({row["id"] for row in found}) == len(found)


def test_it_is_what_greedy_writes(run):
    best = rows(run, "the c")[0]["token"].replace("␣", " ")
    assert run("sample", "-m", "tale", "--temp", "0", "-n", "1", "--no-prompt", "the c").out == best


def test_top_says_how_many_and_filters_leave_fewer(run):
    assert len(rows(run, "the", "--top", "4")) == 4
    assert len(rows(run, "the")) == 10
    assert len(rows(run, "the", "--top-k", "3")) == 3
    warm, cold = (rows(run, "the", *flags)[0]["probability"] for flags in ([], ["--temp", "0.2"]))
    assert cold > warm
    assert rows(run, "the", "--filters", "temp=0.2,top_k=2") == rows(
        run, "the", "--temp", "0.2", "--top-k", "2"
    )


def test_a_prompt_is_the_same_from_everywhere(run, place):
    (place / "prompt.txt").write_text("a dog")
    expected = rows(run, "a dog")
    assert rows(run, stdin="a dog") == expected == rows(run, "--prompt-file", "prompt.txt")


def test_people_get_a_table_on_whose_lines_spaces_are_seen(run):
    out = run("next", "-m", "tale", "the", "--top", "3").out.splitlines()
    assert out[0].split() == ["TOKEN", "PROBABILITY", "CUMULATIVE", "BITS"]
    assert all(len(line.split()) == 4 for line in out)
    assert any(line.startswith("␣") for line in run("next", "-m", "tale", "the cat").out.splitlines())


def test_the_end_of_an_example_is_spelled_out(run):
    found = json.loads(run("next", "-m", "names", "--json", "--top", "400", "Anna").out)["next"]
    assert [row["token"] for row in found].count("<end>") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--top", "0"], "0"),
        (["--temp", "-1"], "-1"),
        (["--filters", "tpo_k=3"], "did you mean 'top_k'?"),
        (["--prompt-file", "x"], "a prompt and --prompt-file both"),
    ],
)
def test_what_makes_no_sense_is_refused(run, arguments, says):
    assert says in run("next", "-m", "tale", *arguments, "the", status=2).err


def test_what_is_certain_has_no_bits(run, shelf):
    table = run("next", "-m", "tale", "--temp", "0", "the").out
    assert table.split()[-3:] == ["1.000000", "1.000000", "0.000000"]


@pytest.mark.parametrize("command", ["sample", "next"])
def test_filters_that_leave_nothing_are_named_as_the_cause(run, shelf, command):
    ran = run(command, "-m", "tale", "--filters", "force=zq", "the", status=1)
    assert "the filters forbid all of them" in ran.err
    assert "weights" not in ran.err

"""``rnngen fill``: a gap in, a whole text out."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("shelf")

TALE = ("fill", "-m", "tale", "--length", "6", "--beam", "4")


def test_the_whole_text_is_written_with_its_gap_filled(run):
    out = run(*TALE, "the ___ sees").out
    assert out.startswith("the ")
    assert out.endswith(" sees\n")
    assert "___" not in out
    assert len(out) > len("the  sees\n")


def test_the_best_come_first_as_many_as_asked_for_and_none_twice(run):
    found = [
        json.loads(line) for line in run(*TALE, "--nbest", "5", "--json", "the ___ sees").out.splitlines()
    ]
    assert len({record["fill"] for record in found}) == 5
    chances = [record["log_probability"] for record in found]
    assert chances == sorted(chances, reverse=True)
    assert all(record["text"] == f"the {record['fill']} sees" for record in found)
    assert run(*TALE, "the ___ sees").out == found[0]["text"] + "\n"


def test_what_is_on_the_right_counts(run):
    """The score of the whole decides: no other filling of that search makes a more probable text."""
    told = run(*TALE, "--nbest", "20", "--json", "the ___ sees").out.splitlines()
    texts = [json.loads(line)["text"] for line in told]
    scores = [
        float(line)
        for line in run("score", "-m", "tale", stdin="".join(f"{text}\n" for text in texts)).out.split()
    ]
    assert max(scores) - scores[0] < 0.2  # score begins with the model's opening, fill with the text itself


def test_another_sign_may_mark_the_gap_and_the_text_may_be_piped(run, place):
    expected = run(*TALE, "the ___ sees").out
    assert run(*TALE, "--gap", "*", "the * sees").out == expected
    assert run(*TALE, stdin="the ___ sees").out == expected
    (place / "gap.txt").write_text("the ___ sees")
    assert run(*TALE, "--prompt-file", "gap.txt").out == expected


def test_a_longer_row_of_the_sign_is_one_gap(run):
    expected = run(*TALE, "the ___ sees").out
    for sign in ("____", "______"):
        assert run(*TALE, f"the {sign} sees").out == expected
    assert run(*TALE, "--gap", "..", "the ..... sees").out == expected
    assert "2 gaps *" in run(*TALE, "--gap", "*", "the ** sees", status=2).err
    assert "2 gaps ab" in run(*TALE, "--gap", "ab", "the abab sees", status=2).err


def test_the_end_of_a_line_that_is_piped_in_is_no_part_of_a_name(run):
    asked, expected = ("fill", "-m", "names"), run("fill", "-m", "names", "A___a").out
    for end in ("\n", "\r\n"):
        assert run(*asked, stdin=f"A___a{end}").out == expected
    assert run("next", "-m", "names", stdin="An\n").out == run("next", "-m", "names", "An").out
    assert run(*TALE, stdin="the ___ sees\n").out.endswith(" sees\n\n")


def test_a_length_penalty_favours_longer_fillings(run):
    def length(alpha):
        return len(run(*TALE, "--length-penalty", alpha, "the ___ sees").out)

    assert length(4) > length(0)


def test_a_name_is_filled_up_to_its_end(run):
    assert run("fill", "-m", "names", "A___").out.startswith("A")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["the cat"], "no gap ___"),
        (["___ sees ___"], "2 gaps ___"),
        (["the ___"], "nothing after the gap"),
        (["--gap", "", "the ___ sees"], "--gap is empty"),
        (["--beam", "0", "the ___ sees"], "--beam 0: 1 or more expected"),
        (["--nbest", "0", "the ___ sees"], "0"),
    ],
)
def test_what_makes_no_sense_is_refused(run, arguments, says):
    done = run(*TALE, *arguments, status=2)
    assert says in done.err
    assert done.out == ""

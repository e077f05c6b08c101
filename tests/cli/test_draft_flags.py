"""``rnngen sample --draft``: the same bytes, and clear words where it cannot be."""

import pytest

pytestmark = pytest.mark.usefixtures("shelf")

TALE = ("sample", "-m", "tale", "--seed", "7", "-n", "150")
PROMPT = "the cat sees the sea.\nthe cat sees"


@pytest.mark.slow
@pytest.mark.parametrize(
    "chain", [(), ("--temp", "0"), ("--mirostat", "2", "--dry", "0.8"), ("--temp", "0.5", "--top-k", "5")]
)
@pytest.mark.parametrize("draft", ["lookup", "tale"])
def test_a_draft_changes_no_byte(run, draft, chain):
    done = run(*TALE, *chain, "--draft", draft, "-q", PROMPT)
    assert done.err == ""
    assert done.out == run(*TALE, *chain, PROMPT).out


def test_how_often_the_draft_was_right_is_told_beside_the_text(run):
    done = run(*TALE, "--temp", "0", "--draft", "lookup", "--draft-length", "4", PROMPT)
    assert done.out == run(*TALE, "--temp", "0", PROMPT).out
    assert "guessed tokens were right" in done.err


def test_lines_end_where_they_end_without_a_draft(run):
    names = ("sample", "-m", "names", "--seed", "3")
    assert run(*names, "--draft", "names").out == run(*names).out


def test_a_stop_ends_a_drafted_text_too(run):
    done = run(*TALE, "--draft", "tale", "--stop", "sea", PROMPT)
    assert done.out == run(*TALE, "--stop", "sea", PROMPT).out


def test_a_kept_text_goes_on_the_same_with_a_draft_or_without(run, tmp_path):
    whole = run(*TALE, PROMPT).out
    kept = str(tmp_path / "tale.state")
    first = run(
        "sample", "-m", "tale", "--seed", "7", "-n", "70", "--draft", "lookup", "--save-state", kept, PROMPT
    )
    for draft in ((), ("--draft", "tale")):
        rest = run("sample", "-m", "tale", "-n", "80", "--from-state", kept, *draft)
        assert first.out + rest.out == whole


@pytest.mark.parametrize("flag", ["--beam", "--best-of", "--mbr"])
def test_what_a_draft_cannot_stand_beside_is_refused_by_name(run, flag):
    done = run(*TALE, "--draft", "lookup", flag, "3", status=2)
    assert done.out == ""
    assert f"{flag} and --draft cannot stand together" in done.err


@pytest.mark.parametrize(
    ("flags", "needs"),
    [(("--device", "auto"), "on the CPU"), (("--quantize", "int8"), "in full weights")],
    ids=lambda flags: flags[0],
)
def test_a_model_that_reads_one_token_at_a_time_has_no_draft(run, flags, needs):
    done = run(*TALE, "--draft", "lookup", *flags, status=2)
    assert done.out == ""
    assert "--draft lookup: this model reads one token at a time" in done.err
    assert needs in done.err


def test_several_texts_are_drafted_one_after_another(run):
    several = run(*TALE, "-0", "--count", "3", PROMPT).out
    assert run(*TALE, "-0", "--count", "3", "--draft", "lookup", PROMPT).out == several


def test_a_draft_that_is_none_stands_beside_everything(run):
    run(*TALE, "--draft", "none", "--count", "2")


def test_several_models_have_no_draft(run):
    done = run(*TALE, "-m", "tale", "--draft", "lookup", status=2)
    assert "several models" in done.err


def test_a_model_of_another_vocabulary_cannot_draft(run):
    done = run(*TALE, "--draft", "names", status=2)
    assert "names and tale cannot draft" in done.err
    assert "train both on the same text" in done.err


def test_a_model_that_is_not_there_cannot_draft(run):
    assert "nobody" in run(*TALE, "--draft", "nobody", status=3).err


def test_a_draft_guesses_one_token_at_least(run):
    done = run(*TALE, "--draft", "lookup", "--draft-length", "0", status=2)
    assert "--draft-length 0: a number from 1 to 10000 expected" in done.err

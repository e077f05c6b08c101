"""``rnngen sample`` stopped, gone on with, and begun between two prompts."""

import json
import subprocess
import time

import pytest

pytestmark = pytest.mark.usefixtures("shelf")

TALE = ("sample", "-m", "tale", "-s", "7")
CHAINS = [[], ["--dry", "0.8", "--xtc", "0.5", "--mirostat", "2"], ["--filters", "min_length=9,temp=1.4"]]


@pytest.mark.slow
@pytest.mark.parametrize("chain", CHAINS, ids=["usual", "memory", "own"])
@pytest.mark.parametrize("model", ["tale", "names"])
def test_n_and_n_tokens_are_the_bytes_of_2n(run, model, chain):
    common = ("sample", "-m", model, *chain)
    whole = run(*common, "-s", "7", "-n", "10", "A").out
    first = run(*common, "-s", "7", "-n", "5", "--save-state", "one", "A").out
    then = run(*common, "--from-state", "one", "-n", "2", "--save-state", "two").out
    last = run(*common, "--from-state", "two", "-n", "3").out
    assert first + then + last == whole


@pytest.mark.slow
def test_a_character_cut_by_the_length_is_whole_when_it_goes_on(run, spawn, place):
    (place / "odes.txt").write_text("愛は星のように遠く\n" * 60, encoding="utf-8")
    run("train", "odes.txt", "--tokenizer", "byte", "--hidden", "32", "--steps", "60", "--seed", "1",
        "--device", "cpu", "-q")  # fmt: skip

    def text(*args):
        out, _err = spawn("sample", "-m", "odes", "-q", *args).communicate()
        return out

    whole = text("-s", "1", "-n", "12", "愛")
    for cut in (1, 2, 4):
        first = text("-s", "1", "-n", cut, "--save-state", "state", "愛")
        assert first + text("--from-state", "state", "-n", 12 - cut) == whole
        first.decode("utf-8")


def test_a_stop_cut_by_the_length_is_found_when_it_goes_on(run):
    whole = run(*TALE, "-n", "80", "the").out[3:]
    stop = whole[30:36]
    stopped = run(*TALE, "-n", "80", "--stop", stop, "the").out
    first = run(*TALE, "-n", "33", "--stop", stop, "--save-state", "state", "the").out
    assert (
        first + run("sample", "-m", "tale", "--from-state", "state", "-n", "47", "--stop", stop).out
        == stopped
    )


def test_a_stop_that_was_shown_already_does_not_end_what_follows(run):
    whole = run(*TALE, "-n", "80", "the").out[3:]
    stop = whole[10:16]
    run(*TALE, "-n", "30", "--save-state", "state", "the")
    rest = run("sample", "-m", "tale", "--from-state", "state", "-n", "50", "--stop", stop).out
    assert rest == whole[30:].partition(stop)[0]
    assert rest


@pytest.mark.slow
def test_of_prompts_and_sources_that_come_slowly_none_is_dropped(spawn, models):
    for model, noun in (("names", "prompts"), ("pairs", "sources")):
        process = spawn("sample", "-m", model, "--save-state", "state", stdin=subprocess.PIPE)
        process.stdin.write(b"abc\n")
        process.stdin.flush()
        time.sleep(3)
        _, told = process.communicate(b"fed\n")
        assert f"there are 2 {noun} or more; give one" in told.decode()
        assert process.returncode == 2


def test_the_filters_of_the_state_hold_if_none_are_given(run):
    run(*TALE, "--temp", "1.4", "-n", "20", "--save-state", "state", "the")
    given = run("sample", "-m", "tale", "--from-state", "state", "--temp", "1.4", "-n", "40").out
    assert run("sample", "-m", "tale", "--from-state", "state", "-n", "40").out == given


def test_going_on_reads_no_stdin_and_tells_no_seed(run):
    run(*TALE, "-n", "5", "--save-state", "state", "the")
    done = run("sample", "-m", "tale", "--from-state", "state", "-n", "5", stdin="not this")
    assert (len(done.out), done.err) == (5, "")


def test_a_state_may_be_kept_before_anything_is_written(run):
    assert run(*TALE, "-n", "0", "--save-state", "state", "the cat").out == "the cat"
    rest = run("sample", "-m", "tale", "--from-state", "state", "-n", "30").out
    assert "the cat" + rest == run(*TALE, "-n", "30", "the cat").out


def test_a_state_is_replaced_and_small(run, place):
    run(*TALE, "-n", "5", "--save-state", "state", "the")
    run("sample", "-m", "tale", "--from-state", "state", "-n", "5", "--save-state", "state")
    assert len(run("sample", "-m", "tale", "--from-state", "state", "-n", "9").out) == 9
    assert [path.name for path in place.iterdir()] == ["state"]
    assert (place / "state").stat().st_size < 4096


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["-m", "names"], 2, "another model"),
        (["--temp", "0.3"], 2, 'other filters; leave yours out, or give --filters "temp=0.8"'),
        (["--seed", "3"], 2, "--from-state and --seed"),
        (["the"], 2, "--from-state and PROMPT"),
        (["--beam", "3"], 2, "--beam and --from-state"),
        (["--count", "2"], 2, "--from-state and --count"),
        (["--blend", "a", "0.5"], 2, "--from-state and --blend"),
        (["--save-state", "x", "-n", "-1"], 2, "--save-state and -n -1 without --stop"),
    ],
)
def test_what_does_not_belong_to_the_state_is_refused(run, arguments, status, says):
    run(*TALE, "-n", "5", "--save-state", "state", "the")
    model = [] if "-m" in arguments else ["-m", "tale"]
    done = run("sample", *model, "--from-state", "state", *arguments, status=status)
    assert says in done.err
    assert done.out == ""


def test_a_missing_or_a_changed_state_is_told(run, place):
    assert "nowhere: no such file" in run("sample", "--from-state", "nowhere", status=3).err
    run(*TALE, "-n", "5", "--save-state", "state", "the")
    data = bytearray((place / "state").read_bytes())
    data[-3] ^= 1
    (place / "state").write_bytes(data)
    assert "was changed after it was written" in run("sample", "--from-state", "state", status=1).err


def test_a_seed_of_the_environment_gives_way_to_a_state(run, monkeypatch):
    run(*TALE, "-n", "5", "--save-state", "state", "the")
    expected = run("sample", "-m", "tale", "--from-state", "state", "-n", "20").out
    monkeypatch.setenv("RNNGEN_SAMPLE_SEED", "3")
    assert run("sample", "-m", "tale", "--from-state", "state", "-n", "20").out == expected


# ── Between two prompts ────────────────────────────────────────────────────────────────────────────────────


def test_a_blend_of_nothing_is_the_prompt_and_of_all_is_the_other(run):
    def text(prompt, *blend):
        return run(*TALE, "-n", "60", "--no-prompt", *blend, prompt).out

    assert text("Anna f", "--blend", "a red", "0") == text("Anna f")
    assert text("Anna f", "--blend", "a red", "1") == text("a red")
    assert text("Anna f", "--blend", "a red", "0.5") not in (text("Anna f"), text("a red"))


@pytest.mark.parametrize("more", [["--count", "3"], ["--json"], []])
def test_a_blend_shows_the_prompt_and_repeats(run, more):
    blended = (*TALE, "-n", "20", "--blend", "a red", "0.4", *more, "Anna")
    out = run(*blended).out
    assert out == run(*blended).out
    assert (json.loads(out)["prompt"] if "--json" in more else out).startswith("Anna")


def test_a_blended_text_can_be_gone_on_with(run):
    blend = ("--blend", "a red", "0.4")
    first = run(*TALE, *blend, "-n", "0", "--save-state", "state", "Anna").out
    rest = run("sample", "-m", "tale", "--from-state", "state", "-n", "30").out
    assert first + rest == run(*TALE, *blend, "-n", "30", "Anna").out


@pytest.mark.parametrize("weight", ["1.5", "-0.1", "nan", "much"])
def test_a_weight_out_of_range_is_refused(run, weight):
    assert run(*TALE, "--blend", "a", weight, "the", status=2).out == ""


def test_a_blend_and_a_beam_are_refused(run):
    assert "--beam and --blend" in run(*TALE, "--blend", "a", "0.5", "--beam", "2", "the", status=2).err

"""``rnngen sample --cache`` and ``--dynamic``: what they do to a text, to the disk, beside other flags."""

import subprocess
import sys

import pytest

PROMPT = "the cat sees the sea.\na dog likes bread.\n" * 4
DRAWN = ["sample", "-m", "tale", "--seed", "5", "-n", "60"]


@pytest.mark.parametrize("flag", ["--cache", "--dynamic"])
def test_same_seed_same_bytes_and_other_bytes_than_without(run, shelf, flag):
    strong = {"--cache": ["--cache-weight", "0.9"], "--dynamic": ["--dynamic-lr", "0.02"]}[flag]
    one, again = (run(*DRAWN, flag, *strong, PROMPT).out for _ in range(2))
    assert one == again != run(*DRAWN, PROMPT).out


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--cache", "--dynamic"])
@pytest.mark.parametrize("more", [["--count", "3"], ["--beam", "3"], ["--best-of", "3"], ["--json"]], ids=str)
def test_every_way_to_write_adapts(run, shelf, flag, more):
    assert len(run("sample", "-m", "tale", "--seed", "5", "-n", "9", flag, *more, PROMPT).out) > len(PROMPT)


def test_text_k_of_several_is_the_one_that_comes_alone(run, shelf):
    many = run(*DRAWN, "--cache", "--count", "3", "-0", PROMPT).out.split("\0")
    assert many[0] == run(*DRAWN, "--cache", PROMPT).out


@pytest.mark.slow
def test_a_cache_writes_without_torch(shelf):
    code = (
        "import sys; from rnngen.__main__ import main; "
        "assert main(sys.argv[1:]) == 0 and 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *DRAWN, "--cache", PROMPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_was_kept_with_a_cache_goes_on_as_if_nobody_had_stopped(run, shelf, place):
    whole = run(*DRAWN, "--cache", PROMPT).out
    half = run("sample", "-m", "tale", "--seed", "5", "-n", "30", "--cache", "--save-state", "s", PROMPT).out
    rest = run("sample", "-m", "tale", "-n", "30", "--cache", "--from-state", "s").out
    assert half + rest == whole
    for other in ([], ["--cache", "--cache-size", "499"]):
        assert "another model" in run("sample", "-m", "tale", *other, "--from-state", "s", status=2).err


def test_a_state_of_a_long_prompt_is_not_taken_for_that_of_another_cache(run, shelf):
    long = PROMPT * 8
    first = run(*DRAWN, "--cache", "--cache-weight", "0.9", long).out
    assert run(*DRAWN, long).out != first
    assert run(*DRAWN, "--cache", "--cache-weight", "0.9", long).out == first


def test_weights_adapt_and_those_on_disk_stay(run, shelf, place):
    before = (shelf / "tale" / "model.safetensors").read_bytes()
    (place / "chapter.txt").write_text(PROMPT)
    told = run(*DRAWN, "--dynamic", "--prompt-file", "chapter.txt").err
    assert f"adapted to {len(PROMPT) - 1} tokens of the prompt" in told
    words = told.split("prompt: ")[1].split()
    assert float(words[0]) > float(words[5].rstrip(",")) > 0
    assert (shelf / "tale" / "model.safetensors").read_bytes() == before
    assert "adapted" not in run(*DRAWN, "--dynamic", "-q", PROMPT).err


def test_a_prompt_shorter_than_a_segment_is_read_in_one_step(run, shelf):
    assert "adapted to 2 tokens" in run(*DRAWN, "--dynamic", "the").err
    assert "there is none" in run(*DRAWN, "--dynamic", status=2).err


def test_lines_adapt_to_the_beginning_of_one(run, shelf):
    assert "adapted to 3 tokens" in run("sample", "-m", "names", "--dynamic", "--cache", "Cla").err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--dynamic", "--save-state", "s"], "--dynamic and --save-state"),
        (["--dynamic", "--from-state", "s"], "--dynamic and --from-state"),
        (["--dynamic", "-m", "tale"], "--dynamic and several models"),
        (["--cache", "-m", "tale"], "--cache and several models"),
        (["--cache", "--blend", "a dog", "0.5"], "--cache and --blend"),
        (["--cache-size", "9"], "--cache-size needs --cache"),
        (["--dynamic-lr", "0.1"], "--dynamic-lr needs --dynamic"),
        (["--cache", "--cache-weight", "1"], "--cache-weight"),
        (["--dynamic", "--dynamic-lr", "0"], "--dynamic-lr"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(run, shelf, given, told):
    prompt = [] if "--from-state" in given else ["the"]
    assert told in run("sample", "-m", "tale", *given, *prompt, status=2).err

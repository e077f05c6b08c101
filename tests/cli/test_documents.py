"""Documents of several lines as a shell sees them: from training to what is written, and back."""

import json
import random

import pytest

from rnngen.api import Session


def poems():
    rng = random.Random(3)
    lines = ["the sea", "a red door", "bread", "every song"]
    return ["\n".join(rng.choices(lines, k=rng.randint(1, 3))) for _ in range(120)]


@pytest.fixture
def model(run, place, tiny):
    """A model of poems of up to three lines."""
    (place / "poems.txt").write_text("\n\n".join(poems()))
    run("train", "poems.txt", "--task", "documents", "-q", *tiny, "--steps", "150")
    return "poems"


def records(place, texts):
    (place / "records.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    return "records.jsonl"


def test_texts_are_written_as_training_divides_them(run, model, place):
    flags = ("sample", "-m", model, "--count", "20", "--seed", "1", "-q")
    several = [json.loads(line)["text"] for line in run(*flags, "--json").out.splitlines()]
    assert any("\n" in text for text in several)
    assert run(*flags).out == "\n".join(f"{text}\n" for text in several)
    assert run(*flags, "-0").out == "".join(f"{text}\0" for text in several)


@pytest.mark.slow
@pytest.mark.usefixtures("model")
def test_records_are_the_same_documents_as_the_text_between_separators(run, place, home, tiny):
    run("train", records(place, poems()), "--task", "documents", "-q", *tiny, "--steps", "150")
    one, other = (
        (home / "models" / name / "model.safetensors").read_bytes() for name in ("poems", "records")
    )
    assert one == other


@pytest.mark.slow
def test_a_separator_is_kept_with_the_model(run, place, tiny):
    (place / "cookies.txt").write_text("\n%\n".join(poems()))
    flags = ("cookies.txt", "--task", "documents", "--separator", r"\n%\n")
    run("train", *flags, "-q", *tiny)
    assert Session.here().load("cookies").generator.separator == "\n%\n"
    run("train", *flags, "--resume", "--steps", "50", "-q")
    refused = run("train", "cookies.txt", "--resume", "--separator", "---", status=2)
    assert "--separator" in refused.err


def test_a_separator_of_a_task_without_one_is_refused(run, place):
    (place / "a.txt").write_text("a\nb\n")
    refused = run("train", "a.txt", "--task", "lines", "--separator", "blank", status=2)
    assert "--separator" in refused.err
    assert "--task documents" in refused.err


def test_texts_of_several_lines_are_scored_as_they_are_written(run, model):
    texts = ["the sea\nbread", "a red door", "every song\n\nbread"]
    records = [
        json.loads(line)
        for line in run("score", "-m", model, "-0", "--json", stdin="\0".join(texts)).out.splitlines()
    ]
    assert [record["text"] for record in records] == texts
    lines = run("score", "-m", model, "-0", stdin="".join(f"{text}\0" for text in texts)).out
    assert lines == "".join(f"{record['log_probability']:.6f}\n" for record in records)

"""Training under labels as a shell sees it: from lines and from records, with the same result."""

import json

import pytest

LABELLED = [(label, f"{name}{n}") for n in range(60) for label, name in (("female", "Eva"), ("male", "Tom"))]


@pytest.fixture
def lines(place):
    (place / "names.txt").write_text("".join(f"{label}\t{text}\n" for label, text in LABELLED))
    return "names.txt"


@pytest.fixture
def records(place):
    rows = (json.dumps({"name": text, "sex": label}) for label, text in LABELLED)
    (place / "names.jsonl").write_text("\n".join(rows))
    return "names.jsonl"


def test_lines_and_records_give_the_same_model(run, lines, records, home, tiny):
    run("train", lines, "--task", "labelled", "--name", "one", "-q", *tiny)
    named = ("--field", "name", "--label-field", "sex")
    run("train", records, "--task", "labelled", "--name", "other", "-q", *named, *tiny)
    one, other = ((home / "models" / name / "model.safetensors").read_bytes() for name in ("one", "other"))
    assert one == other


def test_a_run_on_records_goes_on_with_its_fields(run, records, tiny):
    named = ("--field", "name", "--label-field", "sex", "--task", "labelled")
    run("train", records, "-q", *named, *tiny)
    run("train", records, "--resume", "--steps", "50", "-q", *named)


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("command", [("train", "--name", "new", "--task", "lines"), ("eval", "-m", "tale")])
def test_a_field_of_labels_without_labels_is_refused(run, records, command):
    ran = run(*command, records, "--label-field", "sex", status=2)
    assert "--label-field" in ran.err
    assert "labels" in ran.err

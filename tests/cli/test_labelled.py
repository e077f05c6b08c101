"""Training under labels as a shell sees it: from lines and from records, with the same result."""

import json

import pytest
from fixtures import PRECISION, SEED

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


@pytest.mark.slow
def test_lines_and_records_give_the_same_model(run, lines, records, home, tiny):
    run("train", lines, "--task", "labelled", "--name", "one", "-q", *tiny)
    named = ("--field", "name", "--label-field", "sex")
    run("train", records, "--task", "labelled", "--name", "other", "-q", *named, *tiny)
    one, other = ((home / "models" / name / "model.safetensors").read_bytes() for name in ("one", "other"))
    assert one == other


@pytest.mark.slow
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


def test_labels_that_hardly_recur_are_refused(run, place):
    (place / "a.tsv").write_text("".join(f"id{number}\ttext {number}\n" for number in range(60)))
    ran = run("train", "a.tsv", "--task", "labelled", status=1)
    assert "60 labels for 60 examples" in ran.err
    assert "--task pairs" in ran.err


# ── labels in use ──────────────────────────────────────────────────────────────────────────────────────────

ENDINGS = {"Russian": "ov", "Japanese": "moto", "German": "mann"}


@pytest.fixture(scope="module")
def surnames(tmp_path_factory):
    """A home with a model of surnames under their languages."""
    import random

    from rnngen.api import train

    folder, rng = tmp_path_factory.mktemp("surnames"), random.Random(1)
    rows = [
        f"{label}\t{''.join(rng.choices('aeiou', k=2))}{ending}"
        for label, ending in ENDINGS.items()
        for _ in range(100)
    ]
    rng.shuffle(rows)
    (folder / "names.tsv").write_text("\n".join(rows))
    options = {
        "hidden": 24,
        "steps": 150,
        "lr": 0.02,
        "batch": 16,
        "seq": 16,
        "seed": SEED,
        "precision": PRECISION,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNNGEN_HOME", str(folder))
        train(str(folder / "names.tsv"), name="names", task="labelled", **options)
    return folder


@pytest.fixture
def at(surnames, run, monkeypatch):
    monkeypatch.setenv("RNNGEN_HOME", str(surnames))
    return run


def test_texts_are_generated_under_a_label(at):
    for label, ending in ENDINGS.items():
        written = at(
            "sample", "-m", "names", "--label", label, "--count", "5", "-s", "1", "--temp", "0.7"
        ).out.splitlines()
        assert len(written) == 5
        assert sum(one.endswith(ending) for one in written) >= 4
        assert not any("\t" in one for one in written)
    begun = at("sample", "-m", "names", "--label", "German", "-s", "1", "--temp", "0.3", "ae").out
    assert begun == "aemann\n"


def test_without_a_label_it_is_drawn_and_shown(at):
    drawn = ("sample", "-m", "names", "--count", "8", "-s", "1", "--temp", "0.5")
    lines = at(*drawn).out.splitlines()
    assert all(line.partition("\t")[0] in ENDINGS for line in lines)
    records = map(json.loads, at(*drawn, "--json").out.splitlines())
    assert [f"{one['label']}\t{one['text']}" for one in records] == lines


def test_every_label_is_reached(at):
    lines = at("sample", "-m", "names", "--count", "60", "-s", "2", "--temp", "0.7").out.splitlines()
    assert {line.partition("\t")[0] for line in lines} >= {*ENDINGS}


def test_an_unknown_label_names_the_closest_and_the_list(at):
    ran = at("sample", "-m", "names", "--label", "Rusian", status=2)
    assert "'Russian'" in ran.err
    assert "classify --list" in ran.err


def test_lines_are_classified_in_order_and_blank_ones_stay_empty(at):
    ran = at("classify", "-m", "names", stdin="aeov\n\niumoto\nuamann\n")
    assert ran.out.splitlines() == ["Russian", "", "Japanese", "German"]
    ran = at("classify", "-m", "names", "--top", "2", "--text", "aeov")
    label, share, _, other = ran.out.rstrip("\n").split("\t")
    assert label == "Russian"
    assert float(share) > float(other)
    record = json.loads(at("classify", "-m", "names", "--json", "--text", "aeov").out)
    assert record["label"] == "Russian"
    assert sum(record["probabilities"].values()) == pytest.approx(1)


def test_json_of_texts_is_a_line_for_each_as_the_help_says(at):
    ran = at("classify", "-m", "names", "--json", stdin="aeov\niumoto\n")
    assert [json.loads(line)["label"] for line in ran.out.splitlines()] == ["Russian", "Japanese"]
    assert "JSON lines: one object for each text; with --list" in " ".join(
        at("classify", "--help").out.split()
    )


def test_labels_are_listed(at):
    shares = json.loads(at("classify", "-m", "names", "--list", "--json").out)
    assert {one["label"] for one in shares} == {*ENDINGS}
    assert "3: German, Japanese, Russian" in at("models", "show", "names").out


def test_a_line_with_its_label_is_reported(at):
    ran = at("classify", "-m", "names", stdin="Russian\taeov\n")
    assert "begins with the label 'Russian'" in ran.err


@pytest.mark.parametrize("columns", [(0, 1), (1, 0)])
def test_eval_knows_the_labels_in_whatever_column_they_are(at, place, columns):
    rows = [("Russian", "aeov"), ("German", "iumoto"), ("German", "uamann")]
    (place / "test.csv").write_text("".join(",".join(row[one] for one in columns) + "\n" for row in rows))
    ran = at("eval", "-m", "names", "test.csv", "--json")
    assert json.loads(ran.out)["classification"]["confusion"].keys() == {"German", "Russian"}
    assert "test.csv: 2 columns, separated by commas" in ran.err


def test_eval_reports_accuracy_and_confusion(at, place):
    (place / "test.tsv").write_text("Russian\taeov\nGerman\tiumoto\nGerman\tuamann\n")
    found = json.loads(at("eval", "-m", "names", "test.tsv", "--json").out)["classification"]
    assert found["confusion"] == {"German": {"German": 1, "Japanese": 1}, "Russian": {"Russian": 1}}
    assert found["accuracy"] == pytest.approx(100 * 2 / 3)
    shown = at("eval", "-m", "names", "test.tsv")
    assert "Japanese 1" in shown.out
    assert "accuracy 66.7%" in shown.err


def test_the_python_interface_has_labels(surnames, monkeypatch):
    import rnngen

    monkeypatch.setenv("RNNGEN_HOME", str(surnames))
    model = rnngen.load("names")
    assert model.generate("ae", label="German", seed=1, temp=0.3) == "aemann"
    assert [found[0][0] for found in model.classify(["aeov", "iumoto"])] == ["Russian", "Japanese"]

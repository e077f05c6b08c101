"""Every row of the tables of training, tuning and benchmarks refuses, by names of options and by flags."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from rnngen.errors import UsageError
from rnngen.options import describe
from rnngen.options.given import Given
from rnngen.requests import bench, train, tune
from rnngen.requests.conflicts import Conflict, ConflictError, Need

VALUES = {
    "corpus": ("a.txt",),
    "target": "t.txt",
    "val_target": "v.txt",
    "resume": True,
    "force": True,
    "name": "mine",
    "init_from": "other",
    "teacher": ("other",),
    "ensemble": 3,
    "nproc": 2,
    "from_study": "study",
    "storage": "file.journal",
    "params": 1000,
    "plan": True,
    "settings": {"forget_bias": "2"},
    "model": "other",
    "tied": True,
    "mixture": 2,
    "head": "mixture",
}
"""A value for each option that is no plain number or word."""


def value_of(option):
    """A value that counts as given."""
    name, equals, value = option.partition("=")
    if equals:
        return name, (value,) if name == "corpus" else value
    if name in VALUES:
        return name, VALUES[name]
    stages = [*train.STAGES.values(), tune.TuningOptions, bench.BenchNetwork]
    field = next(one for stage in stages for one in describe(stage) if one.name == name)
    return name, {int: 3, float: 0.5, bool: True, str: field.choices[-1] if field.choices else "x"}[
        field.type
    ]


def test_a_request_takes_values_as_python_has_them():
    settings = {"layer_norm": True, "forget_bias": 2, "coverage": None}
    made = train.TrainRequest.of("a.txt", settings=settings, params=np.int64(1000))
    assert made.settings == {"layer_norm": "true", "forget_bias": "2", "coverage": "none"}
    assert type(made.params) is int
    assert train.TrainRequest.of("a.txt", teacher="first").teacher == ("first",)
    assert train.TrainRequest.of("a.txt", teacher=["a", Path("b")]).teacher == ("a", "b")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"settings": "a=b"}, "settings='a=b': "),
        ({"name": 3}, "name=3: str or None expected"),
        ({"force": "yes"}, "force='yes': bool expected"),
        ({"teacher": 3}, "teacher=3: "),
    ],
)
def test_a_field_of_another_type_is_refused(value, says):
    with pytest.raises(UsageError) as refused:
        train.TrainRequest.of("a.txt", **value)
    assert says in str(refused.value)


def flags_of(name, value):
    """The same for a shell."""
    if name == "corpus":
        return list(value)
    if name == "settings":
        return [part for key, text in value.items() for part in ("-o", f"{key}={text}")]
    flag = f"--{name.replace('_', '-')}"
    return [flag] if value is True else [flag, str(value)]


def given_by(row):
    """What breaks a row, and what the options that it names need beside them."""
    options = [row.option, row.other] if isinstance(row, Conflict) else [row.option]
    given = dict(map(value_of, options))
    if "resume" in given and isinstance(row, Conflict):
        given["name"] = "mine"
    return given


def in_shell(option):
    """How the message writes an option."""
    name, equals, value = option.partition("=")
    if name == "corpus":
        return f"CORPUS {value}".strip()
    return "-o" if name == "settings" else f"--{name.replace('_', '-')}" + (f" {value}" if equals else "")


def check_message(message, row, spelt):
    assert spelt(row.option) in message
    assert any(spelt(other) in message for other in row.other.split("|"))
    assert row.reason in message


@pytest.mark.slow
@pytest.mark.parametrize("row", train.CONFLICTS, ids=lambda row: f"{row.option}-{row.other}")
def test_train_refuses_every_row(run, row):
    given = given_by(row)
    with pytest.raises(ConflictError) as caught:
        train.TrainRequest.of(*given.pop("corpus", ()), **given)
    check_message(str(caught.value), row, str)
    given = given_by(row)
    ran = run("train", *(word for name, value in given.items() for word in flags_of(name, value)), status=2)
    check_message(ran.err, row, in_shell)
    assert ran.out == ""


@pytest.mark.parametrize("row", tune.CONFLICTS, ids=lambda row: f"{row.option}-{row.other}")
def test_tune_refuses_every_row(run, row):
    given = given_by(row)
    own = {field.name for field in fields(tune.TuningOptions)}
    fixed = {name: value for name, value in given.items() if name not in own}
    options = {name: value for name, value in given.items() if name in own}
    with pytest.raises(ConflictError) as caught:
        tune.TuneRequest(train.TrainRequest.of("a.txt", **fixed), Given.of(tune.TuningOptions, **options))
    check_message(str(caught.value), row, str)
    words = [word for name, value in given.items() for word in flags_of(name, value)]
    check_message(run("tune", "a.txt", *words, status=2).err, row, in_shell)


@pytest.mark.parametrize("row", bench.SAMPLE_CONFLICTS, ids=lambda row: f"{row.option}-{row.other}")
def test_bench_sample_refuses_every_row(run, row):
    given = given_by(row)
    sizes = {name: value for name, value in given.items() if name != "model"}
    with pytest.raises(ConflictError) as caught:
        bench.SampleBenchRequest(Given.of(bench.BenchNetwork, **sizes), model="other")
    check_message(str(caught.value), row, str)
    words = [word for name, value in given.items() for word in flags_of(name, value)]
    check_message(run("bench", "sample", *words, status=2).err, row, in_shell)


def test_what_is_not_refused_is_a_request():
    request = train.TrainRequest.of("a.txt", hidden=8, minutes=3, val="v.txt", val_source="w.txt")
    assert request.given == {"hidden", "minutes"}
    assert (request.network.options.hidden, request.network.options.layers) == (8, 1)
    assert request.validation == "v.txt"
    assert any(isinstance(row, Need) for row in train.CONFLICTS)


# ── What the task has no use for ───────────────────────────────────────────────────────────────────────────

FITTING = {"source": "pairs", "labels": "labelled", "no source": "lines", "free text": "continue"} | {
    "separator": "documents"
}
"""A task of each capability."""
LACKING = {"source": "lines", "labels": "lines", "no source": "pairs", "free text": "lines"} | {
    "separator": "lines"
}
"""One that lacks it."""


@pytest.fixture
def texts(place):
    """A corpus for every task."""
    lines = [f"one {number}\tthe {number} other\n" for number in range(60)]
    (place / "a.txt").write_text("".join(lines))
    (place / "x").write_text("".join(lines))
    return place


@pytest.mark.parametrize("row", train.REQUIREMENTS, ids=lambda row: f"{row.option}-{row.capability}")
def test_what_a_task_has_no_use_for_is_refused_with_the_reason(run, texts, session, row):
    name, value = value_of(row.option)
    given = {"val": "a.txt"} if name == "val_source" else {}
    request = train.TrainRequest.of("a.txt", **{name: value}, **given, task=LACKING[row.capability])
    with pytest.raises(ConflictError) as caught:
        session.plan(request)
    assert (caught.value.conflict.option, caught.value.conflict.reason) == (row.option, row.reason)
    words = [*flags_of(name, value), *(word for pair in given.items() for word in flags_of(*pair))]
    ran = run("train", "a.txt", *words, "--task", LACKING[row.capability], status=2)
    for said in (in_shell(row.option), row.reason, f"--task {LACKING[row.capability]}"):
        assert said in ran.err
    session.checked(train.TrainRequest.of("a.txt", **{name: value}, **given, task=FITTING[row.capability]))


def test_what_is_switched_off_as_it_is_by_default_needs_nothing(session, texts):
    off = {"learn_state": False, "embed_dropout": 0.0, "temporal_reg": 0.0}
    session.checked(train.TrainRequest.of("a.txt", task="pairs", **off))


SETTINGS = [
    ("hidden = 16", "--init-from other"),
    ("task = 'lines'", "--init-from other"),
    ("option = {forget_bias = '2'}", "--init-from other"),
    ("muon = 'layers'", ""),
    ("mixture = 3", ""),
    ("val-fraction = 0.2", "--val a.txt"),
    ("vary-seq = 0.07", "--task lines"),
    ("max-length = 9", ""),
    ("best = 'bleu'", "--task lines"),
    ("learn-state = true", "--task pairs"),
    ("label-smoothing = 0.1", "--head adaptive"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("setting", "words"), SETTINGS)
def test_what_a_settings_file_sets_gives_way_or_is_left_aside(run, texts, tiny, setting, words):
    few = ["-q", *tiny, "--steps", "2"]
    if "init-from" in words:
        (texts / "other.txt").write_text((texts / "a.txt").read_text() * 2)
        run("train", "other.txt", *few)
        few = few[:1] + few[2:]  # its sizes are those of the other
    (texts / "rnngen.toml").write_text(f"[train]\n{setting}\n")
    run("train", "a.txt", *few, *words.split())


def test_a_settings_file_does_not_change_a_run_that_goes_on(run, texts, tiny):
    run("train", "a.txt", "-q", *tiny, "--steps", "2")
    (texts / "rnngen.toml").write_text("[train]\nhidden = 24\nminutes = 5\npatience = 3\n")
    gone_on = run("train", "--resume", "--name", "a", "--steps", "4", "--json")
    assert '"step": 4' in gone_on.out
    assert "--hidden 24" in run("train", "--resume", "--name", "a", "--hidden", "24", status=2).err

"""Every row of the tables of training, tuning and benchmarks refuses, by names of options and by flags."""

from dataclasses import fields

import pytest

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
    if "mixture" in given:
        given["head"] = "mixture"
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
    others = [*row.other.split("|"), *["head"] * (row.other == "mixture")]  # which needs it
    assert any(spelt(other) in message for other in others)
    assert row.reason in message


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

"""Killed at any instant and resumed, a run ends with the bytes of an unbroken one, whatever it is made of.

Compared are the model's files (weights, n-gram, metrics, vocabulary, card) and all that another resume would
go on from: weights, moments of the optimizer, streams, random numbers.
"""

import random
from typing import get_args

import pytest
from faults.injection import KILLED, count, stopped
from faults.scenes import DONE, prepared, well
from fixtures.commands import reversals, tale

from rnngen.options.model import HeadName, OptimizerName, ScheduleName
from rnngen.registry import Registry
from rnngen.store.checkpoint import read_tensors
from rnngen.store.model_folder import TRAINING

SMALL = ["--batch=4", "--seq=16", "--steps=24", "--evaluations=8", "--lr=0.01", "--seed=3", "--device=cpu"]
STEPS = [*SMALL, "--hidden=8", "--dropout=0.2", "--precision=fp32", "--ngram=2", "--name=tale"]
TEXTS = {"pairs": reversals(60), "labelled": "".join(f"{'ab'[n % 2]}\tname {n}\n" for n in range(80))}
"""The texts of tasks that need one of a kind."""
PROMPTS = {"pairs": ["abc"], "labelled": ["--label=a"]}
"""What their models are asked for."""


def choices():
    """Every cell, task, optimizer, schedule and head that ships, as flags; what belongs together together."""
    registry = Registry()
    for cell in registry.names("cell"):
        if cell != "seq2seq":
            yield [f"--cell={cell}"]
            yield [f"--cell={cell}", "--layers=2", "--weight-drop=0.2", "-o", "layer_norm=true"]
    for task in registry.names("task"):
        yield [f"--task={task}"]
    for name, flag in ((OptimizerName, "optimizer"), (ScheduleName, "schedule"), (HeadName, "head")):
        yield from ([f"--{flag}={value}"] for value in get_args(name))
    yield ["--tokenizer=bpe", "--vocab-size=300"]
    yield ["--average=0.9"]
    yield ["--precision=bf16"]


def resumable(stage):
    """All that another resume would go on from, but the time that it took."""
    tensors, record = read_tensors(stage.models / "tale" / TRAINING)
    record["progress"].pop("seconds")
    return {name: array.tobytes() for name, array in tensors.items()}, record


@pytest.mark.slow
@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("flags", [*choices()], ids=" ".join)
def test_a_run_that_is_killed_and_resumed_ends_like_an_unbroken_one(tmp_path, flags):
    draw, task = random.Random(str(flags)), flags[0].partition("--task=")[2]
    command = ["train", "tale.txt", "--resume", *STEPS, *flags]
    if task:
        command[1] = "tale.tsv" if task in TEXTS else "tale.txt"
    text = tale()[:2000].replace(".\n", ".\n\n" if task == "documents" else ".\n")
    before = prepared(tmp_path / "before", text, ())
    (before.folder / "tale.tsv").write_text(TEXTS.get(task, ""))
    whole = before.copied(tmp_path / "whole")
    calls, kills = count(command), 0
    broken = before.copied(tmp_path / "broken")
    while True:
        done = stopped(command, draw.randrange(calls // 8, calls), power=draw.random() < 0.5)
        if done.status != KILLED:
            break
        kills += 1
    assert done.status == 0, done.err
    assert kills
    assert broken.model("tale") == whole.model("tale")
    assert resumable(broken) == resumable(whole)
    sample = ["sample", "-m", "tale", "--seed=1", "-n", "40", *PROMPTS.get(task, [])]
    broken.enter()
    text = well(*sample).out
    whole.enter()
    assert well(*sample).out == text


@pytest.mark.slow
@pytest.mark.usefixtures("ready")
def test_an_ensemble_that_is_killed_and_resumed_ends_like_an_unbroken_one(tmp_path):
    command = ["train", "tale.txt", "--resume", *STEPS, "--ensemble=2"]
    before = prepared(tmp_path / "before", tale()[:2000], ())
    whole = before.copied(tmp_path / "whole")
    calls, draw = count(command), random.Random(1)
    broken = before.copied(tmp_path / "broken")
    while (done := stopped(command, draw.randrange(calls // 8, calls))).status == KILLED:
        pass
    assert done.status == 0 or DONE in done.err, done.err
    assert broken.model("tale") == whole.model("tale")

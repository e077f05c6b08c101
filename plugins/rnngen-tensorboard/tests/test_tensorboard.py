"""What the listener promises: rnngen's contract, and files in which TensorBoard finds a training."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rnngen.events import Evaluated, Sampled, Started, Step
from rnngen.testing import check_listener
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rnngen_tensorboard import TensorBoardOptions, rnngen_listeners
from rnngen_tensorboard.listener import Writer

(SPEC,) = rnngen_listeners()


def started(step: int = 0) -> Started:
    return Started("verse", "models/verse", 1000, 30, 900, 100, "cpu", "fp32", 1, step, 10)


def stepped(step: int, loss: float) -> Step:
    return Step(step, 0.1, 0.1, loss, 0.001, 1.5, 1000.0, None, loss)


def found(folder: Path) -> Any:
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def test_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_listener(SPEC, folder="logs")


def test_a_training_is_found_with_its_curves_and_samples(tmp_path: Path) -> None:
    writer = Writer(TensorBoardOptions(str(tmp_path)))
    for event in (
        started(),
        stepped(1, 3.0),
        stepped(2, 2.5),
        Evaluated(2, 2.75, 2.25, True),
        Sampled(2, "the sea"),
    ):
        writer(event)
    writer.close()
    run = found(tmp_path / "verse")
    assert [(point.step, point.value) for point in run.Scalars("train/loss")] == [(1, 3.0), (2, 2.5)]
    assert [point.value for point in run.Scalars("validation/nats_per_char")] == [2.25]
    assert "validation/score" not in run.Tags()["scalars"]
    assert b"the sea" in run.Tensors("sample/text_summary")[0].tensor_proto.string_val[0]


def test_a_run_that_goes_on_leaves_out_what_it_makes_again(tmp_path: Path) -> None:
    for begin, losses in ((0, [3.0, 2.5, 2.4]), (2, [2.25])):  # interrupted after the step 2 was saved
        writer = Writer(TensorBoardOptions(str(tmp_path)))
        writer(started(begin))
        for step, loss in enumerate(losses, start=begin + 1):
            writer(stepped(step, loss))
        writer.close()
    assert [point.value for point in found(tmp_path / "verse").Scalars("train/loss")] == [3.0, 2.5, 2.25]


def test_import_needs_no_tensorboard() -> None:
    code = "import sys, rnngen_tensorboard; sys.exit(bool({'tensorboard', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

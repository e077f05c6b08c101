"""What training says in words: numbers, plain lines, JSON lines, and text that commands no terminal."""

import json
import math
from dataclasses import replace

import pytest

from rnngen.cli.render.progress import Progress, amount, clock, ending, plain_lines
from rnngen.cli.streams import json_line
from rnngen.events import Evaluated, FinalEvaluation, Finished, Sampled, Saved, Started, Step, Warned
from rnngen.printable import counted, printable, shown

STARTED = Started("names", "m/names", 670_123, 65, 1_003_854, 111_540, "cpu", "bf16", 1337, 0, 4900)
STEP = Step(1200, 2.44, 0.245, 1.63121, 0.0021, 0.31, 41_234.0, 72.4, 1.5)
EVALUATED = Evaluated(1200, 1.712, 1.712, True)
FINISHED = Finished("budget", 4900, 4400, 1.46012, 182.0)


def lines(*events, verbose=0):
    progress = Progress()
    return list(plain_lines(progress.follow(events), progress, verbose))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (950, "950"),
        (999.6, "1.00k"),
        (41_234, "41.2k"),
        (670_123, "670k"),
        (999_999, "1.00M"),
        (2.5e9, "2.50G"),
    ],
)
def test_amounts_have_three_figures(count, text):
    assert amount(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (72.4, "1:12"), (3725, "1:02:05"), (math.inf, "?")]
)
def test_clocks(seconds, text):
    assert clock(seconds) == text


def test_one_thing_is_named_in_the_singular():
    found = [counted(number, "examples") for number in (0, 1, 2, 3000)]
    assert found == ["0 examples", "1 example", "2 examples", "3,000 examples"]


def test_an_evaluation_is_one_line():
    assert lines(STARTED, STEP, EVALUATED)[-1] == (
        "step 1200/4900  epoch 2.4  train 1.6312  val 1.7120 (best)  lr 0.0021  41.2k tok/s  left 1:12"
    )


def test_every_loss_is_shown_by_character_where_tokens_are_longer():
    started = replace(STARTED, train_tokens=1000, train_chars=4000)
    events = (started, STEP, Evaluated(1200, 3.0, 0.9, True))
    assert "train 0.4078  val 0.9000 (best)" in lines(*events)[-1]
    assert "losses in nats/char" in lines(*events)[0]
    progress = Progress()
    for event in events:
        progress.take(event)
    assert progress.losses() == [("train", "0.4078"), ("val", "0.9000"), ("best", "0.9000 at 1200")]
    assert (progress.train.points, progress.val.points) == ([(1200, 0.375)], [(1200, 0.9)])


def test_steps_are_thinned_to_a_dozen():
    steps = [replace(STEP, step=step, progress=step / 1000) for step in range(1, 1001)]
    assert 12 <= len([line for line in lines(*steps) if line.startswith("step")]) <= 13


def test_where_evaluations_are_frequent_they_are_the_only_lines():
    steps = [replace(STEP, step=step, progress=step / 1000) for step in range(1, 1001)]
    events = [e for step in steps for e in ([step, EVALUATED] if step.step % 50 == 0 else [step])]
    assert ["val" in line for line in lines(*events)] == [False] + [True] * 20


def test_an_evaluation_takes_the_place_of_the_step_line_after_it():
    steps = [replace(STEP, progress=0.1), replace(STEP, progress=0.149), replace(STEP, progress=0.19)]
    said = lines(steps[0], EVALUATED, *steps[1:])
    assert ["val" in line for line in said] == [False, True, False]


def test_files_and_samples_are_named_only_when_asked():
    events = (STARTED, Saved(3, "m/names/model.safetensors"), Sampled(3, "Ada\nBob"))
    assert len(lines(*events)) == 1
    assert lines(*events, verbose=1)[1:] == ["rnngen: saved m/names/model.safetensors", "  | Ada", "  | Bob"]


def test_an_evaluation_before_the_first_step_is_shown():
    assert lines(EVALUATED) == ["step 1200  val 1.7120"]


def test_five_samples_stay_among_the_plain_lines():
    steps = [replace(STEP, step=step, progress=step / 20) for step in range(1, 21)]
    events = [event for step in steps for event in (step, Sampled(step.step, f"sample {step.step}"))]
    samples = [line for line in lines(*events, FINISHED) if line.startswith("  | ")]
    assert samples == [f"  | sample {step}" for step in (4, 8, 12, 16, 20)]


def test_the_last_sample_is_shown_in_any_case():
    assert lines(STARTED, replace(STEP, progress=0.1), Sampled(9, "Ada"), FINISHED)[-2] == "  | Ada"


def test_the_ending_names_the_reason_and_the_best():
    assert ending(FINISHED) == "done: 4900 steps in 3:02, best 1.4601 nats/char at step 4400"
    assert ending(replace(FINISHED, reason="early stop")).startswith("done early, since it got no better: ")
    assert ending(replace(FINISHED, reason="interrupt")).startswith("interrupted: 4900 steps")


def test_the_exact_losses_go_by_name():
    said = lines(STARTED, FinalEvaluation(4400, 1.46012, 1.47, 3.0))
    assert said[-1] == (
        "rnngen: held-out text at step 4400, nats per character: "
        "1.4601 in one go (stream), 1.4700 in windows of 256 tokens (window)"
    )
    mixed = lines(STARTED, FinalEvaluation(4400, 1.46012, 1.47, 3.0, network=1.5, ngram=1.6))
    assert mixed[-1].endswith("; the network alone 1.5000, its n-gram alone 1.6000")
    progress = Progress()
    progress.take(FinalEvaluation(4400, 1.46012, 1.47, 3.0))
    assert progress.losses() == [("exactly", "1.4601"), ("in windows", "1.4700")]


def test_json_has_null_for_what_is_no_number():
    line = json_line(replace(STEP, loss=math.nan, grad_norm=math.inf, seconds_left=None).as_json())
    read = json.loads(line, parse_constant=pytest.fail)
    assert (read["event"], read["loss"], read["grad_norm"], read["seconds_left"]) == (
        "step",
        None,
        None,
        None,
    )
    assert read["lr"] == STEP.lr


def test_json_is_one_line_of_utf8_whatever_the_text():
    line = json_line(Sampled(1, "愛\n\x1b\ud800").as_json())
    assert "\n" not in line
    assert json.loads(line.encode("utf-8"))["text"] == "愛\n\x1b?"


def test_text_commands_no_terminal():
    text = printable("a\tb\x1b[31m\x07\x7f\x9b\u202e\r\n愛\N{ZERO WIDTH JOINER}")
    assert text == "a   b\\x1b[31m\\x07\\x7f\\x9b\\u202e\\r\n愛\N{ZERO WIDTH JOINER}"
    assert shown("two\nlines") == "two lines"


def test_progress_remembers_the_best():
    progress = Progress()
    for event in (STEP, EVALUATED, replace(EVALUATED, step=1300, loss=1.8, best=False), Warned("x")):
        progress.take(event)
    assert progress.best == EVALUATED
    assert progress.evaluated.step == 1300
    assert ("best", "1.7120 at 1200") in progress.losses()

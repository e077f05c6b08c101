"""``rnngen look gradients`` and ``look training``: lines in any width, figures in JSON, clear errors."""

import json
from itertools import pairwise

import pytest
from rich.cells import cell_len

from rnngen.cli.render.chart import draw, draw_map
from rnngen.plots.chart import Axis, Chart, Map, Point, Series
from rnngen.plots.sheet import SMALL, Sheet, Words
from rnngen.plots.svg import draw as draw_svg
from rnngen.plots.svg import estimate


def test_gradients_are_drawn_and_reported(run, place):
    told = json.loads(run("look", "gradients", "--cells", "rnn", "--length", 20, "--hidden", 8, "--json").out)
    assert [(one["name"], len(one["norms"])) for one in told] == [("rnn tanh", 20)]
    run("look", "gradients", "--cells", "rnn", "--length", 20, "--hidden", 8, "-o", "g.svg")
    assert "<polyline" in (place / "g.svg").read_text()


def test_a_trained_model_stands_beside_fresh_cells(run, shelf, models):
    args = ("look", "gradients", "--cells", "gru", "--length", 9, "--hidden", 8, "--json", "-m")
    assert [one["name"] for one in json.loads(run(*args, "tale").out)] == ["gru", "tale"]
    run("models", "mv", "tale", "gru")
    assert [one["name"] for one in json.loads(run(*args, "gru").out)] == ["gru", "model gru"]
    assert "reads a source" in run(*args, "pairs", status=2).err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--cells", ""], "name some with --cells or -m"),
        (["--cells", "lstm", "--activations", "relu"], "leave 'relu' out"),
        (["--clip", "nan"], "nan is not a finite number"),
    ],
)
def test_what_nothing_could_be_measured_by_is_refused(run, words, named):
    assert named in run("look", "gradients", *words, status=2).err


def test_training_shows_every_figure_of_each_run(run, shelf, place):
    told = json.loads(run("look", "training", "tale", "names", "--align", "minute", "--json").out)
    assert [one["name"] for one in told] == ["tale", "names"]
    row = told[0]["evaluations"][-1]
    assert row["step"] == 40
    assert {"val_nats_per_token", "lr", "grad_norm", "seconds", "tokens_per_second"} <= row.keys()
    shown = run("look", "training", "tale", "names").out
    assert all(text in shown for text in ("tale val", "names train", "Learning rate", "tokens/s"))


def test_training_that_is_not_there_is_refused(run, shelf, place):
    (shelf / "tale" / "last" / "speed.jsonl").unlink()
    assert "kept no time" in run("look", "training", "tale", "--align", "minute", status=2).err
    run("export", "tale")
    assert "one file" in run("look", "training", "./tale.safetensors", status=2).err
    run("look", "training", "nosuch", status=3)


@pytest.mark.parametrize("width", [20, 80])
@pytest.mark.parametrize("colours", [None, "truecolor"])
def test_lines_and_maps_fit(width, colours):
    lines = (Series("中文 name", (0.0, 1.0), (1.0, 1e-9)), Series("flat", (0.0,), (float("nan"),)))
    drawn = draw(
        Chart("a title that is long " * 3, "x", "y", lines, log=True, notes=("n " * 40,)), width, colours
    )
    points = tuple(
        Point(text, float(at), float(at % 3)) for at, text in enumerate(["中文", "é", " ", "word" * 9])
    )
    drawn += draw_map(Map("title " * 9, points), width, colours)
    assert all(cell_len("".join(text for text, _ in line)) < width for line in drawn)


def test_numbers_of_axes_are_round_and_inside():
    assert [text for _, text in Axis(0.0, 1.0).ticks(5)] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert [text for _, text in Axis.over([-3.2, 0.5], log=True).ticks()] == [
        "1e-4",
        "1e-3",
        "1e-2",
        "1e-1",
        "1e0",
        "1e1",
    ]


def test_each_line_has_a_sign_of_its_own_also_where_colours_run_out():
    lines = tuple(Series(f"line {at}", (0.0, 1.0), (at, at)) for at in range(12))
    named = draw(Chart("t", "x", "y", lines), 60, None)[-len(lines) :]
    assert len({line[0][0] for line in named}) == len(lines)


def test_names_stand_apart_in_files_and_above_the_numbers_of_the_axis():
    sheet = Sheet(estimate)
    lines = tuple(Series(f"line {at}", (0.0, 1.0), (1.0, 0.001 * at)) for at in range(3))
    Chart("t", "x", "y", lines).lay_out(sheet)
    words = [mark for mark in sheet.marks if isinstance(mark, Words)]
    names = sorted(mark.y for mark in words if mark.text.startswith("line"))
    assert all(below - above > SMALL for above, below in pairwise(names))
    assert names[-1] < min(mark.y for mark in words if mark.anchor == "middle")


def test_a_name_that_would_cover_another_is_a_dot_with_a_tooltip():
    points = Point("here", 0.0, 0.0), Point("covered", 0.001, 0.0), Point("there", 1.0, 1.0)
    drawn = draw_svg(Map("t", points))
    assert ">covered</text>" not in drawn
    assert "<title>covered</title>" in drawn
    assert "1 would cover others" in drawn

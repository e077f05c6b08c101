"""``look beam``, ``look embeddings``, ``look attention`` and ``next --explain`` at the command line."""

import json

import numpy as np

from rnngen.cli.commands.look.embeddings import picture_of
from rnngen.observation.embeddings import Embeddings


def test_beam_is_drawn_and_reported(run, models, place):
    told = json.loads(run("look", "beam", "-m", "tale", "the ", "--beam", 2, "-n", 4, "--json").out)
    assert {one["fate"] for one in told["nodes"]} == {"kept", "finished", "pruned"}
    shown = run("look", "beam", "-m", "pairs", "abc", "-n", 4).out
    assert "✂" in shown
    assert "found" in shown
    run("look", "beam", "-m", "tale", "the ", "-n", 4, "-o", "beam.html")
    assert "behind the last one kept" in (place / "beam.html").read_text()
    assert "blank" in run("look", "beam", "-m", "pairs", " ", status=2).err


def test_embeddings_are_drawn_and_reported(run, shelf, place):
    told = json.loads(run("look", "embeddings", "-m", "tale", "a", " ", "--near", 3, "--json").out)
    assert [(one["token"], len(one["neighbours"])) for one in told] == [("a", 3), ("␣", 3)]
    run("look", "embeddings", "-m", "tale", "-o", "map.svg")
    assert "<text" in (place / "map.svg").read_text()
    run("look", "embeddings", "-m", "tale", "zzz", status=2)


def test_attention_is_attend(run, models):
    assert run("look", "attention", "-m", "pairs", "abc").out == run("attend", "-m", "pairs", "abc").out


def test_next_explains_its_filters(run, shelf):
    args = ("next", "-m", "tale", "the c", "--explain", "--top-k", 3)
    told = json.loads(run(*args, "--json").out)["stages"]
    assert [one["filter"] for one in told] == ["model", "never trained", "top_k=3"]
    assert told[-1]["left"] == 3
    shown = run(*args).out
    assert "MOST PROBABLE REMOVED" in shown
    assert "top_k=3" in shown


def test_a_part_of_a_character_is_spelt_on_the_map():
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], np.float32)
    found = Embeddings((0, 1, 2), (b"\xe4", "水".encode(), b" "), vectors)
    assert [point.name for point in picture_of(found, "m").points] == [r"\xe4", "水", " "]

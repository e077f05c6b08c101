"""``look beam``, ``look embeddings``, ``look attention`` and ``next --explain`` at the command line."""

import json

import numpy as np
import pytest

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


@pytest.mark.parametrize("asked", [("a",), ("--near", 3)])
def test_what_a_map_in_a_file_has_no_place_for_is_refused(run, shelf, place, asked):
    told = run("look", "embeddings", "-m", "tale", *asked, "-o", "map.svg", status=2).err
    assert "map" in told
    assert not (place / "map.svg").exists()
    run("look", "embeddings", "-m", "tale", *asked, "-o", "map.svg", "--json")
    assert (place / "map.svg").exists()


def test_embeddings_are_drawn_and_reported(run, shelf, place):
    told = json.loads(run("look", "embeddings", "-m", "tale", "a", " ", "--near", 3, "--json").out)
    assert [(one["token"], len(one["neighbours"])) for one in told] == [("a", 3), ("␣", 3)]
    run("look", "embeddings", "-m", "tale", "-o", "map.svg")
    assert "<text" in (place / "map.svg").read_text()
    run("look", "embeddings", "-m", "tale", "zzz", status=2)


def test_a_number_of_tokens_on_a_map_that_is_not_drawn_is_refused(run, shelf, place):
    asked = ("look", "embeddings", "-m", "tale", "--count", 5, "--json")
    assert "--count" in run(*asked, status=2).err
    run(*asked, "-o", "map.svg")
    assert (place / "map.svg").read_text().count("5 tokens") == 1


def test_the_end_of_a_line_that_is_piped_in_is_no_part_of_a_source(run, models):
    asked = ("look", "beam", "-m", "pairs", "-n", 4, "--json")
    for end in ("\n", "\r\n"):
        assert run(*asked, stdin=f"abc{end}").out == run(*asked, "abc").out


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


def test_a_probability_in_json_is_that_of_all_tokens_of_the_spelling(run, shelf):
    """A model of characters has a byte of each letter beside it, which it never writes."""
    shown = json.loads(run("next", "-m", "tale", "the c", "--explain", "--top", 1000, "--json").out)
    plain = json.loads(run("next", "-m", "tale", "the c", "--top", 1000, "--json").out)["next"]
    assert len({one["token"] for one in plain}) == len(plain)
    for one in plain:
        assert shown["stages"][-1]["next"][one["token"]] == pytest.approx(one["probability"])


def test_a_part_of_a_character_is_spelt_on_the_map():
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], np.float32)
    found = Embeddings((0, 1, 2), (b"\xe4", "水".encode(), b" "), vectors)
    assert [point.name for point in picture_of(found, "m").points] == [r"\xe4", "水", " "]

"""``rnngen look neurons`` and ``look gates`` at the command line."""

import json
import re

TEXT = 'the cat sees "the sea".\n' * 20


def test_neurons_are_drawn_and_reported(run, shelf, place):
    (place / "text.txt").write_text(TEXT)
    told = json.loads(run("look", "neurons", "-m", "tale", "text.txt", "--neuron", "3", "--json", "-q").out)
    assert (told["unit"], told["units"], len(told["text"])) == (3, 32, len(TEXT))
    assert {one["property"] for one in told["findings"]} >= {"inside quotes", "end of a word"}
    run("look", "neurons", "-m", "tale", "text.txt", "-o", "unit.html")
    assert "activation" in (place / "unit.html").read_text()
    assert "from 0 to 31" in run("look", "neurons", "text.txt", "-m", "tale", "--neuron", "99", status=2).err


def test_a_longer_text_is_cut_and_says_so(run, shelf, place):
    (place / "text.txt").write_text(TEXT)
    assert "the first 50 of 480 characters" in run("look", "neurons", "-m", "tale", "text.txt", "-n", 50).err


def test_gates_are_drawn_and_reported(run, shelf):
    told = json.loads(run("look", "gates", "-m", "tale", "the cat", "--json").out)
    assert [one["gate"] for one in told["gates"]] == ["input", "forget", "output"]
    assert all(len(one["means"]) == len("the cat") for one in told["gates"])
    assert "open in %" in run("look", "gates", "-m", "tale", "the cat").out
    run("look", "gates", "-m", "tale", "", status=2)


def test_gates_of_a_long_text_stand_in_panels_that_fit_a_page(run, shelf, place):
    run("look", "gates", "-m", "tale", "the cat sat " * 5, "-o", "gates.svg")
    drawn = (place / "gates.svg").read_text()
    assert float(re.search(r'width="([\d.]+)"', drawn)[1]) < 1000
    assert drawn.count(">1 input</text>") == 3

"""Surprisal of given texts: the sum is what ``score`` says, whatever the blocks, the cell and the n-gram."""

import math

import numpy as np
import pytest

from rnngen.api import load
from rnngen.observation import reading
from rnngen.observation.reading import Text, pieces_of, texts_of
from rnngen.observation.surprise import surprise


@pytest.fixture
def generator(shelf):
    return lambda name: load(name).generator


@pytest.mark.parametrize("block", [3, 512])
@pytest.mark.parametrize("name", ["tale", "names"])
def test_surprisal_is_the_negative_log_probability_that_score_has(generator, monkeypatch, name, block):
    monkeypatch.setattr(reading, "BLOCK", block)
    model, text = generator(name), "Anna likes the sea."
    found = surprise(model, [Text(text)])
    assert found.bits[found.whole].sum() == pytest.approx(-model.score(text)[0] / math.log(2), rel=1e-4)
    assert "".join(piece.text for piece in found.pieces) == text


def test_texts_are_read_apart(generator):
    model = generator("names")
    both = surprise(model, [Text("Anna"), Text("Bela")]).bits["network"]
    apart = [surprise(model, [Text(text)]).bits["network"] for text in ("Anna", "Bela")]
    np.testing.assert_allclose(both, np.concatenate(apart), rtol=1e-5)


def test_peaks_are_the_largest_with_what_stands_before_them(generator):
    found = surprise(generator("tale"), [Text("the cat sees a qed door.")])
    first, second = found.peaks("network", 2)
    bits = [bits for _, bits in found.of("network")]
    assert [first.bits, second.bits] == sorted(bits, reverse=True)[:2]
    assert "the cat sees a qed door."[: first.place].endswith(first.before)


def test_what_stands_before_a_peak_is_of_its_own_text(generator):
    found = surprise(generator("names"), [Text("An"), Text("Be")])
    assert {one.place: one.before for one in found.peaks("network", 6)}[4] == "B"


def test_lines_and_pairs_are_texts_of_their_own_and_free_text_is_one(generator, models):
    whole = "ab\n\ncd\n"
    assert texts_of(generator("tale"), whole, "x") == [Text(whole)]
    assert texts_of(generator("names"), whole, "x") == [Text("ab"), Text("cd")]
    assert texts_of(generator("pairs"), "ab\tBA\n", "x") == [Text("BA", "ab")]


def test_characters_of_several_tokens_are_one_piece():
    tokens = [b"a", b"\xe6", b"\x9c\x9b", b"", b"\xff"]
    assert [(one.text, [*one.tokens]) for one in pieces_of(tokens)] == [
        ("a", [0]),
        ("望", [1, 2]),
        ("", [3]),
        ("\ufffd", [4]),
    ]

"""Alignments: what fits together, and tokens joined to characters and words without losing weight."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.generation.alignment import Alignment, runs

NI, HAO = "你".encode(), "好".encode()


def bytes_of(text):
    return [bytes([byte]) for byte in text.encode()]


def texts(pieces, unit):
    return [b"".join(pieces[at] for at in run).decode(errors="replace") for run in runs(pieces, unit)]


def some_weights(targets, sources):
    return np.random.default_rng(1).dirichlet(np.ones(sources), targets).astype(np.float32)


# ── What an alignment is ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        ([[0.5, 0.5, 0.0]], "shape"),
        ([[0.5, 0.5], [0.5, 0.5]], "shape"),
        ([[1.5, -0.5]], "at least 0"),
        ([[np.nan, 0.5]], "finite"),
        ([[0.9, 0.9]], "at most"),
    ],
)
def test_weights_that_are_none_are_refused(weights, complaint):
    with pytest.raises(ValueError, match=complaint):
        Alignment(("a", "b"), ("x",), np.array(weights, np.float32))


@pytest.mark.parametrize("row", [[0.0, 0.0], [0.2, 0.3], [0.4, 0.604]])
def test_rows_may_keep_weight_back_and_be_rounded(row):
    assert Alignment(("a", "b"), ("x",), np.array([row], np.float32)).attends is (row != [0.0, 0.0])


def test_the_best_source_is_the_first_of_the_highest():
    alignment = Alignment(("a", "b", "c"), ("x", "y"), np.array([[0.2, 0.4, 0.4], [0.9, 0, 0]], np.float32))
    assert [alignment.best(row) for row in (0, 1)] == [1, 0]


def test_json_holds_texts_and_weights_row_by_row():
    alignment = Alignment(("a", ""), ("你",), np.array([[1 / 3, 2 / 3]], np.float32))
    told = json.loads(json.dumps(alignment.as_json()))
    assert told == {"source": ["a", ""], "target": ["你"], "weights": [[0.3333, 0.6667]]}


# ── What belongs together ──────────────────────────────────────────────────────────────────────────────────


def test_bytes_of_a_character_are_one_cell_with_their_sum_and_their_mean():
    source, target = [*bytes_of("a你"), b""], [NI[:1], NI[1:], HAO, b""]
    weights = np.array(
        [
            [0.1, 0.2, 0.3, 0.4, 0.0],
            [0.3, 0.1, 0.1, 0.1, 0.4],
            [0.0, 0.0, 0.0, 0.0, 1.0],
            [1.0, 0.0, 0.0, 0.0, 0.0],
        ]
    )
    joined = Alignment.from_pieces(source, target, weights)
    assert joined.source == ("a", "你", "")
    assert joined.target == ("你", "好", "")
    np.testing.assert_allclose(joined.weights, [[0.2, 0.6, 0.2], [0, 0, 1], [1, 0, 0]], atol=1e-6)


def test_tokens_stay_apart_when_asked_for_and_show_parts_as_such():
    kept = Alignment.from_pieces([HAO], [NI[:1], NI[1:]], [[1], [1]], "token")
    assert kept.target[0] == "\ufffd"
    assert len(kept.target) == 2


@pytest.mark.parametrize(
    ("pieces", "characters"),
    [
        ([b"ab" + NI[:2], NI[2:] + b"c"], ["ab你c"]),
        ([NI[:2], b"", b"a"], ["\ufffd", "", "a"]),
        ([NI[:2], b"a"], ["\ufffda"]),
        ([b"\xff", b"a"], ["\ufffd", "a"]),
        ([NI[:1], NI[1:2]], ["\ufffd"]),
        ([], []),
    ],
)
def test_characters_that_are_cut_or_broken(pieces, characters):
    assert texts(pieces, "character") == characters


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([b"nat", b"ural", b" so", b"und", b".", b""], ["natural", " sound", ".", ""]),
        ([b"a", b" ", b"b", b"c"], ["a", " bc"]),
        (bytes_of("你好 é!"), ["你", "好", " é", "!"]),
        (bytes_of("한국어 말"), ["한국어", " 말"]),
        ([b"e", "\u0301".encode(), b"t"], ["e\u0301t"]),
        ([b"a", b"", b"b"], ["a", "", "b"]),
        ([b"12", b"3"], ["123"]),
    ],
)
def test_words(pieces, words):
    assert texts(pieces, "word") == words


@given(st.lists(st.binary(max_size=4), max_size=12), st.sampled_from(["token", "character", "word"]))
def test_runs_cover_every_token_once_and_in_order(pieces, unit):
    assert [at for run in runs(pieces, unit) for at in run] == list(range(len(pieces)))
    assert all(runs(pieces, unit))


@given(st.text(max_size=8), st.text(min_size=1, max_size=8), st.sampled_from(["token", "character", "word"]))
def test_joining_keeps_rows_distributions_and_texts_whole(source, target, unit):
    pieces = [*bytes_of(source), b""], [*bytes_of(target), b""]
    joined = Alignment.from_pieces(*pieces, some_weights(len(pieces[1]), len(pieces[0])), unit)
    np.testing.assert_allclose(joined.weights.sum(axis=1), 1, atol=1e-5)
    if unit != "token":
        assert ("".join(joined.source), "".join(joined.target)) == (source, target)


def test_weights_that_fit_no_tokens_are_refused_before_they_are_joined():
    with pytest.raises(ValueError, match="shape"):
        Alignment.from_pieces([b"a", b"b"], [b"x"], [[1.0]])


def test_nothing_aligns_with_nothing():
    assert Alignment.from_pieces([], [], np.zeros((0, 0))).weights.shape == (0, 0)
    assert Alignment.from_pieces([b"a"], [], np.zeros((0, 1))).weights.shape == (0, 1)

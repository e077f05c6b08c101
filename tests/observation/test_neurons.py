"""Units: of any cell, as its state has them; a property finds its unit, and chance finds none."""

from dataclasses import replace

import numpy as np
import pytest

from rnngen.api import load
from rnngen.errors import UsageError
from rnngen.observation import neurons
from rnngen.observation.neurons import Units, find, observe
from rnngen.observation.reading import Piece, Text

CODE = 'def f(x):\n    print("a word", [x])\n\n' * 40


def units_of(text, values):
    pieces = tuple(Piece(char, range(at, at + 1)) for at, char in enumerate(text))
    return Units(pieces, values, tuple(f"unit {at}" for at in range(values.shape[1])), 0)


def test_each_property_finds_the_unit_that_follows_it_and_noise_is_not_telling():
    noise = np.random.default_rng(1).normal(size=(len(CODE), 40)).astype(np.float32)
    assert not any(one.telling for one in find(units_of(CODE, noise)))
    followed = noise.copy()
    for at, measure in enumerate(neurons.PROPERTIES.values()):
        followed[:, at] -= 9 * np.array([one or 0 for one in measure(CODE)], np.float32)
    found = find(units_of(CODE, followed))
    assert [one.unit for one in found] == [0, 1, 2, 3, 4]
    assert all(one.telling and one.score < 0 for one in found)


def test_each_text_is_measured_by_itself():
    texts = [CODE[at : at + 31].replace("\n", " ") for at in range(0, 930, 31)]
    values = np.random.default_rng(1).normal(size=(930, 6)).astype(np.float32)
    values[:, 5] += np.concatenate([neurons.line_position(text) for text in texts])
    units = replace(units_of("".join(texts), values), begins=tuple(range(0, 930, 31)))
    found = {one.name: one for one in find(units)}["position in the line"]
    assert (found.unit, found.telling) == (5, True)


def test_a_text_without_a_property_says_so():
    values = np.random.default_rng(1).normal(size=(300, 4)).astype(np.float32)
    found = {one.name: one.unit for one in find(units_of("x" * 300, values))}
    assert found.pop("position in the line") is not None
    assert set(found.values()) == {None}


def test_units_are_the_state_after_each_token(shelf):
    generator = load("tale").generator
    text = "the cat"
    units = observe(generator, [Text(text)])
    state = generator.model.start(1)
    for token in [*generator.prefix_tokens(""), *generator.tokenizers.target.encode(text).tolist()]:
        _, state = generator.model(np.array([token]), state)
    arrays = [array for array in state if array.dtype.kind == "f"]
    np.testing.assert_allclose(units.values[-1], np.concatenate([one[0] for one in arrays]), atol=1e-5)
    assert units.places[16] == "layer 1, array 2, number 1"
    with pytest.raises(UsageError, match="from 0 to 31"):
        units.check(32)

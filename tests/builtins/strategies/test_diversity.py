"""Diverse beam search against a slow one, written from the paper."""

import numpy as np
import pytest

from rnngen.builtins.strategies.beam.search import beam_search
from rnngen.builtins.strategies.options import BeamOptions

V, END, PROMPT = 5, 4, [1, 0]


def found_by(network, options, *, eos_id=END, length=6):
    (found,) = beam_search(network, network.start(1), [PROMPT], [length], options, eos_id=eos_id)
    return found


def by_definition(network, options, length):
    """The groups one after another at each step; texts do not end. → {text: log-probability}."""
    width = options.width // options.groups
    groups = [[((), 0.0, 0.0)]] * options.groups
    for made in range(length):
        after = []
        for group in groups:
            extended = []
            for text, total, key in group:
                chances = [network.log_probabilities(PROMPT, [*text, token])[-1] for token in range(V)]
                for token, chance in enumerate(chances):
                    new = (*text, token)
                    others = [other for others in after for other, *_ in others]
                    cost = sum(likeness(new, other, made, options) for other in others)
                    extended.append((new, total + chance, key + chance - options.diversity * cost))
            after.append(sorted(extended, key=lambda one: -one[2])[:width])
        groups = after
    return {text: total for group in groups for text, total, _ in group}


def likeness(text, other, made, options):
    if options.diversity_kind == "hamming":
        return float(text[made] == other[made])
    return np.exp(-sum(a != b for a, b in zip(text, other, strict=True)) / options.diversity_range)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("strength", [0.3, 1.0, 5.0])
@pytest.mark.parametrize(("kind", "reach"), [("hamming", 1.0), ("cumulative", 1.0), ("cumulative", 3.0)])
@pytest.mark.parametrize(("width", "groups"), [(3, 3), (6, 2)])
def test_the_groups_are_those_of_the_definition(toy, *, width, groups, kind, reach, strength, seed):
    options = BeamOptions(
        width,
        groups=groups,
        diversity=strength,
        diversity_kind=kind,
        diversity_range=reach,
        penalty="none",
    )
    network = toy(V, seed, sharpness=1.5)
    expected = by_definition(network, options, 4)
    found = found_by(network, options, eos_id=None, length=4)
    assert {h.tokens for h in found} == set(expected)
    for one in found:
        assert one.score == one.log_probability == pytest.approx(expected[one.tokens], rel=1e-5)
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


@pytest.mark.parametrize("kind", ["hamming", "cumulative"])
def test_one_group_is_a_plain_beam(toy, kind):
    plain = found_by(toy(V, 1), BeamOptions(4))
    assert found_by(toy(V, 1), BeamOptions(4, groups=1, diversity=3.0, diversity_kind=kind)) == plain


@pytest.mark.parametrize("kind", ["hamming", "cumulative"])
def test_groups_that_need_not_differ_all_find_the_same_which_comes_once(toy, kind):
    plain = found_by(toy(V, 1), BeamOptions(2))
    assert found_by(toy(V, 1), BeamOptions(6, groups=3, diversity_kind=kind)) == plain


def test_much_diversity_makes_every_group_begin_in_its_own_way(toy):
    found = found_by(toy(V, 2), BeamOptions(4, groups=4, diversity=100.0), eos_id=None, length=1)
    assert len({h.tokens for h in found}) == 4


def test_texts_that_ended_are_kept_apart_too(toy):
    """A group may not end where another did, at the same step, without paying for it."""

    class Ends(toy):
        def __call__(self, tokens, state):
            logits, state = super().__call__(tokens, state)
            logits[:] = [0, 0.1, 0.2, 0.3, 5]
            return logits, state

    found = found_by(Ends(V), BeamOptions(2, groups=2, diversity=50.0), length=3)
    assert found[0].tokens == ()
    assert len(found[1].tokens) > 0

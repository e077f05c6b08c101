"""Filling a gap: what is found is the best there is, by brute force."""

from itertools import product

import numpy as np
import pytest

from rnngen.decoding.prefill import prefill
from rnngen.errors import RnngenError
from rnngen.generation import infill
from rnngen.generation.infill import FillOptions, fill

LEFT, RIGHT = [1, 3], [2, 0, 3]


def found(step, options, right=RIGHT, **given):
    return fill(step, prefill(step, step.start(1), [LEFT]), right, options, **given)


def brute(step, length, right=RIGHT, forbidden=()):
    """The log-probability of each filling with what follows it, from the definition."""
    allowed = [token for token in range(4) if token not in forbidden]
    fillings = [one for made in range(1, length + 1) for one in product(allowed, repeat=made)]
    return {one: sum(step.log_probabilities(LEFT, [*one, *right])) for one in fillings}


@pytest.mark.parametrize("alpha", [0.0, 1.5])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_full_beam_ranks_all_fillings_as_brute_force_does(toy, seed, alpha):
    step = toy(4, seed=seed)
    hypotheses = found(step, FillOptions(beam=64, length=3, length_penalty=alpha))
    expected = brute(step, 3)
    assert {one.tokens for one in hypotheses} == set(expected)
    for one in hypotheses:
        assert one.log_probability == pytest.approx(expected[one.tokens], rel=1e-5)
        penalty = ((5 + len(one.tokens)) / 6) ** alpha
        assert one.score == pytest.approx(expected[one.tokens] / penalty, rel=1e-5)
    scores = [one.score for one in hypotheses]
    assert scores == sorted(scores, reverse=True)


def test_forbidden_tokens_stand_in_no_filling_and_change_no_probability(toy):
    step = toy(4, seed=3)
    hypotheses = found(step, FillOptions(beam=64, length=2), forbidden=[2])
    expected = brute(step, 2, forbidden=[2])
    assert {one.tokens: pytest.approx(one.log_probability, rel=1e-5) for one in hypotheses} == expected


def test_the_right_text_decides_and_not_the_left_alone(toy):
    step = toy(4, seed=1, sharpness=6.0)
    winners = {found(step, FillOptions(beam=64, length=1), right=list(right))[0].tokens
               for right in product(range(4), repeat=2)}  # fmt: skip
    assert len(winners) > 1


def test_a_narrow_beam_finds_a_part_of_what_a_full_one_finds(toy):
    step = toy(4, seed=2)
    full = {one.tokens: one.log_probability for one in found(step, FillOptions(beam=256, length=4))}
    narrow = found(step, FillOptions(beam=3, length=4))
    assert 0 < len(narrow) <= 12
    for one in narrow:
        assert one.log_probability == pytest.approx(full[one.tokens], rel=1e-6)


def test_batches_of_any_size_give_the_same(toy, monkeypatch):
    step = toy(4, seed=5)
    expected = found(step, FillOptions(beam=10, length=4))
    monkeypatch.setattr(infill, "ROWS", 7)
    assert found(step, FillOptions(beam=10, length=4)) == expected


class Growing:
    """A network whose state is all that it read, so that states of different ages have different shapes."""

    fixed = 0

    def __init__(self, toy):
        self.toy = toy

    def start(self, batch):
        return (np.zeros((batch, 0), np.int64),)

    def __call__(self, tokens, state):
        read = np.append(state[0], tokens[:, None], axis=1)
        inner = self.toy.start(len(tokens))
        for column in read.T:
            logits, inner = self.toy(column, inner)
        return logits, (read,)


def test_a_state_that_grows_gives_the_same(toy):
    step = toy(4, seed=5)
    assert found(Growing(step), FillOptions(beam=5, length=3)) == found(step, FillOptions(beam=5, length=3))


def test_what_does_not_fit_is_left_out_and_gone_on_with(toy):
    step = toy(4, seed=2)
    hypotheses = found(step, FillOptions(beam=64, length=3), fits=lambda tokens: len(tokens) == 3)
    assert {len(one.tokens) for one in hypotheses} == {3}
    assert len(hypotheses) == 64


def test_where_nothing_fits_an_error_says_so(toy):
    with pytest.raises(RnngenError, match="nothing fits the gap"):
        found(toy(4), FillOptions(beam=2, length=2), fits=lambda tokens: False)


@pytest.mark.parametrize("wrong", [{"beam": 0}, {"length": 0}, {"length_penalty": -1.0}])
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FillOptions(**wrong)

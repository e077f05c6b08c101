"""Drawing tokens: from the right distribution, reproducibly, one step a token."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.builtins.filters.adaptive import mirostat, xtc
from rnngen.builtins.filters.options import (
    MirostatOptions,
    NoRepeatOptions,
    TemperatureOptions,
    TopKOptions,
    XTCOptions,
)
from rnngen.builtins.filters.penalties import no_repeat_ngram
from rnngen.builtins.filters.truncation import temperature, top_k
from rnngen.decoding.sampler import draw, feed, sample, sample_many
from rnngen.errors import RnngenError

GREEDY = temperature(TemperatureOptions(0.0))


class Always:
    """A generator whose random number is known."""

    def __init__(self, value):
        self.value, self.asked = value, 0

    def random(self):
        self.asked += 1
        return self.value


def drawn(step, prompt, seed, count, **options):
    rng = np.random.default_rng(seed)
    return list(
        islice(sample(step, step.start(1), prompt, options.pop("filters", ()), rng, **options), count)
    )


# ── One draw ───────────────────────────────────────────────────────────────────────────────────────────────


def test_draws_follow_the_distribution():
    logits = np.array([1.0, -np.inf, 0.0, 2.0, -1.0, 0.5, -np.inf, -3.0], np.float32)
    probability = np.exp(logits.astype(np.float64)) / np.exp(logits.astype(np.float64)).sum()
    rng, number = np.random.default_rng(5), 40_000
    counts = np.bincount([draw(logits, rng) for _ in range(number)], minlength=8)
    possible = probability > 0
    assert counts[~possible].sum() == 0
    expected = probability[possible] * number
    statistic = ((counts[possible] - expected) ** 2 / expected).sum()
    assert statistic < 20.5  # chi-square of 5 degrees of freedom: one run in a thousand would exceed it


logits_with_gaps = st.lists(
    st.one_of(st.floats(-90, 90, width=32), st.just(-np.inf)), min_size=1, max_size=12
).filter(lambda values: max(values) > -np.inf)


@given(values=logits_with_gaps, number=st.one_of(st.just(0.0), st.floats(0, 1, exclude_max=True)))
def test_a_token_of_probability_zero_is_never_drawn(values, number):
    logits = np.array(values, np.float32)
    for chance in (number, 0.0, np.nextafter(1, 0)):
        token = draw(logits, Always(chance))
        assert np.exp(logits[token] - logits.max()) > 0


@given(values=logits_with_gaps, number=st.floats(0, 1, exclude_max=True))
def test_a_draw_takes_one_random_number_and_does_not_write(values, number):
    logits = np.array(values, np.float32)
    logits.flags.writeable = False
    rng = Always(number)
    draw(logits, rng)
    assert rng.asked == 1


@given(shift=st.sampled_from([-1e4, -64.0, 0.0, 64.0, 1e4]), number=st.floats(0, 1, exclude_max=True))
def test_only_differences_of_logits_count(shift, number):
    logits = np.array([0.0, 1.0, -2.0, 3.0], np.float32)
    assert draw(logits + np.float32(shift), Always(number)) == draw(logits, Always(number))


@pytest.mark.parametrize("values", [[-np.inf, -np.inf], [0.0, np.nan], [np.inf, 0.0]])
def test_where_nothing_can_be_drawn_an_error_says_so(values):
    with pytest.raises(RnngenError, match="no token can be drawn"):
        draw(np.array(values, np.float32), np.random.default_rng(0))


# ── Feeding and filtering ──────────────────────────────────────────────────────────────────────────────────


def test_a_prompt_fed_in_two_parts_is_the_prompt_fed_at_once(toy):
    step = toy(6)
    whole, end = feed(step, step.start(1), [1, 4, 2, 5])
    _, middle = feed(step, step.start(1), [1, 4])
    parts, end_of_parts = feed(step, middle, [2, 5])
    np.testing.assert_array_equal(whole, parts)
    np.testing.assert_array_equal(end[0], end_of_parts[0])


def test_a_filter_sees_the_prompt_and_every_token_so_far(toy):
    seen = []

    def watch(logits, history):
        seen.append([list(row) for row in history])
        return logits

    tokens = drawn(toy(6), [3, 1], 0, 4, filters=[watch])
    assert seen == [[[3, 1, *tokens[:made]]] for made in range(4)]


# ── Many draws ─────────────────────────────────────────────────────────────────────────────────────────────


def test_greedy_is_the_argmax_at_every_step(toy):
    step, text = toy(9, seed=2), [4]
    for _ in range(30):
        logits, _ = feed(step, step.start(1), text)
        text.append(int(logits[0].argmax()))
    assert drawn(step, [4], 0, 30, filters=[GREEDY]) == text[1:]
    assert drawn(step, [4], 1, 30, filters=[top_k(TopKOptions(1))]) == text[1:]


def test_same_seed_same_tokens_and_another_seed_others(toy):
    step = toy(20, sharpness=0.5)
    assert drawn(step, [0], 7, 50) == drawn(step, [0], 7, 50)
    assert drawn(step, [0], 7, 50) != drawn(step, [0], 8, 50)


def test_a_longer_text_begins_with_the_shorter(toy):
    step = toy(20, sharpness=0.5)
    assert drawn(step, [0], 7, 50)[:20] == drawn(step, [0], 7, 20)


def test_each_token_costs_one_step_and_comes_before_the_next_is_computed(toy):
    step = toy(6)
    tokens = sample(step, step.start(1), [0, 1, 2], (), np.random.default_rng(0))
    for made in range(5):
        next(tokens)
        assert step.steps == 3 + made


def test_forbidden_tokens_never_come_however_probable(toy):
    step = toy(5, seed=1, sharpness=30.0)
    usual = set(drawn(step, [0], 0, 200))
    assert len(usual) > 1
    likely = max(usual)
    assert likely not in drawn(step, [0], 0, 200, forbidden=[likely])
    assert likely not in drawn(step, [0], 0, 200, forbidden=[likely], filters=[GREEDY])


# ── Many texts side by side ────────────────────────────────────────────────────────────────────────────────

CHAINS = {
    "none": [],
    "greedy": [GREEDY],
    "memory": [
        no_repeat_ngram(NoRepeatOptions(n=5)),
        xtc(XTCOptions(probability=0.5, threshold=0.1)),
        mirostat(MirostatOptions(version=2, tau=2.0)),
    ],
}


def alone(step, number, length, end, filters):
    """A text as ``sample`` makes it, up to its end."""
    text = []
    for token in islice(
        sample(step, step.start(1), [1, 2], filters, np.random.default_rng([7, number]), forbidden=[0]),
        length,
    ):
        if token == end:
            break
        text.append(token)
    return text


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("end", [None, 3])
def test_each_of_many_texts_is_the_one_made_alone(toy, chain, end):
    step = toy(6, seed=4)
    lengths = [0, 1, 100, 40, 100, 7]
    found = sample_many(
        step,
        step.start(6),
        [[1, 2]] * 6,
        CHAINS[chain],
        [np.random.default_rng([7, number]) for number in range(6)],
        eos_id=end,
        lengths=lengths,
        forbidden=[0],
    )
    assert found == [alone(step, n, length, end, CHAINS[chain]) for n, length in enumerate(lengths)]
    assert (max(map(len, found)) == 100) == (end is None)


def test_many_texts_cost_no_step_after_the_last_is_over(toy):
    step = toy(6)
    rngs = [np.random.default_rng(seed) for seed in range(3)]
    sample_many(step, step.start(3), [[1, 2]] * 3, (), rngs, eos_id=None, lengths=[2, 5, 3])
    assert step.steps == 2 + 4

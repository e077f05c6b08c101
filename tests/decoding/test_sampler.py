"""Drawing tokens: from the right distribution, reproducibly, one step a token."""

from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
from fixtures.toys import feed
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
from rnngen.decoding.draws import draw
from rnngen.decoding.prefill import blend, next_logits, prefill
from rnngen.decoding.sampler import FEWEST, Sampler, SamplerState, TokenHistory, sample, sample_many
from rnngen.errors import RnngenError

NEVER_ENDS = SimpleNamespace(eos_id=-1)
GREEDY = temperature(TemperatureOptions(0.0))


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
    counts = np.bincount([draw(logits, rng.random()) for _ in range(number)], minlength=8)
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
        token = draw(logits, chance)
        assert np.exp(logits[token] - logits.max()) > 0


@pytest.mark.slow
@given(values=logits_with_gaps, number=st.floats(0, 1, exclude_max=True))
def test_a_draw_does_not_write(values, number):
    logits = np.array(values, np.float32)
    logits.flags.writeable = False
    draw(logits, number)
    np.testing.assert_array_equal(logits, np.array(values, np.float32))


@pytest.mark.slow
@pytest.mark.parametrize(
    "filters", [[], [no_repeat_ngram(NoRepeatOptions(n=3, window=40), NEVER_ENDS), GREEDY]]
)
def test_a_text_of_any_length_is_the_same_where_its_beginning_is_forgotten(toy, filters):
    step = toy(6)
    sampler = Sampler(step, filters)
    begun = sampler.start(prefill(step, step.start(1), [[1, 2]]), [np.random.default_rng(3)])
    kept, forgotten = (list(islice(sampler.stream(begun, forget=forget), 9_000)) for forget in (False, True))
    assert [token for token, _ in forgotten] == [token for token, _ in kept]
    assert len(kept[-1][1].histories[0]) == 9_002
    assert len(forgotten[-1][1].histories[0]) < 2 * FEWEST


@pytest.mark.slow
def test_nothing_is_forgotten_where_a_filter_may_look_at_all(toy):
    step = toy(6)

    def every_so_often(logits, history):
        return logits + np.float32(len(history[0]) % 7)

    sampler = Sampler(step, [GREEDY, every_so_often])
    begun = sampler.start(prefill(step, step.start(1), [[1, 2]]), [np.random.default_rng(3)])
    _, after = next(islice(sampler.stream(begun, forget=True), 9_000, None))
    assert len(after.histories[0]) == 9_003


@pytest.mark.parametrize("filters", [[], [GREEDY]])
def test_a_token_takes_one_random_number(toy, filters):
    step, rng = toy(6), np.random.default_rng(3)
    sampler = Sampler(step, filters)
    begun = sampler.start(prefill(step, step.start(1), [[1, 2]]), [rng])
    _, after = next(islice(sampler.stream(begun), 4, None))
    assert after.draws[0].state == rng.bit_generator.advance(5).state


@given(shift=st.sampled_from([-1e4, -64.0, 0.0, 64.0, 1e4]), number=st.floats(0, 1, exclude_max=True))
def test_only_differences_of_logits_count(shift, number):
    logits = np.array([0.0, 1.0, -2.0, 3.0], np.float32)
    assert draw(logits + np.float32(shift), number) == draw(logits, number)


NO_CHOICE = [([-np.inf, -np.inf], "filters"), ([0.0, np.nan], "weights"), ([np.inf, 0.0], "weights")]


@pytest.mark.parametrize(("values", "blamed"), NO_CHOICE)
def test_where_nothing_can_be_drawn_an_error_says_so(values, blamed):
    with pytest.raises(RnngenError, match=f"no token can be drawn: .*{blamed}"):
        draw(np.array(values, np.float32), 0.5)


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
        no_repeat_ngram(NoRepeatOptions(n=5), NEVER_ENDS),
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


# ── States: forked, gone back to, kept ─────────────────────────────────────────────────────────────────────

STATES = {
    **CHAINS,
    "mirostat": [mirostat(MirostatOptions(version=2, tau=2.0))],
    "xtc": [xtc(XTCOptions(probability=0.5, threshold=0.1))],
}


def begun(sampler, given=None, seed=5):
    """The state before the first token of a text."""
    given = given or prefill(sampler.model, sampler.model.start(1), [[1, 2, 3]])
    return sampler.start(given, [np.random.default_rng([seed, 0])])


def go_on(sampler, state, count):
    """The next tokens, and the state after them."""
    tokens = []
    for token, after in islice(sampler.stream(state), count):
        tokens.append(token)
        state = after
    return tokens, state


def frozen(state):
    """The same state, none of whose arrays can be written to."""
    for array in (*state.network, *state.filters, state.logits, state.surprisal):
        if array is not None:
            array.flags.writeable = False
    return state


@pytest.fixture(params=STATES)
def sampler(request, toy):
    sampler = Sampler(toy(7, seed=1), STATES[request.param], forbidden=[0])
    sampler.greedy = request.param == "greedy"
    return sampler


@pytest.mark.parametrize("made", [0, 1, 7])
def test_going_on_from_a_state_gives_what_never_stopping_gives(sampler, made):
    whole, end = go_on(sampler, begun(sampler), 40)
    first, state = go_on(sampler, begun(sampler), made)
    rest, same_end = go_on(sampler, state, 40 - made)
    assert first + rest == whole
    assert same_end.histories[0] == end.histories[0] == [1, 2, 3, *whole]
    for one, other in zip(same_end.network + same_end.filters, end.network + end.filters, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("made", [0, 1, 7])
def test_forks_of_one_state_do_not_know_of_each_other(sampler, made):
    _, state = go_on(sampler, begun(sampler), made)
    expected, _ = go_on(sampler, state, 30)
    elsewhere = state._replace(draws=(state.draws[0].next(1000),))
    others, _ = go_on(sampler, elsewhere, 30)
    one, other, third = (sampler.stream(begin) for begin in (state, elsewhere, state))
    taken = [[next(each)[0] for each in (one, other, third)] for _ in range(30)]
    assert list(zip(*taken, strict=True)) == [tuple(expected), tuple(others), tuple(expected)]
    assert (others == expected) == sampler.greedy


def test_going_back_to_an_older_state_draws_the_same_again(sampler):
    state, states, tokens = begun(sampler), [], []
    for _ in range(12):
        states.append(state)
        (token,), state = sampler.step(state)
        tokens.append(int(token))
    for place in (11, 3, 0, 7):
        assert go_on(sampler, states[place], 12 - place)[0] == tokens[place:]
        assert states[place].histories[0] == [1, 2, 3, *tokens[:place]]


def test_a_step_never_writes_to_the_state_that_it_was_given(sampler):
    step = sampler.model
    given = next_logits(step, prefill(step, step.start(1), [[1, 2, 3]]))  # so that there are logits, too
    state = frozen(begun(sampler, given))
    expected, _ = go_on(sampler, begun(sampler, given), 10)
    tokens = []
    for _ in range(10):
        history, draws = list(state.histories[0]), state.draws[0].state
        copies = [array.copy() for array in state.network + state.filters]
        (token,), after = sampler.step(state)
        tokens.append(int(token))
        assert (list(state.histories[0]), state.draws[0].state) == (history, draws)
        for array, copied in zip(state.network + state.filters, copies, strict=True):
            np.testing.assert_array_equal(array, copied)
        state = frozen(after)
    assert tokens == expected


def test_extending_never_writes_either_and_is_reading(sampler):
    _, state = go_on(sampler, begun(sampler), 5)
    longer = sampler.extend(frozen(state), [4, 6])
    assert longer.histories[0] == [*state.histories[0], 4, 6]
    _, network = feed(sampler.model, sampler.model.start(1), longer.histories[0][:-1])
    np.testing.assert_array_equal(longer.network[0], network[0])
    assert longer.draws[0].number == state.draws[0].number
    assert len(go_on(sampler, longer, 5)[0]) == len(go_on(sampler, state, 5)[0]) == 5


def test_a_blend_that_has_drawn_nothing_can_be_gone_on_from_twice(sampler):
    step = sampler.model
    one, other = (prefill(step, step.start(1), [prompt]) for prompt in ([1, 2], [3, 4, 5]))
    state = begun(sampler, blend(step, one, other, 0.4))
    assert state.logits is not None
    assert go_on(sampler, state, 30)[0] == go_on(sampler, frozen(state), 30)[0]


def test_rows_that_are_selected_go_on_as_they_would_have(sampler):
    step = sampler.model
    rngs = [np.random.default_rng([seed, 0]) for seed in range(4)]
    given = prefill(step, step.start(4), [[1, 2], [3, 4], [5, 6], [1, 6]])
    state = sampler.start(given, rngs)
    _, state = sampler.step(state)
    tokens, after = sampler.step(state)
    for rows in ([2], [3, 0], [1, 1, 2]):
        some, chosen = sampler.step(state.select(rows))
        assert some.tolist() == tokens[rows].tolist()
        assert [list(one) for one in chosen.histories] == [list(after.histories[row]) for row in rows]
        np.testing.assert_array_equal(chosen.network[0], after.network[0][rows])
        assert [one.number for one in chosen.draws] == [after.draws[row].number for row in rows]


def test_selecting_keeps_what_is_pending():
    state = SamplerState(
        tuple(TokenHistory([n]) for n in range(3)),
        (np.arange(3.0),),
        (np.arange(3) * 10,),
        (None, None, None),
        np.eye(3, dtype=np.float32),
        np.array([0.1, 0.2, 0.3]),
    )
    some = state.select([2, 0])
    assert [list(one) for one in some.histories] == [[2], [0]]
    assert (some.network[0].tolist(), some.filters[0].tolist()) == ([2.0, 0.0], [20, 0])
    assert some.logits.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert some.surprisal.tolist() == [0.3, 0.1]

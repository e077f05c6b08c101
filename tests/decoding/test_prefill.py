"""What texts begin with: read alone or side by side, repeated, and interpolated."""

import numpy as np
import pytest
import torch
from fixtures.toys import feed

from rnngen.contracts import GenerationState
from rnngen.decoding.prefill import blend, next_logits, prefill, read_prefixes, select_rows, select_streams
from rnngen.errors import UsageError

PROMPTS = [[1, 0, 2], [3], [0, 0], [2, 1, 3, 3], [1]]


def test_each_prompt_is_read_as_if_it_were_alone(toy):
    network = toy(4)
    ((members, logits, state),) = read_prefixes(network, network.start(5), PROMPTS)
    assert network.steps == 4
    assert members.tolist() == [0, 1, 2, 3, 4]
    for row, prompt in enumerate(PROMPTS):
        expected, alone = feed(network, network.start(1), prompt)
        np.testing.assert_array_equal(logits[row], expected[0])
        np.testing.assert_array_equal(state[0][row], alone[0][0])


def test_what_is_fixed_stays_in_its_place(attentive):
    network = attentive(4)
    sources = np.array([[0, 1], [2, 3], [1, 1], [3, 0], [2, 2]])
    ((_, _, state),) = read_prefixes(network, network.start(sources), PROMPTS)
    np.testing.assert_array_equal(state[0], network.start(sources)[0])


def test_prompts_of_one_length_are_one_batch_without_a_copy(toy):
    made = []

    class Watched(toy):
        def __call__(self, tokens, state):
            made.append(super().__call__(tokens, state))
            return made[-1]

    network = Watched(4)
    ((members, logits, state),) = read_prefixes(network, network.start(2), [[1, 2], [3, 0]])
    assert members.tolist() == [0, 1]
    assert len(made) == 2
    assert logits is made[1][0]
    assert state is made[1][1]


class Growing:
    """Its state holds all that it was fed."""

    fixed = 0

    def __call__(self, tokens, state):
        after = np.append(state[0], tokens[:, None], axis=1)
        return after.sum(axis=1, keepdims=True).astype(np.float32), (after,)


def test_states_that_grow_are_a_batch_for_each_length():
    parts = read_prefixes(Growing(), (np.zeros((5, 0), int),), PROMPTS)
    assert sorted(len(state[0][0]) for _, _, state in parts) == [1, 2, 3, 4]
    for members, logits, state in parts:
        for member, total, fed in zip(members, logits, state[0], strict=True):
            assert fed.tolist() == PROMPTS[member]
            assert total == sum(PROMPTS[member])


class InTorch:
    """The same in torch, under inference mode."""

    fixed = 0

    def __call__(self, tokens, state):
        with torch.inference_mode():
            after = state[0] * 5 + torch.from_numpy(tokens)[:, None]
            return after.float().numpy(), (after,)


@pytest.mark.parametrize("prompts", [PROMPTS, PROMPTS[:1]])
def test_states_may_be_torchs(prompts):
    ((_, _, state),) = read_prefixes(InTorch(), (torch.zeros(len(prompts), 1, dtype=torch.int64),), prompts)
    expected = [int("".join(map(str, prompt)), 5) for prompt in prompts]
    assert state[0][:, 0].tolist() == expected


def test_no_prompts_are_no_batch(toy):
    assert read_prefixes(toy(4), toy(4).start(0), []) == []


# ── To the last token, and past it ─────────────────────────────────────────────────────────────────────────


def test_prefill_and_next_logits_are_reading_one_by_one(toy):
    step = toy(6)
    given = prefill(step, step.start(1), [[1, 4, 2]])
    assert (step.steps, given.histories, given.logits) == (2, ((1, 4, 2),), None)
    read = next_logits(step, given)
    logits, state = feed(step, step.start(1), [1, 4, 2])
    np.testing.assert_array_equal(read.logits, logits)
    np.testing.assert_array_equal(read.state[0], state[0])
    assert next_logits(step, read) is read


def test_prefixes_of_one_length_are_read_side_by_side(toy):
    step = toy(6)
    given = next_logits(step, prefill(step, step.start(2), [[1, 4, 2], [3, 3, 0]]))
    assert step.steps == 3
    for row, prefix in enumerate(given.histories):
        logits, state = feed(step, step.start(1), prefix)
        np.testing.assert_array_equal(given.logits[row], logits[0])
        np.testing.assert_array_equal(given.state[0][row], state[0][0])


def test_selected_rows_are_those_named_in_that_order():
    state = np.arange(8.0).reshape(4, 2), torch.arange(4)
    array, tensor = select_rows(state, [2, 0, 2])
    assert array.tolist() == [[4, 5], [0, 1], [4, 5]]
    assert tensor.tolist() == [2, 0, 2]
    assert select_rows(state, np.array([False, True, False, True]))[1].tolist() == [1, 3]
    assert select_rows((), [0]) == ()


def test_a_repeated_stream_is_so_many_equal_ones(toy):
    step = toy(6)
    for given in (
        prefill(step, step.start(1), [[1, 2]]),
        next_logits(step, prefill(step, step.start(1), [[1, 2]])),
    ):
        three = select_streams(given, [0] * 3)
        assert three.histories == ((1, 2),) * 3
        np.testing.assert_array_equal(three.state[0], np.repeat(given.state[0], 3, axis=0))
        assert (three.logits is None) == (given.logits is None)
        if given.logits is not None:
            np.testing.assert_array_equal(three.logits, np.repeat(given.logits, 3, axis=0))


# ── Interpolated ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_blend_at_its_ends_is_the_one_or_the_other_to_the_bit(toy):
    step = toy(6)
    one, other = (prefill(step, step.start(1), [prompt]) for prompt in ([1, 2], [3, 4, 5]))
    for weight, expected in ((0.0, one), (1.0, other)):
        found, read = blend(step, one, other, weight), next_logits(step, expected)
        np.testing.assert_array_equal(found.logits, read.logits)
        np.testing.assert_array_equal(found.state[0], read.state[0])


def test_between_the_ends_the_logits_are_those_that_the_state_makes(toy):
    step = toy(6)
    one, other = (prefill(step, step.start(1), [prompt]) for prompt in ([1, 2], [3, 4, 5]))
    found = blend(step, one, other, 0.3)
    a, b = (next_logits(step, each).state[0] for each in (one, other))
    np.testing.assert_allclose(found.state[0], 0.7 * a + 0.3 * b, rtol=1e-6)
    np.testing.assert_allclose(found.logits, found.state[0] @ step.outputs, rtol=1e-4, atol=1e-5)
    assert found.histories == ((1, 2),)


def test_states_that_grow_cannot_be_blended_at_different_ages():
    logits = np.zeros((1, 3), np.float32)
    short, long = (GenerationState(((0,),), (np.zeros((1, age, 2), np.float32),), logits) for age in (2, 3))
    with pytest.raises(UsageError, match="grows with the text"):
        blend(None, short, long, 0.5)


def test_whole_numbers_in_a_state_stay_those_of_the_first_until_nothing_else_of_it_does():
    logits = np.zeros((1, 3), np.float32)
    one, other = (GenerationState(((0,),), (np.array([count]),), logits) for count in (4, 9))
    assert [blend(None, one, other, weight).state[0] for weight in (0.0, 0.7, 1.0)] == [4, 4, 9]

"""Prompts of different lengths, read side by side."""

import numpy as np
import pytest
import torch

from rnngen.decoding.prefill import read
from rnngen.decoding.sampler import feed

PROMPTS = [[1, 0, 2], [3], [0, 0], [2, 1, 3, 3], [1]]


def test_each_prompt_is_read_as_if_it_were_alone(toy):
    network = toy(4)
    ((members, logits, state),) = read(network, network.start(5), PROMPTS)
    assert network.steps == 4
    assert members.tolist() == [0, 1, 2, 3, 4]
    for row, prompt in enumerate(PROMPTS):
        expected, alone = feed(network, network.start(1), prompt)
        np.testing.assert_array_equal(logits[row], expected[0])
        np.testing.assert_array_equal(state[0][row], alone[0][0])


def test_what_is_fixed_stays_in_its_place(attentive):
    network = attentive(4)
    sources = np.array([[0, 1], [2, 3], [1, 1], [3, 0], [2, 2]])
    ((_, _, state),) = read(network, network.start(sources), PROMPTS)
    np.testing.assert_array_equal(state[0], network.start(sources)[0])


def test_prompts_of_one_length_are_one_batch_without_a_copy(toy):
    made = []

    class Watched(toy):
        def __call__(self, tokens, state):
            made.append(super().__call__(tokens, state))
            return made[-1]

    network = Watched(4)
    ((members, logits, state),) = read(network, network.start(2), [[1, 2], [3, 0]])
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
    parts = read(Growing(), (np.zeros((5, 0), int),), PROMPTS)
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
    ((_, _, state),) = read(InTorch(), (torch.zeros(len(prompts), 1, dtype=torch.int64),), prompts)
    expected = [int("".join(map(str, prompt)), 5) for prompt in prompts]
    assert state[0][:, 0].tolist() == expected


def test_no_prompts_are_no_batch(toy):
    assert read(toy(4), toy(4).start(0), []) == []

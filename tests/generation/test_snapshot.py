"""A text that was taken down and taken up again goes on as if it had never been."""

import json
from itertools import islice

import numpy as np
import pytest

from rnngen.builtins.filters.adaptive import mirostat, xtc
from rnngen.builtins.filters.options import MirostatOptions, NoRepeatOptions, XTCOptions
from rnngen.builtins.filters.penalties import no_repeat_ngram
from rnngen.decoding.generation_state import blend, read_up
from rnngen.decoding.sampler import Sampler
from rnngen.generation.snapshot import freeze, take_down, take_up, thaw

CHAINS = {
    "none": [],
    "mirostat": [mirostat(MirostatOptions(version=2, tau=2.0))],
    "xtc": [xtc(XTCOptions(probability=0.5, threshold=0.1))],
    "all": [
        no_repeat_ngram(NoRepeatOptions(n=4)),
        xtc(XTCOptions(probability=0.5, threshold=0.1)),
        mirostat(MirostatOptions(version=1, tau=2.0)),
    ],
}


def begun(step, chain, moment=None):
    moment = moment or read_up(step, step.start(1), [1, 2, 3])
    return Sampler(step, moment, CHAINS[chain], np.random.default_rng([5, 0]), forbidden=[0])


def again(step, sampler, chain):
    """Down, through JSON, and up."""
    arrays, record = take_down(sampler)
    copies = {name: array.copy() for name, array in arrays.items()}
    return take_up(step, copies, json.loads(json.dumps(record)), CHAINS[chain], forbidden=[0])


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("made", [0, 1, 7])
def test_going_on_gives_what_never_stopping_gives(toy, chain, made):
    step = toy(7, seed=1)
    whole = list(islice(begun(step, chain), 40))
    sampler = begun(step, chain)
    first = list(islice(sampler, made))
    assert first + list(islice(again(step, sampler, chain), 40 - made)) == whole


def test_taking_down_changes_nothing(toy):
    step = toy(7, seed=1)
    sampler = begun(step, "all")
    first = list(islice(sampler, 5))
    take_down(sampler)
    assert first + list(islice(sampler, 35)) == list(islice(begun(step, "all"), 40))


def test_a_blend_that_has_written_nothing_can_be_taken_down(toy):
    step = toy(7, seed=1)
    one, other = (read_up(step, step.start(1), prompt) for prompt in ([1, 2], [3, 4, 5]))
    moment = blend(step, one, other, 0.4)
    whole = list(islice(begun(step, "all", moment), 30))
    assert list(islice(again(step, begun(step, "all", moment), "all"), 30)) == whole


def test_a_torch_state_comes_back_as_torchs():
    torch = pytest.importorskip("torch")
    state = torch.arange(6.0).reshape(1, 6), torch.tensor([3])
    back = thaw(freeze(state), tuple(torch.zeros_like(one) for one in state))
    assert all(torch.equal(one, other) for one, other in zip(state, back, strict=True))


@pytest.mark.parametrize(
    "like",
    [(), (np.zeros((1, 3), np.int64),), (np.zeros((2, 3), np.float32),), (np.zeros(1, np.float32),)],
    ids=["count", "kind", "streams", "axes"],
)
def test_a_state_that_does_not_fit_is_refused(like):
    with pytest.raises(ValueError, match="array"):
        thaw(freeze((np.zeros((1, 3), np.float32),)), like)

"""Steps that are recorded and replayed: the same as steps that are not, whatever becomes of the batch."""

import numpy as np
import pytest
import torch
from torch import nn

from rnngen.builtins.seq2seq.options import Seq2SeqOptions
from rnngen.builtins.seq2seq.torch import seq2seq
from rnngen.contracts import NO_TOKEN, Blueprint
from rnngen.inference.torch_model import PATIENCE, CapturedStep, TorchStep
from rnngen.nn.heads import TorchModuleFactory
from rnngen.nn.network import RecurrentNetwork
from rnngen.options.model import NetworkOptions
from rnngen.registry import Registry
from rnngen.registry.components import choose

V = 13


class Rerun:
    """Records by doing it again, into the same tensor: what a graph does, without one."""

    def __init__(self):
        self.recorded = self.replayed = 0

    def __call__(self, work):
        result = work().clone()
        self.recorded += 1

        def replay():
            self.replayed += 1
            result.copy_(work())

        return replay, result


def network_of(cell="lstm", layers=2):
    part = choose(Registry(), {"cell": cell}, {})["cell"]
    torch.manual_seed(3)
    return RecurrentNetwork(V, NetworkOptions(hidden=7, layers=layers), part.build).eval()


def captured_and_plain(network):
    recorder = Rerun()
    plain, step = TorchStep(network), TorchStep(network)
    step.captured = CapturedStep(network, recorder)
    return step, plain, recorder


def drawn(count, rows):
    return np.random.default_rng(5).integers(V, size=(count, rows))


def follow(step, plain, state, other, columns):
    """Both read the same tokens; the states after."""
    for column in columns:
        logits, state = step(column, state)
        expected, other = plain(column, other)
        np.testing.assert_allclose(logits, expected, atol=1e-5)
    for array, same in zip(state, other, strict=True):
        torch.testing.assert_close(array, same, atol=1e-5, rtol=0)
    return state, other


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("rows", [1, 5])
def test_steps_of_one_shape_are_recorded_once_and_are_the_same(cell, rows):
    step, plain, recorder = captured_and_plain(network_of(cell))
    follow(step, plain, step.start(rows), plain.start(rows), drawn(PATIENCE + 20, rows))
    assert (recorder.recorded, recorder.replayed) == (1, 20)


def test_a_batch_that_shrinks_is_served_down_to_half_and_then_anew():
    step, plain, recorder = captured_and_plain(network_of())
    both = follow(step, plain, step.start(8), plain.start(8), drawn(PATIENCE + 3, 8))
    for rows, recordings in ((7, 1), (5, 1), (4, 2), (3, 2), (1, 3)):
        both = [tuple(array[-rows:] for array in state) for state in both]
        both = follow(step, plain, *both, drawn(PATIENCE + 3, rows))
        assert recorder.recorded == recordings


def test_a_batch_that_grows_is_recorded_anew():
    step, plain, recorder = captured_and_plain(network_of())
    for rows in (3, 4):
        follow(step, plain, step.start(rows), plain.start(rows), drawn(PATIENCE + 3, rows))
    assert recorder.recorded == 2


def test_a_state_stays_what_it_was_and_can_be_gone_on_from_again():
    step, plain, _ = captured_and_plain(network_of())
    state, other = follow(step, plain, step.start(4), plain.start(4), drawn(PATIENCE + 3, 4))
    kept = [array.clone() for array in state]
    follow(step, plain, state, other, drawn(5, 4))
    for array, before in zip(state, kept, strict=True):
        assert torch.equal(array, before)
    follow(step, plain, state, other, drawn(7, 4))
    rows = [2, 2, 0, 1]
    reordered = [tuple(array[rows] for array in one) for one in (state, other)]
    follow(step, plain, *reordered, drawn(7, 4))


def test_another_text_may_begin_between_two_steps():
    step, plain, _ = captured_and_plain(network_of())
    state, other = follow(step, plain, step.start(2), plain.start(2), drawn(PATIENCE + 3, 2))
    follow(step, plain, step.start(2), plain.start(2), drawn(4, 2))
    follow(step, plain, state, other, drawn(4, 2))


def test_weights_that_change_meanwhile_count():
    network = network_of()
    step, plain, _ = captured_and_plain(network)
    state, other = follow(step, plain, step.start(2), plain.start(2), drawn(PATIENCE + 3, 2))
    with torch.no_grad():
        network.head.bias.add_(1.0)
    follow(step, plain, state, other, drawn(4, 2))


@pytest.mark.parametrize("options", [{}, {"input_feeding": True, "copying": True}], ids=str)
def test_what_is_written_about_sources_is_recorded_too(options):
    part = choose(Registry(), {"cell": "seq2seq"}, {})["cell"]
    sizes = {"vocabulary": V, "source_vocabulary": V, "shared": True, "tied": False, "dropout": 0.0}
    plan = Blueprint(**sizes, hidden=7, layers=1, embed=5, source_embed=5, parts=part.parts)
    network = seq2seq(plan, TorchModuleFactory(V, 0.0), Seq2SeqOptions(**options)).eval()
    step, plain, recorder = captured_and_plain(network)
    sources = [np.array([[1, 2, 3, 0], [4, 0, NO_TOKEN, NO_TOKEN]]), np.array([[5, 6, 7, 0], [8, 9, 3, 0]])]
    for source in sources:
        state, other = follow(step, plain, step.start(source), plain.start(source), drawn(PATIENCE + 4, 2))
        np.testing.assert_allclose(step.attended(state), plain.attended(other), atol=1e-5)
    assert recorder.recorded == 1


class Strange(nn.Module):
    """A network that remembers tokens, as ``following`` says."""

    fixed = 0

    def __init__(self, following):
        super().__init__()
        self.embedding = nn.Embedding(V, V)
        self.following = following

    def start(self, batch):
        return torch.zeros(batch, V), torch.ones(batch, V)

    def forward(self, tokens, state):
        x = self.embedding(tokens)
        return x + sum(one.sum(-1) for one in state)[:, None, None], self.following(x[:, 0], state)


def test_a_state_whose_arrays_move_on_is_not_overwritten_while_it_is_read():
    network = Strange(lambda x, state: (x, state[0]))
    step, plain, recorder = captured_and_plain(network)
    follow(step, plain, step.start(3), plain.start(3), drawn(PATIENCE + 9, 3))
    assert recorder.recorded == 1


def test_a_state_that_grows_is_never_recorded():
    network = Strange(lambda x, state: (x, torch.cat([state[1], x], dim=1)))
    step, plain, recorder = captured_and_plain(network)
    follow(step, plain, step.start(3), plain.start(3), drawn(3 * PATIENCE, 3))
    assert recorder.recorded == 0


def test_a_step_that_would_grow_its_buffers_is_not_recorded():
    network = Strange(lambda x, state: (x, torch.cat([state[1], x], dim=1)))
    step, plain, recorder = captured_and_plain(network)
    for column in drawn(3 * PATIENCE, 3):
        follow(step, plain, step.start(3), plain.start(3), [column])
    assert recorder.recorded == 0


def test_what_cannot_be_recorded_goes_on_as_it_is_and_is_not_tried_again():
    network, tries = network_of(), []
    step, plain, _ = captured_and_plain(network)

    def failing(work):
        tries.append(work)
        raise RuntimeError("it waits for the device")

    step.captured.recorder = failing
    follow(step, plain, step.start(3), plain.start(3), drawn(3 * PATIENCE, 3))
    assert len(tries) == 1


def test_only_steps_on_cuda_are_recorded():
    assert TorchStep(network_of()).captured is None


@pytest.mark.cuda
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_cuda_graph_gives_what_its_network_gives(cell):
    network = network_of(cell).to("cuda")
    step, plain = TorchStep(network), TorchStep(network)
    plain.captured = None
    both = follow(step, plain, step.start(8), plain.start(8), drawn(PATIENCE + 20, 8))
    assert step.captured.recording is not None
    both = [tuple(array[:5] for array in state) for state in both]
    follow(step, plain, *both, drawn(20, 5))

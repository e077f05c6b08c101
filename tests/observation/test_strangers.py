"""Anybody's network is seen: one without layers or chunks, whose state grows or holds whole numbers."""

import math

import numpy as np
import pytest
import torch
from fixtures.toys import Toy

from rnngen.builtins.cells.gru.torch import GRU
from rnngen.builtins.cells.options import GRUOptions
from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.errors import UsageError
from rnngen.generation.generator import Generator
from rnngen.inference.torch_model import TorchStep
from rnngen.nn.network import RecurrentNetwork
from rnngen.observation.gates import observe_gates
from rnngen.observation.neurons import observe
from rnngen.observation.reading import Text
from rnngen.observation.surprise import surprise
from rnngen.options.model import NetworkOptions
from rnngen.registry.components import Tokenizers

TEXT = "a cät,\nשלום 中"


class Hoarder(Toy):
    """Keeps every token beside its output, and how many there were."""

    def start(self, batch):
        return (*super().start(batch), np.zeros((batch, 0), np.float32), np.zeros((batch, 1), np.int64))

    def __call__(self, tokens, state):
        logits, after = super().__call__(tokens, state[:1])
        kept = np.append(state[1], tokens[:, None].astype(np.float32), axis=1)
        return logits, (*after, kept, state[2] + 1)


def generator_of(network):
    tokenizer = ByteTokenizer()
    return Generator(network, Tokenizers(tokenizer, tokenizer), has_eos=False, default_prompt="a")


@pytest.mark.parametrize(("kind", "left_out"), [(Toy, 0), (Hoarder, 2)])
def test_units_and_surprisal_of_any_network(kind, left_out):
    generator = generator_of(kind(257))
    found = surprise(generator, [Text(TEXT)])
    assert found.bits["network"].sum() == pytest.approx(-generator.score(TEXT)[0] / math.log(2), rel=1e-4)
    assert [piece.text for piece in found.pieces] == list(TEXT)
    units = observe(generator, [Text(TEXT)])
    assert units.places == ("array 1, number 1", "array 1, number 2", "array 1, number 3")
    assert units.left_out == left_out
    assert units.values.shape == (len(TEXT), 3)


def test_a_network_that_runs_on_torch_is_seen_too():
    torch.manual_seed(0)
    made = RecurrentNetwork(257, NetworkOptions(hidden=4), lambda i, h: GRU(i, h, GRUOptions()))
    units = observe(generator_of(TorchStep(made.eval())), [Text("abcd")])
    assert units.values.shape == (4, 4)
    assert np.isfinite(units.values).all()


def test_its_gates_are_not_there_and_the_error_says_what_is():
    with pytest.raises(UsageError, match="look neurons"):
        observe_gates(generator_of(Toy(257)), Text("abc"), "toy")

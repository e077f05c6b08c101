"""An encoder-decoder with weights in 8 bits: all matrices that its parts have, and nothing else."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from rnngen.builtins.attention import rnngen_attentions
from rnngen.contracts import NO_TOKEN, Blueprint
from rnngen.errors import UsageError
from rnngen.inference.quantized import QuantizedStep, quantize
from rnngen.matrices import Int8Matrix
from rnngen.nn.heads import TorchModuleFactory
from rnngen.registry import Registry
from rnngen.registry.components import choose

V = 19
ATTENTIONS = [spec.name for spec in rnngen_attentions()]
SOURCE = np.array([[1, 2, 3, 4, 5, 0], [6, 7, 0, *[NO_TOKEN] * 3], [8, 9, 10, 11, 0, NO_TOKEN]])
needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not there (rnngen[fast])")


def step_of(layers=2, hidden=24, **options):
    """A step of an encoder-decoder whose weights are those that training begins with."""
    part = choose(Registry(), {"cell": "seq2seq"}, options)["cell"]
    sizes = {"vocabulary": V, "source_vocabulary": V, "shared": True, "tied": False, "dropout": 0.0}
    plan = Blueprint(
        **sizes, hidden=hidden, layers=layers, embed=hidden, source_embed=hidden, parts=part.parts
    )
    torch.manual_seed(3)
    network = part.build(plan, TorchModuleFactory(V, 0.0))
    weights = {name: array.numpy().copy() for name, array in network.state_dict().items()}
    return part.numpy(weights, "", plan)


def read(step, count=12):
    """The logits (T,B,V) after each of some tokens about the sources."""
    tokens = np.random.default_rng(5).integers(V, size=(count, len(SOURCE)))
    state, found = step.start(SOURCE), []
    for column in tokens:
        logits, state = step(column, state)
        found.append(logits)
    return np.stack(found)


def in_8_bits(**options):
    step = step_of(**options)
    quantize(step, "int8")
    return QuantizedStep(step)


def options_of(attention):
    return {"attention": attention, "bidirectional": "false" if attention == "dot" else "true"}


@needs_numba
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_it_computes_what_a_step_with_the_rounded_weights_does(attention):
    def rounded(weights):
        held = Int8Matrix(weights)
        return held.weights

    other = step_of(**options_of(attention))
    other.quantize(rounded)
    np.testing.assert_allclose(read(in_8_bits(**options_of(attention))), read(other), atol=1e-4)


@pytest.mark.slow
@needs_numba
@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("more", [{}, {"input_feeding": "true", "bridge": "copy"}], ids=str)
def test_logits_are_off_by_a_thirtieth_of_their_spread(attention, more):
    options = {**options_of(attention), **more}
    if attention in ("dot", "none") and more:
        options["bidirectional"] = "false"
    full, held = read(step_of(**options)), read(in_8_bits(**options))
    assert 0 < np.sqrt(np.square(held - full).mean()) < full.std() / 30


@pytest.mark.parametrize(
    ("attention", "own"),
    [
        ("none", 0),
        ("dot", 0),
        ("general", 1),
        ("additive", 2),
        ("coverage", 2),
        ("multihead", 4),
        ("local", 2),
    ],
)
def test_every_matrix_of_every_part_is_replaced_once(attention, own):
    """Two of each layer, one layer in the decoder and one a direction; two maps, and the last two."""
    made = []
    options = options_of(attention)
    step = step_of(layers=1, **options)
    step.quantize(lambda weights: made.append(weights) or weights)
    directions = 1 if options["bidirectional"] == "false" else 2
    assert len(made) == 2 * (1 + directions) + 2 + 2 + own
    assert len({id(one) for one in made}) == len(made)
    assert all(one.ndim == 2 for one in made)


@needs_numba
def test_not_a_bit_of_an_answer_in_8_bits_depends_on_the_sources_beside_it():
    step, token = in_8_bits(attention="none", bridge="copy"), np.array([4])
    together, _ = step(np.repeat(token, len(SOURCE)), step.start(SOURCE))
    for row, logits in zip(SOURCE, together, strict=True):
        alone, _ = step(token, step.start(row[None, row != NO_TOKEN]))
        np.testing.assert_array_equal(alone[0], logits)


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_a_layer_that_cannot_be_quantised_is_refused_before_any_is(side):
    class Stubborn:
        initial_state, advance = None, None

    step = step_of()
    first = step.encoder.layers[0][0]
    if side == "encoder":
        step.encoder.layers[1][1] = Stubborn()
    else:
        step.layers[1] = Stubborn()
    with pytest.raises(UsageError, match=r"Stubborn.* leave --quantize out"):
        quantize(step, "int8")
    assert isinstance(first.recurrent.matrix, np.ndarray)
    assert isinstance(step.head, np.ndarray)


@needs_numba
def test_an_attention_without_the_method_keeps_its_matrices():
    class Plain:
        def __init__(self, step):
            self.prepare, self.initial_state, self.ask = step.prepare, step.initial_state, step.__call__

        def __call__(self, query, prepared, state):
            return self.ask(query, prepared, state)

    step = step_of(attention="additive")
    step.attention = Plain(step.attention)
    quantize(step, "int8")
    assert np.isfinite(read(step)).all()
    assert isinstance(step.head, Int8Matrix)

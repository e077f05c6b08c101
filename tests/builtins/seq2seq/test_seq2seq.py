"""The encoder-decoder: torch and NumPy are one function, of any cells and attentions; its options work."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rnngen import builtins
from rnngen.builtins.attention import rnngen_attentions
from rnngen.contracts import NO_TOKEN, CellSpec, FeatureNetwork, FeatureStep, NetworkSpec
from rnngen.errors import UsageError
from rnngen.inference.torch_model import torch_step
from rnngen.testing import check_network

CELLS = {spec.name: spec for spec in builtins.rnngen_cells() if not isinstance(spec, NetworkSpec)}
SEQ2SEQ = next(spec for spec in builtins.rnngen_cells() if isinstance(spec, NetworkSpec))
ATTENTIONS = {spec.name: spec for spec in rnngen_attentions()}
PARTS = [*CELLS.values(), *ATTENTIONS.values()]
CELL_OF = dict(zip(ATTENTIONS, ["lstm", "gru", "rnn"] * len(ATTENTIONS), strict=False))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def check(*parts, shared=False, tied=False, **options):
    check_network(SEQ2SEQ, *PARTS, *parts, shared=shared, tied=tied, **options)


# ── torch and NumPy are one function ───────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_every_attention_goes_with_a_decoder_of_some_cell(attention):
    both = "false" if attention == "dot" else "true"  # dot needs a memory of the decoder's size
    check(encoder="gru", decoder=CELL_OF[attention], attention=attention, bidirectional=both)


@pytest.mark.parametrize("attention", ["general", "coverage", "monotonic", "multihead"])
def test_every_kind_of_attention_goes_with_input_feeding_and_one_direction(attention):
    check(encoder="rnn", decoder="lstm", attention=attention, bidirectional="false", input_feeding="true")


@pytest.mark.slow
@pytest.mark.parametrize("bridge", ["dense", "copy", "none"])
@pytest.mark.parametrize("bidirectional", ["true", "false"])
def test_every_bridge_in_one_direction_and_in_both(bridge, bidirectional):
    check(bridge=bridge, bidirectional=bidirectional)


@pytest.mark.parametrize("bridge", ["dense", "copy"])
def test_without_attention_all_that_was_read_comes_over_the_bridge(bridge):
    check(attention="none", bridge=bridge)


@pytest.mark.parametrize("layers", ["1", "3"])
def test_the_encoder_may_have_other_layers_than_the_decoder(layers):
    check(encoder_layers=layers)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("copying", ["true", "false"])
def test_embeddings_may_be_tied_and_shared(shared, tied, copying):
    if copying == "true" and not shared:
        return
    check(shared=shared, tied=tied, copying=copying, decoder="gru")


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["coverage", "local", "monotonic"])
@pytest.mark.parametrize("input_feeding", ["true", "false"])
def test_copying_goes_with_attentions_that_remember(attention, input_feeding):
    check(shared=True, attention=attention, copying="true", input_feeding=input_feeding, coverage_loss="1")


def test_parts_take_options_of_their_own():
    check(encoder="rnn;activation=relu", decoder="lstm;forget_bias=0", attention="multihead;heads=2")


# ── plugins' cells ─────────────────────────────────────────────────────────────────────────────────────────


class Strict(torch.nn.Module):
    """An Elman cell that takes no state but what its contract says: float32 throughout."""

    def __init__(self, inputs, hidden, options):
        super().__init__()
        self.both = torch.nn.Linear(inputs + hidden, hidden)

    def initial_state(self, batch):
        return (self.both.weight.new_zeros(batch, len(self.both.weight)),)

    def forward(self, x, state):
        (h,), outputs = state, []
        assert h.dtype == torch.float32, h.dtype
        for t in range(x.shape[1]):
            h = torch.tanh(self.both(torch.cat([x[:, t], h], dim=-1)))
            outputs.append(h)
        return torch.stack(outputs, dim=1), (h,)


class Matrix(torch.nn.Module):
    """Fast weights: the state is a matrix (B,H,H), written with v kᵀ and read with q."""

    def __init__(self, inputs, hidden, options):
        super().__init__()
        self.qkv = torch.nn.Linear(inputs, 3 * hidden)

    def initial_state(self, batch):
        hidden = len(self.qkv.weight) // 3
        return (self.qkv.weight.new_zeros(batch, hidden, hidden),)

    def forward(self, x, state):
        memory, outputs = state[0], []
        for t in range(x.shape[1]):
            q, k, v = self.qkv(x[:, t]).chunk(3, dim=-1)
            memory = 0.9 * memory + v[:, :, None] * k[:, None]
            outputs.append((memory @ q[:, :, None]).squeeze(-1))
        return torch.stack(outputs, dim=1), (memory,)


class MatrixStep:
    def __init__(self, weights, options):
        self.weight, self.bias = weights["qkv.weight"], weights["qkv.bias"]
        self.hidden = len(self.bias) // 3

    def initial_state(self, batch):
        return (np.zeros((batch, self.hidden, self.hidden), np.float32),)

    def project(self, x):
        return x @ self.weight.T + self.bias

    def advance(self, projected, state):
        q, k, v = np.split(projected, 3, axis=1)
        memory = np.float32(0.9) * state[0] + v[:, :, None] * k[:, None]
        return np.einsum("bij,bj->bi", memory, q), (memory,)


STRICT = CellSpec(name="strict", summary="Elman's, strictly", load=f"{__name__}:Strict")
MATRIX = CellSpec(
    name="matrix", summary="fast weights", load=f"{__name__}:Matrix", numpy=f"{__name__}:MatrixStep"
)


@pytest.mark.parametrize("input_feeding", ["true", "false"])
@pytest.mark.parametrize("bridge", ["dense", "copy"])
def test_layers_are_given_float32_states_under_autocast_too(bridge, input_feeding):
    check(STRICT, encoder="strict", decoder="strict", bridge=bridge, input_feeding=input_feeding)


@pytest.mark.parametrize("bridge", ["dense", "copy", "none"])
@pytest.mark.parametrize("encoder", ["matrix", "lstm"])
def test_a_matrix_for_a_state_goes_over_every_bridge(bridge, encoder):
    if bridge == "copy" and encoder == "lstm":
        return
    check(MATRIX, encoder=encoder, decoder="matrix", bridge=bridge)


def test_a_matrix_in_the_encoder_leaves_the_decoder_its_vectors():
    check(MATRIX, encoder="matrix", decoder="lstm")


# ── what is refused ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("shared", "options", "said"),
    [
        (False, {"copying": "true"}, "--shared-vocabulary"),
        (True, {"copying": "true", "attention": "none"}, "attention=none"),
        (False, {"bridge": "none", "attention": "none"}, "nothing of the source"),
        (False, {"bridge": "copy", "encoder": "gru"}, "bridge=dense"),
        (False, {"bridge": "copy", "encoder_layers": "1"}, "as many layers"),
        (False, {"attention": "dot"}, "bidirectional=false"),
        (False, {"encoder_layers": "0"}, "at least 1"),
        (False, {"coverage_loss": "-1"}, "0 or more"),
        (False, {"coverage_loss": "1", "attention": "none"}, "cannot go with attention=none"),
    ],
)
def test_options_that_do_not_go_together_are_refused(shared, options, said):
    with pytest.raises(UsageError, match=said):
        check(shared=shared, **options)


# ── what the papers say, read a second time ────────────────────────────────────────────────────────────────


class Reference:
    """Luong's decoder over a GRU, and See's copying, one row in float64, written from the papers."""

    def __init__(self, weights, *, copying):
        self.w = {name: array.double() for name, array in weights.items()}
        self.copying = copying

    def linear(self, name, x):
        bias = self.w.get(f"{name}.bias")
        return x @ self.w[f"{name}.weight"].T + (0 if bias is None else bias)

    def gru(self, name, x, h):
        w = {key: self.w[f"{name}.rnn.{key}_l0"] for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        ir, iz, in_ = (w["weight_ih"] @ x + w["bias_ih"]).chunk(3)
        hr, hz, hn = (w["weight_hh"] @ h + w["bias_hh"]).chunk(3)
        r, z = torch.sigmoid(ir + hr), torch.sigmoid(iz + hz)
        return (1 - z) * torch.tanh(in_ + r * hn) + z * h

    def encode(self, source):
        hidden = self.w["combine.weight"].shape[0]
        x = [self.w["source_embedding.weight"][token] for token in source]
        sides = []
        for way, order in (("forth", x), ("back", x[::-1])):
            h, outputs = torch.zeros(hidden).double(), []
            for one in order:
                h = self.gru(f"encoder.{way}.0", one, h)
                outputs.append(h)
            sides.append(outputs)
        last = torch.cat([sides[0][-1], sides[1][-1]])
        return torch.stack([torch.cat(pair) for pair in zip(sides[0], sides[1][::-1], strict=True)]), last

    def __call__(self, source, tokens):
        """The log-probabilities after each token, and the weights."""
        memory, last = self.encode(source)
        h = torch.tanh(self.linear("bridge.maps.0", last))
        z, found, looks = torch.zeros(len(h)).double(), [], []
        for token in tokens:
            x = torch.cat([self.w["embedding.weight"][token], z])  # input feeding
            h = self.gru("layers.0", x, h)
            look = torch.softmax((memory @ self.w["attention.memory.weight"].T) @ h, dim=0)
            context = look @ memory
            z = torch.tanh(self.linear("combine", torch.cat([h, context])))
            chances = torch.softmax(self.linear("head", z), dim=0)
            if self.copying:
                chances = self.mixed(chances, look, source, torch.cat([context, h, x]))
            found.append(chances.log())
            looks.append(look)
        return torch.stack(found), torch.stack(looks)

    def mixed(self, chances, look, source, about):
        write = torch.sigmoid(self.linear("copying", about))
        copied = torch.zeros_like(chances)
        for token, weight in zip(source, look, strict=True):
            copied[token] += weight
        return write * chances + (1 - write) * copied


HIDDEN, VOCABULARY = 6, 9
SOURCE = [4, 2, 4, 7, 0]
TOKENS = [0, 4, 4, 3, 7, 2]


def network(**options):
    """A small GRU network with input feeding and a shared vocabulary, its parameters drawn at random."""
    from rnngen.builtins.seq2seq.options import Seq2SeqOptions
    from rnngen.builtins.seq2seq.torch import seq2seq
    from rnngen.nn.heads import TorchModuleFactory
    from rnngen.testing.networks import component, small_blueprint

    chosen = Seq2SeqOptions(encoder="gru", decoder="gru", input_feeding=True, **options)
    makers = {name: component(kind, getattr(chosen, name), PARTS) for name, kind in SEQ2SEQ.parts.items()}
    size = replace(
        small_blueprint(makers, shared=True, tied=False), hidden=HIDDEN, layers=1, vocabulary=VOCABULARY
    )
    torch.manual_seed(7)
    made = seq2seq(replace(size, source_vocabulary=VOCABULARY), TorchModuleFactory(VOCABULARY, 0.0), chosen)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return made


def padded(source, width=8):
    return torch.tensor([source + [NO_TOKEN] * (width - len(source))])


@pytest.mark.parametrize("copying", [True, False])
def test_the_network_computes_what_luong_and_see_say(copying):
    made = network(copying=copying).eval()
    with torch.no_grad():
        logits, _ = made(torch.tensor([TOKENS]), made.start(padded(SOURCE)))
    expected, _ = Reference(made.state_dict(), copying=copying)(SOURCE, TOKENS)
    torch.testing.assert_close(logits[0].log_softmax(-1).double(), expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("copying", [True, False])
def test_features_are_a_capability_of_networks_that_do_not_copy(copying):
    made = network(copying=copying)
    assert isinstance(made, FeatureNetwork) is not copying
    assert isinstance(torch_step(made), FeatureStep) is not copying


def test_with_copying_logits_are_log_probabilities_that_sum_to_one():
    made = network(copying=True).eval()
    with torch.no_grad():
        logits, _ = made(torch.tensor([TOKENS]), made.start(padded(SOURCE)))
    torch.testing.assert_close(logits.exp().sum(-1), torch.ones(1, len(TOKENS)), atol=1e-5, rtol=0)


def test_the_loss_is_that_of_the_reference_and_coverage_is_punished_in_training_alone():
    targets = torch.tensor([[*TOKENS[1:-2], -100, -100]])
    tokens = torch.tensor([TOKENS[:-1]])
    strong = 1.7
    made = network(copying=True, coverage_loss=strong)
    found, looks = Reference(made.state_dict(), copying=True)(SOURCE, TOKENS[:-1])
    plain = -sum(float(found[t, token]) for t, token in enumerate(targets[0].tolist()) if token >= 0)
    covered = torch.stack([looks[:t].sum(0) for t in range(len(looks))])
    overlap = float(torch.minimum(looks, covered).sum(-1)[targets[0] >= 0].sum())
    with torch.no_grad():
        in_evaluation, _ = made.eval().nll(tokens, targets, made.start(padded(SOURCE)))
        in_training, _ = made.train().nll(tokens, targets, made.start(padded(SOURCE)))
    assert float(in_evaluation) == pytest.approx(plain, rel=1e-5)
    assert float(in_training) == pytest.approx(plain + strong * overlap, rel=1e-5)


# ── the suite itself ───────────────────────────────────────────────────────────────────────────────────────


class LouderStep(MatrixStep):
    def project(self, x):
        return 1.01 * super().project(x)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_the_suite_catches_a_step_that_differs(part):
    with pytest.raises(AssertionError, match="NumPy step's logits 0 differ"):
        check(replace(MATRIX, numpy=f"{__name__}:LouderStep"), **{part: "matrix"})


class Blind(torch.nn.Module):
    """An attention that looks at padding like at anything else."""

    def __init__(self, query, memory, options):
        super().__init__()
        self.size = memory

    def prepare(self, memory, mask):
        return (memory,)

    def initial_state(self, mask):
        return ()

    def forward(self, query, prepared, state):
        memory = prepared[0]
        weights = memory.new_full((len(memory), query.shape[1], memory.shape[1]), 1 / memory.shape[1])
        return weights @ memory, weights, state


def test_the_suite_catches_a_network_that_looks_at_padding():
    blind = replace(ATTENTIONS["general"], name="blind", load=f"{__name__}:Blind", numpy=None)
    with pytest.raises(AssertionError, match="padding"):
        check(blind, attention="blind")

"""The attentions keep their contract, and each computes what its paper says."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import rnngen.builtins.attention.torch as additive
from rnngen.builtins import rnngen_attentions
from rnngen.builtins.attention.torch import expected_weights
from rnngen.contracts import imported
from rnngen.errors import UsageError
from rnngen.options import build
from rnngen.testing import check_attention

SPECS = {spec.name: spec for spec in rnngen_attentions()}
OPTIONS = [
    *((name, {}) for name in SPECS),
    ("additive", {"size": "3"}),
    ("scaled-dot", {"size": "12"}),
    ("multihead", {"heads": "1"}),
    ("multihead", {"heads": "3", "size": "6"}),
    ("location", {"width": "3", "filters": "2", "past": "sum"}),
    ("location", {"size": "5", "width": "1"}),
    ("local", {"window": "1"}),
    ("local", {"window": "2"}),
    ("monotonic", {"size": "3", "bias": "-4"}),
]
QUERY, MEMORY, LENGTHS, TIME = 4, 6, (6, 4, 0), 3


def made(name, query=QUERY, memory=MEMORY, **options):
    """An attention in float64 whose parameters, biases too, are drawn at random."""
    torch.manual_seed(3)
    spec = SPECS[name]
    attention = imported(spec.load)(query, memory, build(spec.options, options, owner=name)).double()
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    return attention


def asked(attention, query, memory, mask):
    return attention(query, attention.prepare(memory, mask), attention.initial_state(mask))


@pytest.fixture
def sources():
    """Queries, memory and mask, in float64; the last row has no token."""
    generator = torch.Generator().manual_seed(5)
    query = torch.randn(len(LENGTHS), TIME, QUERY, generator=generator, dtype=torch.float64)
    memory = torch.randn(len(LENGTHS), max(LENGTHS), MEMORY, generator=generator, dtype=torch.float64)
    return query, memory, torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_masks_hold_and_whole_equals_step_by_step_equals_numpy_step(name, options):
    check_attention(SPECS[name], **options)


# ── the papers' equations, a row and a query at a time ─────────────────────────────────────────────────────


def parameters(attention):
    return {name: p.detach().numpy() for name, p in attention.named_parameters()}


def softmax(scores):
    powers = [math.exp(score) for score in scores]
    return np.array([power / sum(powers) for power in powers])


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


def additive_paper(p, q, m, past):
    return softmax([p["v.weight"][0] @ np.tanh(p["query.weight"] @ q + p["memory.weight"] @ i) for i in m])


def dot_paper(p, q, m, past):
    return softmax([q @ i for i in m])


def general_paper(p, q, m, past):
    return softmax([q @ p["memory.weight"] @ i for i in m])


def concat_paper(p, q, m, past):
    return softmax([p["v.weight"][0] @ np.tanh(p["both.weight"] @ np.concatenate([q, i])) for i in m])


def location_paper(p, q, m, past):
    filters = p["convolution.weight"]  # (F,width)
    reach = filters.shape[1] // 2
    last = past[-1] if past else np.zeros(len(m))
    scores = []
    for i in range(len(m)):
        f = sum(filters[:, k + reach] * last[i + k] for k in range(-reach, reach + 1) if 0 <= i + k < len(m))
        a = p["query.weight"] @ q + p["memory.weight"] @ m[i] + p["place.weight"] @ f + p["memory.bias"]
        scores.append(p["v.weight"][0] @ np.tanh(a))
    return softmax(scores)


def coverage_paper(p, q, m, past):
    covered = sum(past, np.zeros(len(m)))
    scores = []
    for i in range(len(m)):
        a = p["query.weight"] @ q + p["memory.weight"] @ m[i] + p["memory.bias"]
        scores.append(p["v.weight"][0] @ np.tanh(a + p["cover.weight"][:, 0] * covered[i]))
    return softmax(scores)


def local_paper(p, q, m, past, window=2):
    centre = len(m) * sigmoid(p["v.weight"][0] @ np.tanh(p["place.weight"] @ q))
    product = softmax([q @ p["memory.weight"] @ i for i in m])
    for i in range(len(m)):
        near = abs(i - centre) <= window
        product[i] *= near * math.exp(-((i - centre) ** 2) / (2 * (window / 2) ** 2))
    return product / product.sum()


def monotonic_paper(p, q, m, past):
    """Raffel et al. 2017, eq. 8: α_ij = p_ij Σ_k α_(i−1)k Π_(l=k)^(j−1) (1 − p_il); the rest to the last."""
    v, chance = p["v.weight"][0], []
    for i in m:
        a = np.tanh(p["query.weight"] @ q + p["memory.weight"] @ i + p["memory.bias"])
        chance.append(sigmoid(p["gain"][0] * v @ a / np.linalg.norm(v) + p["bias"][0]))
    before = past[-1] if past else np.eye(len(m))[0]
    weights = np.array(
        [
            chance[j] * sum(before[k] * math.prod(1 - c for c in chance[k:j]) for k in range(j + 1))
            for j in range(len(m))
        ]
    )
    weights[-1] += 1 - weights.sum()
    return weights


@pytest.mark.parametrize(
    ("name", "options", "paper"),
    [
        ("additive", {"size": "5"}, additive_paper),
        ("dot", {}, dot_paper),
        ("general", {}, general_paper),
        ("concat", {}, concat_paper),
        ("location", {"width": "3", "filters": "2"}, location_paper),
        ("coverage", {}, coverage_paper),
        ("local", {"window": "2"}, local_paper),
        ("monotonic", {}, monotonic_paper),
    ],
)
def test_follows_the_papers_equations(name, options, paper, sources):
    query, memory, mask = sources
    query = memory[:, :TIME] if name == "dot" else query
    attention = made(name, query.shape[2], **options)
    contexts, weights, _ = asked(attention, query, memory, mask)
    p = parameters(attention)
    for row, length in enumerate(LENGTHS[:2]):
        m, past = memory[row, :length].numpy(), []
        for t in range(TIME):
            past.append(paper(p, query[row, t].numpy(), m, past))
            np.testing.assert_allclose(weights[row, t, :length].detach(), past[t], rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(contexts[row, t].detach(), past[t] @ m, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "heads"), [("scaled-dot", 1), ("multihead", 2)])
def test_heads_look_each_for_itself_and_their_mean_is_shown(name, heads, sources):
    query, memory, mask = sources
    attention = made(name, **({"heads": str(heads)} if heads > 1 else {}))
    contexts, weights, _ = asked(attention, query, memory, mask)
    p = parameters(attention)
    for row, length in enumerate(LENGTHS[:2]):
        m = memory[row, :length].numpy()
        looked, found = [], []
        for share in np.split(np.arange(QUERY), heads):
            q = p["query.weight"][share] @ query[row, 0].numpy()
            looked.append(softmax([q @ p["key.weight"][share] @ i / math.sqrt(len(share)) for i in m]))
            found.append(looked[-1] @ m @ p["value.weight"][share].T)
        context = np.concatenate(found)
        context = p["out.weight"] @ context if heads > 1 else context
        np.testing.assert_allclose(weights[row, 0, :length].detach(), np.mean(looked, axis=0), rtol=1e-9)
        np.testing.assert_allclose(contexts[row, 0].detach(), context, rtol=1e-9)


def test_location_by_the_sum_sees_all_that_it_looked_at(sources):
    query, memory, mask = sources
    attention = made("location", past="sum")
    _, weights, (past,) = asked(attention, query, memory, mask)
    torch.testing.assert_close(past, weights.sum(dim=1))


def test_none_looks_nowhere(sources):
    query, memory, mask = sources
    contexts, weights, _ = asked(made("none"), query, memory, mask)
    assert contexts.shape == (*query.shape[:2], 0)
    assert not weights.any()


# ── gradients, masks, precision ────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SPECS if name != "none"])
def test_gradients_are_those_of_the_function(name):
    length = torch.tensor([[3], [2], [0]])
    mask = torch.arange(3) < length
    attention = made(name, 2, 2, **({"heads": "2"} if name == "multihead" else {}))
    query, memory = (torch.randn(3, 2 + i, 2, dtype=torch.float64, requires_grad=True) for i in (0, 1))
    given = (query, memory, *attention.parameters())
    assert torch.autograd.gradcheck(lambda q, m, *_: asked(attention, q, m, mask)[:2], given)


@pytest.mark.parametrize("name", SPECS)
def test_a_row_without_tokens_gives_zeros_and_harmless_gradients(name, sources):
    query, memory, mask = sources
    query = memory[:, :TIME] if name == "dot" else query
    memory = memory.masked_fill(~mask[:, :, None], math.nan).requires_grad_()
    attention = made(name, query.shape[2])
    contexts, weights, _ = asked(attention, query, memory, mask)
    assert not weights[-1].any()
    assert not contexts[-1].any()
    if name != "none":
        contexts.sum().backward()
        assert not memory.grad[~mask].any()
        assert memory.grad[mask].any()


@pytest.mark.parametrize("name", [name for name in SPECS if name != "location"])  # whose filters see holes
def test_masks_may_have_holes_and_padding_on_the_left(name, sources):
    query, memory, _ = sources
    query = memory[:, :TIME] if name == "dot" else query
    attention, places = made(name, query.shape[2]), [1, 3, 4]
    mask = torch.zeros(len(memory), memory.shape[1], dtype=torch.bool)
    mask[:, places] = True
    contexts, weights, _ = asked(attention, query, memory, mask)
    dense = memory[:, places]
    expected_contexts, expected_weights, _ = asked(
        attention, query, dense, torch.ones(3, 3, dtype=torch.bool)
    )
    torch.testing.assert_close(contexts, expected_contexts)
    torch.testing.assert_close(weights[:, :, places], expected_weights)


@pytest.mark.parametrize("name", [name for name in SPECS if name != "none"])
def test_weights_are_float32_and_sum_to_one_under_autocast(name):
    torch.manual_seed(0)
    query, memory = torch.randn(2, 3, 8), torch.randn(2, 9, 8)
    mask = torch.ones(2, 9, dtype=torch.bool)
    attention = imported(SPECS[name].load)(8, 8, SPECS[name].options())
    exact = asked(attention, query, memory, mask)[1]
    with torch.autocast("cpu", torch.bfloat16):
        weights = asked(attention, query, memory, mask)[1]
    assert weights.dtype == torch.float32
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(weights, exact, atol=0.05, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["additive", "concat", "location", "coverage", "monotonic"])
def test_what_is_made_again_for_gradients_is_what_was_made(name, sources, monkeypatch):
    query, memory, mask = sources
    attention = made(name)

    def gradients():
        attention.zero_grad()
        contexts, weights, _ = asked(attention, query, memory, mask)
        (contexts.square().sum() + weights.square().sum()).backward()
        return [p.grad.clone() for p in attention.parameters()]

    kept = gradients()
    calls, remade = [], additive.recomputed
    monkeypatch.setattr(additive, "STORED_LIMIT", 1)
    monkeypatch.setattr(additive, "PIECE_LIMIT", 1)
    monkeypatch.setattr(additive, "recomputed", lambda *given: calls.append(1) or remade(*given))
    again = gradients()
    assert len(calls) == TIME
    torch.testing.assert_close(again, kept)


def test_large_products_are_not_kept_for_the_way_back(monkeypatch):
    """What autograd saves of an additive score grows with T·S, not with T·S·A."""
    torch.manual_seed(0)
    attention = imported(SPECS["additive"].load)(
        8, 8, build(SPECS["additive"].options, {"size": "64"}, owner="")
    )
    query, memory, mask = torch.randn(2, 16, 8), torch.randn(2, 16, 8), torch.ones(2, 16, dtype=torch.bool)

    def kept():
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
            asked(attention, query, memory, mask)
        return max(sizes)

    assert kept() == 2 * 16 * 16 * 64
    monkeypatch.setattr(additive, "STORED_LIMIT", 1)
    assert kept() <= 2 * 16 * 64


# ── each one's own ─────────────────────────────────────────────────────────────────────────────────────────


def test_dot_refuses_unequal_sizes_and_names_the_mend():
    with pytest.raises(UsageError, match=r"4 features .* 6, .*'general'"):
        made("dot")


def test_heads_must_share_the_features_evenly():
    with pytest.raises(UsageError, match="3 heads cannot share 4 features"):
        made("multihead", heads="3")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("additive", {"size": "0"}),
        ("multihead", {"heads": "0"}),
        ("location", {"width": "4"}),
        ("location", {"filters": "0"}),
        ("local", {"window": "0"}),
        ("monotonic", {"noise": "-1"}),
        ("monotonic", {"bias": "nan"}),
    ],
)
def test_senseless_options_are_refused(name, options):
    (key,) = options
    with pytest.raises(UsageError, match=key):
        made(name, **options)


@pytest.mark.parametrize("push", [-1e3, 1e3])
def test_a_local_window_is_never_empty(push):
    """The place may be driven to either end of the row's own source, and there is still a token in sight."""
    attention = imported(SPECS["local"].load)(2, 2, SPECS["local"].options(window=1))
    torch.nn.init.constant_(attention.place.weight, 1.0)
    torch.nn.init.constant_(attention.v.weight, push)
    mask = torch.arange(7) < torch.tensor([[7], [3], [1]])
    _, weights, _ = asked(attention, torch.ones(3, 1, 2), torch.randn(3, 7, 2), mask)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 1))
    assert weights[:, 0].argmax(-1).tolist() == ([0, 0, 0] if push < 0 else [6, 2, 0])


def test_a_monotonic_reader_never_goes_back_and_is_kept_at_the_end():
    torch.manual_seed(0)
    p = torch.rand(2, 40, 9, dtype=torch.float64)
    p[:, :, -1] = 1
    weights = expected_weights(p, torch.eye(9, dtype=torch.float64)[[0, 0]])
    beyond = weights.flip(-1).cumsum(-1).flip(-1)  # how much of it is at a token or further
    assert (beyond.diff(dim=1) > -1e-12).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 40, dtype=torch.float64))
    assert (weights[:, -1, -1] > 0.99).all()


def test_a_monotonic_reader_is_exact_where_chances_are_near_one():
    """Cumulative products of 1 − p vanish here, and a quotient of them would be 0/0."""
    p = torch.full((1, 3, 50), 1 - 1e-7)
    p[:, :, ::2] = 1e-7
    p[:, :, -1] = 1
    weights = expected_weights(p, torch.eye(50)[:1])
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 3))
    torch.testing.assert_close(weights[0, :, 1], torch.ones(3), atol=1e-5, rtol=0)


def test_noise_is_for_training_alone(sources):
    query, memory, mask = sources
    attention = made("monotonic", noise="1")
    quiet = asked(attention.eval(), query, memory, mask)[1]
    torch.testing.assert_close(asked(attention, query, memory, mask)[1], quiet)
    assert not torch.allclose(asked(attention.train(), query, memory, mask)[1], quiet)
    torch.testing.assert_close(asked(made("monotonic").train(), query, memory, mask)[1], quiet)


@pytest.mark.parametrize(
    ("name", "steps", "message"),
    [
        ("general", "rnngen.builtins.attention.numpy:DotStep", None),
        ("additive", "rnngen.builtins.attention.numpy:MonotonicStep", None),
        ("dot", "rnngen.builtins.attention.numpy:NoAttentionStep", "the NumPy step's answer 0 differs"),
    ],
)
def test_conformance_suite_catches_a_step_that_differs(name, steps, message):
    with pytest.raises((AssertionError, ValueError, KeyError), match=message):
        check_attention(replace(SPECS[name], numpy=steps))


class _Faulty(additive.Additive):
    """Additive attention with something wrong."""


class Unmasked(_Faulty):
    def prepare(self, memory, mask):
        return *super().prepare(memory, mask)[:2], torch.ones_like(mask)


class Unsanitised(_Faulty):
    def prepare(self, memory, mask):
        return self.keys(memory), memory, mask


class Numbered(_Faulty):
    """It scores a row by its number in the batch."""

    def scores(self, query, keys):
        return super().scores(query, keys) * torch.arange(len(keys))[:, None, None]


class Mixing(_Faulty):
    def keys(self, memory):
        return super().keys(memory) - super().keys(memory).mean(dim=0)


class Halved(_Faulty):
    def forward(self, query, prepared, state):
        contexts, weights, state = super().forward(query, prepared, state)
        return contexts, weights / 2, state


class Forgetful(_Faulty):
    """It counts its queries, but only within a call."""

    def forward(self, query, prepared, state):
        counted = query * torch.arange(1, query.shape[1] + 1)[:, None]
        return super().forward(counted, prepared, state)


class Idle(_Faulty):
    def __init__(self, *given):
        super().__init__(*given)
        self.idle = torch.nn.Parameter(torch.zeros(1))


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (Unmasked, "padding receives weight"),
        (Unsanitised, "nan in the padding of the memory shows"),
        (Mixing, "rows of one batch disturb one another"),
        (Numbered, "rows of one batch disturb one another"),
        (Halved, "sum neither to 1 nor to 0"),
        (Forgetful, "asked in parts"),
        (Idle, "no gradient reaches idle"),
    ],
)
def test_conformance_suite_names_the_promise_that_was_broken(faulty, message):
    spec = replace(SPECS["additive"], load=f"{__name__}:{faulty.__name__}", numpy=None)
    with pytest.raises(AssertionError, match=message):
        check_attention(spec)

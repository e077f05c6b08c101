"""A loss in chunks is the loss, with its gradients, and no chunk has more logits than allowed."""

import pytest
import torch
from torch.nn.functional import linear

from rnngen.contracts import IGNORE
from rnngen.nn import loss as loss_module
from rnngen.nn.heads import summed

N, INPUTS, V = 23, 5, 11


def loss(x, targets, weight, bias):
    return summed(linear(x, weight, bias), targets, 0.1)


def exact(x, targets, weight, bias):
    """Without the step to float32, for gradients by differences."""
    said = linear(x, weight, bias).log_softmax(-1).gather(1, targets[:, None])
    return -said.square().sum()


@pytest.fixture
def given():
    generator = torch.Generator().manual_seed(4)
    x, weight, bias = (torch.randn(*size, generator=generator) for size in ((N, INPUTS), (V, INPUTS), (V,)))
    targets = torch.randint(V, (N,), generator=generator)
    return x, targets, weight, bias


@pytest.fixture
def cut(monkeypatch):
    """Chunks of three rows."""
    monkeypatch.setattr(loss_module, "LIMIT", V)
    monkeypatch.setattr(loss_module, "CHUNK", 3 * V + 1)


def learnt(function, given, dtype=None):
    """The loss and its gradients."""
    x, targets, *parameters = given
    leaves = [array.clone().requires_grad_() for array in (x, *parameters)]
    with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
        value = function(leaves[0], targets, leaves[1:])
    (value / 7).backward()
    return [value.detach(), *(leaf.grad for leaf in leaves)]


def whole(x, targets, parameters):
    return loss(x, targets, *parameters)


def chunked(x, targets, parameters):
    return loss_module.chunked_loss(loss, x, targets, parameters, V)


def test_chunks_give_the_loss_and_the_gradients_of_the_whole(cut, given):
    given[1][::4] = IGNORE
    for mine, expected in zip(learnt(chunked, given), learnt(whole, given), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-6)


def test_in_bf16_chunks_lose_no_more_than_the_whole_does(cut, given):
    full = learnt(whole, given)
    rough, mine = (learnt(function, given, torch.bfloat16) for function in (whole, chunked))
    for expected, theirs, own in zip(full, rough, mine, strict=True):
        assert own.dtype == torch.float32
        assert (own - expected).norm() <= 1.5 * (theirs - expected).norm() + 1e-3


@pytest.mark.slow
def test_the_gradients_are_those_by_differences(cut, given):
    x, targets, *parameters = given
    chunked = loss_module.chunked_loss
    leaves = [array.double().requires_grad_() for array in (x, *parameters)]
    assert torch.autograd.gradcheck(lambda x, *rest: chunked(exact, x, targets, rest, V), leaves)


@pytest.mark.parametrize("learning", [True, False])
def test_no_chunk_has_more_logits_than_allowed_and_all_rows_are_read_once(cut, given, learning):
    x, targets, *parameters = given
    read = []

    def noted(rows, wanted, *rest):
        read.extend([rows.detach()])
        return loss(rows, wanted, *rest)

    with torch.set_grad_enabled(learning):
        value = loss_module.chunked_loss(noted, x.requires_grad_(), targets, parameters, V)
    assert all(len(rows) * V <= loss_module.CHUNK for rows in read)
    assert torch.equal(torch.cat(read), x)
    torch.testing.assert_close(value, loss(x, targets, *parameters))


def test_what_is_small_enough_is_not_cut(given):
    x, targets, *parameters = given
    sizes = []

    def noted(rows, wanted, *rest):
        sizes.append(len(rows))
        return loss(rows, wanted, *rest)

    loss_module.chunked_loss(noted, x, targets, parameters, V)
    assert sizes == [N]

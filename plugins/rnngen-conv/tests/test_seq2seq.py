"""What the network for pairs promises: the contract, the paper's equations, a state of one size."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rnngen
import torch
from rnngen.contracts import Blueprint, NetworkSpec
from rnngen.testing import check_network
from torch import nn

from rnngen_conv import ConvSeq2SeqOptions, rnngen_cells
from rnngen_conv.seq2seq import ConvSeq2Seq, sines

SPEC = next(spec for spec in rnngen_cells() if isinstance(spec, NetworkSpec))
V, E, H, WIDTH = 9, 6, 8, 3


class Modules:
    def head(self, inputs: int, weight: Any = None) -> Any:  # noqa: ARG002
        return nn.Linear(inputs, V)

    def dropout(self) -> Any:
        return nn.Identity()


def network(layers: int) -> ConvSeq2Seq:
    torch.manual_seed(0)
    plan = Blueprint(V, V, False, H, layers, E, E, 0.0, False, {})
    return ConvSeq2Seq(plan, Modules(), ConvSeq2SeqOptions(width=WIDTH)).double().eval()


@pytest.mark.parametrize(
    ("options", "shared", "tied"),
    [({}, False, False), ({"width": "1"}, True, True), ({"width": "4", "encoder_layers": "3"}, False, True)],
)
def test_contract(options: dict[str, str], shared: bool, tied: bool) -> None:
    check_network(SPEC, shared=shared, tied=tied, **options)


def test_logits_are_those_of_the_paper() -> None:
    net: Any = network(layers=1)
    source, target = torch.tensor([5, 2, 7, 0]), torch.tensor([3, 8, 1])
    half = math.sqrt(0.5)

    def embedded(embedding: Any, tokens: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = math.sqrt(E) * embedding(tokens)
        return rows + sines(torch.arange(len(tokens)), E)

    def convolved(conv: Any, x: torch.Tensor, before: int, behind: int) -> torch.Tensor:
        padded = torch.cat((x.new_zeros(before, H), x, x.new_zeros(behind, H)))
        taps = [padded[j : j + len(x)] @ conv.weight[:, :, j].T for j in range(WIDTH)]
        a, b = (torch.stack(taps).sum(0) + conv.bias).chunk(2, 1)
        opened: torch.Tensor = a * b.sigmoid()
        return opened

    e = embedded(net.source_embedding, source)
    x = net.encoder_in(e)
    z = net.encoder_out(half * (x + convolved(net.encoder[0], x, 1, 1)))
    g = embedded(net.embedding, target)
    x = net.decoder_in(g)
    y = convolved(net.decoder[0], x, 2, 0)
    weights = (half * (net.queries[0](y) + g) @ z.T).softmax(1)
    y = half * (y + net.contexts[0](weights @ (half * (z + e)) * math.sqrt(len(source))))
    expected = net.head(net.decoder_out(half * (x + y)))

    logits, state = net(target[None], net.start(source[None]))
    torch.testing.assert_close(logits[0], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(net.attended(state)[0].double(), weights[-1], rtol=1e-5, atol=1e-6)


def test_the_state_is_a_window_however_long_the_target() -> None:
    net = network(layers=2)
    start = net.start(torch.tensor([[5, 2, 0]]))
    _, state = net(torch.randint(V, (1, 50)), start)
    assert [array.shape for array in state] == [array.shape for array in start]


@pytest.mark.parametrize("name", ["width", "encoder_layers"])
def test_sizes_are_at_least_one(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        ConvSeq2SeqOptions(**{name: 0})


def test_it_trains_and_answers_and_shows_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNNGEN_HOME", str(tmp_path))
    words = [f"{a}{b}{c}" for a in "abcd" for b in "abcd" for c in "abcd"]
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("".join(f"{word}\t{word[::-1]}\n" for word in words))
    model = rnngen.train(
        str(pairs), name="reversal", task="pairs", cell="conv-seq2seq", hidden=16, steps=20, ngram="none"
    )
    assert len(model.translate(["abc", "dd"], beam=2)) == 2
    command = ["-m", "rnngen", "look", "attention", "-m", "reversal", "abc", "--json"]
    shown = subprocess.run([sys.executable, *command], check=True, capture_output=True, encoding="utf-8")
    assert all(abs(sum(row) - 1) < 0.01 for row in json.loads(shown.stdout)["weights"])

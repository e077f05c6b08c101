"""What the network promises: rnngen's contract, and a slow clock that ticks for each row by itself."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rnngen
import torch
from rnngen import builtins
from rnngen.contracts import Blueprint, NetworkSpec
from rnngen.testing import check_light, check_network
from torch import nn

from rnngen_hierarchical import HierarchicalOptions, rnngen_cells
from rnngen_hierarchical.torch import Hierarchical

SPEC = next(one for one in rnngen_cells() if isinstance(one, NetworkSpec))
CELLS = [one for one in builtins.rnngen_cells() if not isinstance(one, NetworkSpec)]
V, E, H, PERIOD = 9, 4, 6, 3


class Mean(nn.Module):
    """A cell that adds its inputs up, by which one sees when it steps."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(input_size, hidden_size)

    def initial_state(self, batch: int) -> tuple[torch.Tensor]:
        return (self.map.weight.new_zeros(batch, self.map.out_features),)

    def forward(
        self, x: torch.Tensor, state: tuple[torch.Tensor]
    ) -> tuple[torch.Tensor, tuple[torch.Tensor]]:
        sums = state[0][:, None] + self.map(x).cumsum(1)
        return sums, (sums[:, -1],)


class Parts:
    """The factories that a network is built with."""

    has_numpy = False

    def build(self, *sizes: int) -> Any:
        return Mean(*sizes)

    def numpy(self, weights: Any, prefix: str = "") -> Any:
        raise NotImplementedError

    def head(self, inputs: int, weight: Any = None) -> Any:  # noqa: ARG002
        return nn.Linear(inputs, V)

    def dropout(self) -> Any:
        return nn.Identity()


def network() -> Any:
    torch.manual_seed(0)
    plan = Blueprint(V, V, True, H, 1, E, E, 0.0, False, {"cell": Parts(), "slow": Parts()})
    return Hierarchical(plan, Parts(), HierarchicalOptions(period=PERIOD)).eval()


@pytest.mark.parametrize(
    ("options", "tied"),
    [({}, False), ({"period": "1", "cell": "rnn"}, True), ({"period": "2", "slow": "gru"}, False)],
)
def test_contract(options: dict[str, Any], tied: bool) -> None:
    check_network(SPEC, *CELLS, tied=tied, **options)


def test_listing() -> None:
    check_light("rnngen_hierarchical")


def test_the_slow_cell_steps_at_every_kth_token_and_reads_the_last_k() -> None:
    net, steps = network(), 8
    tokens = torch.randint(V, (1, steps))
    with torch.no_grad():
        e = torch.cat((torch.zeros(PERIOD - 1, E), net.embedding(tokens[0])))
        u, fast, expected = torch.zeros(H), torch.zeros(H), []
        for t in range(steps):
            if t % PERIOD == 0:
                u = u + net.slow.map(net.frame(e[t : t + PERIOD].flatten()))
            fast = fast + net.fast[0].map(torch.cat((e[t + PERIOD - 1], net.context(u))))
            expected.append(fast)
        found, _ = net.hidden(tokens, net.start(1))
    torch.testing.assert_close(found[0], torch.stack(expected))


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_rows_of_any_phase_go_on_side_by_side_as_alone(steps: int) -> None:
    net = network()
    tokens = torch.randint(V, (PERIOD + 1, PERIOD + steps))
    with torch.no_grad():
        states = [
            net(tokens[row : row + 1, :row], net.start(1))[1] if row else net.start(1) for row in range(4)
        ]
        together = tuple(torch.cat(arrays) for arrays in zip(*states, strict=True))
        after = torch.stack([tokens[row, row : row + steps] for row in range(4)])
        found, state = net(after, together)
        for row in range(4):
            whole, final = net(tokens[row : row + 1, : row + steps], net.start(1))
            torch.testing.assert_close(found[row], whole[0, row:])
            for one, other in zip(state, final, strict=True):
                torch.testing.assert_close(one[row], other[0])


def test_the_period_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="period"):
        HierarchicalOptions(period=0)


def test_it_trains_over_windows_and_writes_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNNGEN_HOME", str(tmp_path))
    (tmp_path / "sea.txt").write_text("the sea, the sky, and the sand between them. " * 60)
    options: dict[str, Any] = {"hidden": 16, "steps": 10, "seq": 16, "ngram": "none"}
    model = rnngen.train(str(tmp_path / "sea.txt"), name="sea", cell="hierarchical", **options)
    texts = model.generate("the sea", length=20, seed=1, count=3)
    assert texts[0] == model.generate("the sea", length=20, seed=1)

    def sample(*arguments: str) -> bytes:
        command = [sys.executable, "-m", "rnngen", "sample", "-m", "sea", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout.rstrip(b"\n")

    how = ["--seed", "1", "--temp", "1.5", "the "]
    first = sample("-n", "20", "--save-state", "sea.state", *how)
    assert first + sample("-n", "20", "--from-state", "sea.state") == sample("-n", "40", *how)

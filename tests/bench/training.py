"""Training: tokens a second of rnngen's step, as a ratio to a plain PyTorch fp32 loop of the same network.

python tests/bench/training.py [--cell lstm --layers 1 --hidden 384 --embed 64 --batch 32 --seq 64]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from plain import PlainNetwork, train_steps

from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.contracts import Chunk
from rnngen.engine.batches import StreamBatches
from rnngen.engine.devices import choose_precision
from rnngen.engine.evaluation import Loss
from rnngen.engine.network import RecurrentNetwork
from rnngen.engine.options import NetworkOptions, TrainingOptions
from rnngen.engine.tokens import TokenStore
from rnngen.engine.training import Trainer
from rnngen.events import Step
from rnngen.registry import Registry

V = 257
"""The bytes and the end: a vocabulary most of which does not occur, as with ``char``."""


def our_steps(store: TokenStore, a: argparse.Namespace) -> Iterator[int]:
    """rnngen's own loop, without evaluations and saves."""
    spec = Registry().find("cell", a.cell)
    options = NetworkOptions(hidden=a.hidden, layers=a.layers, embed=a.embed, dropout=0.2)
    network = RecurrentNetwork(V, options, lambda i, h: spec.resolve()(i, h, spec.spec.options()))
    network.head.restrict(torch.from_numpy(store.counts(V)))
    training = TrainingOptions(batch=a.batch, seq=a.seq, steps=1_000_000)
    precision = choose_precision("auto", torch.device("cpu")) if a.precision == "auto" else a.precision
    batches = StreamBatches(store, a.batch, a.seq, refresh=0.02)
    trainer = Trainer(network, batches, lambda: Loss(1, 1, 1), training, precision, lambda *_: iter(()))
    for event in trainer.run():
        if isinstance(event, Step):
            yield a.batch * a.seq


def numbered(text: str) -> tuple[torch.Tensor, int]:
    """The text as the plain program numbers it: its own characters alone, and how many there are."""
    characters = sorted(set(text))
    number = {c: i for i, c in enumerate(characters)}
    return torch.tensor([number[c] for c in text]), len(characters)


def rate(steps: Iterator[int], count: int) -> float:
    """Tokens a second over some steps."""
    began = time.perf_counter()
    tokens = sum(islice(steps, count))
    return tokens / (time.perf_counter() - began)


def main() -> None:
    """Measure both in turn and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--precision", default="auto")
    numbers = {"layers": 1, "hidden": 384, "embed": 64, "batch": 32, "seq": 64, "steps": 30, "rounds": 5}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    a = parser.parse_args()
    torch.set_flush_denormal(True)
    text = "".join(chr(32 + (i * i + i // 7) % 65) for i in range(1_000_000))
    with tempfile.TemporaryDirectory() as folder:
        store = TokenStore.write(Path(folder), [Chunk(text, opens=True)], ByteTokenizer())
        ours = our_steps(store, a)
        tokens, characters = numbered(text)
        theirs = train_steps(
            PlainNetwork(characters, a.embed, a.hidden, a.layers, a.cell), tokens, a.batch, a.seq
        )
        rate(ours, 5), rate(theirs, 5)
        pairs = [(rate(ours, a.steps), rate(theirs, a.steps)) for _ in range(a.rounds)]
    print(
        json.dumps(
            {
                "rnngen_tokens_per_second": round(statistics.median(x for x, _ in pairs)),
                "plain_tokens_per_second": round(statistics.median(y for _, y in pairs)),
                "ratio": round(statistics.median(x / y for x, y in pairs), 2),
            }
        )
    )


if __name__ == "__main__":
    main()

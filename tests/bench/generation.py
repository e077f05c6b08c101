"""Single-stream generation: characters a second, as a ratio to a plain PyTorch loop in the same run.

python tests/bench/generation.py [--layers 2 --hidden 256 --vocab 65]
"""

import argparse
import json
import statistics
import time
from itertools import islice

import numpy as np
import torch
from plain import PlainNetwork, generate

from rnngen.builtins.cell_steps import LSTMStep
from rnngen.builtins.filters import temperature
from rnngen.builtins.options import LSTMOptions, TemperatureOptions
from rnngen.decode.sampling import sample
from rnngen.decode.step import NumpyStep


def numpy_step(network: PlainNetwork, layers: int) -> NumpyStep:
    """The same weights, run by rnngen's step."""
    weights = {name: p.detach().numpy() for name, p in network.named_parameters()}
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    steps = [
        LSTMStep({f"rnn.{name}_l0": weights[f"rnn.{name}_l{i}"] for name in names}, LSTMOptions())
        for i in range(layers)
    ]
    return NumpyStep(weights, steps)


def rate(work: object, count: int) -> float:
    """Tokens a second of one call of ``work``."""
    began = time.perf_counter()
    work(count)  # type: ignore[operator]
    return count / (time.perf_counter() - began)


def main() -> None:
    """Measure both in turn and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("layers", 2), ("hidden", 256), ("vocab", 65), ("count", 3000), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    a = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = PlainNetwork(a.vocab, a.hidden, a.hidden, a.layers)
    step, filters = numpy_step(network, a.layers), [temperature(TemperatureOptions(0.8))]

    def ours(count: int) -> None:
        list(islice(sample(step, step.start(1), [0], filters, np.random.default_rng(0)), count))

    def theirs(count: int) -> None:
        generate(network, count)

    pairs = [(rate(ours, a.count), rate(theirs, a.count)) for _ in range(a.rounds)]
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

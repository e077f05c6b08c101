"""Training measured: rnngen's trainer, a plain PyTorch loop in fp32, and a large matrix product, by turns."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch

from rnngen.benchmark import Learning, Work, plain, plain_sizes, rates, require_layer
from rnngen.data.batches import StreamBatches
from rnngen.data.token_store import TokenStore
from rnngen.evaluation.perplexity import Loss
from rnngen.nn.devices import choose_device, choose_precision, denormals_flushed, kept_memory
from rnngen.nn.network import RecurrentNetwork
from rnngen.nn.regularizers import TrainingSetup
from rnngen.options.model import TrainingOptions
from rnngen.registry import Registry
from rnngen.registry.components import choose
from rnngen.requests.bench import BenchNetwork, TrainBenchRequest
from rnngen.training.trainer import Trainer

WINDOWS = 50
"""Number of windows that each stream of the text has before it is read anew."""
LARGE = {"cpu": 2048, "mps": 4096, "cuda": 8192}
"""Rows and columns of a matrix that is large for its device."""


def bench_train(registry: Registry, request: TrainBenchRequest) -> Learning:
    """Measure how fast a network is trained on random text, without evaluations and saves.

    Raises:
        UnknownName: if there is no such cell, or it has no such option.
        UsageError: if the cell is a whole network.
        DeviceError: if the device is not there.
    """
    network, options = request.network, request.bench
    device = choose_device(options.device)
    precision = choose_precision(options.precision, device)
    text = random_text(network.vocab, options.batch * (options.seq * WINDOWS + 1))
    batches = StreamBatches(text, options.batch, options.seq)
    trainer = make_trainer(registry, network, batches, precision, device, settings=request.settings)
    rest = torch.from_numpy(text.tokens[1:-1].astype(np.int64)).to(device)
    plain_steps = plain.train(
        plain.PlainNetwork(plain_sizes(network)).to(device), rest, options.batch, options.seq
    )
    works = {
        "rnngen": _steps(trainer),
        "plain": lambda steps: len([next(plain_steps) for _ in range(steps)]),
        "gemm": _large_product(precision, device),
    }
    with denormals_flushed():
        found = rates({name: _waiting(work, device) for name, work in works.items()}, options.seconds)
    tokens = options.batch * options.seq
    parameters = sum(parameter.numel() for parameter in trainer.parameters)
    return Learning(
        network,
        tokens * found["rnngen"],
        tokens * found["plain"],
        options,
        str(device),
        precision,
        parameters,
        2 * LARGE[device.type] ** 3 * found["gemm"],
        request.settings,
    )


def random_text(vocabulary: int, length: int) -> TokenStore:
    """One example of ``length`` tokens in memory, each of the V − 1 that are not its end as likely."""
    eos_id = vocabulary - 1
    tokens = np.random.default_rng(0).integers(eos_id, size=length + 2, dtype=np.uint32)
    tokens[[0, -1]] = eos_id
    return TokenStore(tokens, np.array([0, length + 1]), length, vocabulary)


def make_trainer(
    registry: Registry,
    sizes: BenchNetwork,
    batches: StreamBatches,
    precision: str,
    device: torch.device,
    *,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Trainer:
    """The trainer of ``rnngen train``, with a budget that does not end."""
    cell = choose(registry, {"cell": sizes.cell}, settings)["cell"]
    require_layer(sizes.cell, whole=cell.whole)
    training = TrainingOptions(batch=batches.batch, seq=batches.seq, steps=1 << 40, patience=0)
    setup = TrainingSetup(torch.ones(sizes.vocab, dtype=torch.long), training)
    network = RecurrentNetwork(sizes.vocab, sizes.sizes(), cell.build, setup).to(device)
    return Trainer(network, batches, lambda: Loss(1, 1, 1), training, precision, lambda *_: iter(()))


def _steps(trainer: Trainer) -> Work:
    """Make N steps, as ``fit`` does; on a GPU, where few are reported, up to the next report."""
    events = trainer.run()

    def work(steps: int) -> int:
        before = trainer.progress.step
        with kept_memory():
            while trainer.progress.step < before + steps:
                next(events)
        return trainer.progress.step - before

    return work


def _large_product(precision: str, device: torch.device) -> Work:
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = torch.rand(2, LARGE[device.type], LARGE[device.type], device=device).to(kind)
    product = torch.empty_like(a)

    def work(times: int) -> int:
        for _ in range(times):
            torch.mm(a, b, out=product)
        return times

    return work


def _waiting(work: Work, device: torch.device) -> Work:
    """Return work that is done when it returns: a GPU goes on by itself."""
    if device.type == "cpu":
        return work
    wait = torch.cuda.synchronize if device.type == "cuda" else torch.mps.synchronize

    def whole(units: int) -> int:
        done = work(units)
        wait()
        return done

    return whole

"""``rnngen bench``: the speed of rnngen here, beside plain PyTorch and what the hardware can do."""

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import completers, flags
from rnngen.cli.context import session
from rnngen.cli.render import console
from rnngen.cli.settings import given, resolve
from rnngen.requests.bench import BenchNetwork, SampleBench, SampleBenchRequest, TrainBench, TrainBenchRequest

if TYPE_CHECKING:
    from rnngen.benchmark import Compared, Generation, Learning

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""Variables that give NumPy's libraries their number of threads, read once, when they are loaded."""


@click.group()
def bench() -> None:
    """Measure how fast rnngen generates and trains here, beside plain PyTorch programs.

    The programs that are compared take turns on the same machine, and medians are shown: other work on the
    machine changes the rates but hardly their ratios.
    """


@flags.examples("rnngen bench sample", "rnngen bench sample -m tinyshakespeare --count 64 --json")
@bench.command(cls=flags.Command)
@click.option(
    "-m",
    "--model",
    metavar="NAME",
    shell_complete=completers.models,
    help="Measure the network of this model: its name, or the path of its folder or file.",
)
@flags.options_from(BenchNetwork, heading="The network, where no model is given")
@flags.options_from(SampleBench)
@flags.json_flag
@click.pass_context
def sample(ctx: click.Context, /, model: str | None, json: bool, **params: Any) -> None:
    """Measure the generation of one text; on the CPU, on one thread.

    Beside it, a plain PyTorch loop of a network of the same sizes (nn.LSTM called a token at a time, softmax,
    multinomial). The bandwidth fraction is the bytes of weights that are read a second, over what a plain
    matrix-vector product of as many reads. With --device both run through torch on that device, and no
    fraction is shown.
    """
    _hold_to_one_thread()
    here = session(ctx)

    def request_of(found: dict[str, Any]) -> SampleBenchRequest:
        sizes, measured = flags.parsed(BenchNetwork, found), flags.collect(SampleBench, found)
        return SampleBenchRequest(sizes, measured, found.get("model"))

    request = resolve(ctx, given(ctx, {"model": model, **params}), request_of)
    stored = None if request.model is None else here.read(request.model)
    from rnngen.benchmark.generation import bench_sample

    found = bench_sample(here.registry, request, stored)
    console.write_json(found.as_json()) if json else _show_generation(found)


@flags.examples(
    "rnngen bench train",
    "rnngen bench train --cell gru --layers 1 --hidden 384 --json",
    "rnngen bench train -o layer_norm=true -o mogrifier=5",
)
@bench.command(cls=flags.Command)
@flags.options_from(BenchNetwork, heading="The network")
@flags.set_flag
@flags.options_from(TrainBench)
@flags.json_flag
@click.pass_context
def train(ctx: click.Context, /, json: bool, option: dict[str, str], **params: Any) -> None:
    """Measure training, on random text.

    Beside it, a plain PyTorch loop in fp32 with a network of the same sizes. The gemm fraction is
    6 x parameters x tokens a second, over the rate of a large matrix product in the same number format.
    """
    network = flags.collect(BenchNetwork, params)
    request, here = TrainBenchRequest(network, flags.collect(TrainBench, params), option), session(ctx)
    from rnngen.benchmark.training import bench_train

    found = bench_train(here.registry, request)
    console.write_json(found.as_json()) if json else _show_learning(found)


def _hold_to_one_thread() -> None:
    """Hold NumPy's libraries to one thread, before they are loaded."""
    if "numpy" not in sys.modules:
        os.environ.update(dict.fromkeys(THREADS, "1"))
    elif os.environ.get("OMP_NUM_THREADS") != "1":
        console.warn(
            "NumPy is loaded already and may take several threads; set OMP_NUM_THREADS=1 before the start"
        )


def _plain(found: "Compared") -> str:
    """Return which network stands beside one that torch has no module of."""
    from rnngen.benchmark import plain_sizes

    cell = plain_sizes(found.network).cell
    return "" if cell == found.network.cell else f" ({cell})"


def _show_generation(found: "Generation") -> None:
    many, form = f"{found.count} texts", found.quantize
    rates = {
        "rnngen": found.rnngen,
        f"plain PyTorch{_plain(found)}": found.plain,
        f"rnngen, {many}": found.batched,
        f"rnngen, {form}": found.quantized,
        f"rnngen, {form}, {many}": found.both,
    }
    rows = [
        [name, f"{rate:,.0f}", f"{rate / found.plain:.2f}"]
        for name, rate in rates.items()
        if rate is not None
    ]
    if found.batched is not None:
        console.note(f"side by side: {found.batched / found.rnngen:.1f} times the rate of one text")
    if found.quantized is not None:
        console.note(f"{form}: {found.quantized / found.rnngen:.2f} times the rate of fp32")
    console.table(rows, ["one thread" if found.device == "cpu" else found.device, "tokens/s", "ratio"])
    if found.bandwidth_fraction is not None:
        console.note(
            f"bandwidth fraction {found.bandwidth_fraction:.2f} ({found.weight_bytes:,} bytes a token)"
        )


def _show_learning(found: "Learning") -> None:
    ours = [f"rnngen, {found.precision}", f"{found.rnngen:,.0f}", f"{found.ratio:.2f}"]
    rows = [ours, [f"plain PyTorch{_plain(found)}, fp32", f"{found.plain:,.0f}", "1.00"]]
    console.table(rows, [found.device, "tokens/s", "ratio"])
    speed = f"{found.gemm / 1e9:,.0f} GFLOP/s"
    console.note(
        f"gemm fraction {found.gemm_fraction:.2f} ({found.parameters:,} parameters; a large product: {speed})"
    )

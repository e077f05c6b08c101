"""``rnngen devices``: the devices of this machine."""

from dataclasses import asdict

import click

from rnngen.cli import flags
from rnngen.cli.render import console

WITHOUT_NUMBA = (
    "without Numba the processor takes up to twice as long to train a normalised LSTM, a GRU or an RNN, and "
    "--quantize is not there; pip install 'rnngen[fast]'"
)


@flags.examples("rnngen devices", "rnngen devices --json")
@click.command(cls=flags.Command)
@flags.json_flag
def devices(json: bool) -> None:
    """List the devices that --device takes here; * marks the one that auto chooses."""
    from rnngen.nn.devices import choose_device
    from rnngen.nn.devices import devices as detected

    automatic = str(choose_device("auto"))
    found = detected()
    if json:
        console.write_json([{**asdict(device), "auto": device.name == automatic} for device in found])
        return
    rows = [
        [
            f"{device.name}{' *' if device.name == automatic else ''}",
            device.description,
            _gibibytes(device.memory_free),
            _gibibytes(device.memory_total),
            "bf16" if device.bf16 else "fp32",
            device.driver,
        ]
        for device in found
    ]
    console.table(rows, ["device", "description", "GiB free", "GiB", "precision", "driver"])
    if not all(device.kernels for device in found):
        console.note(WITHOUT_NUMBA)


def _gibibytes(size: int | None) -> str:
    return "" if size is None else f"{size / 2**30:.1f}"

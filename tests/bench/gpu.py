"""All that a GPU is needed for, in one run of under eight minutes: tests, a training, and every measurement.

    python tests/bench/gpu.py TEXT [--minutes 3] [--device cuda] [--vendor FOLDER] [-o gpu.json]

Nothing is installed: rnngen is taken from this repository, and packages that are missing from ``--vendor``, a
folder that ``pip install --target FOLDER …`` filled. What is missing is named, and what can go on without it
goes on. The JSON document holds one entry for each part, with its exit status, its seconds and what it
printed; a part that fails, or takes too long, leaves the others alone.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
NEEDED = (
    "click",
    "numpy",
    "platformdirs",
    "pluggy",
    "rich",
    "safetensors",
    "tokenizers",
    "torch",
)
"""Modules that rnngen imports."""
WISHED = {
    "pytest": "the tests that need CUDA",
    "sacrebleu": "scores of pairs",
    "zstandard": "corpora in .zst",
}
"""Modules that some part needs, and the part."""
CELLS = ("lstm", "gru", "rnn")
COUNTS = (1, 64, 512)
LIMIT = 240
"""Seconds that a part may take besides its own time of training."""


class Parts:
    """Runs parts of the whole as processes, and keeps what came of them."""

    def __init__(self, vendor: Path | None, home: str) -> None:
        self.found: dict[str, Any] = {}
        path = [str(REPOSITORY), *([str(vendor)] if vendor else []), os.environ.get("PYTHONPATH", "")]
        self.environment = {
            **os.environ,
            "RNNGEN_HOME": home,
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
        }

    def run(self, name: str, arguments: list[str], *, limit: float = LIMIT) -> dict[str, Any]:
        """Run ``python -m …`` → its record; stdout is parsed where it is JSON."""
        began = time.perf_counter()
        command = [sys.executable, "-m", *arguments]
        try:
            ended = subprocess.run(
                command,
                capture_output=True,
                text=True,
                env=self.environment,
                cwd=REPOSITORY,
                timeout=limit,
                check=False,
            )
            status, out, err = ended.returncode, ended.stdout, ended.stderr
        except subprocess.TimeoutExpired as error:
            status, out, err = 124, _text(error.stdout), _text(error.stderr)
        seconds = round(time.perf_counter() - began, 1)
        record = {
            "command": " ".join(arguments),
            "status": status,
            "seconds": seconds,
            "output": _parsed(out),
        }
        if status:
            record["errors"] = err[-4000:]
        self.found[name] = record
        sys.stderr.write(f"{name}: {'done' if status == 0 else f'exit {status}'} in {seconds} s\n")
        return record


def _text(output: str | bytes | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def _parsed(text: str) -> Any:
    """A JSON document, the last of JSON lines, or the end of a text."""
    for candidate in (text, *text.strip().splitlines()[-1:]):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    return text[-4000:]


def measure(parts: Parts, text: Path, minutes: float, device: str) -> None:
    """Run every part."""
    if find_spec("pytest"):
        parts.run("tests", ["pytest", "-q", "-p", "no:cacheprovider", "-m", "cuda", "tests"])
    parts.run("devices", ["rnngen", "devices"])
    train = ["rnngen", "train", str(text), "--device", device, "--seed", "1", "--json"]
    parts.run("train", [*train, "--name", "gpu", "--minutes", str(minutes)], limit=60 * minutes + LIMIT)
    parts.run("eval", ["rnngen", "eval", "-m", "gpu", "--json"])
    for cell in CELLS:
        parts.run(f"train {cell}", [*train, "--name", cell, "--cell", cell, "--steps", "50"])
        bench = ["rnngen", "bench", "train", "--cell", cell, "--device", device, "--seconds", "8", "--json"]
        parts.run(f"bench train {cell}", bench)
    for count in COUNTS:
        sample = ["rnngen", "bench", "sample", "--device", device, "--seconds", "6", "--json"]
        parts.run(f"bench sample {count}", [*sample, *(["--count", str(count)] if count > 1 else [])])
    parts.run(
        "sample", ["rnngen", "sample", "-m", "gpu", "--device", device, "-n", "300", "--seed", "1", "-q"]
    )


def about(device: str) -> dict[str, Any]:
    """Return the versions and the card that the figures are of."""
    import torch

    card = (
        torch.cuda.get_device_name(device) if device.startswith("cuda") and torch.cuda.is_available() else ""
    )
    return {"python": platform.python_version(), "torch": torch.__version__, "device": device, "card": card}


def main() -> None:
    """Read the arguments, run everything, write the JSON document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path, help="a text to train on")
    parser.add_argument("--minutes", type=float, default=3, help="of the training")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--vendor", type=Path, help="folder with packages that are not installed")
    parser.add_argument("-o", "--output", type=Path, default=Path("gpu.json"))
    given = parser.parse_args()
    if given.vendor:
        sys.path.insert(0, str(given.vendor.resolve()))
    missing = [name for name in NEEDED if not find_spec(name)]
    if missing:
        parser.error(
            f"missing: {', '.join(missing)}; fill a folder with pip install --target, and give it as --vendor"
        )
    for name, use in WISHED.items():
        if not find_spec(name):
            sys.stderr.write(f"{name} is missing: without it no {use}\n")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        parts = Parts(given.vendor.resolve() if given.vendor else None, home)
        measure(parts, given.text.resolve(), given.minutes, given.device)
    whole = {**about(given.device), "seconds": round(time.perf_counter() - began, 1), "parts": parts.found}
    given.output.write_text(json.dumps(whole, indent=2) + "\n")
    failed = [name for name, record in parts.found.items() if record["status"]]
    sys.stderr.write(f"{given.output}: {len(parts.found) - len(failed)} of {len(parts.found)} parts well\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

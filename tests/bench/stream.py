"""A long stream: how fast it comes and how much memory it takes, from its first part to its last.

    python tests/bench/stream.py [--chars 1000000] [--hidden 128] [--temp 0.8 --top-k 40 …]

The model is a character LSTM of one layer made for the occasion; what this program does not know goes to
``rnngen sample``. Memory is what the process holds at that moment, which only Linux tells, in MiB.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PARTS = 10
"""Into how many parts the stream is divided."""
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


def train(home: str, hidden: int) -> None:
    """Make the model."""
    text = Path(home, "text.txt")
    text.write_text("the quick brown fox jumps over the lazy dog\n" * 200)
    sizes = f"--layers 1 --hidden {hidden} --steps 20 --name long --quiet --device cpu".split()
    command = [sys.executable, "-m", "rnngen", "train", str(text), *sizes]
    subprocess.run(command, check=True, env={**os.environ, **ENVIRONMENT, "RNNGEN_HOME": home})


def resident(process: int) -> float | None:
    """MiB that a process holds in memory."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return None
    held = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(held.split()[1]) / 1024


def measure(home: str, chars: int, arguments: list[str]) -> list[dict[str, float | None]]:
    """Read a stream to its end → for each part, its characters, characters a second and MiB at its end."""
    asked = ["sample", "-m", "long", "--quiet", "-n", str(chars), "--seed", "1", *arguments]
    command = [sys.executable, "-m", "rnngen", *asked]
    environment = {**os.environ, **ENVIRONMENT, "RNNGEN_HOME": home}
    found: list[dict[str, float | None]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        process.stdout.read(1)  # the start is another benchmark's
        began = time.perf_counter()
        for part in range(1, PARTS + 1):
            size = chars // PARTS - (1 if part in (1, PARTS) else 0)  # the last waits: then it still runs
            read = len(process.stdout.read(size))
            now = time.perf_counter()
            found.append({"chars": read, "rate": read / (now - began), "mib": resident(process.pid)})
            began = now
        process.stdout.read()
    assert process.returncode == 0, f"{command} ended with {process.returncode}"
    return found


def main() -> None:
    """Measure, and print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chars", type=int, default=1_000_000)
    parser.add_argument("--hidden", type=int, default=128)
    options, arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as home:
        train(home, options.hidden)
        found = measure(home, options.chars, arguments)
    print("      to  chars/s     MiB")
    for part, one in enumerate(found, start=1):
        held = "" if one["mib"] is None else f"{one['mib']:8.1f}"
        print(f"{options.chars * part // PARTS:8d} {one['rate']:8.0f}{held}")
    print(json.dumps({"hidden": options.hidden, "arguments": arguments, "parts": found}))


if __name__ == "__main__":
    main()

"""Cold start: whole processes from start to end, in milliseconds and MiB, medians of several runs.

    python tests/bench/start.py [--runs 9]

The model is a 2×256 character LSTM made for the occasion, after one step of training.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TRAIN = "--layers 2 --hidden 256 --steps 1 --name two --quiet --device cpu".split()  # noqa: SIM905
SAMPLE = ["sample", "-m", "two", "--quiet", "-n", "200", "--seed", "1", "the"]


def run(arguments: list[str], home: str) -> tuple[float, float]:
    """Run rnngen to its end → milliseconds, and the most memory that it held, in MiB."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "rnngen", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "RNNGEN_HOME": home})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{command} ended with {process.returncode}"
    return 1000 * (time.perf_counter() - began), usage.ru_maxrss / 1024


def medians(arguments: list[str], home: str, runs: int) -> dict[str, int]:
    """The median time and memory of some runs, after one that does not count."""
    run(arguments, home)
    times, sizes = zip(*(run(arguments, home) for _ in range(runs)), strict=True)
    return {"ms": round(statistics.median(times)), "mib": round(statistics.median(sizes))}


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as home:
        text = Path(home, "text.txt")
        text.write_text("the quick brown fox jumps over the lazy dog\n" * 200)
        run(["train", str(text), *TRAIN], home)
        print(
            json.dumps({"help": medians(["--help"], home, runs), "sample_200": medians(SAMPLE, home, runs)})
        )


if __name__ == "__main__":
    main()

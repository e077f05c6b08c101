"""Large corpora: how fast a text is encoded, how much memory training on it takes, how soon it starts again.

    python tests/bench/corpus.py [--mb 100] [--tokenizers byte,char,bpe] [--task lines] [--json FILE]

Each tokenizer has a home of its own. The text mixes lines of the corpora that ship with rnngen and words made
up on the way, so that it neither ends nor repeats itself.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

CORPORA = Path(__file__).parents[2] / "corpora"
SHIPPED = ("almanac.txt", "places.txt", "python_stdlib.py", "qinghe.txt")
TRAIN = "--hidden 64 --steps 20 --seed 1 --evaluations 1 --device cpu --json".split()  # noqa: SIM905
HELD_OUT = 300_000
"""Bytes to validate on: to read more would take long, and say nothing about the corpus."""
SYLLABLES = "ka ro mi len tas vor di sel um ba ne qui ster po fa".split()  # noqa: SIM905
MB = 10**6


@dataclass(frozen=True)
class Start:
    """One run of ``rnngen train``."""

    seconds: float
    """From the command until training begins."""
    mib: float
    """The most memory that it held, pages of mapped files included."""
    own_mib: float
    """Without those: what the system cannot take back."""


@dataclass(frozen=True)
class Row:
    """What a tokenizer came to."""

    tokenizer: str
    mb: float
    """The size of the text."""
    first: Start
    again: Start

    @property
    def mb_per_second(self) -> float:
        """Of surveying, learning the vocabulary and encoding: what the second start is spared."""
        return self.mb / max(1e-9, self.first.seconds - self.again.seconds)


def write_corpus(path: Path, size: int) -> None:
    """A text of at least ``size`` bytes, the same each time."""
    rng = random.Random(1)
    lines = [line for name in SHIPPED for line in (CORPORA / name).read_text("utf-8").splitlines()]
    with path.open("wb") as file:
        while file.tell() < size:
            block = [_varied(line, rng) for line in rng.choices(lines, k=2000)]
            file.write("\n".join([*block, ""]).encode())


def _varied(line: str, rng: random.Random) -> str:
    """A line, one in four of them with a word that was made up."""
    if rng.random() < 0.75:
        return line
    word = "".join(rng.choices(SYLLABLES, k=rng.randint(1, 4)))
    return f"{line} {word}"


def started(arguments: list[str], home: str) -> Start:
    """Train for a few steps, to the end."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "rnngen", "train", *arguments]
    environment = {**os.environ, "RNNGEN_HOME": home}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    watch = Watch(process.pid)
    said, seconds = [], 0.0
    for line in process.stdout or ():
        said.append(line.decode())
        if not seconds and '"event": "started"' in said[-1]:
            seconds = time.perf_counter() - began
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    watch.join()
    assert seconds, "".join(said)
    return Start(seconds, usage.ru_maxrss / 1024, watch.most)


class Watch(threading.Thread):
    """Looks, until a process is over, at how much memory is its own."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.place, self.most = Path(f"/proc/{pid}/status"), 0.0
        self.start()

    def run(self) -> None:
        """Every twentieth of a second; a process that is over has no such line."""
        while True:
            try:
                found = re.search(r"RssAnon:\s+(\d+) kB", self.place.read_text())
            except OSError:  # there is no such process, or no such system
                return
            if not found:
                return
            self.most = max(self.most, int(found[1]) / 1024)
            time.sleep(0.05)


def measured(corpus: Path, tokenizer: str, task: str) -> Row:
    """Two starts on one text."""
    held_out = f"--val-fraction={HELD_OUT / corpus.stat().st_size:.5f}"
    arguments = [str(corpus), "--task", task, "--tokenizer", tokenizer, held_out, *TRAIN]
    with tempfile.TemporaryDirectory(dir=corpus.parent) as home:
        first = started(arguments, home)
        again = started([*arguments, "--force"], home)
    return Row(tokenizer, corpus.stat().st_size / MB, first, again)


def show(row: Row) -> None:
    """A line of the table."""
    first, again = row.first, row.again
    print(
        f"{row.tokenizer:<10} {row.mb:>7.0f} {row.mb_per_second:>9.1f} {first.seconds:>8.1f} "
        f"{again.seconds:>8.1f} {first.mib:>8.0f} {first.own_mib:>8.0f} {again.mib:>8.0f}",
        flush=True,
    )


def main() -> None:
    """Measure, and print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=100)
    parser.add_argument("--tokenizers", default="byte,char,bpe")
    parser.add_argument("--task", default="continue", help="continue, or lines: every line is an example")
    parser.add_argument("--json", type=Path, help="write it to a file instead of the standard output")
    given = parser.parse_args()
    print("tokenizer       MB      MB/s  first s  again s  MiB max  MiB own  MiB then")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus.txt")
        write_corpus(corpus, given.mb * MB)
        for tokenizer in given.tokenizers.split(","):
            rows.append(measured(corpus, tokenizer, given.task))
            show(rows[-1])
    told = json.dumps([{**asdict(row), "mb_per_second": row.mb_per_second} for row in rows])
    given.json.write_text(told + "\n") if given.json else print(told)


if __name__ == "__main__":
    main()

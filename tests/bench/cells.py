"""Cells compared on one text at equal time or equal steps: size, speed, loss with and without the n-gram.

    python tests/bench/cells.py corpus.txt --cells lstm,gru,mingru,transformer -- --minutes 3
    python tests/bench/cells.py names.txt --cells "lstm,lstm layer_norm=false" -- --task lines --steps 400

What follows ``--`` goes to every ``rnngen train``. A cell may have options after its name. Speed of
training is that of the last steps; of generation that of 2,000 tokens, one text, start included. Timings mean
something where nothing else runs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

COLUMNS = ("cell", "parameters", "steps", "tokens/s", "network", "with n-gram", "generated tokens/s")
LENGTH = 2000


def main() -> None:
    """Print a table in Markdown, a row as soon as it is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus")
    parser.add_argument("--cells", default="lstm,gru,rnn", help="separated by commas")
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    given, train = parser.parse_args(words[:cut]), words[cut + 1 :]
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for cell in given.cells.split(","):
        with tempfile.TemporaryDirectory() as home:
            print(f"| {' | '.join(measured(cell, given.corpus, train, home))} |", flush=True)


def measured(cell: str, corpus: str, options: list[str], home: str) -> list[str]:
    """Train a cell and return its row."""
    name, *settings = cell.split()
    chosen = [word for setting in settings for word in ("-o", setting)]
    flags = ["--cell", name, *chosen, "--name", "it", "--seed", "1", "--json", *options]
    events = [json.loads(line) for line in rnngen(home, "train", corpus, *flags).splitlines()]
    kinds = {event["event"]: event for event in events}
    losses = json.loads(rnngen(home, "eval", "-m", "it", "--json"))
    begin = time.perf_counter()
    rnngen(home, "sample", "-m", "it", "-n", str(LENGTH), "--seed", "1")
    speed = LENGTH / (time.perf_counter() - begin)
    mixed = losses["stream"]["nats_per_char"]
    alone = losses.get("network", losses["stream"])["nats_per_char"]
    return [
        cell,
        f"{kinds['started']['parameters']:,}",
        f"{kinds['finished']['step']:,}",
        f"{kinds['step']['tokens_per_second']:,.0f}",
        f"{alone:.3f}",
        f"{mixed:.3f}",
        f"{speed:,.0f}",
    ]


def rnngen(home: str, *arguments: str) -> str:
    """Run the program with models of its own, and return what it wrote."""
    environment: dict[str, Any] = {**os.environ, "RNNGEN_HOME": home}
    command = [sys.executable, "-m", "rnngen", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


if __name__ == "__main__":
    main()

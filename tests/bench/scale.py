"""Large things: seconds and memory of rnngen where there is much of something.

    python tests/bench/scale.py [NAME …] [--json FILE]

    files        a corpus of 10,000 files, encoded and trained on, and again from the cache
    models       ``models list`` with 1,000 models in the store, beside ``--help``
    beam         a beam of 256 hypotheses
    vocabulary   200,000 words: training and sampling
    batch        a batch that needs more memory than there is, in parts

Seconds are those of the clock and, which others on the machine change less, of the processor; the best of
several runs, where that is quick. Memory is the most that a process held (its resident
set). What is measured elsewhere: a corpus of a gigabyte by ``corpus.py --mb 1000``, memory over millions of
tokens by ``stream.py --chars 10000000``.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SMALL = (
    *("--hidden", "16", "--layers", "1", "--batch", "4", "--seq", "16"),
    *("--device", "cpu", "--ngram", "none", "--quiet", "--seed", "1"),
)
TEXT = "the quick brown fox jumps over the lazy dog\n"
LIMITED = """
import resource, sys
from rnngen.__main__ import main
assert main([*sys.argv[1:], "--batch", "4", "--seq", "16"]) == 0
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (400 << 20),) * 2)
sys.exit(main([*sys.argv[1:], "--force"]))
"""
"""Leaves the program 400 MiB beyond what a small batch took: all is compiled then, where LLVM would abort."""


def run(home: Path, *arguments: Any, program: tuple[str, ...] = ("-m", "rnngen")) -> dict[str, Any]:
    """Run ``rnngen`` → its seconds, of the processor too, the most MiB that it held, and what it wrote."""
    environment = {**os.environ, "RNNGEN_HOME": str(home)}
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *program, *map(str, arguments)], stdout=out, stderr=out, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode(errors="replace")
    assert process.returncode == 0, f"{arguments}: {process.returncode}\n{text[-2000:]}"
    cpu = round(usage.ru_utime + usage.ru_stime, 3)
    return {"seconds": round(seconds, 3), "cpu": cpu, "mib": usage.ru_maxrss // 1024, "text": text}


def best(count: int, home: Path, *arguments: Any) -> dict[str, Any]:
    """Return the quickest of several runs."""
    return min((run(home, *arguments) for _ in range(count)), key=lambda one: float(one["cpu"]))


def files(place: Path) -> dict[str, Any]:
    """Measure a folder of 10,000 small files, in 100 folders."""
    for number in range(10_000):
        file = place / "texts" / f"{number % 100}" / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{number} {TEXT}" * 20)
    train = ["train", place / "texts", *SMALL, "--steps", "5", "--name", "x", "--force"]
    return {"first": run(place / "home", *train), "again": run(place / "home", *train)}


def models(place: Path) -> dict[str, Any]:
    """Measure listing 1,000 models, copies of one."""
    (place / "text.txt").write_text(TEXT * 200)
    home, one = place / "home", place / "home/models/m0"
    run(home, "train", place / "text.txt", *SMALL, "--steps", "10", "--name", "m0")
    shutil.rmtree(one / "last", ignore_errors=True)
    help_before = best(5, home, "--help")
    for number in range(1, 1000):
        shutil.copytree(one, one.with_name(f"m{number}"))
    found = {"list": best(7, home, "models", "list"), "help": best(5, home, "--help")}
    assert found["list"]["text"].count("\n") > 1000
    return {**found, "help, one model": help_before}


def beam(place: Path) -> dict[str, Any]:
    """Measure a search with 256 hypotheses for 100 characters, beside one with 4."""
    (place / "text.txt").write_text("".join(random.Random(1).sample(TEXT * 300, len(TEXT) * 300)))
    run(
        place / "home", "train", place / "text.txt", *SMALL, "--hidden", "128", "--steps", "20", "--name", "x"
    )
    sample = ["sample", "-m", "x", "-n", "100", "the", "--beam"]
    return {width: best(2, place / "home", *sample, width) for width in ("4", "256")}


def vocabulary(place: Path) -> dict[str, Any]:
    """Measure a network over 200,000 words, each of which the text has twice."""
    rng = random.Random(1)
    words = [f"w{number:x}" for number in range(200_000)] * 2
    rng.shuffle(words)
    text = place / "text.txt"
    text.write_text("".join(" ".join(words[at : at + 10]) + "\n" for at in range(0, len(words), 10)))
    sizes = [*SMALL, "--hidden", "64", "--batch", "32", "--seq", "32", "--steps", "5"]
    words_of = ["--tokenizer", "word", "--vocab-size", "200000", "--name", "x"]
    found = {"train": run(place / "home", "train", text, *sizes, *words_of)}
    return {**found, "sample": best(2, place / "home", "sample", "-m", "x", "-n", "50", "-q", "w1")}


def batch(place: Path) -> dict[str, Any]:
    """Train with a batch that needs more than a gigabyte, where there are 400 MiB."""
    (place / "text.txt").write_text(TEXT * 8000)
    sizes = [*SMALL, "--hidden", "128", "--batch", "1024", "--seq", "128", "--precision", "fp32"]
    train = ["train", place / "text.txt", *sizes, "--steps", "3", "--name", "x"]
    found = run(place / "home", *train, program=("-c", LIMITED))
    assert "memory did not suffice" in found["text"], found["text"]
    return {"limited": found}


MEASURES: dict[str, Callable[[Path], dict[str, Any]]] = {
    one.__name__: one for one in (files, models, beam, vocabulary, batch)
}


def main() -> None:
    """Measure, and print a line for each run, and JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    measured: dict[str, Any] = {}
    for name in given.names or MEASURES:
        with tempfile.TemporaryDirectory() as place:
            found = MEASURES[name](Path(place))
        measured[name] = {
            what: {key: one[key] for key in ("seconds", "cpu", "mib")} for what, one in found.items()
        }
        for what, one in measured[name].items():
            print(
                f"{name:<12}{what:<18}{one['seconds']:>8.2f} s {one['cpu']:>8.2f} s {one['mib']:>6} MiB",
                flush=True,
            )
    if given.json:
        given.json.write_text(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main()

"""Hostile input, by random mutation: whatever a file holds, rnngen refuses it in a line or takes it, at once.

    python tests/bench/fuzz [TARGET …] [--count 1000] [--seed 0] [--keep FOLDER]

A target takes what stands in files: folders and one-file models whose hashes are made valid again, so that
only the comparison of what they say is between them and the program; saved states; studies; settings;
tables, JSON lines and other texts; chains of filters, regular expressions, grammars and schemas.

A fault is an exception that the program would call a bug, a warning of NumPy's, more than ``SECONDS`` of
processor time or more than ``MEMORY`` beyond what is held at the start. Each kind is named once, with the
seed of its execution, and its input is kept.
"""

import argparse
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from files import Models, model_targets, saved_targets
from texts import chain_targets, text_targets

SECONDS, MEMORY = 2.0, 2 << 30
ENDS = ("taken", "refused", "not made")
"""Ends of executions that are no faults."""
Target = Callable[[random.Random], Iterator[Any]]
"""Makes an input, yields it, and takes it."""


class TooLong(BaseException):
    """An execution that took more than ``SECONDS``; no ``except Exception`` takes it."""


@contextmanager
def watched() -> Iterator[None]:
    """Raise ``TooLong`` after a while of processor time."""

    def stop(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def execute(name: str, make: Target, seed: str) -> tuple[str, Any]:
    """Run one execution → how it ended (``taken``, ``refused`` or a fault), and its input."""
    from rnngen.errors import RnngenError

    given: Any = None
    try:
        with watched(), warnings.catch_warnings():
            sane = name in ("chain", "strategy")  # weights are no numbers that overflow
            warnings.simplefilter("error" if sane else "ignore", RuntimeWarning)
            steps = make(random.Random(seed))
            given = next(steps)
            next(steps, None)
    except RnngenError as error:
        return (
            "refused"
            if "\n" not in str(error) or len(str(error)) < 2000
            else f"a long message: {error!r:.80}"
        ), given
    except OSError as error:
        return ("refused" if error.filename is not None else f"OSError without a file: {error}"), given
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        if given is None:  # too deep to be written
            return "not made", None
        frames = [
            f
            for f in traceback.extract_tb(error.__traceback__)
            if "rnngen" in f.filename and "fuzz" not in f.filename
        ]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "?"
        return f"{type(error).__name__} in {place}", given
    return "taken", given


def run(name: str, target: Target, count: int, seed: int, keep: Path | None) -> int:
    """Run a target, and report → the number of kinds of faults."""
    began, ends = time.monotonic(), Counter[str]()
    for number in range(count):
        place = f"{seed}/{name}/{number}"
        end, given = execute(name, target, place)
        ends[end] += 1
        if end not in ENDS and ends[end] == 1:
            print(f"{name}: {end} (seed {place})", flush=True)
            if keep:
                keep.mkdir(parents=True, exist_ok=True)
                data = given.read_bytes() if isinstance(given, Path) else str(given).encode(errors="replace")
                (keep / place.replace("/", "-")).write_bytes(data)
    faults = len(ends.keys() - {*ENDS})
    counts = ", ".join(f"{ends[end]} {end}" for end in ENDS)
    print(
        f"{name}: {count} in {time.monotonic() - began:.0f} s: {counts}, {faults} kinds of faults", flush=True
    )
    return faults


def main() -> int:
    """Run targets by name, all of them by default."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    import torch  # no execution is to wait for it, nor for what it imports later

    torch.empty(1, device="meta").normal_()

    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        folder, models = Path(place), Models(Path(place))
        known: dict[str, Target] = {
            **model_targets(models),
            **saved_targets(folder, models),
            **text_targets(folder),
            **chain_targets(models),
        }
        size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, resource.RLIM_INFINITY))
        wanted = asked.targets or [*known]
        faults = sum(run(name, known[name], asked.count, asked.seed, asked.keep) for name in wanted)
    print(
        f"{faults} kinds of faults, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB at most"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

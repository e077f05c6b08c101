"""What each option of training is worth: the default, and every change to it alone, for the same minutes.

    python tests/bench/ablation.py corpus.txt other.txt --minutes 3 --seeds 1 2 3

prints a Markdown table of nats per held-out character (state carried through) and what each change costs.
What is on is tried off, what is off is tried on. Nothing else should run meanwhile: minutes are the budget.
"""

import argparse
import dataclasses
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from rnngen.api import Session
from rnngen.events import FinalEvaluation
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.requests.train import TrainRequest
from rnngen.training.sizing import propose

CHANGES: dict[str, dict[str, Any]] = {
    "AdamW": {"optimizer": "adamw"},
    "Muon on recurrent matrices": {"optimizer": "muon"},
    "Muon on all of the layers": {"optimizer": "muon", "muon": "layers"},
    "no dropout": {"dropout": 0.0},
    "embedding dropout 0.1": {"embed_dropout": 0.1},
    "weight drop 0.3": {"weight_drop": 0.3},
    "AR 2, TAR 1": {"activation_reg": 2.0, "temporal_reg": 1.0},
    "T varied by 0.07": {"vary_seq": 0.07},
    "T not varied": {"vary_seq": 0.0},
    "gradient noise 0.001": {"gradient_noise": 0.001},
    "label smoothing 0.05": {"label_smoothing": 0.05},
    "running mean 0.998": {"average": 0.998},
    "no running mean": {"average": 0.0},
    "tied": {"tied": True},
    "learned state": {"learn_state": True},
    "two layers": {"layers": 2},
    "linear schedule": {"schedule": "linear"},
    "no weight decay": {"weight_decay": 0.0},
    "NT-ASGD": {"optimizer": "nt-asgd", "lr": 10.0, "schedule": "constant"},
    "mixture of two softmaxes": {"head": "mixture", "mixture": 2},
    "no layer normalisation": {"-o layer_norm": "false"},
    "Mogrifier, 4 rounds": {"-o mogrifier": "4"},
    "zoneout 0.05 and 0.2": {"-o zoneout_h": "0.05", "-o zoneout_c": "0.2"},
}
"""What is changed, alone; a change to what is the default anyhow is left out."""


def effective(change: dict[str, Any]) -> bool:
    """Whether it differs from the defaults."""
    default = {**dataclasses.asdict(NetworkOptions()), **dataclasses.asdict(TrainingOptions())}
    return any(default.get(key) != value for key, value in change.items())


def trained(corpus: str, change: dict[str, Any], seed: int, minutes: float) -> float:
    """Nats per held-out character after training with a change, in a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["RNNGEN_HOME"] = home
        session = Session.here()
        settings = {key.removeprefix("-o "): v for key, v in change.items() if key.startswith("-o ")}
        options = {key: value for key, value in change.items() if not key.startswith("-o ")}
        given = {"minutes": minutes, "seed": seed, **options}
        request = TrainRequest.of(corpus, settings=settings, **given)
        request = propose(session.plan(request), given=request.given).under(request)
        events = session.train(session.plan(request))
        return next(event.stream for event in events if isinstance(event, FinalEvaluation))


def table(corpora: list[str], figures: dict[str, dict[str, float]]) -> str:
    """Markdown: a row a change, for each corpus the figure and its distance from the default's."""
    names = [Path(corpus).stem for corpus in corpora]
    lines = ["| change | " + " | ".join(names) + " |", "|---" * (1 + len(names)) + "|"]
    for change, row in figures.items():
        cells = [f"{row[c]:.4f} ({row[c] - figures['default'][c]:+.4f})" for c in corpora]
        lines.append(f"| {change} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Train everything in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--only", nargs="+", default=None, help="changes, by a part of their names")
    a = parser.parse_args()
    changes = {name: change for name, change in CHANGES.items() if effective(change)}
    if a.only:
        changes = {n: c for n, c in changes.items() if any(part.lower() in n.lower() for part in a.only)}
    figures: dict[str, dict[str, float]] = {}
    for name, change in {"default": {}, **changes}.items():
        figures[name] = {}
        for corpus in a.corpora:
            losses = [trained(corpus, change, seed, a.minutes) for seed in a.seeds]
            figures[name][corpus] = statistics.mean(losses)
            print(f"{name}, {corpus}: {losses}", file=sys.stderr)
    print(table(a.corpora, figures))


if __name__ == "__main__":
    main()

"""How a network and its n-gram are best mixed: ways to do it, compared on the validation texts of models.

    rnngen train TEXT --name A; python tests/bench/ngram.py A B …

Every way has its weights from one half of the tokens and is measured on the other, both ways round:

    sum, one weight           (1 − w)·p + w·q
    sum by context            w by length of the context and how often it was seen
    product, two exponents    pᵃ·qᵇ
    product by context        a and b by length and count: what rnngen does
    adaptive                  the same, with an n-gram that goes on counting
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from rnngen.api import Session
from rnngen.evaluation.evaluator import Evaluator
from rnngen.evaluation.mixture import Compared, MixtureEvaluator
from rnngen.generation.loading import mixture_of
from rnngen.inference.ngram.mixture import ADAPTIVE_PRIOR, PRIOR, fitted
from rnngen.nn.build import load_network
from rnngen.registry.components import restore
from rnngen.requests.evaluate import EvaluateRequest

MOST = 40_000_000
"""Logits that are held at once, at most."""
COUNTS = [2, 3, 5, 10, 30, 100]
"""Bounds of the classes of counts."""


def compared(session: Session, name: str, *, adaptive: bool) -> Compared:
    """Return what the experts say about the validation text of a model."""
    model = session.read(name)
    found = Evaluator(session.registry, model, EvaluateRequest(model=name))
    network = load_network(restore(session.registry, "cell", model.config.cell), model, "cpu")
    judge = MixtureEvaluator(network, mixture=mixture_of(model))
    with TemporaryDirectory() as folder:
        store = found._encoded(Path(folder, "text"))
        positions = min(60_000, MOST // model.config.vocabulary)
        return judge.sample(
            store, has_eos=found._task.build().has_eos, positions=positions, adaptive=adaptive
        )


def part(data: Compared, rows: slice) -> Compared:
    """Return some of the tokens."""
    return Compared(tuple(expert[rows] for expert in data.experts), data.features[rows], data.targets[rows])


def halves(data: Compared, fit, measure) -> float:
    """Fit on each half, measure on the other → nats per token."""
    half = len(data.targets) // 2
    one, two = part(data, slice(half)), part(data, slice(half, None))
    return float(np.mean(np.concatenate([measure(two, fit(one)), measure(one, fit(two))])))


def chances(data: Compared) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.exp(-data.alone(expert)) for expert in (0, 1))


def classes(data: Compared) -> np.ndarray:
    lengths = np.rint(data.features[:, 1] * 8).astype(int)
    counts = np.digitize(np.expm1(data.features[:, 2] * 8), COUNTS)
    return lengths * (len(COUNTS) + 1) + counts


def shares(data: Compared, context: np.ndarray, most: int) -> np.ndarray:
    """The n-gram's weight in each class, by expectation maximisation; rare ones are drawn to the mean."""
    p, q = chances(data)
    weights = np.full(most, 0.2)
    for _ in range(50):
        w = weights[context]
        belongs = w * q / (w * q + (1 - w) * p)
        weights = (np.bincount(context, belongs, most) + 5 * belongs.mean()) / (
            np.bincount(context, minlength=most) + 5
        )
    return weights


def summed(context):
    most = 40 * (len(COUNTS) + 1)

    def measure(data, weights):
        (p, q), w = chances(data), weights[context(data)]
        return -np.log((1 - w) * p + w * q)

    return (lambda data: shares(data, context(data), most)), measure


def product(features):
    def narrowed(data):
        return data._replace(features=features(data))

    def fit(data):
        prior = ADAPTIVE_PRIOR if len(data.experts) == 3 else PRIOR
        found = narrowed(data)
        return fitted(*found, prior[:, : found.features.shape[1]])

    return fit, lambda data, weights: narrowed(data).surprisals(weights)


def main() -> None:
    session = Session.here()
    ways = {
        "sum, one weight": summed(lambda data: np.zeros(len(data.targets), int)),
        "sum by context": summed(classes),
        "product, two exponents": product(lambda data: data.features[:, :1]),
        "product by context": product(lambda data: data.features),
    }
    for name in sys.argv[1:]:
        data = compared(session, name, adaptive=True)
        static = Compared(data.experts[:2], data.features[:, :3], data.targets)
        print(f"{name}: {len(data.targets):,} tokens, nats per token")
        print(f"  {'network':24}{static.alone(0).mean():.4f}\n  {'n-gram':24}{static.alone(1).mean():.4f}")
        for way, (fit, measure) in ways.items():
            print(f"  {way:24}{halves(static, fit, measure):.4f}")
        print(f"  {'adaptive':24}{halves(data, *ways['product by context']):.4f}")


if __name__ == "__main__":
    main()

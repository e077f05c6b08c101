"""The n-gram that is counted while a network is trained, and is a part of the model from then on."""

import numpy as np
import pytest

from rnngen.errors import OptionError
from rnngen.events import FinalEvaluation
from rnngen.generation.loading import LoadOptions
from rnngen.numerics import log_softmax
from rnngen.options.model import EvaluationOptions, TrainingOptions
from rnngen.requests.evaluate import EvaluateRequest
from rnngen.store.model_folder import read_metrics
from rnngen.training import mixing


@pytest.fixture
def train(train):
    return lambda *path, **given: train(*path, **{"ngram": "auto", **given})


def ngram_of(session, name="verse"):
    return {key: array for key, array in session.read(name).weights.items() if key.startswith("ngram.")}


def judged(events):
    return next(event for event in events if isinstance(event, FinalEvaluation))


@pytest.mark.slow
@pytest.mark.parametrize("task", ["continue", "lines"])
def test_the_model_is_better_than_either_of_its_parts(train, session, task):
    found = judged(train(task=task))
    assert found.stream < found.network
    assert found.stream < 1.05 * found.ngram  # which knows a text of so few turns as well as can be
    assert read_metrics(session.read("verse").path)[-1]["val_nats_per_char"] < found.network


def test_it_is_no_larger_than_the_network(train, session):
    train()
    ngram = ngram_of(session)
    whole = sum(array.nbytes for array in session.read("verse").weights.values())
    size = sum(array.nbytes for array in ngram.values())
    assert 0 < size <= (whole - size) + 400  # the numbers of its shape and weights, besides


@pytest.mark.parametrize("given", [{"ngram": "none"}, {"ngram": "auto"}])
def test_there_is_none_where_none_is_wanted_or_none_helps(train, session, monkeypatch, given):
    monkeypatch.setattr(mixing, "PAYS", 100.0)
    found = judged(train(**given))
    assert ngram_of(session) == {}
    assert (found.network, found.ngram) == (None, None)


def test_its_order_is_the_one_given(train, session):
    train(ngram="3")
    assert ngram_of(session)["ngram.shape"][1] == 3


@pytest.mark.parametrize("wrong", ["1", "33", "-2", "many", ""])
def test_other_orders_are_refused(wrong):
    with pytest.raises(ValueError, match=f"ngram={wrong}"):
        TrainingOptions(ngram=wrong)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_ngram(train, session):
    for name in ("one", "two"):
        train(name=name)
    one, two = (session.read(name).weights for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name])


@pytest.mark.slow
@pytest.mark.parametrize("task", ["continue", "lines"])
def test_a_run_that_was_interrupted_ends_as_one_that_was_not(train, session, task):
    train(name="whole", task=task)
    steps = iter([False] * 5 + [True])
    train(name="halved", task=task, stop=lambda: next(steps))
    train(name="halved", resume=True, task=task)
    whole, halved = (session.read(name) for name in ("whole", "halved"))
    assert read_metrics(whole.path) == read_metrics(halved.path)
    assert whole.weights.keys() == halved.weights.keys()
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(array, halved.weights[name])


# ── adapting ───────────────────────────────────────────────────────────────────────────────────────────────


def test_what_adapts_in_eval_is_what_adapts_in_generation(train, session, tmp_path):
    """One text by different code: stretches through torch, and token by token in NumPy."""
    train()
    text = "the night and a rose, a rose and the night and a rose"
    (tmp_path / "other.txt").write_text(text)
    request = EvaluateRequest(corpus=(str(tmp_path / "other.txt"),), evaluation=EvaluationOptions(adapt=True))
    loss = session.evaluate(session.read("verse"), request).losses["adapt"]
    generator = session.load("verse", options=LoadOptions(adapt=True)).generator
    tokens, nats, state = generator.tokenizers.target.encode(text).tolist(), 0.0, generator.model.start(1)
    for token, target in zip([generator.eos_id, *tokens], tokens, strict=False):
        logits, state = generator.model(np.array([token]), state)
        nats -= log_softmax(logits)[0, target]
    assert loss.nats == pytest.approx(nats, rel=1e-4)


def test_an_example_is_read_to_its_end_before_the_next(train, session, tmp_path):
    """Examples stand side by side in a batch, and the n-gram goes on counting from one to the next."""
    train(task="lines")
    lines = ["the night and a rose", "a rose", "we sing of the night and a rose", "the sun"] * 3
    (tmp_path / "other.txt").write_text("\n".join(lines))
    request = EvaluateRequest(corpus=(str(tmp_path / "other.txt"),), evaluation=EvaluationOptions(adapt=True))
    loss = session.evaluate(session.read("verse"), request).losses["adapt"]
    generator = session.load("verse", options=LoadOptions(adapt=True)).generator
    nats, state = 0.0, generator.model.start(1)
    for line in lines:
        tokens = generator.tokenizers.target.encode(line).tolist()
        state = (*generator.model.start(1)[:-2], *state[-2:])  # what was counted is what stays
        for token, target in zip([generator.eos_id, *tokens], [*tokens, generator.eos_id], strict=True):
            logits, state = generator.model(np.array([token]), state)
            nats -= log_softmax(logits)[0, target]
    assert loss.nats == pytest.approx(nats, rel=1e-4)


def test_what_was_read_is_expected_again(train, session):
    train()
    plain, adaptive = (
        session.load("verse", options=LoadOptions(adapt=adapt)).generator for adapt in (False, True)
    )
    strange = "zqx " * 12
    assert adaptive.score(strange)[0] > plain.score(strange)[0]
    assert adaptive.score("the sun")[0] == pytest.approx(plain.score("the sun")[0], abs=3)


def test_a_model_without_an_ngram_cannot_adapt(train, session):
    train(ngram="none")
    with pytest.raises(OptionError, match="verse has no n-gram"):
        session.load("verse", options=LoadOptions(adapt=True))
    request = EvaluateRequest(evaluation=EvaluationOptions(adapt=True))
    with pytest.raises(OptionError, match="verse has no n-gram"):
        session.evaluate(session.read("verse"), request)

"""Training says at its end whether a 5-gram would have done as well, with figures that hold."""

import random
import re

import pytest

from rnngen.events import FinalEvaluation, Finished, Warned
from rnngen.requests.evaluate import EvaluateRequest
from rnngen.training import evaluating


def told(events):
    return [e.message for e in events if isinstance(e, Warned) and "5-gram" in e.message]


@pytest.fixture
def chants(tmp_path):
    """A text that no 5-gram can foretell, and that a recurrent network learns in no time."""
    rng = random.Random(1)
    lines = [f"{'ab'[k]}{rng.choice(['------', '-------'])}{'ab'[k]}" for k in rng.choices([0, 1], k=600)]
    path = tmp_path / "chants.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("task", ["continue", "lines"])
def test_a_model_below_the_baseline_is_told_with_the_figures_of_eval(session, train, task):
    events = train(task=task)
    (message,) = told(events)
    model, floor = (float(number) for number in re.findall(r"\d+\.\d{3}", message)[:2])
    judgement = session.evaluate(session.read("verse"), EvaluateRequest())
    assert model == pytest.approx(judgement.losses["stream"].nats_per_char, abs=6e-4)
    assert floor == pytest.approx(judgement.baseline.nats_per_char, abs=6e-4)
    assert model > floor


def test_it_comes_between_the_judgement_and_the_end(train):
    events = [
        e
        for e in train()
        if isinstance(e, FinalEvaluation | Finished) or (isinstance(e, Warned) and told([e]))
    ]
    assert [type(event) for event in events] == [FinalEvaluation, Warned, Finished]


def test_the_mend_depends_on_what_went_wrong(train):
    assert "larger budget" in told(train())[0]
    spoilt = told(train(name="spoilt", lr=1e-30, weight_decay=0, patience=2, steps=24, evaluations=12))[0]
    assert "--lr, which was 1e-30" in spoilt
    assert "by heart" not in spoilt


@pytest.mark.slow
def test_a_model_above_the_baseline_is_not_told(train, chants):
    events = train(chants, hidden=48, steps=500, batch=8, seq=24, lr=0.01, dropout=0.0)
    assert told(events) == []


def test_a_large_text_is_not_looked_at(train, monkeypatch):
    monkeypatch.setattr(evaluating, "CHEAP", 300)
    assert told(train()) == []


def test_characters_that_training_never_met_are_told(train, corpus):
    corpus.write_text(corpus.read_text() + "天地玄黃" * 3)
    assert re.search(r"\d+\.\d% of the held-out characters never occur", told(train())[0])

"""An ensemble is its networks and a model that learns from them, whatever happens in between."""

import itertools
import shutil

import pytest

from rnngen.api import Session
from rnngen.errors import DivergedError, ModelError, UsageError
from rnngen.events import Evaluated, FinalEvaluation, Finished, Saved, Started
from rnngen.options.model import TrainingOptions
from rnngen.requests.train import TrainRequest
from rnngen.store.model_folder import ModelStore, read_model
from rnngen.training.budget import share_of

FILES = ("config.json", "tokenizer.json", "model.safetensors", "metrics.jsonl", "README.md")


def after(steps):
    """Says stop once that many steps are made."""
    asked = itertools.count(1)
    return lambda: next(asked) >= steps


def files(session, name="verse"):
    return {file: (session.models.find(name) / file).read_bytes() for file in FILES}


def elsewhere(session, tmp_path, name):
    return Session(session.registry, ModelStore(tmp_path / name))


def go_on(session, stop=lambda: False):
    return list(session.train(session.plan(TrainRequest.of(name="verse", resume=True)), stop))


@pytest.fixture
def together(ask):
    """A request for three networks of six steps each, and the model."""
    return ask(ensemble=3, steps=24, evaluations=2, dropout=0.3)


@pytest.mark.slow
def test_an_ensemble_is_what_one_can_make_by_hand(session, train, together, tmp_path):
    other = elsewhere(session, tmp_path, "other")
    list(other.train(other.plan(together)))
    same = {"steps": 6, "evaluations": 2, "dropout": 0.3}
    for number in range(3):
        train(name=f"verse-{number + 1}", seed=1 + number, **same)
    train(teacher=("verse-1", "verse-2", "verse-3"), seed=1, **same)
    for name in ("model.safetensors", "metrics.jsonl", "tokenizer.json"):
        assert files(other)[name] == files(session)[name]
    assert [one.name for one in other.read("verse").config.teachers] == ["verse-1", "verse-2", "verse-3"]
    assert other.models.names() == ["verse"]
    assert [path.name for path in other.models.root.iterdir()] == ["verse"]
    assert not (other.models.find("verse") / "last" / "members").exists()


def test_every_network_starts_and_one_run_ends(session, together):
    events = list(session.train(session.plan(together)))
    started = [event for event in events if isinstance(event, Started)]
    assert [event.model for event in started] == ["verse-1", "verse-2", "verse-3", "verse"]
    assert [event.seed for event in started] == [1, 2, 3, 1]
    assert [event.teachers for event in started] == [(), (), (), ("verse-1", "verse-2", "verse-3")]
    assert sum(isinstance(event, Finished) for event in events) == 1
    assert sum(isinstance(event, FinalEvaluation) for event in events) == 1


@pytest.mark.slow
@pytest.mark.parametrize("cut", [2, 7, 12, 17])
def test_a_resumed_ensemble_is_the_unbroken_one(session, together, tmp_path, cut):
    """It is cut in the first network, between two, in the third one and in the model."""
    unbroken, broken = elsewhere(session, tmp_path, "unbroken"), elsewhere(session, tmp_path, "broken")
    list(unbroken.train(unbroken.plan(together)))
    events = list(broken.train(broken.plan(together), after(cut)))
    assert events[-1].reason == "interrupt"
    go_on(broken, after(3))
    assert go_on(broken)[-1].reason == "budget"
    assert files(broken) == files(unbroken)


@pytest.mark.slow
def test_a_run_that_dies_in_between_goes_on_to_the_same_bytes(session, together, tmp_path):
    unbroken = elsewhere(session, tmp_path, "unbroken")
    count = sum(isinstance(event, Saved) for event in unbroken.train(unbroken.plan(together)))
    for cut in range(2, count, 3):
        broken = elsewhere(session, tmp_path, f"broken {cut}")
        events = broken.train(broken.plan(together))
        for _ in range(cut):
            next(event for event in events if isinstance(event, Saved))
        shutil.copytree(broken.models.root, tmp_path / f"found {cut}")
        found = elsewhere(session, tmp_path, f"found {cut}")
        go_on(found)
        assert files(found) == files(unbroken)
        events.close()


def test_the_old_model_is_there_until_the_new_one_is(session, train, together, ask):
    train()
    old = files(session)
    forced = ask(ensemble=3, steps=24, evaluations=2, dropout=0.3, force=True)
    list(session.train(session.plan(forced), after(8)))
    assert files(session) == old
    go_on(session)
    assert read_model(session.models.find("verse")).config.training.ensemble == 3
    assert [path.name for path in session.models.root.iterdir()] == ["verse"]


def test_a_run_that_has_begun_is_not_replaced_unasked(session, together, ask):
    list(session.train(session.plan(together), after(8)))
    with pytest.raises(UsageError, match="there is a model 'verse' already"):
        session.plan(ask())


def test_a_run_that_fails_before_anything_is_saved_leaves_nothing(session, ask):
    request = ask(ensemble=2, lr=1e30, optimizer="sgd", clip=0, warmup=0)
    with pytest.raises(DivergedError):
        list(session.train(session.plan(request)))
    assert list(session.models.root.iterdir()) == []


def test_a_model_whose_ensemble_is_done_cannot_go_on(session, together):
    list(session.train(session.plan(together)))
    with pytest.raises(ModelError, match="verse has learnt from an ensemble, whose networks are gone"):
        go_on(session)


def test_a_new_budget_is_kept_however_often_the_run_is_interrupted(session, together):
    list(session.train(session.plan(together), after(3)))
    longer = TrainRequest.of(name="verse", resume=True, steps=48)
    list(session.train(session.plan(longer), after(2)))
    go_on(session)
    assert read_model(session.models.find("verse")).config.training.steps == 48


def test_a_model_that_takes_its_place_is_what_resumes(session, together, train):
    list(session.train(session.plan(together), after(9)))
    train(force=True, steps=6)
    plan = session.plan(TrainRequest.of(name="verse", resume=True))
    assert (plan.resumed, plan.config.training.ensemble) == (True, None)


def test_what_has_begun_is_removed_by_the_models_name(session, together, train):
    list(session.train(session.plan(together), after(9)))
    with pytest.raises(UsageError, match="already"):
        train()
    session.models.remove("verse")
    assert [path for path in session.models.root.iterdir() if path.is_dir()] == []
    train()


def test_pairs_have_ensembles_too(session, train, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("ab\tBA\nabc\tCBA\nbca\tACB\n" * 30)
    events = train(path, task="pairs", ensemble=2, steps=12)
    assert any(isinstance(event, Evaluated) for event in events)
    assert session.load("pairs").translate(["ab"])


def test_networks_share_the_budget():
    for budget in ("steps", "epochs", "minutes"):
        options = TrainingOptions(**{budget: 60}, ensemble=4)
        one, last = share_of(options), share_of(options, student=True)
        assert 4 * getattr(one, budget) + getattr(last, budget) == pytest.approx(60)
    assert getattr(last, budget) > getattr(one, budget)  # a step with teachers takes longer
    assert share_of(TrainingOptions(ensemble=4)) == TrainingOptions(ensemble=4)
    alone = TrainingOptions(minutes=3.0)
    assert share_of(alone, student=True) == alone


@pytest.mark.parametrize("given", ["teacher", "init_from", "temporal_reg", "nproc"])
def test_what_an_ensemble_cannot_have_is_refused(given):
    value = {"teacher": ("a",), "init_from": "a", "temporal_reg": 1.0, "nproc": 2}[given]
    with pytest.raises(UsageError, match="cannot stand together"):
        TrainRequest.of("a.txt", ensemble=3, **{given: value})


@pytest.mark.slow
def test_a_plan_is_that_of_one_of_the_networks(session, ask):
    whole, one = ask(steps=24, plan=True), ask(steps=24, plan=True, ensemble=3)
    (_, alone), (request, proposal) = session.with_sizes(whole), session.with_sizes(one)
    assert proposal.reasons[0].startswith("one of 3 networks")
    assert proposal.tokens == pytest.approx(alone.tokens / 4, rel=0.05)
    assert request.training.options.ensemble == 3

"""A model that learns from others: of every task, the same bytes whatever happens, and teachers that stay."""

import itertools
import json
import shutil
from pathlib import Path

import pytest

from rnngen import paths
from rnngen.api import Session
from rnngen.errors import ModelError, UsageError
from rnngen.events import Evaluated, FinalEvaluation, Started, Warned
from rnngen.requests.train import TrainRequest
from rnngen.store import model_folder
from rnngen.store.checkpoint import read_tensors
from rnngen.store.model_folder import TRAINING, ModelStore, read_config

FILES = ("config.json", "tokenizer.json", "model.safetensors", "metrics.jsonl", "README.md")
TEXTS = {
    "continue": "the sun and the rose sing of dawn\n",
    "lines": "anna\nbela\nclara\ndora\n",
    "documents": "a rose\nis red\n\nthe sea\nis wide\n\n",
    "labelled": "sea\tthe waves\nland\ta hill\n",
    "pairs": "ab\tBA\nabc\tCBA\nbca\tACB\n",
}


def after(steps):
    """Says stop once that many steps are made."""
    asked = itertools.count(1)
    return lambda: next(asked) >= steps


def elsewhere(session, tmp_path, name):
    """A session with a copy of the models there are."""
    shutil.copytree(session.models.root, tmp_path / name)
    return Session(session.registry, ModelStore(tmp_path / name))


def files(session, name="student"):
    return {file: (session.models.find(name) / file).read_bytes() for file in FILES}


@pytest.fixture
def teachers(train):
    """Two models of one text."""
    train(name="a", seed=1, cell="gru")
    train(name="b", seed=2, hidden=12)
    return ("a", "b")


@pytest.fixture
def student(ask, teachers):
    """A request for one that learns from both."""
    return ask(name="student", teacher=teachers, dropout=0.3, seed=3, vary_seq=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("task", TEXTS)
def test_every_task_can_be_taught(session, train, tmp_path, task):
    path = tmp_path / "text.txt"
    path.write_text(TEXTS[task] * 30)
    for number, name in enumerate(("a", "b")):
        train(path, name=name, task=task, seed=number)
    events = train(path, name="student", teacher=("a", "b"), hidden=6)
    model = session.read("student")
    assert events[0].teachers == ("a", "b")
    assert any(isinstance(event, FinalEvaluation) for event in events)
    assert model.tokenizer_json == session.read("a").tokenizer_json
    assert model.config.task == session.read("a").config.task
    session.open(model)


@pytest.mark.slow
def test_a_resumed_student_is_the_unbroken_one(session, student, tmp_path):
    unbroken, broken = elsewhere(session, tmp_path, "unbroken"), elsewhere(session, tmp_path, "broken")
    list(unbroken.train(unbroken.plan(student)))
    list(broken.train(broken.plan(student), after(2)))
    for cut in (1, 4, 1000):
        request = TrainRequest.of(name="student", resume=True)
        list(broken.train(broken.plan(request), after(cut)))
    assert files(broken) == files(unbroken)
    states = [read_tensors(one.models.find("student") / TRAINING)[0] for one in (broken, unbroken)]
    assert {k: v.tobytes() for k, v in states[0].items()} == {k: v.tobytes() for k, v in states[1].items()}


def test_same_seed_same_bytes(session, student, tmp_path):
    runs = [elsewhere(session, tmp_path, name) for name in ("one", "two")]
    for run in runs:
        list(run.train(run.plan(student)))
    assert files(runs[0]) == files(runs[1])


@pytest.mark.slow
def test_parts_of_a_batch_teach_what_the_whole_does(train, teachers):
    runs = [
        train(name=f"in {parts}", teacher=teachers, accumulate=parts, precision="fp32") for parts in (1, 3)
    ]
    losses = [[event.loss for event in run if isinstance(event, Evaluated)] for run in runs]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_card_config_and_event_name_the_teachers(session, train, teachers, tmp_path):
    model_folder.export(session.read("b"), tmp_path / "packed.safetensors")
    names = ("a", str(tmp_path / "packed.safetensors"))
    events = train(name="student", teacher=names)
    folder = session.models.find("student")
    assert next(e for e in events if isinstance(e, Started)).as_json()["teachers"] == ("a", "packed")
    recorded = json.loads((folder / "config.json").read_text())["teachers"]
    assert [one["model"] for one in recorded] == ["a", "packed"]
    assert str(tmp_path) not in (folder / "config.json").read_text()
    assert "learnt from `a`" in (folder / "README.md").read_text()
    request = TrainRequest.of(name="student", resume=True, steps=14)
    assert [one.record.name for one in session.plan(request).teachers] == ["a", "packed"]


def test_a_model_without_teachers_has_none(session, train):
    train()
    folder = session.models.find("verse")
    assert read_config(folder).teachers == ()
    assert not (folder / model_folder.TEACHERS).exists()


@pytest.mark.slow
def test_a_student_predicts_better_than_a_network_that_learns_alone(session, train, tmp_path):
    """Small text, no dropout: what the teachers know of tokens beside the one that came keeps it general."""
    text = paths.shipped(Path("corpora")) / "almanac.txt"
    (tmp_path / "text.txt").write_text(text.read_text()[:3000])
    (tmp_path / "val.txt").write_text(text.read_text()[3000:11000])
    sizes = {"hidden": 32, "batch": 8, "seq": 16, "steps": 400, "evaluations": 16, "patience": 0}

    def best(**given):
        events = train(tmp_path / "text.txt", val=str(tmp_path / "val.txt"), ngram="none", **sizes, **given)
        return events[-1].best_nats_per_char

    alone = [best(name=f"{seed}", seed=seed) for seed in (1, 2, 3)]
    assert best(name="student", seed=3, teacher=("1", "2")) < min(alone) - 0.01


# ── what is refused ────────────────────────────────────────────────────────────────────────────────────────


def resumed(session, **given):
    return session.plan(TrainRequest.of(name="student", resume=True, **given))


@pytest.fixture
def half(session, student):
    """A run that was stopped."""
    list(session.train(session.plan(student), after(2)))


@pytest.mark.usefixtures("half")
def test_a_teacher_that_has_changed_is_refused(session, train):
    train(name="a", seed=9, cell="gru", force=True)
    with pytest.raises(ModelError, match="student learns from the model a, which has changed since"):
        resumed(session)


@pytest.mark.usefixtures("half")
def test_a_teacher_that_is_gone_is_refused(session):
    session.models.remove("b")
    with pytest.raises(ModelError, match="student learns from the model b, which is not there any more"):
        resumed(session)


@pytest.mark.usefixtures("half")
def test_a_run_goes_on_with_its_own_teachers(session):
    assert len(resumed(session, teacher=("a", "b")).teachers) == 2
    with pytest.raises(UsageError, match=r"teacher=b.* a b"):
        resumed(session, teacher=("b",))
    with pytest.raises(UsageError, match="teacher_weight"):
        resumed(session, teacher_weight=0.9)


def test_a_run_without_teachers_gets_none(session, train, ask, teachers):
    train(stop=after(2))
    with pytest.raises(UsageError, match="teacher=a"):
        session.plan(ask(resume=True, teacher=("a",)))


def test_teachers_of_other_vocabularies_are_refused(session, train, ask, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("xyz " * 200)
    train(name="a")
    train(other, name="b")
    with pytest.raises(
        UsageError, match="a and b cannot teach one model: their tasks or vocabularies differ"
    ):
        session.plan(ask(teacher=("a", "b")))


def test_a_teacher_that_is_named_twice_is_refused(session, ask, teachers):
    with pytest.raises(UsageError, match="teacher=a is given twice"):
        session.plan(ask(teacher=("a", "a")))


@pytest.mark.parametrize("given", [{"tokenizer": "byte"}, {"task": "lines"}, {"activation_reg": 2.0}])
def test_what_the_teachers_decide_is_refused(ask, given):
    with pytest.raises(UsageError, match=f"teacher and {next(iter(given))} cannot stand together"):
        ask(teacher=("a",), **given)


def test_a_penalty_of_the_cell_is_refused(session, train, ask, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text(TEXTS["pairs"] * 30)
    train(path, name="a", task="pairs")
    with pytest.raises(UsageError, match=r"coverage_loss=1\.0 adds to a loss that teacher replaces"):
        session.plan(ask(path, name="student", teacher=("a",), settings={"coverage_loss": "1"}))


def test_a_share_without_teachers_is_refused(ask):
    with pytest.raises(UsageError, match="teacher_temp needs teacher"):
        ask(teacher_temp=2.0)


def test_the_vocabulary_of_teachers_is_not_judged(train, teachers):
    """It was learnt from their text, and cannot be chosen here."""
    messages = [e.message for e in train(name="student", teacher=teachers) if isinstance(e, Warned)]
    assert not any("vocab-size" in one for one in messages)

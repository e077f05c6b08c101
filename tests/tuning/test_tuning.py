"""Searches go on where they stopped, hold fixed what is given, and find what trains again the same."""

import sys
from dataclasses import dataclass, field, replace

import pytest
from fixtures import PRECISION

pytest.importorskip("optuna", reason="the extra 'tune' is not installed")

from optuna.trial import Trial

from rnngen.api import Session
from rnngen.contracts import CellSpec
from rnngen.errors import CorpusError, NotFoundError, PluginError, UnknownName, UsageError
from rnngen.events import Finished, Step, Warned
from rnngen.hookspecs import hookimpl
from rnngen.options import SEARCH, OneOf, Range
from rnngen.options.given import Given
from rnngen.registry import Distribution, Registry
from rnngen.requests.train import TrainRequest
from rnngen.requests.tune import TuneRequest, TuningOptions
from rnngen.training import sizing
from rnngen.tuning import Best, Searched, Tried, Trying
from rnngen.tuning.studies import find_best, study_names
from rnngen.tuning.trials import tune

LEARNING = {
    "batch": 4,
    "seq": 8,
    "steps": 8,
    "evaluations": 4,
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "precision": PRECISION,
    "device": "cpu",
    "seed": 1,
}
"""All but the rate, which is searched."""
TWO = TuningOptions(trials=2, prune="none")


@dataclass(frozen=True)
class GatedOptions:
    """Options of a plugin's cell that declare what to search."""

    bias: float = field(default=2.0, metadata={SEARCH: Range(1.0, 4.0)})
    """A number."""
    gate: bool = field(default=True, metadata={SEARCH: OneOf()})
    """A choice of two."""
    forget_bias: float = 1.0
    """What the cell itself reads."""


class Plugin:
    """Brings a cell, which is the built-in one under another name."""

    @staticmethod
    @hookimpl
    def rnngen_cells():
        return [
            CellSpec(
                name="mine",
                summary="mine",
                load="rnngen.builtins.cells.lstm.torch:LSTM",
                options=GatedOptions,
            )
        ]


@pytest.fixture
def request_(corpus):
    """What is held fixed; of these, ``None`` leaves an option out."""

    def make(path=corpus, /, **changes):
        small = {"hidden": 8, "layers": 1, "embed": 8, "dropout": 0.0, **LEARNING}
        given = {key: value for key, value in {**small, **changes}.items() if value is not None}
        return TrainRequest.of(str(path), **given)

    return make


@pytest.fixture
def search(session, request_):
    """Searches to the end, and gives the events."""

    def run(request=None, options=TWO, stop=lambda: False, storage=None, registry=None, **searches):
        here = replace(session, registry=registry) if registry else session
        return list(tune(here, asked(request or request_(), options, searches, storage), stop))

    return run


def asked(fixed, options, searches=(), storage=None):
    """The request of a search."""
    given = {name: value for name, value in vars(options).items() if value != getattr(TuningOptions(), name)}
    return TuneRequest(fixed, Given(options, frozenset(given)), dict(searches), storage)


def tried(events):
    return [event for event in events if isinstance(event, Tried)]


def outcomes(events):
    return [(t.trial, t.outcome, t.chosen, t.nats_per_char) for t in tried(events)]


@pytest.mark.slow
def test_warnings_say_which_trial_they_are_of(search, request_):
    told = [event.message for event in search(request_(batch=500)) if isinstance(event, Warned)]
    assert [text for text in told if "the corpus is short" in text]
    assert {text.partition(": ")[0] for text in told} == {"trial 0", "trial 1"}


# ── What is tried ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_given_is_held_fixed_and_what_is_declared_is_searched(search):
    opened, *_ = search()
    own = ("forget_bias", "mogrifier", "zoneout_c", "zoneout_h")
    assert set(opened.space) == {"lr", *(f"lstm.{key}" for key in own)}
    assert opened.budget == {"steps": 8}


def test_the_first_trial_is_what_trains_without_a_search(search, request_, session):
    request = request_(hidden=32, dropout=None, embed=None)
    first = tried(search(request, TuningOptions(trials=1)))[0]
    config = session.plan(replace(request, name="plain")).config
    assert first.chosen == {
        "lr": config.training.lr,
        "embed": config.network.embedding(config.vocabulary),
        "dropout": config.network.dropout,
        "lstm.forget_bias": 1.0,
        "lstm.mogrifier": 0,
        "lstm.zoneout_c": 0.0,
        "lstm.zoneout_h": 0.0,
    }


@pytest.mark.slow
def test_the_first_trial_has_the_sizes_that_its_minutes_would_have(search, request_, monkeypatch):
    monkeypatch.setattr(sizing, "_rate", lambda *_: 1e12)
    sizes = dict.fromkeys(("hidden", "layers", "batch", "dropout", "weight_decay", "lr"))
    events = search(request_(**sizes, steps=None), TuningOptions(trials=1, trial_minutes=0.02))
    chosen = tried(events)[0].chosen
    assert chosen["hidden"] == 256
    assert {*sizes} <= {*chosen}


@pytest.mark.slow
def test_a_person_narrows_what_is_searched_and_adds_to_it(search):
    events = search(
        options=TuningOptions(trials=4), lr="0.01..0.02:log", clip="1|5", **{"label-smoothing": "0..0.1"}
    )
    chosen = [trial.chosen for trial in tried(events)]
    assert all(0.01 <= one["lr"] <= 0.02 and one["clip"] in (1, 5) for one in chosen)
    assert all(0 <= one["label_smoothing"] <= 0.1 for one in chosen)
    assert len({one["lr"] for one in chosen}) > 1


@pytest.mark.slow
def test_options_of_a_cell_are_tried_only_with_it(search, session):
    events = search(options=TuningOptions(trials=8, prune="none"), cell="lstm|gru", lr="0.01|0.02")
    chosen = [trial.chosen for trial in tried(events)]
    assert {one["cell"] for one in chosen} == {"lstm", "gru"}
    assert all(("lstm.forget_bias" in one) == (one["cell"] == "lstm") for one in chosen)
    assert all(trial.outcome == "complete" for trial in tried(events))


def test_an_option_of_a_cell_is_asked_for_as_it_is_printed(search, request_):
    printed = search(options=TuningOptions(trials=1), cell="lstm|gru", lr="0.01|0.02")[0].space
    narrower = {"lstm.forget_bias": "2.0|3.0"}
    assert narrower.keys() < printed.keys()
    events = search(request_(name="other"), TuningOptions(trials=1), **{**printed, **narrower})
    assert events[0].space == {**printed, **narrower}


def test_what_a_plugins_options_declare_is_searched(search, request_):
    registry = Registry(plugins=[(Distribution("rnngen-mine", "1"), Plugin)])
    opened, *rest = search(request_(cell="mine"), registry=registry, lr="0.01|0.02")
    assert opened.space == {"lr": "0.01|0.02", "mine.bias": "1.0..4.0", "mine.gate": "false|true"}
    assert rest[-1].best.settings.settings.keys() == {"cell.bias", "cell.gate"}


@pytest.mark.parametrize(
    ("searches", "message"),
    [
        ({"hiden": "1|2"}, "unknown option to search 'hiden'; did you mean 'hidden'"),
        ({"hidden": "8|16"}, "hidden holds the option fixed and search=hidden varies it"),
        ({"seed": "1|2"}, "unknown option to search 'seed'"),
        ({"steps": "1|2"}, "unknown option to search 'steps'"),
        ({"ensemble": "2|3"}, "unknown option to search 'ensemble'"),
        ({"teacher_weight": "0.1..0.9"}, "unknown option to search 'teacher_weight'"),
        ({"lr": "fast|slow"}, "option lr=fast: a number expected"),
        ({"lr": "1..0.1"}, "option lr"),
        ({"cell": "lstm|gur"}, "did you mean 'gru'"),
        ({"cell.forget_bias": "low..high"}, "option forget_bias=low: a number expected"),
        ({"lstm.forget_bias": "low..high"}, "option forget_bias=low: a number expected"),
        ({"gru.forget_bias": "1..2"}, "unknown option to search 'gru.forget_bias'"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_a_study_is_made(search, searches, message):
    with pytest.raises(UsageError) as caught:
        search(**searches)
    assert message in str(caught.value)
    assert study_names() == []


PLAIN_GRU = {"zoneout_h": "0"}


def test_with_everything_held_fixed_there_is_nothing_to_search(search, request_):
    with pytest.raises(UsageError, match="nothing is left to search"):
        search(request_(lr=0.01, cell="gru", settings=PLAIN_GRU))


# ── Budgets and ends ───────────────────────────────────────────────────────────────────────────────────────


def test_a_trials_share_leaves_time_for_as_many_as_are_wanted():
    assert TuningOptions(minutes=30).share * 20 == pytest.approx(27)
    assert TuningOptions(minutes=30, trials=10).share * 10 == pytest.approx(27)
    assert TuningOptions(minutes=30, trial_minutes=2).share == 2
    assert TuningOptions(trials=3).seconds == float("inf")
    assert TuningOptions().seconds == 1800
    for wrong in ({"minutes": 0}, {"trials": 0}, {"trial_minutes": -1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            TuningOptions(**wrong)


def test_when_the_time_is_over_the_trial_ends_and_none_begins(search):
    events = search(options=TuningOptions(minutes=1e-9))
    assert [trial.outcome for trial in tried(events)] == ["interrupted"]
    assert (events[-1].reason, events[-1].best) == ("budget", None)


def test_a_trial_trains_for_its_minutes(search, request_):
    events = search(request_(steps=None), TuningOptions(trials=1, trial_minutes=0.001))
    assert events[0].budget == {"minutes": 0.001}
    assert [trial.outcome for trial in tried(events)] == ["complete"]
    assert events[-1].best.settings.training.names.isdisjoint({"minutes", "steps", "epochs"})


@pytest.mark.slow
def test_a_device_that_reports_few_steps_ends_trials_at_the_same_evaluations(search, request_, monkeypatch):
    reported = []
    monkeypatch.setattr(Trial, "report", lambda _, value, share: reported.append((value, share)))
    search(request_(name="every"))
    every, whole = reported.copy(), Session.train
    assert len({share for _, share in every}) > 1

    def rarely(*arguments, **how):
        events = whole(*arguments, **how)
        return (event for event in events if not isinstance(event, Step) or not event.step % 10)

    monkeypatch.setattr(Session, "train", rarely)
    reported.clear()
    search(request_(name="tenth"))
    assert reported == every


@pytest.mark.slow
@pytest.mark.parametrize("prune", ["median", "halving"])
def test_trials_that_are_worse_than_others_end_early(search, prune):
    events = search(options=TuningOptions(trials=12, prune=prune), lr="1e-6..0.03:log")
    pruned = [trial for trial in tried(events) if trial.outcome == "pruned"]
    assert pruned
    assert all(trial.nats_per_char > events[-1].best.nats_per_char for trial in pruned)
    assert all(trial.outcome in ("complete", "pruned") for trial in tried(events))
    assert not any(trial.best for trial in pruned)


@pytest.mark.slow
def test_without_pruning_all_trials_are_complete(search):
    events = search(options=TuningOptions(trials=6, prune="none"), lr="0.02|1e-9")
    assert {trial.outcome for trial in tried(events)} == {"complete"}


@pytest.mark.slow
def test_the_best_is_the_lowest_of_all_complete_trials(search):
    events = search(options=TuningOptions(trials=4, prune="none"))
    losses = {trial.trial: trial.nats_per_char for trial in tried(events)}
    best = events[-1].best
    assert best.nats_per_char == min(losses.values()) == losses[best.trial]
    marked = [trial for trial in tried(events) if trial.best]
    assert marked[-1].trial == best.trial


def test_no_trial_leaves_a_model(search, session):
    search()
    assert session.models.names() == []
    assert not session.models.root.exists()


@pytest.mark.slow
def test_a_trial_that_fails_is_named_and_the_search_goes_on(search, request_):
    request = request_(seq=None)
    events = search(request, TuningOptions(trials=6, prune="none"), seq="8|100000", lr="0.01|0.02")
    by_length = {trial.chosen["seq"]: trial for trial in tried(events)}
    assert by_length[100000].outcome == "failed"
    assert "too small" in by_length[100000].reason
    assert by_length[8].outcome == "complete"


def test_where_every_trial_fails_the_search_ends_with_the_reason(search, request_):
    request = request_(seq=None)
    with pytest.raises(CorpusError, match="too small"):
        search(request, TuningOptions(trials=9), seq="100000|200000")


# ── Going on ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_search_in_two_sittings_tries_what_one_in_one_sitting_tries(search, request_):
    whole = search(request_(name="whole"), TuningOptions(trials=4))
    begun = search(request_(name="parts"), TuningOptions(trials=1))
    rest = search(request_(name="parts"), TuningOptions(trials=3))
    assert outcomes(begun) + outcomes(rest) == outcomes(whole)
    assert rest[0].trials == 1
    assert rest[-1].best == whole[-1].best


@pytest.fixture
def interrupted(session, request_):
    """Interrupts a search in the midst of its second trial, and gives the events."""

    def run(request=None):
        stopped = []
        events = []
        fixed = request or request_()
        for event in tune(session, asked(fixed, TuningOptions(trials=5)), lambda: bool(stopped)):
            events.append(event)
            if isinstance(event, Trying) and event.trial == 1 and event.progress > 0.3:
                stopped.append(True)
        return events

    return run


@pytest.mark.slow
def test_an_interrupted_trial_is_tried_again_by_the_next_sitting(search, interrupted):
    events = interrupted()
    assert [trial.outcome for trial in tried(events)] == ["complete", "interrupted"]
    assert events[-1].reason == "interrupt"
    again, *_ = tried(search())
    assert (again.outcome, again.chosen) == ("complete", tried(events)[1].chosen)


@pytest.mark.slow
def test_a_search_that_was_interrupted_tries_what_an_unbroken_one_tries(search, interrupted, request_):
    whole = search(request_(name="whole"), TuningOptions(trials=4, prune="none"))
    begun = interrupted(request_(name="parts"))
    rest = search(request_(name="parts"), TuningOptions(trials=3, prune="none"))
    complete = [trial for trial in tried(begun) + tried(rest) if trial.outcome == "complete"]
    assert [(t.chosen, t.nats_per_char) for t in complete] == [
        (t.chosen, t.nats_per_char) for t in tried(whole)
    ]


def test_a_search_that_is_left_in_the_middle_of_a_trial_can_go_on(search, session, request_):
    events = tune(session, asked(request_(), TWO))
    trying = next(event for event in events if isinstance(event, Trying))
    events.close()
    assert tried(search())[0].chosen == trying.chosen


@pytest.mark.slow
def test_two_searches_side_by_side_share_one_study(session, request_):
    both = [tune(session, asked(request_(), TuningOptions(trials=2, prune="none"))) for _ in range(2)]
    found = []
    while both:
        for one in list(both):
            event = next(one, None)
            found.append(event)
            if event is None:
                both.remove(one)
    assert sorted(trial.trial for trial in tried(found)) == [0, 1, 2, 3]
    ends = [event for event in found if isinstance(event, Searched)]
    assert (ends[-1].trials, ends[-1].best.nats_per_char) == (
        4,
        min(t.nats_per_char for t in tried(found)),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "searches", "message"),
    [
        ({"hidden": 9}, {}, "begun with hidden=8; asked for now: 9"),
        ({"tied": True}, {}, "begun without tied; asked for now: True"),
        ({"seed": 2}, {}, "begun with seed=1; asked for now: 2"),
        ({"steps": 9}, {}, "begun with a trial's steps 8; asked for now: 9"),
        ({}, {"lr": "0.1|0.2"}, "begun with search=lr=0.0003..0.03:log; asked for now: 0.1|0.2"),
    ],
)
def test_a_study_goes_on_only_with_the_search_that_it_was_begun_with(
    search, request_, changes, searches, message
):
    search(options=TuningOptions(trials=1))
    with pytest.raises(UsageError) as caught:
        search(request_(**changes), **searches)
    assert message in str(caught.value)


@pytest.mark.slow
def test_a_study_is_about_one_text_and_may_run_on_another_machine(search, request_, corpus, tmp_path):
    search(options=TuningOptions(trials=1))
    (tmp_path / "other" / "verse.txt").parent.mkdir()
    moved = corpus.rename(tmp_path / "other" / "verse.txt")
    assert len(tried(search(request_(moved, precision="auto", seed=None)))) == 2
    moved.write_text(moved.read_text().replace("sun", "sea"))
    with pytest.raises(UsageError, match="about another text"):
        search(request_(moved))


# ── The best ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_the_best_settings_train_again_to_the_same_loss(search, session):
    best = search(options=TuningOptions(trials=3, prune="none"))[-1].best
    request = best.under(TrainRequest.of(find_corpus(session), steps=LEARNING["steps"]))
    finished = [e for e in session.train(session.plan(request)) if isinstance(e, Finished)]
    assert finished[0].best_nats_per_char == best.nats_per_char


def find_corpus(session):
    return str(session.models.root.parent / "verse.txt")


def test_what_is_given_counts_above_a_studys_settings():
    settings = {"cell.forget_bias": "2.0", "tokenizer.vocab_size": "300"}
    study = Best(0, 1.0, {}, TrainRequest.of(cell="lstm", hidden=8, layers=2, settings=settings))
    same = study.under(TrainRequest.of(hidden=16, settings={"x": "y"}, name="mine"))
    assert same.network.values == {"hidden": 16, "layers": 2}
    assert same.settings == {"cell.forget_bias": "2.0", "tokenizer.vocab_size": "300", "x": "y"}
    assert same.name == "mine"
    other = study.under(TrainRequest.of(cell="gru"))
    assert (other.parts.values, other.settings) == ({"cell": "gru"}, {"tokenizer.vocab_size": "300"})


@pytest.mark.slow
def test_a_study_is_found_by_name_in_the_file_or_the_database_that_it_is_in(search, tmp_path):
    for storage in (None, str(tmp_path / "shared" / "all.journal"), f"sqlite:///{tmp_path / 'all.db'}"):
        best = search(storage=storage)[-1].best
        assert find_best("verse", storage) == best
        with pytest.raises(UnknownName, match="unknown study 'vers'; did you mean 'verse'"):
            find_best("vers", storage)
    assert study_names() == ["verse"]


@pytest.mark.slow
def test_pairs_in_two_files_are_searched_and_trained_again(search, request_, session, tmp_path):
    (tmp_path / "a.en").write_text("".join(f"one {n} two\n" for n in range(60)))
    (tmp_path / "a.de").write_text("".join(f"eins {n} zwei\n" for n in range(60)))
    request = request_(tmp_path / "a.de", source=str(tmp_path / "a.en"), task="pairs", layers=None)
    best = search(request)[-1].best
    assert find_best("a", None) == best
    again = best.under(TrainRequest.of(str(tmp_path / "a.de"), name="again", steps=8))
    found = [event for event in session.train(session.plan(again)) if isinstance(event, Finished)]
    assert found[0].best_nats_per_char == best.nats_per_char


@pytest.mark.slow
def test_a_corpus_that_ships_is_searched_as_what_it_is(search, request_, session):
    first = tried(search(request_("places"), TuningOptions(trials=1)))[0]
    plan = session.plan(replace(request_("places"), name="plain"))
    assert plan.config.task.name == "lines"
    found = [event for event in session.train(plan) if isinstance(event, Finished)]
    assert first.nats_per_char == pytest.approx(found[0].best_nats_per_char, rel=1e-6)


def test_a_study_without_a_complete_trial_has_no_best(search):
    search(options=TuningOptions(minutes=1e-9))
    with pytest.raises(NotFoundError, match="'verse' has no complete trial yet"):
        find_best("verse", None)


def test_looking_for_a_study_makes_nothing(home, tmp_path):
    with pytest.raises(UnknownName, match="there is no study at all"):
        find_best("verse", None)
    with pytest.raises(NotFoundError, match="no such file"):
        find_best("verse", str(tmp_path / "none.journal"))
    assert not (home / "studies").exists()
    assert not (tmp_path / "none.journal").exists()


@pytest.mark.parametrize("storage", ["nonsense://host/x", "mysql://host/x"])
def test_a_database_that_cannot_be_reached_is_named(search, storage):
    with pytest.raises(UsageError, match=f"storage={storage}"):
        search(storage=storage)


def test_without_optuna_the_error_says_how_to_install_it(search, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    for use in (search, lambda: find_best("verse", None)):
        with pytest.raises(PluginError, match=r"pip install 'rnngen\[tune\]'"):
            use()
    assert study_names() == []

"""What cannot work is refused before anything is written, and a resumed run is the run that it was."""

import json
import sys
import types
from dataclasses import dataclass

import pytest
from fixtures import SEED

from rnngen import hookimpl
from rnngen.api import Session
from rnngen.contracts import CellSpec, TokenizerSpec
from rnngen.errors import CorpusError, ModelError, NotFoundError, PluginError, UnknownName, UsageError
from rnngen.registry import Distribution, Registry
from rnngen.requests.train import TrainRequest
from rnngen.store.model_folder import CONFIG, located, read_model


def resumed(**given):
    """A request to go on that gives nothing else than this."""
    return TrainRequest.of(name="verse", resume=True, **given)


# ── new models ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("novel.txt", "novel"),
        ("my novel (2).txt.gz", "my-novel--2-"),
        ("天地.md", "天地"),
        (".hidden.txt", "hidden"),
        ("noending", "noending"),
    ],
)
def test_a_model_is_called_after_its_corpus(session, ask, corpus, file, name):
    path = corpus.rename(corpus.with_name(file)) if ".gz" not in file else corpus.rename(corpus.parent / file)
    plan = session.plan(ask(path))
    assert (plan.name, plan.path) == (name, session.models.root / name)


def test_a_text_behind_a_link_and_dots_is_recorded_where_it_is(session, ask, corpus, tmp_path):
    (tmp_path / "elsewhere" / "folder").mkdir(parents=True)
    text = tmp_path / "elsewhere" / "text.txt"
    text.write_text(corpus.read_text())
    (tmp_path / "link").symlink_to(text.parent / "folder")
    plan = session.plan(ask(tmp_path / "link" / ".." / "text.txt"))
    assert plan.config.corpus.paths == (str(text.resolve()),)


def test_a_folder_gives_its_name_and_all_its_texts(session, ask, corpus, tmp_path):
    folder = tmp_path / "poems"
    folder.mkdir()
    for name in ("b.txt", "a.txt"):
        (folder / name).write_text(corpus.read_text())
    plan = session.plan(ask(folder))
    assert plan.name == "poems"
    assert [path.rpartition("/")[2] for path in plan.config.corpus.paths] == ["a.txt", "b.txt"]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"task": "pairs", "head": "mixture"}, "head=mixture: a network that reads a source has one softmax"),
        ({"head": "adaptive", "label_smoothing": 0.1}, "label_smoothing .* head=adaptive"),
    ],
)
def test_an_output_layer_that_cannot_be_had_is_refused_by_name(session, ask, given, named):
    with pytest.raises(UsageError, match=named):
        session.plan(ask(**given))


def test_a_tuned_model_refuses_what_its_output_layer_cannot(session, train, ask):
    train(head="adaptive", steps=1)
    request = TrainRequest.of(*ask().corpus, name="tuned", init_from="verse", label_smoothing=0.1)
    with pytest.raises(UsageError, match="label_smoothing"):
        session.plan(request)


def test_planning_writes_nothing_but_the_cache(session, ask, home):
    session.plan(ask())
    assert not session.models.root.exists()
    assert [path.name for path in home.iterdir()] == ["cache"]


def test_a_model_that_is_there_is_not_replaced_unasked(session, ask, train):
    train()
    with pytest.raises(UsageError, match=r"'verse' already.*resume.*force.*name=NAME"):
        session.plan(ask())
    assert session.plan(ask(force=True)).resumed is False
    assert session.plan(ask(name="other")).name == "other"


def test_without_a_corpus_there_is_nothing_to_do(session, ask):
    with pytest.raises(UsageError, match="no corpus"):
        session.plan(ask(None))
    with pytest.raises(NotFoundError, match="no model 'verse' to resume, and no corpus"):
        session.plan(resumed())


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"cell": "lstn"}, UnknownName, "unknown cell 'lstn'; did you mean 'lstm'"),
        ({"tokenizer": "words"}, UnknownName, "did you mean 'word'"),
        ({"task": "line"}, UnknownName, "did you mean 'lines'"),
        ({"settings": {"activatoin": "tanh"}, "cell": "rnn"}, UnknownName, "did you mean 'activation'"),
        ({"settings": {"activation": "tan"}, "cell": "rnn"}, UnknownName, "did you mean 'tanh'"),
        ({"settings": {"cell.forget_bias": "high"}}, UsageError, "forget_bias=high: a number expected"),
        ({"settings": {"task.speed": "1"}}, UsageError, "task 'continue' has no options"),
        ({"vocab_size": 300, "tokenizer": "byte"}, UsageError, "tokenizer 'byte' has no options"),
        ({"vocab_size": 10}, UsageError, "vocab_size=10: at least 257"),
        ({"name": "a/b"}, UsageError, "model name 'a/b'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_mend(session, ask, given, error, message):
    with pytest.raises(error, match=message.replace("(", r"\(")):
        session.plan(ask(**given))
    assert not session.models.root.exists()


def test_a_model_to_begin_with_that_is_not_there_is_refused(session, corpus):
    with pytest.raises(NotFoundError, match="unknown model 'nothing'"):
        session.plan(TrainRequest.of(str(corpus), init_from="nothing"))
    assert not session.models.root.exists()


def test_a_seed_is_always_chosen_and_recorded(session, ask):
    seeds = {session.plan(ask(seed=None)).config.training.seed for _ in range(3)}
    assert len(seeds) == 3
    assert all(isinstance(seed, int) for seed in seeds)


def test_options_go_to_the_part_that_has_them(session, ask):
    plan = session.plan(
        ask(cell="rnn", tokenizer="bpe", vocab_size=270, settings={"cell.activation": "relu"})
    )
    assert plan.config.cell.options["activation"] == "relu"
    assert plan.config.tokenizer.options == {"vocab_size": 270}
    assert plan.config.vocabulary == 270


# ── tuning another model ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [
        {"cell": "gru"},
        {"layers": 2},
        {"tokenizer": "byte"},
        {"task": "lines"},
        {"source_tokenizer": "char"},
        {"settings": {"forget_bias": "0"}},
    ],
)
def test_a_tuned_model_takes_its_shape_from_the_other(session, ask, train, given):
    train()
    request = TrainRequest.of(*ask().corpus, name="tuned", init_from="verse")
    assert session.plan(request).config.network == read_model(session.models.find("verse")).config.network
    with pytest.raises(UsageError, match=rf"init_from and {next(iter(given))} .*from the other model"):
        session.plan(TrainRequest.of(*ask().corpus, name="tuned", init_from="verse", **given))


def test_what_the_other_model_has_may_be_given_again(session, ask, train):
    train()
    same = {"task": "continue", "cell": "lstm", "tokenizer": "char", "hidden": 8, "dropout": 0.0}
    plain = session.plan(TrainRequest.of(*ask().corpus, name="tuned", init_from="verse", seed=1))
    again = session.plan(TrainRequest.of(*ask().corpus, name="tuned", init_from="verse", seed=1, **same))
    assert again.config == plain.config


# ── going on ───────────────────────────────────────────────────────────────────────────────────────────────


def test_going_on_needs_no_more_than_the_name(session, train):
    train()
    plan = session.plan(resumed())
    assert plan.resumed
    stored = read_model(session.models.find("verse"))
    corpus = located(stored.path, stored.config.corpus)
    assert plan.config == stored.config.replace(corpus=corpus)


def test_asked_to_go_on_with_what_is_not_there_it_begins(session, ask):
    assert session.plan(ask(resume=True)).resumed is False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"hidden": 16}, "hidden=16"),
        ({"layers": 2}, "layers=2"),
        ({"dropout": 0.5}, "dropout=0.5"),
        ({"learn_state": True}, "learn_state=True"),
        ({"cell": "gru"}, "cell=gru"),
        ({"tokenizer": "byte"}, "tokenizer=byte"),
        ({"task": "lines"}, "task=lines"),
        ({"vocab_size": 300}, "vocab_size=300"),
        ({"seed": 2}, "seed=2"),
        ({"lr": 0.5}, "lr=0.5"),
        ({"batch": 5}, "batch=5"),
        ({"optimizer": "sgd"}, "optimizer=sgd"),
        ({"settings": {"forget_bias": "2"}}, "forget_bias=2.0"),
        ({"settings": {"cell.forget_bias": "2"}}, "forget_bias=2.0"),
        ({"val_fraction": 0.5}, "val_fraction=0.5"),
        ({"encoding": "latin-1"}, "encoding=latin-1"),
    ],
)
def test_what_would_make_it_another_run_is_refused(session, train, given, option):
    train()
    with pytest.raises(UsageError, match=rf"^{option}: the run was made with .*resume cannot change"):
        session.plan(resumed(**given))


def test_what_was_said_before_may_be_said_again(session, ask, train):
    train(cell="rnn", settings={"activation": "relu"}, layers=2, tied=True, val_fraction=0.2)
    plan = session.plan(
        ask(resume=True, cell="rnn", settings={"activation": "relu"}, layers=2, tied=True, val_fraction=0.2)
    )
    assert plan.resumed


@pytest.mark.parametrize("budget", [{"steps": 50}, {"epochs": 3.0}, {"minutes": 1.5}])
def test_a_new_budget_replaces_the_old_whatever_its_unit(session, train, budget):
    train()
    training = session.plan(resumed(**budget)).config.training
    given = {name: getattr(training, name) for name in ("steps", "epochs", "minutes")}
    assert {name: value for name, value in given.items() if value is not None} == budget
    assert training.seed == SEED


def test_the_budget_that_there_is_given_again_changes_nothing(session, ask, train):
    budget = {"steps": None, "minutes": 0.005, "max_epochs": 50.0}
    train(stop=lambda: True, **budget)
    training = session.plan(resumed(minutes=0.005)).config.training
    assert (training.minutes, training.max_epochs) == (0.005, 50.0)
    assert session.plan(resumed(minutes=1)).config.training.max_epochs is None


@pytest.mark.parametrize(
    "idle", [{"muon": "layers"}, {"mixture": 8}, {"teacher_weight": 0.9}, {"teacher_temp": 2.0}], ids=str
)
def test_an_option_of_no_use_is_refused_where_resume_begins_a_run(session, ask, train, idle):
    with pytest.raises(UsageError, match=f"{next(iter(idle))} needs"):
        session.plan(ask(resume=True, **idle))
    train()
    with pytest.raises(UsageError, match="resume cannot change"):  # but of a run it is told what it has
        session.plan(resumed(**idle))


def test_patterns_of_encodings_may_be_said_again(session, ask, train, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder, encoding in (("old", "cp1251"), ("new/old", "utf-8")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.txt").write_bytes(("привет, мир\n" * 100).encode(encoding))
    files, said = ("old", "new"), {"encoding": "utf-8;./old/*.txt=cp1251"}
    options = {"name": "m", "steps": 2, "hidden": 8, "seq": 16, "batch": 2, "ngram": "none"}
    list(session.train(session.plan(TrainRequest.of(*files, **options, **said))))
    assert session.plan(TrainRequest.of(*files, resume=True, **options, **said)).resumed
    with pytest.raises(UsageError, match=r"encoding=utf-8;old/a.txt=cp1252: the run was made with"):
        session.plan(TrainRequest.of(*files, resume=True, name="m", encoding="utf-8;old/a.txt=cp1252"))


def test_most_passes_mean_nothing_beside_the_budget_of_a_run(session, train):
    train()
    with pytest.raises(UsageError, match="max_epochs: the run has a budget of steps"):
        session.plan(resumed(max_epochs=3))
    assert session.plan(resumed(minutes=1, max_epochs=3)).config.training.max_epochs == 3


def test_a_run_that_resume_begins_is_the_one_that_would_begin_without(session):
    plans = [session.plan(TrainRequest.of("places", resume=resume)) for resume in (False, True)]
    assert [plan.config.task.name for plan in plans] == ["lines", "lines"]


@pytest.mark.parametrize("change", [{"patience": 0}, {"device": "cpu"}, {"precision": "bf16"}])
def test_a_run_may_go_on_elsewhere_and_for_longer(session, train, change):
    train()
    training = session.plan(resumed(**change)).config.training
    assert {name: getattr(training, name) for name in change} == change
    assert training.steps == 12


def test_a_changed_corpus_is_refused_by_name(session, ask, train, corpus):
    train()
    corpus.write_text(corpus.read_text() + "one line more\n")
    for request in (resumed(), ask(resume=True)):
        with pytest.raises(CorpusError, match=r"verse\.txt: not the text that the model was trained on"):
            session.plan(request)


def test_a_corpus_that_is_gone_is_named(session, train, corpus):
    train()
    corpus.unlink()
    with pytest.raises(CorpusError, match=r"verse\.txt: .* not there any more"):
        session.plan(resumed())


def test_a_corpus_may_move(session, ask, train, corpus, tmp_path):
    train()
    moved = corpus.rename(tmp_path / "moved.txt")
    plan = session.plan(ask(moved, resume=True, name="verse"))
    assert plan.resumed
    assert plan.config.corpus.paths == (str(moved),), "from now on it is found there"
    assert plan.config.identity == read_model(session.models.find("verse")).config.identity


def test_a_validation_folder_needs_not_be_named_again(session, ask, train, corpus, tmp_path):
    folder = tmp_path / "val"
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text("the sun and the moon\n")
    train(val=str(folder))
    for request in (resumed(), ask(resume=True), ask(resume=True, val=str(folder))):
        assert len(session.plan(request).config.corpus.val_paths) == 2
    (folder / "b.txt").write_text("changed")
    with pytest.raises(CorpusError, match=r"b\.txt: not the text"):
        session.plan(ask(resume=True))


def test_validation_text_where_there_was_none_is_refused(session, ask, train, corpus):
    train()
    with pytest.raises(CorpusError, match="not the text"):
        session.plan(ask(resume=True, val=str(corpus)))


def test_a_tokenizer_that_the_corpus_does_not_give_is_refused(session, train):
    train()
    path = session.models.find("verse") / "tokenizer.json"
    path.write_text(path.read_text().replace("t", "T"))
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        session.plan(resumed())


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_run_with_a_missing_file_is_refused_by_name(session, train, name):
    train()
    (session.models.find("verse") / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        session.plan(resumed())


def test_a_run_of_a_newer_rnngen_asks_for_an_upgrade(session, train):
    train()
    path = session.models.find("verse") / CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2, "rnngen": "9.0"}))
    with pytest.raises(ModelError, match=r"from rnngen 9\.0.*pip install -U rnngen"):
        session.plan(resumed())


# ── plugins ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Options:
    """Of the plugin's cell."""

    speed: float = 1.0
    """How fast."""


@dataclass(frozen=True)
class OtherOptions:
    """Of a later version of it."""

    pace: float = 1.0
    """How fast."""


def plugin(name="mine", options=Options):
    """A module that brings an LSTM under another name."""
    module = types.ModuleType("rnngen_test_plugin")

    class Layer(__import__("rnngen.builtins.cells.lstm.torch", fromlist=["LSTM"]).LSTM):
        def __init__(self, input_size, hidden_size, _):
            from rnngen.builtins.cells.options import LSTMOptions

            super().__init__(input_size, hidden_size, LSTMOptions())

    @hookimpl
    def rnngen_cells():
        return [CellSpec(name=name, summary="x", load="rnngen_test_plugin:Layer", options=options)]

    module.Layer, module.rnngen_cells = Layer, rnngen_cells
    return module


@pytest.fixture
def with_plugin(session, monkeypatch):
    def make(module, version="1.0"):
        monkeypatch.setitem(sys.modules, "rnngen_test_plugin", module)
        return Session(Registry(plugins=[(Distribution("rnngen-mine", version), module)]), session.models)

    return make


def test_a_missing_plugin_is_told_by_its_distribution(session, with_plugin, ask):
    owner = with_plugin(plugin())
    list(owner.train(owner.plan(ask(cell="mine"))))
    owner.open(owner.read("verse"))
    message = r"needs the cell 'mine' from rnngen-mine 1\.0; it is not installed"
    with pytest.raises(PluginError, match=message):
        session.plan(resumed())
    with pytest.raises(PluginError, match=message):
        session.open(session.read("verse"))


def test_a_broken_plugin_is_told_apart_from_a_missing_one(session, with_plugin, ask):
    owner = with_plugin(plugin())
    list(owner.train(owner.plan(ask(cell="mine"))))
    broken = with_plugin(plugin(options=None))
    broken.registry.plugins[0][1].rnngen_cells = hookimpl(lambda: 1 / 0)
    with pytest.raises(PluginError, match=r"installed but does not work \(TypeError|ZeroDivisionError"):
        broken.plan(resumed())


def test_a_plugin_that_no_longer_takes_the_options_is_told_with_both_versions(with_plugin, ask):
    owner = with_plugin(plugin())
    list(owner.train(owner.plan(ask(cell="mine"))))
    later = with_plugin(plugin(options=OtherOptions), "2.0")
    with pytest.raises(ModelError, match=r"rnngen-mine 1\.0, and 2\.0 does not take its options .*speed"):
        later.plan(resumed())


def test_two_plugins_of_one_name_are_told_apart_by_their_distributions(session, ask):
    copies = [(Distribution(name, "1"), plugin(cell)) for name in ("a", "b") for cell in ("lstm", "mine")]
    doubled = Session(Registry(plugins=copies), session.models)
    with pytest.raises(PluginError, match="'mine' comes from both a and b"):
        doubled.plan(ask(cell="mine"))
    assert doubled.plan(ask(name="1", cell="b/mine")).config.cell.distribution == "b"
    assert doubled.plan(ask(name="2", cell="lstm")).config.cell.distribution == "rnngen"


@dataclass(frozen=True)
class Keyed:
    """Of a tokenizer: a key that the built-in LSTM has too, and one that has to be given."""

    needed: int
    """Means nothing."""
    forget_bias: float = 1.0
    """Nor does this."""


@pytest.fixture
def keyed(session):
    """A session with a tokenizer that has those options."""
    module = types.ModuleType("rnngen_test_plugin")

    @hookimpl
    def rnngen_tokenizers():
        target = "rnngen.builtins.tokenizers.byte:ByteTokenizer"
        return [TokenizerSpec(name="keyed", summary="x", load=target, options=Keyed)]

    module.rnngen_tokenizers = rnngen_tokenizers
    return Session(Registry(plugins=[(Distribution("rnngen-mine", "1"), module)]), session.models)


def test_a_key_of_two_parts_has_to_say_whose_it_is(keyed, ask):
    with pytest.raises(UsageError, match=r"belongs to cell and tokenizer; say -o cell\.forget_bias=2 or"):
        keyed.plan(ask(tokenizer="keyed", settings={"forget_bias": "2", "needed": "7"}))
    plan = keyed.plan(ask(tokenizer="keyed", settings={"cell.forget_bias": "2", "needed": "7"}))
    assert plan.config.cell.options["forget_bias"] == 2.0
    assert plan.config.tokenizer.options == {"needed": 7, "forget_bias": 1.0}


def test_what_a_part_has_to_be_given_is_not_asked_for_again(keyed, ask):
    with pytest.raises(UsageError, match="tokenizer 'keyed' needs the option 'needed'"):
        keyed.plan(ask(tokenizer="keyed"))
    list(keyed.train(keyed.plan(ask(tokenizer="keyed", settings={"needed": "7"}))))
    assert keyed.plan(resumed()).resumed
    for same in ({"needed": "7"}, {"tokenizer.needed": "7"}, {"tokenizer.forget_bias": "1"}):
        assert keyed.plan(resumed(settings=same)).resumed
    for other in ({"needed": "8"}, {"tokenizer.forget_bias": "2"}, {"cell.forget_bias": "2"}):
        with pytest.raises(UsageError, match=r"^\w+=.*resume cannot change"):
            keyed.plan(resumed(settings=other))


def test_a_part_may_be_named_with_its_distribution(session, train):
    train()
    assert session.plan(resumed(cell="rnngen/lstm", tokenizer="char")).resumed
    with pytest.raises(UsageError, match="cell=other/lstm: the run was made with lstm"):
        session.plan(resumed(cell="other/lstm"))

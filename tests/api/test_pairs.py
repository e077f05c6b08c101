"""Pairs, from training to answers: the same bytes whatever happens in between, and answers of the model that
was kept.
"""

import itertools
import random
import types
from dataclasses import replace
from importlib.util import find_spec
from itertools import groupby

import numpy as np
import pytest
from fixtures import PRECISION, SEED

from rnngen import builtins, hookimpl
from rnngen.api import Session
from rnngen.builtins.attention import rnngen_attentions
from rnngen.builtins.strategies.beam.search import BeamSearch
from rnngen.builtins.strategies.options import GREEDY, BeamOptions
from rnngen.builtins.strategies.sampling import Sample
from rnngen.contracts import AttentionSpec, CellSpec
from rnngen.errors import CorpusError, ModelError, PluginError, UnknownName, UsageError
from rnngen.evaluation import seq2seq_metrics
from rnngen.events import Evaluated, FinalEvaluation, Finished, Sampled, Started, Warned
from rnngen.generation import generator as generation
from rnngen.generation.loading import LoadOptions
from rnngen.generation.prompts import GenerationSettings, Prompt
from rnngen.inference.torch_model import TorchStep
from rnngen.options.corpus import CorpusOptions, PartsOptions
from rnngen.options.given import Given
from rnngen.options.model import EvaluationOptions, OutputOptions
from rnngen.registry import Distribution, Registry
from rnngen.requests.evaluate import EvaluateRequest
from rnngen.requests.train import TrainRequest
from rnngen.store.checkpoint import read_tensors
from rnngen.store.model_folder import TRAINING, ModelStore, read_model, write_weights
from rnngen.training import evaluating

WHOLE = ("config.json", "tokenizer.json", "model.safetensors", "metrics.jsonl", "README.md")
NETWORK = {"hidden": 12, "embed": 8, "dropout": 0.0}
TRAINING_OPTIONS = {
    "batch": 8,
    "seq": 16,
    "steps": 10,
    "evaluations": 3,
    "lr": 0.01,
    "seed": SEED,
    "precision": PRECISION,
    "device": "cpu",
    "ngram": "none",  # what is told of networks should be of networks
}
CHAR = {"tokenizer": "char", "source_tokenizer": "char"}


def reversals(count, seed=1):
    """Words, and the same from behind."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdef", k=rng.randint(1, 6))) for _ in range(count)]
    return "".join(f"{word}\t{word[::-1].upper()}\n" for word in words)


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text(reversals(150))
    return path


@pytest.fixture
def ask(pairs):
    """Builds a request, options by name or by stage."""

    def request(path=pairs, *, parts=(), network=(), text=(), **given):
        small = {"name": "pairs", "task": "pairs", **CHAR, **NETWORK, **TRAINING_OPTIONS}
        return TrainRequest.of(str(path), **{**small, **dict(parts), **dict(network), **dict(text), **given})

    return request


@pytest.fixture
def train(session, ask):
    def run(*path, stop=lambda: False, **given):
        return list(session.train(session.plan(ask(*path, **given)), stop))

    return run


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A session with a model that has learnt a little, only to be read."""
    folder = tmp_path_factory.mktemp("shelf")
    (folder / "pairs.tsv").write_text(reversals(150))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNNGEN_HOME", str(folder / "home"))
        session = Session(Registry(), ModelStore(folder / "models"))
        for name, seed in (("one", SEED), ("two", SEED + 1)):
            request = TrainRequest.of(
                str(folder / "pairs.tsv"),
                name=name,
                task="pairs",
                shared_vocabulary=True,
                tokenizer="char",
                **{**NETWORK, **TRAINING_OPTIONS, "hidden": 32, "steps": 80, "batch": 16, "seed": seed},
            )
            list(session.train(session.plan(request)))
    return session


def generator(session, *names, **options):
    """What generates with these models."""
    return session.load(*names, options=LoadOptions(**options)).generator


def generated(made, sources, strategy, settings, *, prefix="", numbers=None):
    """The outputs for each source, with their texts, in the order of the sources; a blank one has none."""
    prompts = [Prompt(prefix, source) for source in sources]
    found = []
    for output in made.generate(prompts, strategy, settings, numbers):
        assert isinstance(output.text, str)
        found.append(output)
    by_prompt = {place: [*outputs] for place, outputs in groupby(found, key=lambda one: id(one.prompt))}
    return [by_prompt.get(id(prompt), []) for prompt in prompts]


def search(made, sources, options, *, prefix="", **settings):
    """The outputs that a beam finds, best first."""
    settings = GenerationSettings(count=options.width, **settings)
    return generated(made, sources, BeamSearch(options), settings, prefix=prefix)


def draw(made, sources, count, *, numbers=None, **settings):
    """Outputs that are drawn; seeds follow from numbers."""
    settings = GenerationSettings(count=count, **settings)
    return generated(made, sources, Sample(), settings, numbers=numbers)


def answers(session, name="pairs", sources=("abc", "fed")):
    found = search(generator(session, name), sources, BeamOptions(width=3))
    return [[(one.text, one.hypothesis.log_probability) for one in best] for best in found]


def files(session, name="pairs"):
    folder = session.models.find(name)
    return {file: (folder / file).read_bytes() for file in WHOLE if (folder / file).exists()}


def elsewhere(session, tmp_path, name):
    return Session(session.registry, ModelStore(tmp_path / name))


def after(steps):
    asked = itertools.count(1)
    return lambda: next(asked) >= steps


# ── training ───────────────────────────────────────────────────────────────────────────────────────────────


def test_trained_on_pairs_it_answers_sources(session, train):
    events = train()
    assert [type(event) for event in events[:1]] == [Started]
    assert {Evaluated, Sampled, FinalEvaluation, Finished} <= {type(event) for event in events}
    found = answers(session)
    assert all(len(best) == 3 for best in found)
    for best in found:
        scores = [score for _, score in best]
        assert scores == sorted(scores, reverse=True) or len({text for text, _ in best}) == 3
    assert all("→" in event.text for event in events if isinstance(event, Sampled))


def test_the_samples_on_show_are_answers_to_held_out_sources(session, train, ask):
    held_out = session.plan(ask()).encoded.val.source
    tokenizer = session.plan(ask()).encoded.source_tokenizer
    known = {
        b"".join(tokenizer.pieces[i] for i in held_out.example(number)).decode()
        for number in range(held_out.examples)
    }
    shown = [line for event in train() if isinstance(event, Sampled) for line in event.text.split("\n")]
    assert shown
    assert {line.partition(" →")[0] for line in shown} <= known


@pytest.mark.slow
def test_it_learns_to_turn_words_round(session, train, tmp_path):
    path = tmp_path / "more.tsv"
    path.write_text(reversals(3000))
    given = {"steps": 500, "batch": 32, "seq": 32, "evaluations": 5, "best": "accuracy"}
    train(path, network={"hidden": 64, "embed": 16}, **given)
    sources = ["abc", "fedcba", "a", "bbd", "cafe", "eef"]
    assert answers(session, sources=sources)[1][0][0] == "ABCDEF"
    right = [
        best[0][0] == source[::-1].upper()
        for source, best in zip(sources, answers(session, sources=sources), strict=True)
    ]
    assert sum(right) >= 5


VARIANTS = {
    "plain": {},
    "dropout, shared": {
        "network": {"dropout": 0.3, "tied": True},
        "parts": {"source_tokenizer": None, "shared_vocabulary": True},
        "settings": {"copying": "true"},
    },
    "mean, own guesses": {"average": 0.9, "scheduled_sampling": 0.5},
    "smoothed, by chrf": {"label_smoothing": 0.1, "best": "chrf"},
    "feeding, coverage": {
        "settings": {"input_feeding": "true", "attention": "coverage", "coverage_loss": "1"}
    },
    "no attention, copied state": {"settings": {"attention": "none", "bridge": "copy", "decoder": "lstm"}},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_the_same_seed_gives_the_same_bytes_and_so_does_a_resumed_run(session, ask, tmp_path, name):
    request = ask(**VARIANTS[name])
    sittings = {place: elsewhere(session, tmp_path, place) for place in ("whole", "again", "broken")}
    for place in ("whole", "again"):
        assert list(sittings[place].train(sittings[place].plan(request)))[-1].reason == "budget"
    broken = sittings["broken"]
    assert list(broken.train(broken.plan(request), after(3)))[-1].reason == "interrupt"
    for stops in (5, 99):
        again = broken.plan(TrainRequest.of(name="pairs", resume=True))
        list(broken.train(again, after(stops - 3 if stops < 99 else stops)))
    expected = files(sittings["whole"])
    assert expected.keys() == set(WHOLE)
    assert files(sittings["again"]) == expected
    assert files(broken) == expected
    one, other = (
        read_tensors(sittings[place].models.find("pairs") / TRAINING)[0] for place in ("whole", "broken")
    )
    assert {key: array.tobytes() for key, array in one.items()} == {
        key: array.tobytes() for key, array in other.items()
    }


def test_a_mean_of_the_weights_is_what_is_kept_and_judged(session, train, ask):
    train(name="mean", average=0.9, evaluations=1)
    tensors, _ = read_tensors(session.models.find("mean") / TRAINING)
    kept = session.read("mean").weights
    own = {key.removeprefix("network."): w for key, w in tensors.items() if key.startswith("network.")}
    assert not np.array_equal(kept["combine.weight"], own["combine.weight"])
    means = [w for key, w in tensors.items() if key.startswith("mean.")]
    assert any(np.array_equal(kept["combine.weight"], mean) for mean in means)
    train(name="plain", evaluations=1)
    plain, _ = read_tensors(session.models.find("plain") / TRAINING)
    assert np.array_equal(plain["network.combine.weight"], own["combine.weight"])


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["bleu", "chrf", "accuracy"])
def test_what_answers_score_decides_which_weights_are_kept(session, ask, monkeypatch, measure):
    """The scores are made up, so that the second of four is the best whatever the loss."""
    scores = iter([1.0, 5.0, 5.0, 3.0])
    asked = []

    def score(answers, texts):
        asked.append((answers, texts))
        return next(scores)

    monkeypatch.setitem(evaluating.MEASURES, measure, score)
    events = list(session.train(session.plan(ask(best=measure, steps=8, evaluations=4))))
    tried = [event for event in events if isinstance(event, Evaluated)]
    assert [event.best for event in tried] == [True, True, False, False]
    assert [event.score for event in tried] == [1.0, 5.0, 5.0, 3.0]
    assert events[-1].best_step == tried[1].step
    assert all(len(answers) == len(texts) > 0 for answers, texts in asked)
    weights = session.read("pairs").weights
    train_again = session.plan(ask(name="half", steps=8, evaluations=4))
    list(session.train(train_again, after(tried[1].step)))
    tensors, _ = read_tensors(session.models.find("half") / TRAINING)
    assert np.array_equal(weights["combine.weight"], tensors["network.combine.weight"])


def test_a_score_stops_training_early(session, train, monkeypatch):
    monkeypatch.setitem(evaluating.MEASURES, "bleu", lambda answers, texts: 0.0)
    events = train(best="bleu", steps=20, evaluations=10, patience=2)
    assert events[-1].reason == "early stop"


@pytest.mark.parametrize("ngram", ["none", "auto"])
def test_the_score_is_that_of_the_greedy_answers(session, train, ask, ngram):
    events = train(best="chrf", steps=6, evaluations=1, ngram=ngram)
    (score,) = [event.score for event in events if isinstance(event, Evaluated)]
    evaluation = session.evaluate(session.read("pairs"), EvaluateRequest())
    assert score == pytest.approx(evaluation.outputs.scores.chrf, abs=1e-6)


def test_pairs_left_out_are_counted_and_told(train, tmp_path):
    path = tmp_path / "long.tsv"
    path.write_text(reversals(150) + "a" * 9 + "\tb\n" + "c\t" + "d" * 9 + "\n")
    told = [event.message for event in train(path, max_length=8) if isinstance(event, Warned)]
    assert any("2 of" in text and "more than 8 tokens" in text and "--max-length" in text for text in told)


def test_where_every_pair_is_too_long_that_is_said(train, tmp_path):
    path = tmp_path / "long.tsv"
    path.write_text("".join(f"a\tb{number}\n" * 2 + f"ab{number}\tc\n" for number in range(100)))
    with pytest.raises(CorpusError, match=r"long\.tsv: every pair .* raise --max-length"):
        train(path, max_length=1)


# ── vocabularies ───────────────────────────────────────────────────────────────────────────────────────────


def test_two_tokenizers_come_back_as_they_were(session, train, ask):
    train(parts={"source_tokenizer": "byte"})
    encoded = session.plan(replace(ask(), name="other")).encoded
    made = generator(session, "pairs")
    assert type(made.tokenizers.source).__name__ == "ByteTokenizer"
    assert made.tokenizers.target.pieces == encoded.tokenizer.pieces
    config = session.read("pairs").config
    assert config.source_vocabulary == 257
    assert config.vocabulary == len(encoded.tokenizer.pieces)


def test_each_side_learns_its_own_vocabulary_and_a_shared_one_learns_both(session, ask, tmp_path):
    path = tmp_path / "greek.tsv"
    path.write_text("".join(f"αβ{number}\tжд{number}\n" for number in range(50)))
    apart = session.plan(ask(path)).encoded
    read, written = ({*side.pieces} for side in (apart.source_tokenizer, apart.tokenizer))
    assert ("α".encode() in read, "ж".encode() in read) == (True, False)
    assert ("α".encode() in written, "ж".encode() in written) == (False, True)
    parts = Given.of(PartsOptions, task="pairs", tokenizer="char", shared_vocabulary=True)
    shared = session.plan(replace(ask(path), parts=parts)).encoded
    assert shared.source_tokenizer is shared.tokenizer
    assert {"α".encode(), "ж".encode()} <= {*shared.tokenizer.pieces}


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    ["", "[]", "{}", '{"target": 1, "source": 2}', '{"target": "x", "source": "y"}', '{"target": "{}"}'],
)
def test_a_damaged_tokenizer_is_told(session, train, damage):
    train(steps=1)
    model = session.read("pairs")
    with pytest.raises(ModelError, match=r"tokenizer\.json is damaged"):
        session.open(replace(model, tokenizer_json=damage))
    (model.path / "tokenizer.json").write_text(damage)
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        session.read("pairs")


def test_a_vocabulary_size_is_for_both_sides(session, ask):
    encoded = session.plan(ask(parts={"vocab_size": 260})).encoded
    assert len(encoded.tokenizer.pieces) == len(encoded.source_tokenizer.pieces) == 260


# ── two files ──────────────────────────────────────────────────────────────────────────────────────────────


def test_two_files_give_what_one_gives(session, ask, tmp_path, pairs):
    sources, texts = zip(*(line.split("\t") for line in pairs.read_text().splitlines()), strict=True)
    (tmp_path / "s.txt").write_text("\n".join(sources))
    (tmp_path / "t.txt").write_text("\n".join(texts))
    one = session.plan(ask()).encoded
    two = session.plan(ask(tmp_path / "t.txt", text={"source": str(tmp_path / "s.txt")})).encoded
    for side in ("train", "val"):
        here, there = getattr(one, side), getattr(two, side)
        np.testing.assert_array_equal(here.tokens, there.tokens)
        np.testing.assert_array_equal(here.source.tokens, there.source.tokens)


@pytest.mark.slow
def test_a_model_of_two_files_is_resumed_and_judged_by_its_own_record(session, train, tmp_path, pairs):
    sources, texts = zip(*(line.split("\t") for line in pairs.read_text().splitlines()), strict=True)
    names = {"source": "s.txt", "val": "vt.txt", "val_source": "vs.txt"}
    (tmp_path / "s.txt").write_text("\n".join(sources))
    (tmp_path / "t.txt").write_text("\n".join(texts))
    (tmp_path / "vs.txt").write_text("abc\ndef\n")
    (tmp_path / "vt.txt").write_text("CBA\nFED\n")
    train(tmp_path / "t.txt", text={key: str(tmp_path / name) for key, name in names.items()})
    assert session.evaluate(session.read("pairs"), EvaluateRequest()).examples == 2
    again = session.plan(TrainRequest.of(name="pairs", resume=True, steps=12))
    assert list(session.train(again))[-1].step == 12
    (tmp_path / "s.txt").write_text("\n".join(reversed(sources)))
    with pytest.raises(CorpusError, match="not the text"):
        session.evaluate(session.read("pairs"), EvaluateRequest())


def test_no_source_is_both_trained_on_and_held_out(session, ask, tmp_path):
    path = tmp_path / "twice.tsv"
    path.write_text("".join(f"s{k % 40}\tt{k}\n" for k in range(400)))
    encoded = session.plan(ask(path, text={"val_fraction": 0.3})).encoded

    def sources(store):
        return {store.source.example(number).tobytes() for number in range(store.examples)}

    assert not sources(encoded.train) & sources(encoded.val)
    assert encoded.train.examples + encoded.val.examples == 400


# ── plugins ────────────────────────────────────────────────────────────────────────────────────────────────


def returning(specs):
    return hookimpl(lambda: specs)


def with_plugin(tmp_path):
    """A session in which acme has a GRU without a NumPy step, and an attention."""
    gru = next(spec for spec in builtins.rnngen_cells() if spec.name == "gru")
    general = next(spec for spec in rnngen_attentions() if spec.name == "general")
    cell = CellSpec(name="slow-gru", summary="gru", load=gru.load, options=gru.options)
    attention = AttentionSpec(name="look", summary="general", load=general.load, numpy=general.numpy)
    hooks = {"cells": [cell], "attentions": [attention]}
    plugin = types.SimpleNamespace(**{f"rnngen_{kind}": returning(specs) for kind, specs in hooks.items()})
    registry = Registry(plugins=[(Distribution("acme-cells", "2.1"), plugin)])
    return Session(registry, ModelStore(tmp_path / "acme"))


@pytest.mark.slow
@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_cell_without_a_numpy_step_writes_the_same_through_torch(tmp_path, ask, part):
    session = with_plugin(tmp_path)
    both = {"encoder": "gru", "decoder": "gru", "attention": "look"}
    for name, settings in (("numpy", both), ("torch", {**both, part: "slow-gru"})):
        list(session.train(session.plan(ask(name=name, settings=settings))))
    steps = [generator(session, name).model for name in ("numpy", "torch")]
    assert [isinstance(step, TorchStep) for step in steps] == [False, True]
    one, other = (answers(session, name) for name in ("numpy", "torch"))
    assert [[text for text, _ in best] for best in one] == [[text for text, _ in best] for best in other]
    for here, there in zip(one, other, strict=True):
        assert [score for _, score in here] == pytest.approx([score for _, score in there], abs=1e-4)


def test_a_missing_attention_is_told_with_its_distribution(tmp_path, ask):
    session = with_plugin(tmp_path)
    list(session.train(session.plan(ask(steps=1, settings={"attention": "look"}))))
    bare = Session(Registry(), session.models)
    with pytest.raises(PluginError, match=r"the attention 'look' from acme-cells 2\.1; it is not installed"):
        bare.load("pairs")


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"encoder": "seq2seq"}, UsageError, "whole network"),
        ({"decoder": "rnngen/seq2seq"}, UsageError, "whole network"),
        ({"encoder": "lsmt"}, UnknownName, "did you mean 'lstm'"),
        ({"attention": "additiv"}, UnknownName, "did you mean 'additive'"),
        ({"encoder": "rnn;activaton=relu"}, UnknownName, "activation"),
        ({"encoder": "rnn;relu"}, UsageError, "KEY=VALUE"),
        ({"encoder": "lstm;forget_bias=x"}, UsageError, "forget_bias"),
        ({"attension": "dot"}, UnknownName, "did you mean 'attention'"),
        ({"bridge": "copied"}, UsageError, "copy"),
    ],
)
def test_parts_and_options_that_do_not_exist_are_named(session, ask, settings, error, said):
    with pytest.raises(error, match=said):
        session.plan(ask(settings=settings))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"copying": "true"}, "--shared-vocabulary"),
        ({"bridge": "copy", "encoder": "gru"}, "bridge=dense"),
        ({"attention": "rnngen/none", "bridge": "none"}, "nothing of the source"),
    ],
)
def test_what_cannot_be_built_leaves_no_model(session, train, settings, said):
    with pytest.raises(UsageError, match=said):
        train(settings=settings)
    assert session.models.names() == []


def test_targets_are_not_smoothed_where_tokens_are_copied(session, ask):
    copying = {"shared_vocabulary": True, "source_tokenizer": None, "settings": {"copying": "true"}}
    assert session.plan(ask(**copying)).config.training.label_smoothing == 0
    assert session.plan(ask()).config.training.label_smoothing > 0
    with pytest.raises(UsageError, match="label_smoothing has no effect with copying=True"):
        session.plan(ask(**copying, label_smoothing=0.2))


@pytest.mark.parametrize("copying", [True, False])
def test_what_only_sources_have_is_written_by_a_network_that_copies(session, train, tmp_path, copying):
    path = tmp_path / "names.tsv"
    path.write_text("".join(f"{'abc'[n % 3]}{'xyz'[n % 3]}{n}\t{'ABC'[n % 3]}{n}\n" for n in range(120)))
    shared = {"shared_vocabulary": True, "source_tokenizer": None}
    train(path, **shared, settings={"copying": str(copying).lower()}, steps=1)
    found = generator(session, "pairs")
    (token,) = found.tokenizers.target.encode("x").tolist()
    assert (token in found.forbidden) is not copying


def test_a_distribution_may_stand_before_every_parts_name(session, train):
    train(settings={"encoder": "rnngen/gru", "decoder": "rnngen/lstm", "attention": "rnngen/none"})
    assert not generator(session, "pairs").attends


def test_learning_the_state_is_not_for_pairs(session, ask):
    with pytest.raises(UsageError, match="learn_state: the state that an output begins in"):
        session.plan(ask(network={"learn_state": True}))


# ── further ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_model_of_pairs_may_begin_with_anothers_weights(session, train, tmp_path):
    train(name="base")
    path = tmp_path / "new.tsv"
    path.write_text(reversals(120, seed=9))
    request = TrainRequest.of(str(path), name="tuned", init_from="base", **{**TRAINING_OPTIONS, "lr": 1e-12})
    assert list(session.train(session.plan(request)))[-1].reason == "budget"
    base, tuned = session.read("base"), session.read("tuned")
    assert tuned.tokenizer_json == base.tokenizer_json
    np.testing.assert_allclose(tuned.weights["combine.weight"], base.weights["combine.weight"], atol=1e-6)
    assert answers(session, "tuned")[0][0][0] == answers(session, "base")[0][0][0]


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_vocabularies_of_both_sides_grow(session, train, tmp_path, shared):
    train(name="base", **({"shared_vocabulary": True, "source_tokenizer": None} if shared else {}))
    path = tmp_path / "new.tsv"
    path.write_text("".join(f"{'абв'[n % 3]}a{n % 10}\t{'αβγ'[n % 3]}{n % 10}\n" for n in range(200)))
    request = TrainRequest.of(str(path), name="tuned", init_from="base", **{**TRAINING_OPTIONS, "steps": 2})
    list(session.train(session.plan(request)))
    before, after = (session.read(name).config for name in ("base", "tuned"))
    assert after.grown == (before.vocabulary,)
    assert after.source_grown == (before.source_vocabulary,)
    assert session.load("tuned").translate(["аа1"])[0] is not None


def test_sources_are_not_for_a_model_of_free_text_that_is_tuned(session, tmp_path, corpus):
    options = {**TRAINING_OPTIONS, "seq": 8, "batch": 4, "steps": 1}
    list(session.train(session.plan(TrainRequest.of(str(corpus), name="verse", **NETWORK, **options))))
    request = TrainRequest.of(str(corpus), name="b", init_from="verse", source=str(corpus))
    with pytest.raises(UsageError, match=r"source: .* task=continue reads no source; .* task=pairs"):
        session.plan(request)


def test_a_resumed_run_refuses_another_attention_and_takes_the_same(session, train):
    train(settings={"attention": "dot", "bidirectional": "false"})
    for settings in ({"attention": "dot"}, {"bidirectional": "no"}, {"encoder": "lstm"}):
        session.plan(TrainRequest.of(name="pairs", resume=True, settings=settings))
    with pytest.raises(UsageError, match="attention=general"):
        session.plan(TrainRequest.of(name="pairs", resume=True, settings={"attention": "general"}))


# ── answering ──────────────────────────────────────────────────────────────────────────────────────────────

SOURCES = ["abc", "f", "fedcba", "bb", "", "cafe", "dead", "abcdefabcdef", "天"] * 3


def texts(found):
    return [[one.text for one in best] for best in found]


@pytest.mark.slow
@pytest.mark.parametrize("options", [GREEDY, BeamOptions(width=4), BeamOptions(width=3, coverage=0.2)])
def test_answers_do_not_depend_on_the_batch_size(shelf, monkeypatch, options):
    made = generator(shelf, "one")
    expected = [search(made, [source], options)[0] for source in SOURCES]
    for size in (1, 3, 64):
        monkeypatch.setattr(generation, "BATCH_SOURCES", size)
        found = search(made, SOURCES, options)
        assert texts(found) == texts(expected)
        for one, other in zip(found, expected, strict=True):
            scores = [best.hypothesis.score for best in one], [best.hypothesis.score for best in other]
            assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_drawn_answers_do_not_depend_on_the_batch_size_nor_on_the_other_sources(shelf, monkeypatch):
    made = generator(shelf, "one")
    numbers = list(range(len(SOURCES)))
    expected = texts(draw(made, SOURCES, 2, numbers=numbers))
    monkeypatch.setattr(generation, "BATCH_SOURCES", 4)
    assert texts(draw(made, SOURCES, 2, numbers=numbers)) == expected
    assert texts(draw(made, SOURCES[3:5], 2, numbers=numbers[3:5])) == expected[3:5]
    assert texts(draw(made, SOURCES, 2, numbers=[number + 1 for number in numbers])) != expected
    assert texts(draw(made, SOURCES, 2, seed=1)) == texts(
        draw(made, SOURCES, 2, numbers=[number + 1 for number in numbers])
    )


def test_several_models_of_one_vocabulary_write_together(shelf):
    alone, same = generator(shelf, "one"), generator(shelf, "one", "one")
    both, turned = generator(shelf, "one", "two"), generator(shelf, "two", "one")
    sources = ["abc", "fed", "b"]
    assert texts(search(same, sources, GREEDY)) == texts(search(alone, sources, GREEDY))
    options = BeamOptions(width=3)
    found, other = (search(made, sources, options, attention=True) for made in (both, turned))
    assert texts(found) == texts(other)
    for best in found:
        np.testing.assert_allclose(best[0].hypothesis.attention.sum(1), 1, atol=1e-5)


@pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not there (rnngen[fast])")
@pytest.mark.parametrize("names", [["one"], ["one", "two"]], ids=len)
def test_answers_in_8_bits_are_about_as_probable(shelf, names):
    full, held = (generator(shelf, *names, quantize=form) for form in (None, "int8"))
    for source in ("abc", "fed"):
        exact, near = (made.token_log_probs(source[::-1].upper(), source) for made in (full, held))
        assert exact != near
        assert [nats for _, nats in near] == pytest.approx([nats for _, nats in exact], abs=0.1)


@pytest.mark.slow
def test_models_of_unlike_vocabularies_or_tasks_do_not_write_together(shelf, session, train, corpus):
    train(steps=1)
    with pytest.raises(UsageError, match="cannot generate together"):
        shelf.open(shelf.read("one"), session.read("pairs"))
    options = {**TRAINING_OPTIONS, "seq": 8, "batch": 4, "steps": 1}
    list(session.train(session.plan(TrainRequest.of(str(corpus), name="verse", **NETWORK, **options))))
    with pytest.raises(UsageError, match="cannot generate together"):
        session.load("pairs", "verse")


@pytest.mark.parametrize("options", [GREEDY, BeamOptions(width=3)])
def test_a_prefix_begins_every_answer_and_its_alignment_fits(shelf, options):
    made = generator(shelf, "one")
    for best in search(made, ["abc", "fedcba"], options, prefix="CB", attention=True):
        for answer in best:
            assert answer.prompt.text == "CB"
            alignment = made.alignment(answer.prompt.source, answer.hypothesis)
            assert "".join(alignment.target) == answer.text
    model = shelf.load("one")
    assert model.generate("CB", source="abc", beam=options.width).startswith("CB")
    drawn = model.generate("CB", source="abc", strategy="sample", seed=1, count=3)
    assert all(text.startswith("CB") for text in drawn)
    assert len(drawn) == 3


def test_an_answer_has_no_more_tokens_than_asked_for(shelf):
    made = generator(shelf, "one")
    for best in search(made, ["abcdef"], BeamOptions(width=3), length=2):
        assert all(len(one.text) <= 2 for one in best)
    assert all(len(one.text) <= 2 for one in draw(made, ["abcdef"], 4, seed=1, length=2)[0])


def doubled(count, most):
    """Words of up to ``most`` letters, and each with every letter twice."""
    rng = random.Random(3)
    words = {"".join(rng.choices("abcdef", k=rng.randint(1, most))) for _ in range(count)}
    return "".join(f"{word}\t{''.join(letter * 2 for letter in word.upper())}\n" for word in sorted(words))


def longest(model, source, **given):
    """The length of the longest of some texts for a source, in which A is by far likelier than an end."""
    options = {"strategy": "sample", "count": 3, "seed": 1, "filters": "logit_bias=A:20", **given}
    return max(map(len, model.generate(source=source, **options)))


def test_a_text_is_not_much_longer_than_those_that_training_met_for_such_sources(session, train, tmp_path):
    path = tmp_path / "doubled.tsv"
    path.write_text(doubled(300, most=3))
    train(path, steps=1, lr=1e-9)
    model = session.load("pairs")
    assert longest(model, "abc") == 16  # 1.5 times 6 letters and the end, and 5
    assert longest(model, "abc", length=60) == 60
    assert longest(model, "abcdef" * 6) == 256  # training met no source of such a length
    for wanted in (
        {"filters": "min_length=40"},
        {"beam": 3, "min_length": 40},
    ):  # however long a text it wants
        assert len(model.generate(source="abc", seed=1, **wanted)) >= 40


def test_a_tuned_model_may_write_as_much_as_the_one_that_it_began_as(session, train, tmp_path):
    path = tmp_path / "doubled.tsv"
    path.write_text(doubled(300, most=12))
    train(path, name="base", steps=1, lr=1e-9)
    path.write_text(doubled(300, most=2))
    request = TrainRequest.of(str(path), name="tuned", init_from="base", **{**TRAINING_OPTIONS, "lr": 1e-12})
    list(session.train(session.plan(request)))
    assert longest(session.load("tuned"), "abcdef") > 16
    before = session.read("tuned").weights["target_lengths"]
    list(session.train(session.plan(TrainRequest.of(name="tuned", resume=True, steps=14))))
    assert session.read("tuned").weights["target_lengths"].tolist() == before.tolist()


def test_a_run_that_does_not_know_its_targets_lengths_learns_none_when_it_goes_on(session, train):
    train(name="old", stop=after(4), evaluations=10)
    folder = session.models.find("old")
    model = read_model(folder)
    weights = {name: array for name, array in model.weights.items() if name != "target_lengths"}
    write_weights(folder, weights, model.config, model.tokenizer_json)  # as an earlier version did
    list(session.train(session.plan(TrainRequest.of(name="old", resume=True))))
    assert "target_lengths" not in session.read("old").weights


def test_only_what_training_met_is_written(shelf):
    drawn = draw(generator(shelf, "one"), ["abc", "天"], 20, seed=1)
    assert set("".join(one.text for row in drawn for one in row)) <= set("abcdefABCDEF")


def test_what_was_read_is_where_it_looks(shelf):
    for given in (None, "CBA", ""):
        (alignment,) = shelf.load("one").attention(["ab天"], text=given)
        assert alignment.source == ("a", "b", "天", "")
        assert given is None or "".join(alignment.target) == given
        np.testing.assert_allclose(alignment.weights.sum(1), 1, atol=1e-5)


# ── judging ────────────────────────────────────────────────────────────────────────────────────────────────


def test_marks_are_the_scores_of_the_answers(shelf, tmp_path):
    path = tmp_path / "test.tsv"
    path.write_text(reversals(20, seed=5))
    sources, references = zip(*(line.split("\t") for line in path.read_text().splitlines()), strict=True)
    request = EvaluateRequest(corpus=(str(path),), outputs=OutputOptions(beam=2))
    evaluation = shelf.evaluate(shelf.read("one"), request)
    found = [best[0].text for best in search(generator(shelf, "one"), sources, BeamOptions(width=2))]
    assert shelf.load("one").translate(sources, beam=2) == found
    assert evaluation.examples == 20
    assert evaluation.outputs.beam == 2
    assert evaluation.outputs.scores == seq2seq_metrics.score_outputs(found, list(references))


def test_the_perplexity_is_that_of_reading_each_pair_alone(shelf, tmp_path):
    """Token by token through the step that writes, one pair at a time."""
    path = tmp_path / "test.tsv"
    path.write_text(reversals(12, seed=5))
    made = generator(shelf, "one")
    nats, tokens = 0.0, 0
    for line in path.read_text().splitlines():
        source, text = line.split("\t")
        state = made.start([Prompt("", source)])
        written = made.tokenizers.target.encode(text).tolist()
        for token, target in zip([made.eos_id, *written], [*written, made.eos_id], strict=True):
            logits, state = made.model(np.array([token]), state)
            logits = logits[0].astype(np.float64)
            nats += np.logaddexp.reduce(logits) - logits[target]
            tokens += 1
    evaluation = shelf.evaluate(shelf.read("one"), EvaluateRequest(corpus=(str(path),)))
    assert evaluation.losses["window"].tokens == tokens
    assert evaluation.losses["window"].nats == pytest.approx(nats, rel=1e-4)


def test_sources_without_their_texts_are_refused(tmp_path):
    with pytest.raises(UsageError, match="source needs corpus"):
        EvaluateRequest(text=CorpusOptions(source=str(tmp_path / "x")))


def test_dynamic_evaluation_of_pairs_adapts_to_those_before(shelf, tmp_path):
    path = tmp_path / "test.tsv"
    path.write_text(reversals(6, seed=5) * 20)
    adapting = EvaluationOptions(dynamic=True)
    evaluation = shelf.evaluate(shelf.read("one"), EvaluateRequest(corpus=(str(path),), evaluation=adapting))
    window, dynamic = evaluation.losses["window"], evaluation.losses["dynamic"]
    assert dynamic.tokens == window.tokens
    assert dynamic.nats < window.nats
    assert evaluation.as_json()["dynamic"]["perplexity"] < evaluation.as_json()["perplexity"]


def test_a_learning_rate_of_nothing_leaves_the_loss_as_it_is(shelf, tmp_path):
    path = tmp_path / "test.tsv"
    path.write_text(reversals(30, seed=5))
    still = EvaluationOptions(dynamic=True, dynamic_rule="sgd", dynamic_lr=1e-30)
    losses = shelf.evaluate(shelf.read("one"), EvaluateRequest(corpus=(str(path),), evaluation=still)).losses
    assert losses["dynamic"].nats == pytest.approx(losses["window"].nats, rel=1e-5)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_a_cache_of_pairs_remembers_those_before(shelf, tmp_path, weight):
    path = tmp_path / "test.tsv"
    path.write_text("abc\tFFFFFFFF\n" * 60)  # which no network that reverses words expects
    remembering = EvaluationOptions(cache=True, cache_weight=weight, cache_flatness=1.0)
    request = EvaluateRequest(corpus=(str(path),), evaluation=remembering)
    losses = shelf.evaluate(shelf.read("one"), request).losses
    assert losses["cache"].tokens == losses["window"].tokens
    if weight:
        assert losses["cache"].nats < losses["window"].nats
    else:
        assert losses["cache"].nats == pytest.approx(losses["window"].nats, rel=1e-5)


def test_a_cache_is_refused_where_a_network_exposes_no_features(session, train):
    train(shared_vocabulary=True, source_tokenizer=None, settings={"copying": "true"}, steps=2)
    with pytest.raises(UsageError, match="cache needs a network that exposes its features"):
        session.evaluate(session.read("pairs"), EvaluateRequest(evaluation=EvaluationOptions(cache=True)))

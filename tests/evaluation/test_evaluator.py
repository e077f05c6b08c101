"""What a model is worth is the same figure wherever it is asked for."""

import math

import numpy as np
import pytest

from rnngen.errors import CorpusError, ModelError, NotFoundError
from rnngen.events import Copied, FinalEvaluation
from rnngen.numerics import log_softmax
from rnngen.options.corpus import CorpusOptions
from rnngen.options.model import EvaluationOptions
from rnngen.requests.evaluate import EvaluateRequest


@pytest.fixture
def evaluate(session):
    def run(*corpus, evaluation=None, **options):
        request = EvaluateRequest(
            corpus=tuple(str(path) for path in corpus),
            text=CorpusOptions(**options),
            evaluation=evaluation or EvaluationOptions(),
        )
        return session.evaluate(session.read("verse"), request)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("shape", [{}, {"layers": 2, "learn_state": True, "tied": True}])
@pytest.mark.parametrize("ngram", ["none", "auto"])
@pytest.mark.parametrize("task", ["continue", "lines"])
def test_the_verdict_of_training_is_that_of_eval(train, evaluate, task, shape, ngram):
    events = train(task=task, ngram=ngram, **shape)
    told = next(event for event in events if isinstance(event, FinalEvaluation))
    evaluation = evaluate()
    assert evaluation.losses["stream"].nats_per_char == pytest.approx(told.stream, rel=1e-6)
    assert evaluation.losses["window"].nats_per_char == pytest.approx(told.window, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"ngram": "none"}, {"ngram": "auto"}, {"ngram": "auto", "task": "lines"}]
)
def test_eval_reads_what_a_generator_reads(session, train, evaluate, tmp_path, options):
    """One text by different code: whole through torch, and token by token in NumPy."""
    train(**options)
    (tmp_path / "other.txt").write_text("the night and a rose")
    generator = session.load("verse").generator
    end, tokenizer = [generator.eos_id], generator.tokenizers.target
    targets, nats, state = tokenizer.encode("the night and a rose").tolist(), 0.0, generator.model.start(1)
    targets += end * generator.has_eos
    for token, target in zip(end + targets, targets, strict=False):
        logits, state = generator.model(np.array([token]), state)
        nats -= log_softmax(logits)[0, target]
    loss = evaluate(tmp_path / "other.txt").losses["stream"]
    assert loss.tokens == len(targets)
    assert loss.nats == pytest.approx(nats, rel=1e-4)
    if generator.has_eos:
        assert generator.score("the night and a rose") == (pytest.approx(-loss.nats, rel=1e-4), loss.tokens)


def test_a_model_is_judged_on_what_it_was_not_trained_on(session, train, evaluate, corpus):
    train()
    evaluation, record = evaluate(), session.read("verse").config.corpus
    assert evaluation.chars == record.chars - record.cut
    assert evaluate(corpus).chars == record.chars


def test_a_text_given_is_judged_to_its_last_character(train, evaluate, tmp_path):
    train()
    (tmp_path / "other.txt").write_text("天地 and night")
    evaluation = evaluate(tmp_path / "other.txt")
    assert evaluation.chars == 12
    assert evaluation.losses["stream"].tokens == evaluation.tokens == 10 + 2 * 3


def test_the_floor_is_a_5_gram_of_the_same_training_text(train, evaluate):
    train()
    evaluation = evaluate()
    assert evaluation.no_baseline == ""
    assert 0 < evaluation.baseline.nats_per_char < math.log(256)
    assert evaluation.as_json()["floor"] == {"nats_per_char": evaluation.baseline.nats_per_char}


def test_where_the_training_text_is_gone_there_is_no_floor_and_why(train, evaluate, corpus, tmp_path):
    train()
    (tmp_path / "other.txt").write_text("the night and a rose\n")
    corpus.unlink()
    evaluation = evaluate(tmp_path / "other.txt")
    assert evaluation.baseline is None
    assert "verse.txt" in evaluation.no_baseline
    assert evaluation.as_json()["floor"] is None
    with pytest.raises(CorpusError, match=r"verse\.txt"):
        evaluate()


@pytest.mark.slow
@pytest.mark.parametrize("task", ["continue", "lines"])
def test_what_is_copied_is_the_same_figure_in_training_and_in_eval(train, evaluate, task):
    events = train(task=task, tokenizer="bpe", settings={"vocab_size": "300"})
    told = next(event for event in events if isinstance(event, Copied)).as_json()
    found = evaluate().novelty.as_json()
    assert {key: told[key] for key in found} == found


def test_a_training_text_that_has_changed_is_no_floor(train, evaluate, corpus, tmp_path):
    train()
    (tmp_path / "other.txt").write_text("the night and a rose\n")
    corpus.write_text("something else")
    assert "not the text" in evaluate(tmp_path / "other.txt").no_baseline


@pytest.mark.slow
@pytest.mark.parametrize("task", ["continue", "lines"])
def test_readings_that_adapt_are_there_when_asked_for(session, train, evaluate, tmp_path, task):
    train(task=task, ngram="auto")
    text = tmp_path / "other.txt"
    text.write_text("the night and a rose\n" * 30)  # more than is read before the weights first move
    assert list(evaluate(text).losses) == ["window", "stream", "network", "ngram"]
    asked = evaluate(text, evaluation=EvaluationOptions(adapt=True, dynamic=True, cache=True))
    losses, stream = asked.losses, asked.losses["stream"]
    assert list(losses) == ["window", "stream", "adapt", "dynamic", "cache", "network", "ngram"]
    assert asked.as_json()["dynamic"]["nats_per_char"] == losses["dynamic"].nats_per_char
    assert stream == evaluate(text).losses["stream"]
    assert {loss.tokens for mode, loss in losses.items() if mode != "window"} == {stream.tokens}
    for mode in ("adapt", "dynamic"):  # one line over and over is soon better known
        assert losses[mode].nats < stream.nats
    assert losses["cache"].nats < losses["network"].nats


def test_an_empty_text_is_refused(train, evaluate, tmp_path):
    train()
    (tmp_path / "empty.txt").touch()
    with pytest.raises(CorpusError, match="the text is empty"):
        evaluate(tmp_path / "empty.txt")
    with pytest.raises(NotFoundError):
        evaluate(tmp_path / "nothing.txt")


def test_a_text_of_one_character_has_no_window(train, evaluate, tmp_path):
    train()
    (tmp_path / "one.txt").write_text("t")
    evaluation = evaluate(tmp_path / "one.txt")
    assert evaluation.losses["stream"].tokens == 1
    assert math.isnan(evaluation.losses["window"].nats_per_char)


def test_a_model_is_judged_by_the_weights_that_are_stored(session, train, evaluate):
    from rnngen.store.model_folder import is_fact, write_weights

    train()
    model = session.read("verse")
    alone = {name: array for name, array in model.weights.items() if not name.startswith("ngram.")}
    weights = {name: array if is_fact(name) else np.zeros_like(array) for name, array in alone.items()}
    write_weights(model.path, weights, model.config, model.tokenizer_json)
    assert evaluate().losses["stream"].nats_per_token == pytest.approx(math.log(model.config.vocabulary))


def test_weights_that_do_not_fit_are_told(session, train, evaluate):
    from rnngen.store.model_folder import write_weights

    train()
    model = session.read("verse")
    weights = {**model.weights, "head.bias": np.zeros(3, np.float32)}
    write_weights(model.path, weights, model.config, model.tokenizer_json)
    with pytest.raises(ModelError, match="do not fit the model's configuration"):
        evaluate()

"""A model that adapts to a prompt: which prompts make it expect what, and what of it stays."""

from itertools import pairwise

import numpy as np
import pytest

from rnngen.errors import UsageError
from rnngen.generation.loading import LoadOptions
from rnngen.options.corpus import AdaptingOptions
from rnngen.store.model_folder import TRAINED_TOKENS, read_model

CHAPTER = "a star until dawn " * 12


@pytest.fixture
def model(session, train):
    train(hidden=16, steps=30)
    return read_model(session.models.find("verse"))


def test_after_a_prompt_its_like_is_more_likely(session, model):
    adapted = session.adapt(model, CHAPTER, AdaptingOptions(dynamic=True, dynamic_lr=0.005))
    assert adapted.tokens == len(CHAPTER) - 1
    assert adapted.after < adapted.before
    before, after = (session.open(one).score(CHAPTER) for one in (model, adapted.model))
    assert after > before


def test_the_losses_are_those_that_scoring_gives(session, model):
    adapted = session.adapt(model, CHAPTER, AdaptingOptions(dynamic=True))
    for one, loss in ((model, adapted.before), (adapted.model, adapted.after)):
        generator = session.open(one).generator
        state, nats, tokens = generator.model.start(1), 0.0, generator.prefix_tokens(CHAPTER)
        for token, target in pairwise(tokens):
            logits, state = generator.model(np.array([token]), state)
            nats += float(np.log(np.exp(logits[0] - logits[0, target]).sum()))
        assert loss == pytest.approx(nats / adapted.tokens, rel=1e-4)


def test_all_else_of_the_model_is_as_it_was(session, model):
    kept = {name: array.copy() for name, array in model.weights.items()}
    adapted = session.adapt(model, CHAPTER, AdaptingOptions(dynamic=True)).model
    assert adapted.weights.keys() == kept.keys()
    assert (adapted.config, adapted.tokenizer_json) == (model.config, model.tokenizer_json)
    np.testing.assert_array_equal(adapted.weights[TRAINED_TOKENS], kept[TRAINED_TOKENS])
    for name, array in kept.items():
        np.testing.assert_array_equal(model.weights[name], array)
    assert any((adapted.weights[name] != array).any() for name, array in kept.items())


def test_the_same_prompt_gives_the_same_weights(session, model):
    one, other = (session.adapt(model, CHAPTER, AdaptingOptions(dynamic=True)).model for _ in range(2))
    for name, array in one.weights.items():
        np.testing.assert_array_equal(array, other.weights[name])


def test_without_a_prompt_there_is_nothing_to_adapt_to(session, model):
    with pytest.raises(UsageError, match="^dynamic adapts to the prompt"):
        session.adapt(model, "", AdaptingOptions(dynamic=True))


def test_a_cache_remembers_one_network_alone(session, model):
    with pytest.raises(UsageError, match="one network"):
        session.open(model, model, options=LoadOptions(cache=AdaptingOptions()))
    assert session.open(model).generator.model.fixed == 0


def test_a_cache_expects_again_what_the_prompt_held(session, model):
    options = LoadOptions(cache=AdaptingOptions(cache_weight=0.5, cache_flatness=1.0))
    with_cache, without = session.open(model, options=options), session.open(model)
    assert with_cache.score(CHAPTER) > without.score(CHAPTER)


def test_tokens_that_training_never_met_are_not_written_though_the_prompt_holds_them(
    session, train, tmp_path
):
    (tmp_path / "val.txt").write_text("we sing\n" * 4)
    train(tokenizer="byte")
    model = read_model(session.models.find("verse"))
    options = LoadOptions(cache=AdaptingOptions(cache_weight=0.9))
    text = session.open(model, options=options).generate(
        "zzzz" * 20, include_prompt=False, temperature=1.0, seed=1, length=50
    )
    assert "z" not in text
    assert len(text) == 50

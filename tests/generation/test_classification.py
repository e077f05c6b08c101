"""The likeliest labels of texts."""

import numpy as np
import pytest

from rnngen.builtins.tokenizers.char import CharTokenizer
from rnngen.errors import OptionError
from rnngen.generation import classification, generator
from rnngen.generation.classification import classify, shares
from rnngen.generation.prompts import Prompt
from tests.fixtures.generators import generator_of, text

LABELS = ("a", "bc", "d")


class Bigrams:
    """A network whose next token depends on the last one alone; it keeps how many rows it was fed."""

    fixed = 0

    def __init__(self, vocabulary):
        self.table = np.random.default_rng(1).normal(size=(vocabulary, vocabulary)).astype(np.float32)
        self.rows = []

    def start(self, batch):
        return (np.zeros((batch, 1), np.float32),)

    def __call__(self, tokens, state):
        self.rows.append(len(tokens))
        return self.table[tokens], state


def labelled(labels=LABELS):
    tokenizer = CharTokenizer("\tabcd")
    return generator_of(Bigrams(len(tokenizer.pieces)), tokenizer, has_eos=True, labels=labels)


@pytest.mark.parametrize("rows", [1, 2, 512])
def test_texts_side_by_side_are_as_probable_as_alone(monkeypatch, rows):
    monkeypatch.setattr(generator, "BATCH_TEXTS", rows)
    model, texts = labelled(), ["abc", "", "d", "abcdabcd", "abc", "\t"]
    np.testing.assert_allclose(model.log_probs(texts), [model.score(one)[0] for one in texts], rtol=1e-6)


def test_the_logits_of_a_step_are_bounded(monkeypatch):
    monkeypatch.setattr(generator, "BATCH_LOGITS", 600)
    model = labelled()
    model.log_probs(["abcd"] * 10)
    assert max(model.model.rows) * len(model.tokenizers.target.pieces) <= 600


@pytest.mark.parametrize("pool", [1, 4, 4096])
def test_probabilities_are_those_of_label_and_text_together(monkeypatch, pool):
    monkeypatch.setattr(classification, "POOL", pool)
    model, texts = labelled(), ["abc", "dd", "a"]
    for one, found in zip(texts, classify(model, texts), strict=True):
        joint = np.exp([model.score(f"{label}\t{one}")[0] for label in LABELS])
        expected = dict(zip(LABELS, joint / joint.sum(), strict=True))
        assert dict(found) == pytest.approx(expected)
        assert [label for label, _ in found] == sorted(LABELS, key=expected.get, reverse=True)


def test_shares_of_labels_sum_to_one():
    found = shares(labelled())
    assert {label for label, _ in found} == {*LABELS}
    assert sum(share for _, share in found) == pytest.approx(1)


def test_a_model_without_labels_is_refused():
    with pytest.raises(OptionError, match="no labels"):
        next(classify(labelled(labels=()), ["a"]))


def test_a_label_is_read_before_the_text():
    model = labelled()
    assert model.prefix_tokens(Prompt("ab", label="d").whole) == model.prefix_tokens("d\tab")
    assert text(model, "d\tab", seed=3) is not None

"""Contrastive search by a trained model: the same on either backend, and over where an example is."""

from itertools import islice

import numpy as np
import pytest

from rnngen.builtins.strategies.options import ContrastiveOptions
from rnngen.errors import UsageError
from rnngen.inference.numpy_model import NumpyStep
from rnngen.inference.torch_model import TorchStep


def contrasted(writer, prompt, length, **options):
    return "".join(writer.contrast(prompt, ContrastiveOptions(**options), length=length))


def test_both_backends_write_the_same(session, train):
    train(name="verse")
    model = session.read("verse")
    quick, slow = session.writer(model), session.writer(model, device="auto")
    assert isinstance(quick.step, NumpyStep)
    assert isinstance(slow.step, TorchStep)
    assert contrasted(quick, "the ", 40) == contrasted(slow, "the ", 40)
    assert len(contrasted(quick, "the ", 40)) == 40


def test_what_never_occurred_is_no_candidate_and_every_token_may_be_one(session, train, corpus):
    train(name="verse")
    writer = session.writer(session.read("verse"))
    text = contrasted(writer, "", 60, top_k=10_000, alpha=0.9)
    assert set(text) <= set(corpus.read_text())


@pytest.mark.parametrize("after", [0, 5])
def test_an_example_is_over_at_its_end(session, train, after):
    train(name="verse", task="lines")
    writer = session.writer(session.read("verse"))
    end = writer.tokenizer.eos_id

    def ending(logits, history):
        wanted = (np.arange(logits.shape[1]) == end) == (len(history[0]) == 4 + after)  # ␃ t h e
        return np.where(wanted, logits, -np.inf)

    made = writer.contrast("the", ContrastiveOptions(), length=50, filters=[ending])
    assert len("".join(made)) == after


def test_text_comes_as_it_is_made(session, train):
    train(name="verse")
    pieces = session.writer(session.read("verse")).contrast("a", ContrastiveOptions(), length=None)
    assert len("".join(islice(pieces, 50))) == 50


def test_two_models_cannot_contrast_together(session, train):
    train(name="verse")
    model = session.read("verse")
    with pytest.raises(UsageError, match="give one model"):
        session.writer(model, model).contrast("a", ContrastiveOptions(), length=5)

"""What the weights of a network and its n-gram are fitted to stands for the whole text."""

import numpy as np
import pytest
import torch

from rnngen.builtins.cells.lstm.torch import LSTM
from rnngen.builtins.cells.options import LSTMOptions
from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.contracts import Chunk
from rnngen.data.token_store import TokenStore
from rnngen.evaluation.mixture import MixtureEvaluator
from rnngen.inference.ngram import Mixture, NGram
from rnngen.inference.ngram.mixture import ADAPTIVE_PRIOR, PRIOR
from rnngen.nn.network import RecurrentNetwork
from rnngen.options.model import NetworkOptions

END, V, ORDER = 256, 257, 5
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def written(seed, texts, words):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(1, words))) for _ in range(texts)]


@pytest.fixture
def judged(tmp_path):
    """Gives an evaluator of a network that was not trained and an n-gram of a text, and the text."""

    def go(texts, has_eos):
        chunks = [Chunk(text, starts_document=True) for text in texts]
        store = TokenStore.write(tmp_path, chunks, ByteTokenizer())
        ngram = NGram.count(store.tokens, V, ORDER, end=END, predicts_end=has_eos, bytes_=1 << 20)
        torch.manual_seed(0)
        network = RecurrentNetwork(V, NetworkOptions(hidden=8), lambda i, h: LSTM(i, h, LSTMOptions()))
        return MixtureEvaluator(network, mixture=Mixture(ngram, PRIOR, ADAPTIVE_PRIOR)), store

    return go


@pytest.mark.slow
@pytest.mark.parametrize("positions", [300, 1500])
def test_of_examples_it_has_all_places_as_often_as_they_are(judged, positions):
    judge, store = judged(written(0, 1500, 9), has_eos=True)
    found = judge.sample(store, has_eos=True, positions=positions)
    assert positions / 2 < len(found.targets) < positions * 2
    share = (len(store.starts) - 1) / (len(store) - 1)
    assert share / 2 < (found.targets == END).mean() < share * 2
    whole = judge.stream(store, has_eos=True).nats_per_token
    assert found.surprisals(PRIOR).mean() == pytest.approx(whole, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("positions", [300, 3000])
def test_of_free_text_few_places_stand_behind_a_fresh_state(judged, positions):
    judge, store = judged([" ".join(written(1, 2000, 30))], has_eos=False)
    found = judge.sample(store, has_eos=False, positions=positions)
    assert positions <= len(found.targets) < 2 * positions
    lengths = np.rint(found.features[:, 1] * 8)
    assert (lengths < ORDER - 1).mean() < 0.03
    assert found.surprisals(PRIOR).mean() == pytest.approx(
        judge.stream(store, has_eos=False).nats_per_token, rel=0.1
    )


def test_an_adaptive_one_has_the_first_tokens_in_order(judged):
    judge, store = judged(written(2, 300, 9), has_eos=True)
    found = judge.sample(store, has_eos=True, positions=500, adaptive=True)
    assert found.targets.tolist() == store.tokens[1 : len(found.targets) + 1].tolist()
    assert len(found.experts) == 3
    assert len(found.targets) >= 500

"""Greedy and beam search, and a whole chain of filters, beside ``generate()`` of ``transformers``.

The network is a tiny GPT-2 of random weights, which reads its whole text again at every step.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from rnngen.builtins.filters import penalties, truncation
from rnngen.builtins.filters.options import (
    MinPOptions,
    NoRepeatOptions,
    RepetitionOptions,
    TemperatureOptions,
    TopKOptions,
    TopPOptions,
    TypicalOptions,
)
from rnngen.builtins.strategies.beam.search import beam_search
from rnngen.builtins.strategies.options import GREEDY, BeamOptions
from rnngen.decoding.filter_chain import FilterChain
from rnngen.generation.decoding_choice import DecodingFlags, rank
from rnngen.registry import Registry

NEVER_ENDS = SimpleNamespace(eos_id=-1)
"""A tokenizer whose end token never comes."""

pytestmark = pytest.mark.slow  # it takes seconds to import their generate()

VOCABULARY, END, LENGTH = 16, 1, 9
PROMPTS = np.random.default_rng(3).integers(2, VOCABULARY, size=(8, 3)).tolist()


class Reading:
    """Their network as a step of ours; its state is the text so far (B,T)."""

    fixed = 0

    def __init__(self, network, torch):
        self.network, self.torch = network, torch

    def start(self, batch):
        return (np.zeros((batch, 0), np.int64),)

    def attended(self, state):
        return None

    def __call__(self, tokens, state):
        ids = np.hstack([state[0], tokens[:, None]])
        with self.torch.inference_mode():
            return self.network(self.torch.from_numpy(ids)).logits[:, -1].numpy(), (ids,)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def network(torch):
    """A GPT-2 that is sure enough of what it says for beams to differ."""
    needed = pytest.importorskip(
        "transformers", reason="pip install 'rnngen[hf]' to compare with transformers"
    )
    torch.manual_seed(0)
    sizes = {"vocab_size": VOCABULARY, "n_positions": 32, "n_embd": 16, "n_layer": 1, "n_head": 2}
    ends = {"bos_token_id": 0, "eos_token_id": END, "pad_token_id": 0}
    return needed.GPT2LMHeadModel(needed.GPT2Config(**sizes, **ends, initializer_range=0.4)).eval()


@pytest.fixture(scope="module")
def generate(network, torch):
    """What their ``generate()`` returns for one prompt."""

    def run(prompt, **options):
        ids = torch.tensor([prompt])
        shared = {"max_new_tokens": LENGTH, "return_dict_in_generate": True}
        return network.generate(ids, attention_mask=torch.ones_like(ids), **shared, **options)

    return run


@pytest.fixture(scope="module")
def search(network, torch):
    """What our beam search finds for each prompt: texts, the end with them, and their scores."""

    def run(options):
        step = Reading(network, torch)
        found = beam_search(
            step, step.start(len(PROMPTS)), PROMPTS, [LENGTH] * len(PROMPTS), options, eos_id=END
        )
        return [[(whole(one.tokens), one.score) for one in best] for best in found]

    return run


def whole(tokens):
    """The tokens of a text, with its end if it came to that."""
    return [*tokens, END] if len(tokens) < LENGTH else list(tokens)


def written(row, prompt):
    """What a row of theirs holds after the prompt and before what it is padded with."""
    tokens = row.tolist()[len(prompt) :]
    return tokens[: tokens.index(END) + 1] if END in tokens else tokens[:LENGTH]


def theirs(generate, **options):
    """What their beam search finds, as ``search`` gives it."""
    found = []
    for prompt in PROMPTS:
        done = generate(prompt, do_sample=False, output_scores=True, **options)
        scores = done.sequences_scores.tolist()
        found.append(
            [(written(row, prompt), score) for row, score in zip(done.sequences, scores, strict=True)]
        )
    return found


def test_greedy_is_the_same(generate, search):
    ours = [best[0][0] for best in search(GREEDY)]
    others = [written(generate(prompt, do_sample=False).sequences[0], prompt) for prompt in PROMPTS]
    assert ours == others
    lengths = set(map(len, ours))
    assert LENGTH in lengths  # some came to their end, and some did not
    assert len(lengths) > 1


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("early", [False, True])
def test_the_best_of_a_beam_is_the_same_and_has_the_same_score(generate, search, width, alpha, early):
    """Our search to the end is their ``early_stopping="never"``, our ``early`` their ``True``."""
    ours = search(BeamOptions(width=width, penalty="average", alpha=alpha, early=early))
    stopping = True if early else "never"
    others = theirs(generate, num_beams=width, length_penalty=alpha, early_stopping=stopping)
    assert [best[0][0] for best in ours] == [best[0][0] for best in others]
    np.testing.assert_allclose([best[0][1] for best in ours], [best[0][1] for best in others], rtol=1e-5)


def test_their_default_early_stopping_never_finds_better_and_sometimes_worse(generate, search):
    """It supposes that what still grows will not gain by its length, which under a penalty it may."""
    ours = search(BeamOptions(width=4, penalty="average", alpha=2.0))
    others = theirs(generate, num_beams=4, length_penalty=2.0, early_stopping=False)
    gains = np.array([one[0][1] - other[0][1] for one, other in zip(ours, others, strict=True)])
    assert (gains > -1e-5).all()
    assert (gains > 1e-3).any()


def test_a_chain_in_the_order_hf_shapes_what_theirs_does(generate, torch):
    ours = {
        "repetition": penalties.repetition(RepetitionOptions(1.3, window=0), NEVER_ENDS),
        "temp": truncation.temperature(TemperatureOptions(1.7)),
        "top_k": truncation.top_k(TopKOptions(12)),
        "top_p": truncation.top_p(TopPOptions(0.95)),
        "min_p": truncation.min_p(MinPOptions(0.01)),
        "typical": truncation.typical(TypicalOptions(0.9)),
    }
    blocked = penalties.no_repeat_ngram(NoRepeatOptions(n=2), NEVER_ENDS)  # theirs stands after the penalty
    specs = {spec.name: spec for spec in DecodingFlags(Registry()).filters}
    chosen = sorted(ours, key=lambda name: rank(specs[name], "hf"))
    chain = FilterChain([ours[chosen[0]], blocked, *(ours[name] for name in chosen[1:])])
    options = {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2, "temperature": 1.7}
    options |= {"top_k": 12, "top_p": 0.95, "min_p": 0.01, "typical_p": 0.9}
    left = []
    for seed, prompt in enumerate(PROMPTS):
        torch.manual_seed(seed)
        done = generate(prompt, do_sample=True, output_logits=True, output_scores=True, **options)
        text = done.sequences[0].tolist()
        for made, (raw, shaped) in enumerate(zip(done.logits, done.scores, strict=True)):
            result = chain(raw.numpy(), [text[: len(prompt) + made]])
            np.testing.assert_array_equal(np.isneginf(result), np.isneginf(shaped.numpy()))
            np.testing.assert_allclose(result, shaped.numpy(), rtol=1e-5)
            left.append(np.isfinite(result).sum())
    assert min(left) < max(left) < 12

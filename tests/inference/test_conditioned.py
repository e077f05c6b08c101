"""A network on condition that the text begins with some bytes: the exact distribution, by enumeration."""

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from fixtures.generators import generator_of, texts

from rnngen.builtins.options import CharOptions, VocabularyOptions
from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.builtins.tokenizers.byte_level import BPETokenizer, WordPieceTokenizer, WordTokenizer
from rnngen.builtins.tokenizers.char import CharTokenizer
from rnngen.builtins.tokenizers.unigram import UnigramTokenizer
from rnngen.contracts import Chunk, ChunkStep, ConditionedStep, FeatureStep
from rnngen.decoding.draws import draw
from rnngen.decoding.prefill import next_logits
from rnngen.generation.prompts import Prompt
from rnngen.inference.conditioned import conditioned
from rnngen.inference.ensemble import Ensemble
from rnngen.numerics import log_softmax
from rnngen.testing.strategies import ToyNetwork

TEXT = "ab abb aab ba abba bab " * 30
SEEN = 3
"""Characters after the prompt by which texts are told apart."""
TOKENIZERS = {
    "char": (CharTokenizer, CharOptions()),
    "byte": (ByteTokenizer, None),
    "bpe": (BPETokenizer, VocabularyOptions(vocab_size=262)),
    "unigram": (UnigramTokenizer, VocabularyOptions(vocab_size=262)),
    "word": (WordTokenizer, VocabularyOptions(vocab_size=262)),
    "wordpiece": (WordPieceTokenizer, VocabularyOptions(vocab_size=518)),
}
PROMPTS = ["a", "ab", "ab ", " a", "bab a", "abb"]


@pytest.fixture(params=TOKENIZERS)
def generator(request, toy):
    """A generator of a few tokens, of each tokenizer."""
    kind, options = TOKENIZERS[request.param]
    tokenizer = kind.train([Chunk(TEXT, starts_document=True)], options)
    trained = np.array([len(piece) > 0 and set(piece) <= set(b"ab ") for piece in tokenizer.pieces], np.uint8)
    made = generator_of(
        toy(len(trained), seed=5, sharpness=1.5), tokenizer, trained_tokens=trained, default_prompt=" "
    )
    return replace(made, model=conditioned(made.model, tokenizer.pieces, made.forbidden))


def drawn(generator, prompt):
    """The probability of each beginning after a prompt, drawing token by token."""
    found = defaultdict(float)

    def go_on(tokens, logits, state, nats):
        text = b"".join(generator.tokenizers.target.pieces[token] for token in tokens)
        if len(text) >= rest + SEEN:
            found[text[rest : rest + SEEN]] += np.exp(nats)
            return
        logits = logits.copy()
        logits[:, list(generator.forbidden)] = -np.inf
        for token, more in enumerate(log_softmax(logits)[0].tolist()):
            if more > -np.inf:
                go_on([*tokens, token], *generator.model(np.array([token]), state), nats + more)

    rest = len(generator.prefix(prompt).rest)
    given = next_logits(generator.model, generator.prefill(prompt))
    go_on([], given.logits, given.state, 0.0)
    return found


def enumerated(generator, prompt):
    """The same from the definition: all that the network may write after what is final."""
    prefix, network = generator.prefix(prompt), getattr(generator.model, "network", generator.model)
    found = defaultdict(float)

    def go_on(tokens, text):
        if len(text) >= len(prefix.rest) + SEEN:
            nats = network.log_probabilities(prefix.tokens, tokens, generator.forbidden)
            found[text[len(prefix.rest) :][:SEEN]] += np.exp(sum(nats))
            return
        for token in np.flatnonzero(generator.trained_tokens).tolist():
            longer = text + generator.tokenizers.target.pieces[token]
            if longer.startswith(prefix.rest) or prefix.rest.startswith(longer):
                go_on([*tokens, token], longer)

    go_on([], b"")
    whole = sum(found.values())
    return {text: mass / whole for text, mass in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("text", PROMPTS)
def test_the_text_after_a_prompt_has_its_exact_distribution(generator, text):
    expected, found = enumerated(generator, Prompt(text)), drawn(generator, Prompt(text))
    assert found.keys() == expected.keys()
    assert [found[one] for one in expected] == pytest.approx([*expected.values()], abs=1e-6)


def test_sub_words_give_back_what_may_go_on_and_characters_nothing(generator):
    rests = [generator.prefix(Prompt(text)).rest for text in PROMPTS]
    if isinstance(generator.tokenizers.target, CharTokenizer | ByteTokenizer):
        assert not any(rests)
        assert not isinstance(generator.model, ConditionedStep)
    else:
        assert all(text.encode().endswith(rest) for text, rest in zip(PROMPTS, rests, strict=True))
        assert sum(map(bool, rests)) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 400])
def test_what_is_sampled_is_as_frequent_as_it_is_probable(generator, count):
    prompt, number = "bab a", 400
    found = Counter()
    for seed in range(number // count):
        for text in texts(generator, prompt, length=SEEN, count=count, seed=seed * 7):
            found[text[:SEEN].encode()] += 1
    for text, mass in enumerated(generator, Prompt(prompt)).items():
        assert abs(found[text] / number - mass) < 5 * np.sqrt(mass * (1 - mass) / number) + 1e-3


def test_a_row_does_not_depend_on_those_beside_it(generator):
    if not isinstance(generator.model, ConditionedStep):
        return
    rests = [b"ab", b"", b" ", b"a", b"ab"]
    tokens = np.array([97, 98, 32, 97, 98])
    state = generator.model.expect(generator.model.start(5), rests, 1)
    logits, after = generator.model(tokens, state)
    for row in range(5):
        alone = generator.model.expect(generator.model.start(1), [rests[row]], 1)
        expected, state = generator.model(tokens[row : row + 1], alone)
        np.testing.assert_allclose(logits[row], expected[0], rtol=1e-5)
        assert generator.model.pending(after)[row] == generator.model.pending(state)[0] == rests[row]


# ── What a step can do ─────────────────────────────────────────────────────────────────────────────────────

PIECES = (b"", b"?", b"!", b"a", b"b", b"ab", b"abc", b"c", b"bc")


def made(network=None):
    return conditioned(network or ToyNetwork(), PIECES, [0])


def test_a_conditioned_step_can_what_its_network_can(toy):
    assert isinstance(made(), FeatureStep)
    assert isinstance(made(), ChunkStep)
    plain = made(Ensemble([ToyNetwork(), ToyNetwork()], 1))
    assert isinstance(plain, ConditionedStep)
    assert not isinstance(plain, FeatureStep)
    assert not isinstance(plain, ChunkStep)


def test_features_and_chunks_are_those_of_single_steps():
    step = made()
    state = step.expect(step.start(1), [b"abc"], 2)
    tokens, logits, states = np.array([7, 3, 5, 7]), [], []
    for token in tokens:
        found, state = step(np.array([token]), state)
        logits.append(found)
        states.append(state)
    state = step.expect(step.start(1), [b"abc"], 2)
    found, after = step.forward_chunk(tokens, state)
    np.testing.assert_array_equal(found, np.concatenate(logits))
    assert [step.pending(one) for one in after] == [[b"abc"], [b"abc"], [b"c"], [b""]]
    for token, expected in zip(tokens, logits, strict=True):
        features, state = step.features(np.array([token]), state)
        np.testing.assert_array_equal(step.logits(features, state), expected)


def test_once_the_bytes_are_drawn_it_is_the_network_again():
    step, network = made(), ToyNetwork()
    logits, state = step(np.array([7]), step.expect(step.start(1), [b"ab"], 1))
    assert set(np.flatnonzero(logits[0] > -np.inf)) == {3, 5, 6}
    logits, state = step(np.array([5]), state)
    assert len(state) == len(network.start(1))
    _, inner = network(np.array([7]), network.start(1))
    np.testing.assert_array_equal(logits, network(np.array([5]), inner)[0])


def test_draws_agree_with_the_bytes_wherever_tokens_begin():
    step = made()
    for number in np.linspace(0, 0.999, 40):
        logits, state = step(np.array([7]), step.expect(step.start(1), [b"abcab"], 1))
        text = b""
        while len(text) < 5:
            token = draw(logits[0], number)
            text += PIECES[token]
            logits, state = step(np.array([token]), state)
        assert text.startswith(b"abcab")

"""The seam between a prompt and what is written: a text goes on from the text, not from its tokens."""

from dataclasses import replace

import numpy as np
import pytest
from fixtures.generators import generator_of, text

from rnngen.builtins.strategies.sampling import Greedy, Sample
from rnngen.contracts import StrategySpec, imported
from rnngen.generation.infill import FillOptions, fill_gap
from rnngen.generation.next_pieces import next_pieces
from rnngen.generation.prompts import GenerationSettings, Prompt
from rnngen.generation.saved_state import SavedState
from rnngen.inference.conditioned import conditioned
from rnngen.options import build
from rnngen.testing.strategies import ToyNetwork

PIECES = (b"", b"?", b"!", b"a", b"b", b"ab", b"abc", b"c", b"bc")


class Longest:
    """A tokenizer that takes the longest piece at each place."""

    def __init__(self, pieces):
        self.pieces, self.eos_id = pieces, 0

    def encode(self, text):
        rest, tokens = text.encode(), []
        while rest:
            fitting = [token for token, piece in enumerate(self.pieces) if piece and rest.startswith(piece)]
            tokens.append(max(fitting, key=lambda token: len(self.pieces[token])))
            rest = rest[len(self.pieces[tokens[-1]]) :]
        return np.array(tokens, np.int64)


@pytest.fixture
def generator():
    """A toy that can all that strategies ask for, over pieces that begin one another."""
    trained = np.array([1, 0, 0, 1, 1, 1, 1, 1, 1], np.uint8)
    network = ToyNetwork(ends_after=30)
    made = generator_of(
        network, Longest(PIECES), has_eos=True, trained_tokens=trained, load_model=lambda _: ToyNetwork()
    )
    return replace(made, model=conditioned(network, PIECES, made.forbidden))


def strategies(session):
    given = {"speculative": [{"draft": "lookup"}, {"draft": "m"}], "contrastive": [{}]}
    for spec in session.registry.specs(StrategySpec):
        for options in given.get(spec.name, [{}]):
            yield spec, imported(spec.load)(build(spec.options, options, owner=spec.name))


def test_whatever_the_strategy_the_tokens_agree_with_the_prompt(session, generator):
    for prompt in ("ca", "cab", "ccab", "aab"):
        rest = generator.prefix(Prompt(prompt)).rest
        assert rest
        for spec, strategy in strategies(session):
            settings = GenerationSettings(length=6, seed=3, count=2 if "count" in spec.can else 1)
            for one in strategy.generate(generator.job([Prompt(prompt)], settings)):
                spelt = b"".join(PIECES[token] for token in one.tokens)
                assert spelt.startswith(rest), (spec.name, prompt, spelt)


def test_a_draft_changes_nothing(session, generator):
    plain = text(generator, "ccab", Sample(), length=6, seed=4)
    for spec, strategy in strategies(session):
        if spec.name == "speculative":
            assert text(generator, "ccab", strategy, length=6, seed=4) == plain


@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_a_length_counts_the_tokens_behind_the_prompt(generator, length):
    rest = len(generator.prefix(Prompt("cab")).rest)
    for seed in range(20):
        job = generator.job([Prompt("cab")], GenerationSettings(length=40, seed=seed))
        (one,) = Sample().generate(job)
        tokens = [*one.tokens]
        within = sum(end <= rest for end in np.cumsum([len(PIECES[token]) for token in tokens]))
        spelt = b"".join(PIECES[token] for token in tokens[: within + length])
        assert text(generator, "cab", length=length, seed=seed).encode() == spelt[rest:]


def test_next_pieces_are_those_of_the_text(generator):
    found = next_pieces(generator, Prompt("cab"))
    assert sum(np.exp(one.nats) for one in found) == pytest.approx(1)
    by_piece = {one.piece: np.exp(one.nats) for one in found}
    counts = dict.fromkeys(by_piece, 0)
    for seed in range(600):
        counts[text(generator, "cab", length=1, seed=seed).encode()] += 1
    for piece, mass in by_piece.items():
        assert abs(counts[piece] / 600 - mass) < 5 * np.sqrt(mass * (1 - mass) / 600) + 1e-3


def test_a_beam_of_a_least_length_counts_the_tokens_behind_the_prompt(session, generator):
    request = session.sample_request(beam=3, min_length=4, length=9)
    (output,) = session.decoder(generator, request).outputs([Prompt("cab")])
    assert output.given == 0
    assert len(output.hypothesis.tokens) >= 4


def test_final_prompts_give_nothing_back(generator):
    assert generator.prefix(Prompt("cab", final=True)).rest == b""
    assert generator.prefix(Prompt("cab", blend=("c", 0.5))).rest == b""
    assert generator.prefix(Prompt("")).rest == b""


# ── A model that knows better ──────────────────────────────────────────────────────────────────────────────

LETTERS = [letter.encode() for letter in "aehknortuvwyb"]
WORDS = (b"", b" ", b"I", b" have", b" know", b" the", b" harbour", b".", b" har", *LETTERS)
END, WHO, HAVE, KNOW, THE, HARBOUR, FULL = 0, 2, 3, 4, 5, 6, 7
TABLE = {
    END: {WHO: 5},
    WHO: {HAVE: 3, KNOW: 2},
    HAVE: {THE: 5},
    KNOW: {THE: 5},
    THE: {HARBOUR: 5},
    HARBOUR: {FULL: 5},
    FULL: {END: 9},
}


class Knows:
    """A network that expects whole words."""

    fixed = 0

    def start(self, batch):
        return (np.zeros((batch, 1), np.float32),)

    def attended(self, state):
        return None

    def __call__(self, tokens, state):
        logits = np.full((len(tokens), len(WORDS)), -6, np.float32)
        for row, token in zip(logits, tokens.tolist(), strict=True):
            for follows, logit in TABLE.get(token, {}).items():
                row[follows] = logit
        return logits, state


@pytest.fixture
def knows():
    made = generator_of(Knows(), Longest(WORDS), has_eos=True)
    return replace(made, model=conditioned(made.model, WORDS, made.forbidden))


@pytest.mark.parametrize(
    ("prompt", "whole"),
    [
        ("I ", "I have the harbour."),
        ("I know the harbo", "I know the harbour."),
        ("I k", "I know the harbour."),
    ],
)
def test_words_that_the_prompt_begins_are_gone_on_with(knows, prompt, whole):
    assert prompt + text(knows, prompt, Greedy()) == whole


@pytest.mark.parametrize(
    ("left", "right", "filling"),
    [("I ", " the harbour.", "have"), ("I know the har", "r.", "bou"), ("I know the", "bour.", " har")],
)
def test_a_gap_is_filled_within_words(knows, left, right, filling):
    assert fill_gap(knows, left, right, FillOptions(beam=8, length=4))[0][0] == filling


def test_a_filling_has_the_probability_of_its_text_after_the_left_one(knows):
    ((_, best), *_) = fill_gap(knows, "I ", " the harbour.", FillOptions(beam=8, length=4))
    after = [nats for _, nats in knows.token_log_probs("I have the harbour.")][1:]
    blank = [token for token, piece in enumerate(WORDS) if piece.startswith(b" ")]
    mass = sum(np.exp(knows.token_log_probs("I" + WORDS[token].decode())[1][1]) for token in blank)
    assert best.log_probability == pytest.approx(sum(after) - np.log(mass), abs=1e-3)


# ── States ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_text_left_off_at_once_or_in_the_middle_goes_on_as_one(session, train, tmp_path):
    train(name="verse", tokenizer="bpe", vocab_size=270)
    model = session.load("verse")
    for prompt in ("the ", "the s", "a ros"):
        decoder = session.decoder(model.generator, session.sample_request(seed=5))
        whole = decoder.begin(Prompt(prompt))
        expected = "".join(whole.write(20, last=True))
        assert expected == model.generate(prompt, seed=5, length=20, include_prompt=False)
        for first in (0, 1, 7):
            text = decoder.begin(Prompt(prompt))
            begun = "".join(text.write(first))
            decoder.save(text, tmp_path / "state", "model", None)
            rest = decoder.resume(SavedState.read(tmp_path / "state"), "model")
            assert begun + "".join(rest.write(20 - first, last=True)) == expected

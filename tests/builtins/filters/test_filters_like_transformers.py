"""Filters beside those of ``transformers``, on the same logits; where the two differ, a test says how.

They differ in what becomes of equals at an edge, and in what a text is made of: ours keep the lowest ids and
look at characters, theirs keep all and look at tokens.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from rnngen.builtins.filters import lexical, penalties, truncation
from rnngen.builtins.filters.options import (
    BanOptions,
    BiasOptions,
    EpsilonOptions,
    EtaOptions,
    MinLengthOptions,
    MinPOptions,
    NoRepeatOptions,
    RepetitionOptions,
    TemperatureOptions,
    TopKOptions,
    TopPOptions,
    TypicalOptions,
)
from rnngen.decoding.filter_chain import FilterChain
from rnngen.numerics import softmax

NEVER_ENDS = SimpleNamespace(eos_id=-1)
"""A tokenizer whose end token never comes."""

ROWS, VOCABULARY = 24, 40
PIECES = [bytes([65 + token]) for token in range(VOCABULARY)]
LETTERS = SimpleNamespace(
    pieces=PIECES,
    eos_id=VOCABULARY - 1,
    encode=lambda text: np.array([ord(letter) - 65 for letter in text]),
)
"""A tokenizer of single characters, so that a text has but one row of tokens."""


@pytest.fixture(scope="module")
def theirs():
    """Applies one of their processors, named with its options, as if it were a filter of ours."""
    needed = pytest.importorskip(
        "transformers", reason="pip install 'rnngen[hf]' to compare with transformers"
    )
    torch = pytest.importorskip("torch")

    def apply(name, logits, history=None, **options):
        history = np.zeros((len(logits), 1), np.int64) if history is None else np.array(history, np.int64)
        process = getattr(needed, name)(**options)
        return process(torch.from_numpy(history), torch.from_numpy(logits.copy())).numpy()

    return apply


def some(gaps=False, spread=3.0, seed=0):
    """Logits (B,V), each row with some that are forbidden already if there are to be gaps."""
    rng = np.random.default_rng(seed)
    logits = (spread * rng.normal(size=(ROWS, VOCABULARY))).astype(np.float32)
    if gaps:
        logits[rng.random(logits.shape) < np.linspace(0, 0.9, ROWS)[:, None]] = -np.inf
        logits[:, 0] = 1.0
    return logits


def texts(length=30, kinds=VOCABULARY, seed=1):
    return np.random.default_rng(seed).integers(kinds, size=(ROWS, length)).tolist()


LOGITS = {
    "peaked": some(spread=6.0),
    "flat": some(spread=0.3),
    "with gaps": some(gaps=True),
    "one left": np.where(np.arange(VOCABULARY) == 7, 2.0, -np.inf).astype(np.float32)[None],
}


def same(ours, others):
    """The same tokens left, with the same logits up to float32's rounding."""
    np.testing.assert_array_equal(np.isneginf(ours), np.isneginf(others))
    np.testing.assert_allclose(ours, others, rtol=2e-6)


# ── Alike ──────────────────────────────────────────────────────────────────────────────────────────────────

TINY = (3e-4, 0.02, 0.9)
TINY = (3e-4, 0.02, 0.9)
CUTS = [
    *(("TemperatureLogitsWarper", truncation.temperature(TemperatureOptions(x)), {"temperature": x})
      for x in (0.1, 0.7, 1.0, 3.5)),
    *(("TopKLogitsWarper", truncation.top_k(TopKOptions(x)), {"top_k": x}) for x in (1, 2, 17, 40, 99)),
    *(("TopPLogitsWarper", truncation.top_p(TopPOptions(x)), {"top_p": x}) for x in (0.01, 0.5, 0.9, 0.999)),
    *(("MinPLogitsWarper", truncation.min_p(MinPOptions(x)), {"min_p": x}) for x in (0.0, 0.01, 0.3, 1.0)),
    *(("TypicalLogitsWarper", truncation.typical(TypicalOptions(x)), {"mass": x}) for x in (0.1, 0.5, 0.95)),
    *(("EpsilonLogitsWarper", truncation.epsilon(EpsilonOptions(x)), {"epsilon": x}) for x in TINY),
    *(("EtaLogitsWarper", truncation.eta(EtaOptions(x)), {"epsilon": x}) for x in TINY),
]  # fmt: skip


@pytest.mark.parametrize("logits", LOGITS)
@pytest.mark.parametrize(("name", "keep", "options"), CUTS, ids=[f"{name}-{x}" for name, _, x in CUTS])
def test_cuts_are_the_same(theirs, logits, name, keep, options):
    logits = LOGITS[logits]
    same(keep(logits, [[0]] * len(logits)), theirs(name, logits, **options))


@pytest.mark.parametrize("logits", ["peaked", "with gaps"])
@pytest.mark.parametrize("penalty", [0.5, 1.0, 1.3, 8.0])
def test_repetition_without_a_window_is_the_same(theirs, logits, penalty):
    logits, past = LOGITS[logits], texts()
    ours = penalties.repetition(RepetitionOptions(penalty, window=0), NEVER_ENDS)(logits, past)
    same(ours, theirs("RepetitionPenaltyLogitsProcessor", logits, past, penalty=penalty))


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("length", [1, 2, 40])
def test_no_repeat_ngram_is_the_same(theirs, n, length):
    logits, past = LOGITS["peaked"], texts(length, kinds=4)
    ours = penalties.no_repeat_ngram(NoRepeatOptions(n=n), NEVER_ENDS)(logits, past)
    same(ours, theirs("NoRepeatNGramLogitsProcessor", logits, past, ngram_size=n))
    assert np.isneginf(ours).any() == (n <= length)


@pytest.mark.parametrize("made", [0, 2, 3, 9])
def test_min_length_is_that_of_new_tokens(theirs, made):
    logits, past, prompt = LOGITS["with gaps"], texts(5 + made), 5
    chain = FilterChain([lexical.min_length(MinLengthOptions(3), LETTERS)])
    memory = chain.initial(np.zeros(ROWS, np.int64))
    for _ in range(made):
        memory = chain.observe(np.zeros(ROWS, np.int64), np.zeros(ROWS), memory)
    options = {"prompt_length_to_skip": prompt, "min_new_tokens": 3, "eos_token_id": LETTERS.eos_id}
    same(chain(logits, past, memory), theirs("MinNewTokensLengthLogitsProcessor", logits, past, **options))


@pytest.mark.parametrize("words", [["A"], ["AB"], ["ABA", "BB", "D"], ["AAAA", "AB"]])
def test_where_tokens_are_characters_a_ban_is_one_of_bad_words(theirs, words):
    logits, past = LOGITS["peaked"], texts(20, kinds=3)
    ours = lexical.ban(BanOptions("|".join(words)), LETTERS)(logits, past)
    ids = [[ord(letter) - 65 for letter in word] for word in words]
    same(ours, theirs("NoBadWordsLogitsProcessor", logits, past, bad_words_ids=ids))
    assert np.isneginf(ours).any()


def test_a_bias_on_a_token_is_their_bias_on_a_sequence_of_one(theirs):
    logits = LOGITS["with gaps"]
    ours = lexical.logit_bias(BiasOptions("A:2.5|C:-10|Z:-inf"), LETTERS)(logits, [[0]] * ROWS)
    bias = {(0,): 2.5, (2,): -10.0, (25,): float("-inf")}
    same(ours, theirs("SequenceBiasLogitsProcessor", logits, sequence_bias=bias))


# ── Different ──────────────────────────────────────────────────────────────────────────────────────────────


def test_of_equals_at_the_edge_top_k_keeps_the_lowest_ids_and_theirs_all(theirs):
    logits = np.array([[1, 0, 1, 1, 2]], np.float32)
    ours = truncation.top_k(TopKOptions(2))(logits, [[0]])
    assert np.isfinite(ours).tolist() == [[True, False, False, False, True]]
    others = theirs("TopKLogitsWarper", logits, top_k=2)
    assert np.isfinite(others).tolist() == [[True, False, True, True, True]]


def test_of_equals_at_the_edge_typical_keeps_the_lowest_ids_and_theirs_all(theirs):
    logits = np.zeros((1, 8), np.float32)
    ours = truncation.typical(TypicalOptions(0.5))(logits, [[0]])
    assert np.flatnonzero(np.isfinite(ours)).tolist() == [0, 1, 2, 3]
    assert np.isfinite(theirs("TypicalLogitsWarper", logits, mass=0.5)).all()


def test_of_equals_at_the_edge_top_p_keeps_as_many_as_theirs_and_the_lowest_ids(theirs):
    """Which of the equals theirs keeps depends on how torch happens to sort them."""
    logits = np.zeros((1, 8), np.float32)
    ours = truncation.top_p(TopPOptions(0.5))(logits, [[0]])
    assert np.flatnonzero(np.isfinite(ours)).tolist() == [0, 1, 2, 3]
    assert np.isfinite(theirs("TopPLogitsWarper", logits, top_p=0.5)).sum() == 4


def test_temperature_0_is_greedy_and_theirs_refuses_it(theirs):
    logits = LOGITS["peaked"]
    ours = truncation.temperature(TemperatureOptions(0.0))(logits, [[0]] * ROWS)
    np.testing.assert_array_equal((softmax(ours) == 1).argmax(axis=1), logits.argmax(axis=1))
    with pytest.raises(ValueError, match="strictly positive"):
        theirs("TemperatureLogitsWarper", logits, temperature=0.0)


def test_repetition_looks_back_64_tokens_by_default_and_theirs_at_all(theirs):
    logits, past = np.ones((1, 4), np.float32), [[0] + [1] * 64]
    ours = penalties.repetition(RepetitionOptions(2.0), NEVER_ENDS)(logits, past)
    assert ours.tolist() == [[1, 0.5, 1, 1]]
    others = theirs("RepetitionPenaltyLogitsProcessor", logits, past, penalty=2.0)
    assert others.tolist() == [[0.5, 0.5, 1, 1]]


def test_their_other_min_length_counts_the_prompt_and_ours_does_not(theirs):
    logits, past = LOGITS["peaked"], texts(5)
    chain = FilterChain([lexical.min_length(MinLengthOptions(3), LETTERS)])
    ours = chain(logits, past, chain.initial(np.zeros(ROWS, np.int64)))
    assert np.isneginf(ours[:, LETTERS.eos_id]).all()
    others = theirs("MinLengthLogitsProcessor", logits, past, min_length=3, eos_token_id=LETTERS.eos_id)
    assert np.isfinite(others).all()


def test_a_ban_holds_however_tokens_divide_a_text_and_their_bad_words_only_as_given(theirs):
    pieces = [b"a", b"b", b"ab", b"xa", b"by"]
    logits, past = np.zeros((1, 5), np.float32), [[3]]  # what is written ends in "xa"
    tokenizer = SimpleNamespace(pieces=pieces, encode=lambda _: np.array([0, 1]))
    ours = lexical.ban(BanOptions("ab"), tokenizer)(logits, past)
    assert np.isneginf(ours).tolist() == [[False, True, True, False, True]]
    others = theirs("NoBadWordsLogitsProcessor", logits, past, bad_words_ids=[[0, 1]])
    assert np.isfinite(others).all()

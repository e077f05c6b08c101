"""Bans, biases, choices of words and least lengths: what they mean is said of texts, whatever the tokens."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.builtins.filters import lexical, options
from rnngen.builtins.options import CharOptions
from rnngen.builtins.tokenizers.char import CharTokenizer
from rnngen.contracts import Chunk
from rnngen.data.normalization import NormalizingTokenizer
from rnngen.errors import UsageError


class Pieces:
    """Tokens that overlap in what they say, and the end."""

    pieces = (b"a", b"b", b"ab", b"ba", b"c", b"aba", b"")
    eos_id = 6

    def encode(self, text):
        return np.array([self.pieces.index(character.encode()) for character in text])


V = len(Pieces.pieces)
texts = st.text("abc", min_size=1, max_size=4)


def said(tokens):
    return b"".join(Pieces.pieces[token] for token in tokens).decode()


def zeros(rows=1):
    logits = np.zeros((rows, V), np.float32)
    logits.flags.writeable = False
    return logits


@given(banned=st.lists(texts, min_size=1, max_size=3), past=st.lists(st.integers(0, V - 1), max_size=6))
def test_a_token_is_forbidden_where_it_would_complete_a_banned_text_and_only_there(banned, past):
    result = lexical.ban(options.BanOptions("|".join(banned)), Pieces())(zeros(2), [past, []])
    for token in range(V):
        before, after = said(past), said([*past, token])
        new = [
            text
            for text in banned
            if after.count(text) and overlapping(after, text) > overlapping(before, text)
        ]
        assert (result[0, token] == -np.inf) == bool(new), (before, after)


def overlapping(text, part):
    return sum(text.startswith(part, place) for place in range(len(text)))


def test_no_tokenization_gets_round_a_ban():
    keep = lexical.ban(options.BanOptions("abab"), Pieces())
    written = set()
    for tokens in product(range(V), repeat=4):
        if all(keep(zeros(), [list(tokens[:made])])[0, tokens[made]] == 0 for made in range(4)):
            written.add(said(tokens))
    everything = {said(tokens) for tokens in product(range(V), repeat=4)}
    assert written == {text for text in everything if "abab" not in text}


@given(forced=st.lists(texts, min_size=1, max_size=3), past=st.lists(st.integers(0, V - 1), max_size=4))
def test_only_the_tokens_of_forced_texts_and_the_end_are_left_and_as_they_were(forced, past):
    logits = np.arange(2 * V, dtype=np.float32).reshape(2, V)
    logits.flags.writeable = False
    result = lexical.force(options.ForceOptions("|".join(forced)), Pieces())(logits, [past, []])
    left = {Pieces.pieces.index(sign.encode()) for text in forced for sign in text} | {Pieces.eos_id}
    for token in range(V):
        expected = logits[:, token] if token in left else np.full(2, -np.inf)
        assert (result[:, token] == expected).all()


def test_nothing_to_write_is_refused():
    with pytest.raises(UsageError, match=r"force=TEXT\|TEXT"):
        lexical.force(options.ForceOptions(), Pieces())


def test_a_bias_is_added_to_the_tokens_of_its_text():
    result = lexical.logit_bias(options.BiasOptions("ab:2.5|c:-inf|a:-1"), Pieces())(zeros(2), [[], []])
    assert result.tolist() == [[-1, 0, 2.5, 0, -np.inf, 0, 0]] * 2


def test_signs_that_mean_something_go_with_a_backslash():
    assert options.BiasOptions(r"\|:1|::2|\n:-3").pairs() == [("|", 1), (":", 2), ("\n", -3)]
    assert options.BanOptions(r"a\|b|\,|\\|\t").strings() == ["a|b", ",", "\\", "\t"]


@pytest.mark.parametrize("biases", ["a", ":2", "a:much", "a:inf", "a:nan", "a:1e9", "a:1|b"])
def test_what_is_no_bias_is_refused(biases):
    with pytest.raises(ValueError, match="TEXT:BIAS expected"):
        options.BiasOptions(biases)


def test_a_bias_for_a_text_of_several_tokens_names_them():
    with pytest.raises(UsageError, match="no single token is 'abc'; to this model it is 'a' 'b' 'c'"):
        lexical.logit_bias(options.BiasOptions("abc:1"), Pieces())


def test_nothing_to_ban_or_to_favour_is_refused():
    with pytest.raises(UsageError, match="ban=TEXT"):
        lexical.ban(options.BanOptions(), Pieces())
    with pytest.raises(UsageError, match="logit_bias=TEXT:BIAS"):
        lexical.logit_bias(options.BiasOptions(), Pieces())


@pytest.mark.parametrize("length", [0, 1, 3])
def test_the_end_is_forbidden_until_enough_tokens_are_made(length):
    keep = lexical.min_length(options.MinLengthOptions(length), Pieces())
    state = keep.initial(np.arange(2))
    for made in range(5):
        result = keep(zeros(2), [[0] * 9] * 2, state)
        assert (result[:, Pieces.eos_id] == (-np.inf if made < length else 0)).all()
        assert (result[:, :-1] == 0).all()
        state = keep.observe(np.array([1, 2]), np.zeros(2), state)


def test_texts_are_brought_to_the_normal_form_of_the_tokenizer():
    tokenizer = NormalizingTokenizer(CharTokenizer.train([Chunk("ée", True)], CharOptions()), "nfc")
    accented = tokenizer.pieces.index("é".encode())
    logits = np.zeros((1, len(tokenizer.pieces)), np.float32)
    banned = lexical.ban(options.BanOptions("e\u0301"), tokenizer)(logits, [[]])
    assert np.flatnonzero(banned[0] == -np.inf).tolist() == [accented]
    biased = lexical.logit_bias(options.BiasOptions("e\u0301:2"), tokenizer)(logits, [[]])
    assert np.flatnonzero(biased[0]).tolist() == [accented]

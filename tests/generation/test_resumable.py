"""A text that is left off and gone on with shows the characters of one that never stopped."""

import numpy as np
import pytest

from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.contracts import GenerationState
from rnngen.decoding.sampler import Sampler
from rnngen.generation.saved_state import ResumableGeneration

TEXT = "né 愛 🙂, ab\nabc."


class Says:
    """A network that is sure of a text, and of its end."""

    fixed = 0

    def __init__(self, tokenizer, text):
        self.tokens, self.vocabulary = [*tokenizer.encode(text), tokenizer.eos_id], len(tokenizer.pieces)

    def __call__(self, tokens, state):
        logits = np.zeros((1, self.vocabulary), np.float32)
        logits[0, self.tokens[min(int(state[0][0]), len(self.tokens) - 1)]] = 100
        return logits, (state[0] + 1,)


SAMPLER = Sampler(Says(ByteTokenizer(), TEXT))


def begun():
    given = GenerationState(((ByteTokenizer().eos_id,),), (np.zeros(1, np.int64),))
    return resumed(SAMPLER.start(given, [np.random.default_rng(0)]))


def resumed(state, shown=0, **how):
    return ResumableGeneration(SAMPLER, state, ByteTokenizer(), 1, shown, **how)


def cut_into(*lengths, stops=()):
    """What is shown by texts that each go on where the one before was left off."""
    text, parts = begun(), []
    for length in lengths:
        text = resumed(text.state, text.shown)
        parts.append("".join(text.write(length, stops)))
    return parts, text.cut


@pytest.mark.parametrize("first", range(len(TEXT.encode()) + 1))
def test_a_text_cut_anywhere_is_whole_in_the_end(first):
    parts, cut = cut_into(first, None)
    assert "".join(parts) == TEXT
    assert not cut


def test_a_broken_character_is_held_back_until_it_is_whole():
    parts, _ = cut_into(2, 1, 3, None)
    assert parts == ["n", "é", " ", "愛 🙂, ab\nabc."]


@pytest.mark.parametrize("stop", ["abc", "b\na", "愛"])
@pytest.mark.parametrize("first", [1, 6, 8, 17, 19, 22])
def test_a_stop_is_found_though_the_text_was_cut_within_it(stop, first):
    parts, cut = cut_into(first, None, stops=[stop])
    assert "".join(parts) == TEXT.partition(stop)[0]
    assert not cut


def test_the_last_call_shows_what_was_held_back():
    text = begun()
    assert "".join(text.write(2, last=True)) == "n\ufffd"
    assert "".join(resumed(text.state, 1).write(1, ["é "], last=True)) == "é"


def test_what_ended_at_a_stop_stays_ended_and_without_it_goes_on():
    text = begun()
    first = "".join(text.write(None, ["ab"]))
    again = resumed(text.state, text.shown)
    assert "".join(again.write(None, ["ab"])) == ""
    assert first + "".join(again.write(None)) == TEXT


def test_a_text_that_came_to_its_end_has_no_more():
    parts, cut = cut_into(None, 50)
    assert parts == [TEXT, ""]
    assert not cut


def test_the_length_counts_new_tokens_and_tells_that_it_cut():
    parts, cut = cut_into(1, 3)
    assert parts == ["n", "é "]
    assert cut


def test_an_end_counts_once():
    text = begun()
    "".join(text.write(3))
    assert (text.cut, text.ends) == (True, False)
    "".join(text.write(None))
    assert (text.cut, text.ends) == (False, True)
    again = resumed(text.state, text.shown, ended=True)
    assert "".join(again.write(None)) == ""
    assert (again.cut, again.ends) == (False, False)


def test_a_stop_that_was_shown_whole_does_not_end_what_follows():
    shown = TEXT[: TEXT.index("b") + 1]
    text = begun()
    assert "".join(text.write(len(shown.encode()))) == shown
    assert "".join(resumed(text.state, len(shown)).write(None, ["ab"])) == "\n"
    assert "".join(resumed(text.state, len(shown)).write(None, ["é", "abc"])) == "\n"


def test_a_text_that_ended_with_a_stop_that_was_kept_stays_ended():
    text = begun()
    first = "".join(text.write(None, ["ab"], keep_stop=True))
    assert first.endswith("ab")
    again = resumed(text.state, text.shown, ended=True)
    assert "".join(again.write(None, ["ab"], keep_stop=True)) == ""
    assert (again.cut, again.ends) == (False, False)
    assert "".join(again.write(None, ["ab"])) == ""
    assert first + "".join(again.write(None)) == TEXT

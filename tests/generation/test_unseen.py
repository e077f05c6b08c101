"""Characters that training never met are counted, and recognised as what they may have been meant to be."""

import unicodedata

import pytest

from rnngen.generation.unseen import Known, Unseen, recognise, shown

PLAIN = Known(frozenset("abcdefghijklmnopqrstuvwxyzé '\"-.\n"))


def looked(known, *texts):
    unseen = Unseen(known, known.strange)
    for text in texts:
        unseen.add(text)
    return unseen


@pytest.mark.parametrize(
    ("known", "text", "kind"),
    [
        (PLAIN, "cafe\u0301", "form"),
        (Known(frozenset("cafe\u0301")), "café", "form"),
        (Known(frozenset("한글")), unicodedata.normalize("NFD", "한글"), "form"),
        (PLAIN, "ABC", "case"),
        (Known(frozenset("ABC")), "abc", "case"),
        (PLAIN, "\uff41\uff42", "width"),
        (PLAIN, "\ufb01n", "width"),
        (PLAIN, "“a” – ‘b’…", "sign"),
        (Known(frozenset("a“”’–")), "\"a\" 'a' -".replace(" ", ""), "sign"),
        (PLAIN, "a\u00a0b", "blank"),
        (PLAIN, "a\u202fb", "blank"),
        (PLAIN, "a\u200eb\u200b", "invisible"),
        (PLAIN, r"a\nb", "escape"),
        (PLAIN, r"a\tb", "escape"),
        (PLAIN, "a\tb", "tab"),
        (PLAIN, "a\r\nb", "crlf"),
        (Known(frozenset("ab")), "a\nb", "line end"),
        (Known(frozenset("ab\r\n"), line_end="\r\n"), "a\nb", "lf"),
        (PLAIN, "水", "other"),
        (PLAIN, "a\\b", "other"),
    ],
)
def test_each_kind_is_recognised(known, text, kind):
    unseen = looked(known, text)
    assert list(unseen.kinds) == [kind]
    assert unseen.held == 1
    message = unseen.message("the prompt holds")
    assert message.startswith("the prompt holds what the model has never seen, and makes little of: ")
    assert f"({unseen.counts.total()} of {len(text)} characters)" in message
    assert "{" not in message
    assert message.isprintable()


@pytest.mark.parametrize("text", ["", "café", "a b\n", r"a 'b' - c."])
def test_what_training_met_is_no_matter(text):
    assert not looked(PLAIN, text).held


def test_a_text_is_looked_at_as_the_model_reads_it():
    assert not looked(Known(PLAIN.characters, normalize="nfc"), "cafe\u0301").held


def test_crlf_is_right_where_the_model_learnt_it():
    known = Known(frozenset("ab\r\n"), line_end="\r\n")
    assert not looked(known, "a\r\nb").held


def test_a_mend_names_the_form_that_the_model_knows():
    assert "--normalize nfc" in looked(PLAIN, "e\u0301").message("it holds")
    assert "--normalize nfd" in looked(Known(frozenset("e\u0301")), "é").message("it holds")


def test_several_kinds_are_told_apart_in_one_text():
    text = "A “b” 水\u00a0e\u0301"
    found = recognise(text, PLAIN.strange(text), PLAIN.characters)
    kinds = {"case": ["A"], "sign": ["“", "”"], "other": ["水"], "blank": ["\u00a0"], "form": ["\u0301"]}
    assert found == kinds


def test_what_no_advice_fits_has_none():
    assert (
        looked(Known(frozenset("ab")), "a b")
        .message("it holds")
        .endswith("little of: U+0020 (1 of 3 characters)")
    )
    assert "cut -f 1" not in looked(PLAIN, "a\tb").message("it holds")


def test_figures_add_up_over_texts():
    unseen = looked(PLAIN, "abc", "水 a", "火水")
    assert (unseen.texts, unseen.held, unseen.characters) == (3, 2, 8)
    assert unseen.counts == {"水": 2, "火": 1}
    assert "水 火 (3 of 8 characters)" in unseen.message("2 of 3 texts hold")


def test_only_a_text_with_something_new_is_worth_a_word():
    unseen = Unseen(PLAIN, PLAIN.strange)
    assert [unseen.add(text) for text in ("abc", "水", "水水", "火")] == [False, True, False, True]


def test_a_message_is_bounded():
    message = looked(PLAIN, "".join(map(chr, range(0x4E00, 0x5E00)))).message("it holds")
    assert len(message) < 200
    assert "…" in message


@pytest.mark.parametrize(
    ("one", "spelt"), [("é", "é"), ("\n", r"\n"), ("\u00a0", "U+00A0"), ("\u0301", "U+0301"), (" ", "U+0020")]
)
def test_what_cannot_be_seen_goes_by_its_number(one, spelt):
    assert shown(one) == spelt

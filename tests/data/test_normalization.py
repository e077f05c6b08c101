"""Normal forms: pieces come out as a whole text would, and a tokenizer brings what it reads to the form."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.builtins.tokenizers.char import CharTokenizer
from rnngen.contracts import Chunk
from rnngen.data.normalization import NormalizingTokenizer, normalized

FORMS = ["nfc", "nfkc", "nfd", "nfkd"]
TRICKY = (
    "aeé\u0301\u0327\u0344\u1100\u1161\u11a8가각\u09c7\u09be\u0b47\u0b3e\uff9e\uff76"
    "ﬁ①Å\u212b\u3099か\u0f73\u0345 \n天"
)


@given(st.lists(st.text(TRICKY, max_size=4)), st.sampled_from(FORMS))
def test_no_cut_changes_what_comes_out(pieces, form):
    chunks = [Chunk(piece, number == 0) for number, piece in enumerate(pieces)]
    whole = unicodedata.normalize(form.upper(), "".join(pieces))
    assert "".join(chunk.text for chunk in normalized(iter(chunks), form)) == whole


@pytest.mark.parametrize("form", FORMS)
def test_documents_and_sources_stay_what_they_are(form):
    chunks = [
        Chunk("e", True, "e\u0301"),
        Chunk("\u0301a", False),
        Chunk("\u0301", True, "b"),
        Chunk("c", True),
    ]
    done = list(normalized(iter(chunks), form))
    starts = [(chunk.starts_document, chunk.source) for chunk in done]
    assert [one for one in starts if one[0]] == [
        (True, unicodedata.normalize(form.upper(), "é")),
        (True, "b"),
        (True, ""),
    ]
    assert "".join(chunk.text for chunk in done) == unicodedata.normalize(form.upper(), "éa") + "\u0301c"


def test_without_a_form_the_chunks_pass_unchanged():
    chunks = [Chunk("e\u0301", True), Chunk("\u0301", False)]
    assert list(normalized(iter(chunks), None)) == chunks


def test_a_text_is_not_held_back_whole():
    begun = normalized((Chunk("ab\n" * 9, number == 0) for number in range(3)), "nfc")
    assert len(next(begun).text) == 26


def test_a_tokenizer_reads_both_spellings_alike():
    plain = CharTokenizer("aé")
    tokenizer = NormalizingTokenizer(plain, "nfc")
    assert tokenizer.encode("e\u0301a").tolist() == plain.encode("éa").tolist()
    assert (tokenizer.pieces, tokenizer.eos_id, tokenizer.to_json()) == (
        plain.pieces,
        plain.eos_id,
        plain.to_json(),
    )

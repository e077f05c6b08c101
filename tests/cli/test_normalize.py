"""A model with a normal form takes all that it is given in that form; a mark at the head is no text."""

import json
import unicodedata

import pytest

from rnngen.api import load

TEXT = "élan à l'été, où naïf\n" * 60


@pytest.fixture
def normal(run, place, home, tiny):
    """A model of text in NFC, learnt from one in NFD."""
    (place / "nfd.txt").write_text(unicodedata.normalize("NFD", TEXT))
    run("train", "nfd.txt", "--normalize", "nfc", "-q", *tiny)
    return home


def test_all_that_enters_is_brought_to_the_form(run, normal):
    assert load("nfd").stored[0].config.corpus.normalize == "nfc"
    both = "".join(f"{unicodedata.normalize(form, 'été')}\n" for form in ("NFC", "NFD"))
    one, other = run("score", "-m", "nfd", stdin=both).out.split()
    assert one == other
    nexts = [
        json.loads(run("next", "-m", "nfd", "--json", unicodedata.normalize(form, "l'é")).out)["next"]
        for form in ("NFC", "NFD")
    ]
    assert nexts[0] == nexts[1]
    done = run("sample", "-m", "nfd", "--seed", "1", unicodedata.normalize("NFD", "été"))
    assert "never seen" not in done.err


def test_a_stop_and_a_ban_are_texts_of_the_form_too(run, normal):
    asked = ("sample", "-m", "nfd", "--seed", "1", "-n", "60", "--no-prompt")
    filters = ("--filters", "temp=0.5,ban=" + unicodedata.normalize("NFD", "été"))
    whole = run(*asked, "--filters", "temp=0.5", "à l'").out
    assert "é" in whole
    stopped = run(*asked, "--filters", "temp=0.5", "--stop", unicodedata.normalize("NFD", "é"), "à l'")
    assert stopped.out == whole.partition("é")[0]
    assert "été" not in run(*asked, *filters, "à l'").out


def test_the_text_that_is_learnt_is_in_the_form(normal):
    pieces = load("nfd").generator.tokenizers.target.pieces
    assert "é".encode() in pieces
    assert "\u0301".encode() not in pieces


def test_resuming_and_tuning_keep_the_form(run, normal, tiny):
    done = run("train", "--resume", "--name", "nfd", "--normalize", "nfd", status=2)
    assert "--normalize nfd" in done.err
    done = run("train", "nfd.txt", "--init-from", "nfd", "--name", "x", "--normalize", "nfkc", status=2)
    assert "was trained with nfc" in done.err
    run("train", "nfd.txt", "--init-from", "nfd", "--name", "x", "--steps", "1", "-q")
    assert load("x").stored[0].config.corpus.normalize == "nfc"


def test_a_mark_at_the_head_is_no_text(run, shelf):
    one, other = run("score", "-m", "tale", stdin=b"\xef\xbb\xbfthe cat\nthe cat\n").out.split()
    assert one == other
    plain = run("sample", "-m", "tale", "--seed", "1", stdin=b"the cat").out
    assert run("sample", "-m", "tale", "--seed", "1", stdin=b"\xef\xbb\xbfthe cat").out == plain
    assert run("sample", "-m", "tale", "--seed", "1", stdin="the cat".encode("utf-16")).out == plain

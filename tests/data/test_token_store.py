"""The token store holds what the tokenizer gave, and survives whatever happens while it is written."""

import json
import os
import re
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from rnngen.contracts import Chunk
from rnngen.data import token_store
from rnngen.data.token_store import TokenStore, segments
from rnngen.errors import ModelError

TEXTS = ["hello\nworld", "x", "天地玄黃", "a b  c\n\n d"]


class Bytes:
    """A tokenizer of bytes, with a vocabulary as large as wanted."""

    eos_id = 256

    def __init__(self, vocabulary=257):
        self.pieces = [b""] * vocabulary

    def encode(self, text):
        return np.frombuffer(text.encode(), np.uint8)


def chunks(texts, size=1000):
    return [Chunk(t[at : at + size], at == 0) for t in texts for at in range(0, len(t), size)]


def decoded(store):
    return [bytes(store.example(i).astype(np.uint8)).decode() for i in range(store.examples)]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_examples_come_back_as_they_went_in(tmp_path, size):
    assert decoded(TokenStore.write(tmp_path / "store", chunks(TEXTS, size), Bytes())) == TEXTS


def test_every_example_lies_between_ends(tmp_path):
    store = TokenStore.write(tmp_path, chunks(["ab", "c"]), Bytes())
    assert store.tokens.tolist() == [256, 97, 98, 256, 99, 256]
    assert store.starts.tolist() == [0, 3, 5]
    assert (len(store), store.text_tokens, store.chars, store.examples) == (6, 3, 3, 2)


def test_chars_are_characters_not_tokens(tmp_path):
    store = TokenStore.write(tmp_path, chunks(["天地", "a"]), Bytes())
    assert (store.chars, store.text_tokens) == (3, 7)


@pytest.mark.parametrize(("vocabulary", "kind"), [(257, "u2"), (65536, "u2"), (65537, "u4")])
def test_ids_are_as_narrow_as_the_vocabulary_allows(tmp_path, vocabulary, kind):
    store = TokenStore.write(tmp_path, chunks(TEXTS), Bytes(vocabulary))
    assert store.tokens.dtype == np.dtype(kind)
    assert store.vocabulary == vocabulary


def test_no_text_makes_an_empty_store(tmp_path):
    store = TokenStore.write(tmp_path, [], Bytes())
    assert (len(store), store.examples, store.text_tokens) == (1, 0, 0)


def test_a_store_is_mapped_not_read(tmp_path):
    store = TokenStore.write(tmp_path, chunks(TEXTS), Bytes())
    assert isinstance(store.tokens.base, np.memmap)
    assert not store.tokens.flags.writeable


@pytest.mark.parametrize("segment", [3, 1 << 20])
def test_counts_are_kept_and_are_those_of_the_tokens(tmp_path, segment, monkeypatch):
    monkeypatch.setattr(token_store, "SEGMENT", segment)
    store = TokenStore.write(tmp_path, chunks(TEXTS), Bytes(300))
    for part in (store, store.prefix(9), store.prefix(1)):
        expected = np.bincount(part.tokens, minlength=300)
        assert part.counts(300).tolist() == expected.tolist()
    assert store.tally is not None
    store.counts(300)[:] = 0
    assert store.counts(300).sum() == len(store)


def test_a_store_of_an_older_version_without_counts_still_counts(tmp_path):
    counts = TokenStore.write(tmp_path, chunks(TEXTS), Bytes()).counts(257)
    header = tmp_path / "store.json"
    old = {key: value for key, value in json.loads(header.read_text()).items() if key != "tally"}
    header.write_text(json.dumps(old))
    store = TokenStore.open(tmp_path)
    assert store.tally is None
    assert store.counts(257).tolist() == counts.tolist()


# ── Segments ───────────────────────────────────────────────────────────────────────────────────────────────


def split_like_gpt2(text):
    return re.findall(r" ?\w+| ?[^\s\w]+|\s+(?!\S)|\s+", text)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_segments_do_not_change_what_a_byte_level_pre_tokenizer_sees(size, monkeypatch):
    monkeypatch.setattr(token_store, "SEGMENT", 40)
    monkeypatch.setattr(token_store, "LIMIT", 4000)
    lines = ["To be, or", " not  to be ", "", "that  ", "\tis", "the question:", "\r", "x", "  ", "whether"]
    text = "\n".join(lines * 30)
    found = [segment.text for segment in segments(chunks([text], size))]
    assert "".join(found) == text
    assert len(found) > 20
    assert [piece for segment in found for piece in split_like_gpt2(segment)] == split_like_gpt2(text)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("filling", ["x", "\n", " \n", "\r\n", "天"])
def test_a_text_without_good_places_is_cut_at_the_limit(size, filling, monkeypatch):
    monkeypatch.setattr(token_store, "SEGMENT", 10)
    monkeypatch.setattr(token_store, "LIMIT", 40)
    text = filling * 100
    found = [segment.text for segment in segments(chunks([text], size))]
    assert "".join(found) == text
    assert max(map(len, found)) <= 50
    assert min(map(len, found[:-1])) >= 40


def test_segments_of_one_example_open_once(monkeypatch):
    monkeypatch.setattr(token_store, "SEGMENT", 10)
    found = list(segments(chunks(["word\n" * 10, "b", "c"])))
    assert [s.starts_document for s in found] == [True] + [False] * (len(found) - 3) + [True, True]


# ── Damage and interruption ────────────────────────────────────────────────────────────────────────────────


def test_a_store_is_replaced_and_nothing_is_left_over(tmp_path):
    TokenStore.write(tmp_path, chunks(["old text"]), Bytes())
    assert decoded(TokenStore.write(tmp_path, chunks(["new"]), Bytes())) == ["new"]
    assert decoded(TokenStore.write(tmp_path, chunks(["new"]), Bytes())) == ["new"]
    assert len(list(tmp_path.iterdir())) == 3


def test_an_open_store_stays_readable_while_it_is_replaced(tmp_path):
    store = TokenStore.write(tmp_path, chunks(["old text"]), Bytes())
    TokenStore.write(tmp_path, chunks(["new"]), Bytes())
    assert decoded(store) == ["old text"]


@pytest.mark.parametrize("call", ["replace", "fsync", "rename", "open"])
def test_a_crash_at_any_call_leaves_the_old_store_readable(tmp_path, call, monkeypatch):
    TokenStore.write(tmp_path, chunks(["old text"]), Bytes())
    owner, crashed = (os if call == "fsync" else Path), 0
    original = getattr(owner, call)
    for doomed in count():
        calls = count()

        def crash(*args, calls=calls, doomed=doomed, **kwargs):
            if next(calls) == doomed:
                raise OSError("the disk is gone")
            return original(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(owner, call, crash)
            try:
                TokenStore.write(tmp_path, chunks([f"new {doomed}"]), Bytes())
            except (OSError, ModelError):
                crashed += 1
            else:
                break
        (text,) = decoded(TokenStore.open(tmp_path))
        assert text in ("old text", f"new {doomed}")
    assert crashed >= 2
    assert decoded(TokenStore.open(tmp_path)) == [f"new {doomed}"]


def test_a_tokenizer_that_fails_leaves_the_old_store(tmp_path):
    TokenStore.write(tmp_path, chunks(["old text"]), Bytes())
    with pytest.raises(UnicodeEncodeError):
        TokenStore.write(tmp_path, chunks(["new", "\ud800"]), Bytes())
    assert decoded(TokenStore.open(tmp_path)) == ["old text"]
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", ["tokens", "starts", "store"])
@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_file_cut_short_is_named(tmp_path, name, keep):
    TokenStore.write(tmp_path, chunks(TEXTS), Bytes())
    (victim,) = tmp_path.glob(f"{name}*")
    victim.write_bytes(victim.read_bytes()[:keep])
    with pytest.raises(ModelError, match=re.escape(str(victim))):
        TokenStore.open(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere.*no token store"):
        TokenStore.open(tmp_path / "nowhere")
    TokenStore.write(tmp_path, chunks(TEXTS), Bytes())
    (victim,) = tmp_path.glob("starts*")
    victim.unlink()
    with pytest.raises(ModelError, match=re.escape(str(victim))):
        TokenStore.open(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        *({"version": 2}, {"tokens": 3}, {"examples": 1}, {"vocabulary": 70_000}, {"files": []}),
        *({"tally": 3}, {"tally": ["a"]}, {"tally": [1]}, {"tally": [1] * 257}),
    ],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path, change):
    TokenStore.write(tmp_path, chunks(TEXTS), Bytes())
    header = tmp_path / "store.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | change))
    with pytest.raises(ModelError):
        TokenStore.open(tmp_path)
    header.write_text("[" * 5000)
    with pytest.raises(ModelError):
        TokenStore.open(tmp_path)

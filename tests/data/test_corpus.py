"""The corpus finds files, undoes compression, and splits text where it says."""

import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from rnngen.contracts import Chunk
from rnngen.data.corpus import Corpus, head, split_at, survey, tail
from rnngen.errors import CorpusError

# ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────


class Whole:
    has_eos, separator = False, "\n"

    def examples(self, chunks):
        return iter(chunks)


def read_in_threes(stream, name):
    while block := stream.read(3):
        yield Chunk(block.decode(), starts_document=False)


def corpus_of(*paths):
    return Corpus(paths, Whole(), lambda suffix: read_in_threes)


def joined(chunks):
    found = []
    for text, starts_document, _ in chunks:
        if starts_document:
            found.append("")
        found[-1] += text
    return found


def written(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def test_every_file_begins_a_document(tmp_path):
    paths = [written(tmp_path, f"{text}.txt", text.encode()) for text in ("first", "second", "3")]
    assert joined(corpus_of(*paths).chunks()) == ["first", "second", "3"]


def test_the_reader_is_chosen_by_the_ending(tmp_path):
    asked = []
    path = written(tmp_path, "a.JSONL.gz", gzip.compress(b"x"))
    list(Corpus([path], Whole(), lambda suffix: asked.append(suffix) or read_in_threes).chunks())
    assert asked == [".jsonl"]


TEXT = "".join(f"{n * n} bottles\n" for n in range(3000))
PACKED = {
    "gzip": gzip.compress(TEXT.encode()),
    "zstd": zstandard.compress(TEXT.encode()),
    "gzip in two": gzip.compress(TEXT[:999].encode()) + gzip.compress(TEXT[999:].encode()),
    "zstd in two": zstandard.compress(TEXT[:999].encode()) + zstandard.compress(TEXT[999:].encode()),
}


@pytest.mark.parametrize("packing", PACKED)
def test_compression_is_undone_whatever_the_name(tmp_path, packing):
    assert joined(corpus_of(written(tmp_path, "a.txt", PACKED[packing])).chunks()) == [TEXT]


def test_a_plain_file_with_a_compressed_name_is_read(tmp_path):
    assert joined(corpus_of(written(tmp_path, "a.txt.gz", b"plain")).chunks()) == ["plain"]


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
@pytest.mark.parametrize("keep", [4, 12, 300, 5000, -5, -1])
def test_compressed_data_cut_short_is_an_error_that_names_the_file(tmp_path, packing, keep):
    path = written(tmp_path, "a.txt", PACKED[packing][:keep])
    with pytest.raises(CorpusError, match=r"a\.txt: the compressed data is damaged"):
        list(corpus_of(path).chunks())


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_damaged_compressed_data_is_an_error_that_names_the_file(tmp_path, packing):
    data = bytearray(PACKED[packing])
    data[len(data) // 2 :] = b"\xff" * (len(data) - len(data) // 2)
    with pytest.raises(CorpusError, match=r"a\.txt: the compressed data is damaged"):
        list(corpus_of(written(tmp_path, "a.txt", bytes(data))).chunks())


def test_a_file_that_vanished_is_named(tmp_path):
    with pytest.raises(CorpusError, match=r"gone\.txt: cannot be read"):
        list(corpus_of(tmp_path / "gone.txt").chunks())


def test_the_digest_knows_content_and_borders_but_not_names(tmp_path):
    a, b, ab, c = (written(tmp_path, n, d) for n, d in [("a", b"1"), ("b", b"2"), ("ab", b"12"), ("c", b"1")])
    digests = {corpus_of(*paths).sha256() for paths in [(a, b), (b, a), (ab,), (a,), (a, b, b)]}
    assert len(digests) == 5
    assert corpus_of(a, b).sha256() == corpus_of(c, b).sha256()


# ── Measuring and splitting ────────────────────────────────────────────────────────────────────────────────


def chunks(texts, size=1000):
    return [Chunk(t[at : at + size], at == 0) for t in texts for at in range(0, len(t), size)]


TEXTS = st.lists(st.text(alphabet="abcd\n", min_size=1, max_size=12), min_size=1, max_size=6)
FRACTION = st.floats(0, 0.99)


def split(texts, size, fraction, has_eos):
    cut = split_at(survey(chunks(texts, size), has_eos), fraction)
    return head(chunks(texts, size), cut, has_eos), tail(chunks(texts, size), cut, has_eos)


def test_a_survey_counts_characters_and_ends():
    measured = survey(chunks(["abc", "de\n"], 2))
    assert (measured.chars, measured.examples, measured.newline) == (6, 2, True)
    measured = survey(chunks(["abc", "de"], 2), has_eos=True)
    assert (measured.chars, measured.examples, measured.newline) == (7, 2, False)


@pytest.mark.parametrize("has_eos", [False, True])
def test_an_empty_corpus_is_an_error(has_eos):
    with pytest.raises(CorpusError, match="the corpus is empty: "):
        survey([], has_eos)


@given(TEXTS, st.integers(1, 5), FRACTION)
def test_free_text_is_cut_at_the_character(texts, size, fraction):
    before, after = split(texts, size, fraction, has_eos=False)
    before, after, whole = "".join(joined(before)), "".join(joined(after)), "".join(texts)
    assert before + after == whole
    assert len(before) == int(len(whole) * (1 - fraction))


@given(TEXTS, st.integers(1, 5), FRACTION)
def test_examples_that_end_stay_whole(texts, size, fraction):
    before, after = split(texts, size, fraction, has_eos=True)
    before, after = joined(before), joined(after)
    assert before + after == texts
    assert before
    if fraction > 0 and len(texts) > 1:
        assert after


@pytest.mark.parametrize("fraction", [1e-9, 0.5, 0.99])
@pytest.mark.parametrize("texts", [["a", "b" * 1000], ["a" * 1000, "b"], ["a", "b"]])
def test_both_parts_get_an_example_however_unequal_they_are(texts, fraction):
    assert [joined(part) for part in split(texts, 7, fraction, has_eos=True)] == [texts[:1], texts[1:]]


def test_an_example_across_the_cut_goes_to_the_head():
    before, after = split(["aaaa", "bbbb", "cccc"], 3, 0.5, has_eos=True)
    assert (joined(before), joined(after)) == (["aaaa", "bbbb"], ["cccc"])


def test_the_tail_opens_a_document_where_it_begins():
    assert list(tail(chunks(["abcdef"]), 2, has_eos=False)) == [Chunk("cdef", True)]
    assert [c.starts_document for c in tail(chunks(["abcdef", "g"], 2), 3, has_eos=False)] == [
        True,
        False,
        True,
    ]


def test_the_head_reads_no_further_than_the_cut():
    def text():
        yield Chunk("abc", True)
        yield Chunk("def", False)
        raise AssertionError("read too far")

    assert joined(head(text(), 3, has_eos=False)) == ["abc"]


def test_a_file_that_unpacks_to_a_thousandfold_is_not_unpacked_at_once(tmp_path):
    import tracemalloc

    size = 256 << 20
    path = written(tmp_path, "a.txt", zstandard.compress(bytes(size)))
    tracemalloc.start()
    try:
        next(corpus_of(path).chunks())
        assert tracemalloc.get_traced_memory()[1] < size / 4
    finally:
        tracemalloc.stop()

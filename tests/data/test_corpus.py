"""The corpus finds files, undoes compression, and reads them in order."""

import gzip

import pytest
import zstandard

from rnngen.contracts import Chunk
from rnngen.data.corpus import Corpus
from rnngen.errors import CorpusError


class Whole:
    has_eos, separator = False, "\n"

    def examples(self, chunks):
        return iter(chunks)


def read_in_threes(stream, name):
    while block := stream.read(3):
        yield Chunk(block.decode(), starts_document=False)


def corpus_of(*paths):
    return Corpus(paths, Whole(), lambda path: read_in_threes)


def joined(chunks):
    found = []
    for text, starts_document, *_ in chunks:
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


def test_the_reader_is_chosen_for_each_file(tmp_path):
    asked = []
    path = written(tmp_path, "a.JSONL.gz", gzip.compress(b"x"))
    list(Corpus([path], Whole(), lambda path: asked.append(path) or read_in_threes).chunks())
    assert asked == [path]


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

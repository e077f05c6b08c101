"""A folder in several encodings: each file in its own, and all wrong ones reported at once with the mend."""

import gzip
import re
from pathlib import Path

import pytest

from rnngen.builtins.options import JSONLinesOptions, TextReaderOptions
from rnngen.builtins.readers import read_json_lines, read_text
from rnngen.builtins.tasks import Continue, Lines, Pairs
from rnngen.data.corpus import Corpus, suffix_of
from rnngen.data.file_encodings import FileEncodings
from rnngen.errors import CorpusError, OptionError, UsageError
from rnngen.options import NoOptions

FRENCH, RUSSIAN, ENGLISH = "Où est-il, l'été ?\n" * 9, "Мой дядя самых честных правил\n" * 9, "It’s\n" * 9


def corpus_of(paths, encoding=None, task=Continue, sources=()):
    encodings = FileEncodings.parse(encoding)

    def reader(path):
        if suffix_of(path) == ".jsonl":
            options = JSONLinesOptions(encoding=encodings.of(path))
            return lambda stream, name: read_json_lines(stream, name, options)
        return lambda stream, name: read_text(stream, name, TextReaderOptions(encodings.of(path)))

    return Corpus(paths, task(NoOptions()), reader, sources, encodings)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder in four encodings, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    files = {
        "new.txt": ENGLISH.encode(),
        "letter.txt": ENGLISH.encode("cp1252"),
        "old/a.txt": RUSSIAN.encode("cp1251"),
        "old/b.txt": RUSSIAN.encode("cp1251"),
        "old/c.txt.gz": gzip.compress(FRENCH.encode("utf-16")),
    }
    for name, data in files.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(data)
    return [Path(name) for name in files]


def refusal(corpus):
    with pytest.raises(CorpusError) as error:
        list(corpus.chunks())
    return str(error.value)


def test_each_file_is_read_in_its_own_encoding(folder):
    corpus = corpus_of(folder, "utf-8;old/*.txt=cp1251;letter.txt=cp1252")
    assert [chunk.text for chunk in corpus.chunks()] == [ENGLISH, ENGLISH, RUSSIAN, RUSSIAN, FRENCH]


def test_all_wrong_files_are_listed_with_the_mend_and_it_works(folder):
    message = refusal(corpus_of(folder))
    assert message.startswith("3 of 5 files cannot be read as they are; ")
    lines = message.splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["letter.txt", "old/a.txt", "old/b.txt"]
    assert all("line 1: byte 0x" in line for line in lines[1:])
    assert "cp1252 'It’s'" in lines[1]
    assert "cp1251 'Мой дядя" in lines[2]
    advised = re.search(r'`encoding="([^"]+)"`', message)[1]
    assert advised == "utf-8;letter.txt=cp1252;old/*.txt=cp1251"
    assert [chunk.text for chunk in corpus_of(folder, advised).chunks()][2] == RUSSIAN


def test_the_mend_adds_to_what_was_given(folder):
    message = refusal(corpus_of(folder, "utf-8;old/a.txt=cp1251;old/b.txt=cp1251"))
    assert '`encoding="utf-8;old/a.txt=cp1251;old/b.txt=cp1251;letter.txt=cp1252"`' in message


def test_one_file_alone_is_refused_in_one_line(folder):
    message = refusal(corpus_of(folder[1:2]))
    assert message.startswith(
        "letter.txt: line 1: byte 0x92 at offset 2 is not UTF-8; pass `encoding=cp1252`"
    )
    assert "\n" not in message


def test_files_that_are_no_text_are_listed_with_a_mend_of_their_own(folder):
    Path("book.pdf").write_bytes(b"%PDF-1.7")
    message = refusal(corpus_of([*folder, Path("book.pdf")]))
    assert "\n  book.pdf: a PDF document; save it as plain text" in message
    assert "book.pdf=" not in message


def test_files_side_by_side_are_listed_too(folder):
    message = refusal(corpus_of([folder[2]], task=Pairs, sources=[folder[1]]))
    assert "2 of 2 files" in message


def test_files_of_the_same_name_are_told_apart(folder):
    Path("old/letter.txt").write_bytes(ENGLISH.encode())
    paths = [*folder[:2], Path("old/letter.txt")]
    Path("new").mkdir()
    paths.append(folder[1].rename("new/letter.txt"))
    del paths[1]
    advised = re.search(r'`encoding="([^"]+)"`', refusal(corpus_of(paths)))[1]
    assert [FileEncodings.parse(advised).of(path) for path in paths] == ["utf-8", "utf-8", "cp1252"]


@pytest.mark.parametrize("name", ["a;b.txt", "a=b.txt", "[a].txt", "a b.txt"])
def test_odd_names_are_quoted_in_the_mend(folder, name):
    Path(name).write_bytes(ENGLISH.encode("cp1252"))
    advised = re.search(r'`encoding="([^"]+)"`', refusal(corpus_of([folder[0], Path(name)])))[1]
    assert FileEncodings.parse(advised).of(Path(name)) == "cp1252"
    assert FileEncodings.parse(advised).of(folder[0]) == "utf-8"


def test_many_wrong_files_are_counted(folder):
    paths = [Path(f"{number}.md") for number in range(30)]
    for path in paths:
        path.write_bytes(ENGLISH.encode("cp1252"))
    message = refusal(corpus_of([*folder, *paths], "utf-8;old=cp1251;letter.txt=cp1252;c.txt.gz=utf-16"))
    assert message.startswith("30 of 35 files")
    assert "*.md=cp1252" in message
    assert message.endswith("and 18 more")


def test_lines_go_on_as_before(folder):
    examples = [chunk.text for chunk in corpus_of(folder[:1], task=Lines).chunks()]
    assert examples == ["It’s"] * 9


# ── the grammar ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (None, "utf-8"),
        ("cp1252", "cp1252"),
        ("a.txt=cp1251", "cp1251"),
        ("cp1252;*.txt=cp1251", "cp1251"),
        ("cp1252;old=cp1251", "cp1251"),
        ("cp1252;old/*.txt=cp1251", "cp1251"),
        ("cp1252;*.txt=cp1251;a.txt=koi8-r", "koi8-r"),
        ("cp1252;new/*.txt=cp1251", "cp1252"),
        ("cp1252;A.txt=cp1251", "cp1252"),
    ],
)
def test_the_last_pattern_that_matches_counts(text, encoding):
    for path in ("old/a.txt", "/home/me/old/a.txt"):
        assert FileEncodings.parse(text).of(Path(path)) == encoding


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("utf-9", "utf-9"),
        ("utf-8;a.txt=utf-9", "utf-9"),
        ("utf-8;cp1252", "PATTERN=NAME"),
        ("utf-8;a.mid=bytes", "bytes is for all files or for none"),
    ],
)
def test_what_makes_no_sense_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        FileEncodings.parse(text)


def test_a_pattern_that_no_file_matches_is_refused():
    with pytest.raises(
        OptionError, match=r"no file of the corpus matches 'leter\.txt'; there is letter\.txt"
    ):
        FileEncodings.parse("utf-8;leter.txt=cp1252").check([Path("letter.txt")])

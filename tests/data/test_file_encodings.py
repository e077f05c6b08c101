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


def test_a_fault_of_another_kind_does_not_hide_those_of_encodings(folder):
    class Strict(Pairs):
        def check_source(self, source):
            raise ValueError("no source of mine")

    Path("pairs.jsonl").write_text('{"text": "a", "s": "b"}\n')
    options = JSONLinesOptions(source_field="s")

    def reader(path):
        read, chosen = (
            (read_json_lines, options) if path.suffix == ".jsonl" else (read_text, TextReaderOptions())
        )
        return lambda stream, name: read(stream, name, chosen)

    message = refusal(Corpus([folder[1], Path("pairs.jsonl")], Strict(NoOptions()), reader))
    assert message.startswith("1 of 2 files cannot be read as they are")


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


def test_the_mend_for_files_above_holds_in_any_folder(folder, monkeypatch):
    Path("here").mkdir()
    Path("here/letter.txt").write_bytes(ENGLISH.encode())
    monkeypatch.chdir("here")
    paths = [Path("letter.txt"), *(Path("..", path) for path in folder)]
    advised = re.search(r'`encoding="([^"]+)"`', refusal(corpus_of(paths)))[1]
    full = [path.resolve() for path in paths]
    for files, place in ((paths, "."), (full, ".."), (full, "/")):
        monkeypatch.chdir(place)
        asked = FileEncodings.parse(advised, files)
        asked.check()
        encodings = asked.settled()
        assert [encodings.of(path) for path in files] == [
            "utf-8",
            "utf-8",
            "cp1252",
            "cp1251",
            "cp1251",
            "utf-8",
        ]


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
        ("cp1252;**/*.txt=cp1251", "cp1251"),
        ("cp1252;old/**=cp1251", "cp1251"),
        ("cp1252;old/**/a.txt=cp1251", "cp1251"),
        ("cp1252;./old/../old/a.txt=cp1251", "cp1251"),
        ("cp1252;new/**/*.txt=cp1251", "cp1252"),
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
        ("=cp1252", "no pattern before '=cp1252'; give cp1252 alone for all files"),
        ("utf-8; =cp1252", "no pattern before ' =cp1252'"),
    ],
)
def test_what_makes_no_sense_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        FileEncodings.parse(text)


def encodings_of(text, *paths):
    """The encoding of each file."""
    encodings = FileEncodings.parse(text, [Path(path) for path in paths])
    encodings.check()
    return [encodings.of(path) for path in encodings.paths]


def test_two_stars_stand_for_folders_of_any_depth():
    paths = ["texts/old/a.txt", "texts/old/x/y/b.txt", "texts/old/c.md", "texts/new/d.txt"]
    assert encodings_of("utf-8;old/**/*.txt=cp1251", *paths) == ["cp1251", "cp1251", "utf-8", "utf-8"]
    assert encodings_of("utf-8;texts/**/x=cp1251", *paths) == ["utf-8", "cp1251", "utf-8", "utf-8"]
    assert encodings_of("utf-8;old/*/*.txt=cp1251", paths[0], "old/x/b.txt") == ["utf-8", "cp1251"]


@pytest.mark.parametrize("pattern", ["letters", "letters/**/*.txt", "letters/**"])
def test_a_folder_above_the_corpus_is_not_meant_by_its_name(tmp_path, monkeypatch, pattern):
    place = tmp_path / "letters" / "project"
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    paths = ["texts/a.txt", "texts/letters/b.txt"]
    for files in (paths, [str(place / path) for path in paths]):
        assert encodings_of(f"utf-8;{pattern}=cp1252", *files) == ["utf-8", "cp1252"]
        with pytest.raises(OptionError, match="no file of the corpus matches 'letters"):
            encodings_of(f"utf-8;{pattern}=cp1252", files[0])


def test_a_folder_that_was_named_and_holds_all_files_is_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for paths in (
        ["letters/old/a.txt", "letters/old/b.txt"],
        ["letters/a.txt"],
        [tmp_path / "letters" / "a.txt"],
    ):
        assert encodings_of("utf-8;letters=cp1252", *paths) == ["cp1252"] * len(paths)
    full = [tmp_path / "letters/old/a.txt", tmp_path / "letters/new/b.txt"]
    assert encodings_of("utf-8;letters/old=cp1252", *full) == ["cp1252", "utf-8"]
    assert encodings_of(f"utf-8;{tmp_path}=cp1252", *full) == ["cp1252", "cp1252"]


@pytest.mark.parametrize(
    ("pattern", "settled"),
    [
        ("../*.txt", "{above}/*.txt"),  # without its dots it would match the other file, too
        ("./*.txt", "here/*.txt"),
        ("./**", "here/**"),
        ("../a.txt", "../a.txt"),
        ("./here/../b.txt", "./here/../b.txt"),
    ],
)
def test_what_dots_mean_holds_in_any_folder(tmp_path, monkeypatch, pattern, settled):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    asked = FileEncodings.parse(f"utf-8;{pattern}=cp1251", [Path("../a.txt"), Path("b.txt")])
    found = asked.settled()
    assert found.patterns == ((settled.format(above=tmp_path.name), "cp1251"),)
    assert FileEncodings.parse(found.text, found.paths) == found
    later = FileEncodings.parse(found.text, [tmp_path / "a.txt", tmp_path / "here" / "b.txt"])
    monkeypatch.chdir("/")
    encodings = ["cp1251", "utf-8"] if pattern.startswith("..") else ["utf-8", "cp1251"]
    assert [later.of(path) for path in later.paths] == encodings


def test_a_pattern_that_no_file_matches_is_refused():
    with pytest.raises(
        OptionError, match=r"no file of the corpus matches 'leter\.txt'; there is letter\.txt"
    ):
        FileEncodings.parse("utf-8;leter.txt=cp1252", [Path("letter.txt")]).check()

"""Files, folders, patterns and standard input: what is found, in which order, and what is refused."""

import io
import os
from pathlib import Path

import pytest

from rnngen.data.corpus import find, spool, suffix_of
from rnngen.errors import CorpusError, NotFoundError

SUFFIXES = {".txt", ".md"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ["b.txt", "a.TXT", "c.md.gz", "x.py", ".hidden.txt", "sub/d.txt", ".git/e.txt", "sub/f.zst"]:
        path = tmp_path / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "texts"


def names(arguments):
    return [str(path) for path in find(arguments, SUFFIXES)]


def test_a_folder_is_searched_in_order_without_hidden_entries(folder):
    assert names(["texts"]) == ["texts/a.TXT", "texts/b.txt", "texts/c.md.gz", "texts/sub/d.txt"]


def test_a_file_that_is_named_is_taken_whatever_its_ending(folder):
    assert names(["texts/x.py", "texts/.hidden.txt"]) == ["texts/x.py", "texts/.hidden.txt"]


def test_a_hidden_folder_that_is_named_is_searched(folder):
    assert names(["texts/.git"]) == ["texts/.git/e.txt"]


def test_a_pattern_takes_files_of_any_ending(folder):
    assert names(["texts/**/[d-x]*"]) == ["texts/sub/d.txt", "texts/sub/f.zst", "texts/x.py"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder):
    (folder / "[b].txt").write_text("odd")
    assert names(["texts/[b].txt"]) == ["texts/[b].txt"]


def test_arguments_keep_their_order(folder):
    assert names(["texts/x.py", "texts/sub", "texts/b.txt"]) == [
        "texts/x.py",
        "texts/sub/d.txt",
        "texts/b.txt",
    ]


@pytest.fixture
def linked(tmp_path, monkeypatch):
    """A folder with links: to a folder elsewhere, to one within it, to itself, to a file, and to nothing."""
    for name in ["texts/z/in.txt", "texts/a.txt", "elsewhere/deep/out.txt", ".hidden/h.txt"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    targets = {
        "far": "../elsewhere",
        "b": "z",
        "loop": ".",
        "0.txt": "a.txt",
        "gone.txt": "nothing",
        ".h": "../.hidden",
    }
    for name, target in targets.items():
        (tmp_path / "texts" / name).symlink_to(target)
    (tmp_path / "elsewhere" / "back").symlink_to("../texts")
    monkeypatch.chdir(tmp_path)


LINKED = ["texts/a.txt", "texts/far/deep/out.txt", "texts/z/in.txt"]


@pytest.mark.usefixtures("linked")
@pytest.mark.parametrize("argument", ["texts", "texts/**/*.txt", "texts/**", "**/texts/**/*.txt", "./texts"])
def test_links_are_followed_and_each_file_is_read_once(argument):
    assert names([argument]) == LINKED


@pytest.mark.usefixtures("linked")
def test_a_file_counts_once_for_a_pattern_however_it_is_reached():
    assert names(["texts/*/*.txt"]) == ["texts/loop/a.txt", "texts/z/in.txt"]
    assert names(["texts/*.txt"]) == ["texts/a.txt"]
    assert names(["texts/a.txt", "texts/0.txt", "texts/b"]) == [
        "texts/a.txt",
        "texts/0.txt",
        "texts/b/in.txt",
    ]


def test_hard_links_are_files_of_their_own(folder):
    (folder / "y.txt").hardlink_to(folder / "b.txt")
    assert names(["texts/[by].txt"]) == ["texts/b.txt", "texts/y.txt"]
    assert "texts/y.txt" in names(["texts"])


@pytest.mark.parametrize(
    "argument", ["texts/b.tx", "no/where.txt", "texts/b.txt/c", "texts/*.pdf", "texts/empty"]
)
def test_what_stands_for_nothing_is_not_found_and_named(folder, argument):
    (folder / "empty").mkdir()
    with pytest.raises(NotFoundError) as error:
        names([argument])
    assert str(error.value).startswith(f"{argument}: ")


def test_the_closest_name_is_offered(folder):
    with pytest.raises(NotFoundError, match=r"did you mean 'texts/b\.txt'"):
        names(["texts/bb.txt"])


def test_a_device_is_refused():
    with pytest.raises(CorpusError, match=r"^/dev/null: neither a file nor a folder"):
        names(["/dev/null"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_refused(folder):
    (folder / "b.txt").chmod(0)
    with pytest.raises(CorpusError, match=r"b\.txt: cannot be read"):
        names(["texts"])


def test_an_error_of_the_file_system_names_the_file(folder, monkeypatch):
    def refuse(path, *args):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CorpusError, match=r"texts/a\.TXT: cannot be read \(Permission denied\)"):
        names(["texts"])


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.txt", ".txt"),
        ("A.TXT.GZ", ".txt"),
        ("a.jsonl.zst", ".jsonl"),
        ("a.gz", ""),
        ("a", ""),
        ("a.gz.txt", ".txt"),
    ],
)
def test_the_suffix_looks_through_compression(name, suffix):
    assert suffix_of(Path("some.where", name)) == suffix


def test_the_same_input_is_kept_once(tmp_path):
    first = spool(io.BytesIO(b"abc"), tmp_path / "new")
    assert first.read_bytes() == b"abc"
    assert spool(io.BytesIO(b"abc"), tmp_path / "new") == first
    assert spool(io.BytesIO(b"abd"), tmp_path / "new") != first
    assert len(list((tmp_path / "new").iterdir())) == 2


def test_input_that_breaks_off_leaves_nothing(tmp_path):
    class Broken(io.BytesIO):
        def read(self, size=-1):
            raise OSError(5, "Input/output error")

    with pytest.raises(CorpusError, match="Input/output error"):
        spool(Broken(), tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name != "home"]

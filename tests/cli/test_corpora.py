"""``rnngen corpora``: the list, paths, and how others are built."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rnngen.__main__ import main
from rnngen.data import shipped_corpora

SHIPPED = [corpus for corpus in shipped_corpora.known().values() if corpus.file]


def listing(capsys):
    assert main(["corpora", "list", "--json"]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


# ── The command ────────────────────────────────────────────────────────────────────────────────────────────


def test_list_says_what_is_there(capsys):
    rows = listing(capsys)
    assert rows["qinghe"]["bytes"] > 2 * rows["qinghe"]["characters"]
    assert rows["places"]["task"] == "lines"
    assert [rows["python-stdlib"][key] for key in ("built", "bytes", "characters")] == [False, None, None]


def test_list_for_people_has_every_name_and_says_how_to_build(capsys):
    assert main(["corpora", "list"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["name", *shipped_corpora.known()]
    assert "rnngen corpora build python-stdlib" in err
    assert all(corpus.name in err for corpus in shipped_corpora.known().values() if not corpus.file)


@pytest.mark.parametrize("corpus", SHIPPED, ids=lambda corpus: corpus.name)
def test_path_prints_the_path_alone(corpus, capsys):
    assert main(["corpora", "path", corpus.name]) == 0
    assert capsys.readouterr() == (f"{shipped_corpora.folder() / corpus.file}\n", "")


def test_path_of_what_is_not_built_says_how_to_build_it(capsys):
    assert main(["corpora", "path", "python-stdlib"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "rnngen corpora build python-stdlib" in err


@pytest.mark.parametrize("command", ["path", "build"])
def test_unknown_name_offers_the_closest(command, capsys):
    assert main(["corpora", command, "almanak"]) == 3
    assert "did you mean 'almanac'?" in capsys.readouterr().err


def test_building_what_ships_is_refused(capsys):
    assert main(["corpora", "build", "almanac"]) == 2
    assert "rnngen corpora path almanac" in capsys.readouterr().err


def test_importing_the_command_is_light():
    program = (
        "import sys; from rnngen.data import shipped_corpora; import rnngen.cli.commands.corpora;"
        "shipped_corpora.known(); shipped_corpora.find('python-stdlib').path;"
        "print(sorted({'torch', 'numpy', 'tokenizers', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# ── Building ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A small standard library, which this Python takes for its own."""
    root = tmp_path / "lib"
    files = {
        "zeta.py": b"z = 1\n",
        "alpha.py": b"\xef\xbb\xbfa = 'caf\xc3\xa9'\r\n",
        "pack/inner.py": b"i = 2\n",
        "pack/tests/test_inner.py": b"skipped\n",
        "test/test_zeta.py": b"skipped\n",
        "site-packages/other.py": b"skipped\n",
        "idlelib/idle.py": b"skipped\n",
        "lib2to3/main.py": b"skipped\n",
        "_sysconfigdata__linux.py": b"skipped = 1\n",
        "latin.py": b"# skipped: caf\xe9\n",
        "empty.py": b"\n",
        "notes.txt": b"skipped\n",
    }
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(root))
    return root


WHOLE = "# alpha.py\n\na = 'café'\n\n\n# pack/inner.py\n\ni = 2\n\n\n# zeta.py\n\nz = 1\n\n\n"


def test_standard_library_is_collected_in_order_and_without_what_is_no_code(library, home, capsys):
    assert main(["corpora", "build", "python-stdlib"]) == 0
    out, err = capsys.readouterr()
    target = home / "corpora" / "python-stdlib.txt"
    assert out == f"{target}\n"
    assert "PSF-2.0" in err
    assert "3 files" in err
    assert target.read_bytes() == WHOLE.encode()


def test_what_is_built_is_found_and_listed(library, home, capsys):
    main(["corpora", "build", "python-stdlib"])
    built = capsys.readouterr().out
    assert main(["corpora", "path", "python-stdlib"]) == 0
    assert capsys.readouterr().out == built
    row = listing(capsys)["python-stdlib"]
    assert (row["built"], row["bytes"], row["characters"]) == (True, len(WHOLE.encode()), len(WHOLE))


def test_output_goes_where_it_is_told(library, tmp_path, home, capsys):
    target = tmp_path / "code.txt"
    assert main(["corpora", "build", "python-stdlib", "-o", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    assert main(["corpora", "build", "python-stdlib", "-o", "-"]) == 0
    assert capsys.readouterr().out == WHOLE == target.read_text(encoding="utf-8")
    assert not (home / "corpora").exists()


def test_a_build_that_finds_nothing_leaves_the_old_one(library, home, capsys):
    main(["corpora", "build", "python-stdlib"])
    shutil.rmtree(library)
    assert main(["corpora", "build", "python-stdlib"]) == 1
    assert "nothing found" in capsys.readouterr().err
    folder = home / "corpora"
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == {
        "python-stdlib.txt": WHOLE
    }


# ── Generating ─────────────────────────────────────────────────────────────────────────────────────────────


def pairs_of(name, count, seed=1, held_out=False):
    """What a file of the generator must hold."""
    package = shipped_corpora.generators()
    pairs = package.pairs(package.generator(name), count, seed=seed, held_out=held_out)
    return "".join(f"{source}\t{target}\n" for source, target in pairs)


def test_build_writes_pairs_where_it_is_told(tmp_path, home, capsys):
    target = tmp_path / "dates.tsv"
    assert main(["corpora", "build", "dates", "-o", str(target), "--count", "20", "--seed", "3"]) == 0
    out, err = capsys.readouterr()
    assert out == f"{target}\n"
    assert "seed 3 (CC0-1.0)" in err
    assert target.read_text(encoding="utf-8") == pairs_of("dates", count=20, seed=3)
    assert not (home / "corpora").exists()


def test_build_writes_to_stdout(capsys):
    assert main(["corpora", "build", "phrases", "-o", "-", "--count", "20"]) == 0
    assert capsys.readouterr().out == pairs_of("phrases", count=20)


def test_what_is_built_is_found_and_the_held_out_side_is_beside_it(home, capsys):
    assert main(["corpora", "build", "reversal", "--count", "50"]) == 0
    assert main(["corpora", "build", "reversal", "--count", "10", "--held-out"]) == 0
    training, held_out = (home / "corpora" / f"reversal{end}.tsv" for end in ("", ".held-out"))
    assert capsys.readouterr().out == f"{training}\n{held_out}\n"
    assert main(["corpora", "path", "reversal"]) == 0
    assert capsys.readouterr().out == f"{training}\n"
    assert training.read_text() == pairs_of("reversal", count=50)
    assert held_out.read_text() == pairs_of("reversal", count=10, held_out=True)


@pytest.mark.slow
def test_counts_have_defaults(home, capsys):
    assert main(["corpora", "build", "reversal"]) == 0
    assert main(["corpora", "build", "reversal", "--held-out"]) == 0
    files = capsys.readouterr().out.split()
    assert [len(Path(file).read_text().splitlines()) for file in files] == [50_000, 2_000]


@pytest.mark.parametrize("flag", [["--count", "5"], ["--seed", "2"], ["--held-out"]])
@pytest.mark.parametrize("name", ["python-stdlib", "almanac"])
def test_flags_of_generators_are_refused_elsewhere(name, flag, capsys):
    assert main(["corpora", "build", name, *flag]) == 2
    assert "are for dates, numbers" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--count", "0"], ["--count", "many"], ["--seed", "-1"]])
def test_bad_values_are_refused(flags, home, capsys):
    assert main(["corpora", "build", "dates", *flags]) == 2
    assert flags[0] in capsys.readouterr().err
    assert not (home / "corpora").exists()


def test_a_count_beyond_the_sources_is_refused_at_once(home, capsys):
    assert main(["corpora", "build", "dates", "--held-out", "--count", "3000000"]) == 2
    assert "no more than 2,019,516 different dates held out" in capsys.readouterr().err
    assert not (home / "corpora").exists()


def test_a_generator_that_runs_out_says_so_and_leaves_the_old_file(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        shipped_corpora.generators(), "generator", lambda name: lambda draw: (str(draw.below(50)), "x")
    )
    target = tmp_path / "old.tsv"
    target.write_text("old\n")
    assert main(["corpora", "build", "reversal", "-o", str(target), "--count", "5000"]) == 2
    expected = sum(not shipped_corpora.generators().is_held_out(str(number)) for number in range(50))
    assert f"no more than {expected} different reversal to train on" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["old.tsv"]
    assert target.read_text() == "old\n"
    assert main(["corpora", "build", "reversal", "-o", str(target), "--count", str(expected)]) == 0


# ── Training on them by name ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_corpus_that_ships_is_trained_on_by_its_name_and_for_its_task(run, place, home, tiny):
    run("train", "places", "-q", *tiny, "--steps", "2")
    assert json.loads(run("models", "show", "places", "--json").out)["task"]["name"] == "lines"
    run("train", "places", "-q", "--task", "continue", "--name", "free", *tiny, "--steps", "2")
    assert json.loads(run("models", "show", "free", "--json").out)["task"]["name"] == "continue"


def test_a_file_of_that_name_comes_first(run, place, tiny):
    (place / "places").write_text("the cat sees the sea\n" * 300)
    run("train", "places", "-q", *tiny, "--steps", "2")
    assert json.loads(run("models", "show", "places", "--json").out)["task"]["name"] == "continue"


def test_a_corpus_that_is_not_built_says_how_to_build_it(run, place):
    assert "rnngen corpora build dates" in run("train", "dates", status=3).err
    assert "did you mean 'almanac'?" in run("train", "almanak", status=3).err

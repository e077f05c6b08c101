"""``sample --log`` and ``rnngen log``: what was written is written again, to the byte, or it says why not."""

import json
import sqlite3
import stat
from contextlib import closing

import pytest

from rnngen.store.log import Log

WAYS = {
    "a prompt": (["tale", "the cat", "--temp", "0.9", "--stop", "dog", "--stop", "x"], ""),
    "standard input": (["tale", "--count", "3", "--filters", "top_k=5,temp=0.7"], "the "),
    "a blend": (["tale", "the", "--blend", "Anna", "0.5", "--json"], ""),
    "lines": (["names", "-0"], "An\nBe\n"),
    "sources": (["pairs", "--beam", "2", "--json"], "abc\n\nfed\n"),
    "drawn sources": (["pairs", "--temp", "1"], "abc\nfed\n"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_record_is_written_again_to_the_byte(run, models, way):
    (model, *args), stdin = WAYS[way]
    written = run("sample", "-m", model, *args, "-n", 20, "--log", stdin=stdin)
    assert "log 1" in written.err
    assert run("log", "rerun", 1, stdin="not this").out == written.out
    assert json.loads(run("log", "show", 1, "--json").out)["text"] == written.out
    assert len(json.loads(run("log", "list", "--json").out)) == 1


def test_a_setting_turns_it_on_and_nothing_else_does(run, shelf, home, place):
    run("sample", "-m", "tale", "-n", 5, "the")
    assert "nothing" in run("log", "list").err
    (home / "config.toml").write_text("[sample]\nlog = true\n")
    run("sample", "-m", "tale", "-n", 5, "the")
    assert stat.S_IMODE((home / "log.sqlite").stat().st_mode) == 0o600
    assert "tale" in run("log", "list").out


def test_records_are_found_by_what_they_hold_and_deleted(run, shelf):
    for prompt in ("the cat", "Anna", "the sea"):
        run("sample", "-m", "tale", "-n", 3, prompt, "--log", "-q")
    found = json.loads(run("log", "search", "ANNA", "--json").out)
    assert [one["number"] for one in found] == [2]
    run("log", "rm", "-y", 2)
    assert json.loads(run("log", "search", "anna", "--json").out) == []
    run("log", "rm", "-y", 2, status=3)


def test_rm_of_records_asks_nobody_where_nobody_is(run, shelf):
    run("sample", "-m", "tale", "-n", 3, "the", "--log", "-q")
    assert "no terminal to ask on" in run("log", "rm", 1, status=2).err
    assert "below 2^63" in run("log", "rm", "-y", 2**63, status=2).err
    assert len(json.loads(run("log", "list", "--json").out)) == 1


def test_a_log_that_is_busy_is_not_to_be_moved_away(run, shelf, home, monkeypatch):
    run("sample", "-m", "tale", "-n", 3, "the", "--log", "-q")
    monkeypatch.setattr("rnngen.store.log.PATIENCE", 0.1)
    with closing(sqlite3.connect(home / "log.sqlite")) as other:
        other.execute("BEGIN EXCLUSIVE")
        said = run("log", "list", status=1).err
    assert "another program has it open for long; try again" in said


def test_other_weights_are_not_taken_for_those_that_wrote(run, shelf, tiny, trained):
    run("sample", "-m", "tale", "-n", 5, "the", "--log")
    run("train", trained / "tale.txt", "--name", "tale", "--force", "-q", *tiny, "--steps", 2)
    assert "trained again" in run("log", "rerun", 1, status=1).err


def test_what_cannot_be_repeated_is_refused_and_damage_is_named(run, shelf, home, place):
    run("sample", "-m", "tale", "--log", "-n", "-1", status=2)
    run("sample", "-m", "tale", "--log", "--save-state", "x.state", status=2)
    (home / "log.sqlite").write_bytes(b"no database at all" * 99)
    assert "move it away" in run("log", "list", status=1).err


def test_records_keep_their_numbers_and_their_tuples(tmp_path):
    log = Log(tmp_path / "log.sqlite")
    given = {"version": "1", "models": ["m"], "fingerprint": "f", "options": {"stop": ["a"]}, "read": None}
    assert [log.add(**given, text=str(at)) for at in range(3)] == [1, 2, 3]
    log.remove([3])
    assert log.add(**given, text="3") == 4
    assert [one.text for one in log.latest(2)] == ["3", "1"]
    assert log.get(1).options == {"stop": ("a",)}

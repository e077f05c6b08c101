"""The cache: what it holds, that it does not grow for ever, and that nothing in use or needed goes."""

import json
import os
import time

import pytest

from rnngen import paths
from rnngen.store import caches, locks

DAY = 86_400


def corpus(name, size=1000, days=1):
    folder = paths.corpora() / name
    folder.mkdir(parents=True)
    (folder / "tokens").write_bytes(bytes(size))
    (folder / "survey.json").touch()
    os.utime(folder / "survey.json", (time.time() - days * DAY,) * 2)
    return folder


def text(name, size=1000, days=1):
    paths.spooled().mkdir(parents=True, exist_ok=True)
    file = paths.spooled() / name
    file.write_bytes(bytes(size))
    os.utime(file, (time.time() - days * DAY,) * 2)
    return file


def test_above_the_bound_what_was_not_used_for_longest_goes_first(home):
    old, older, new = corpus("old", days=2), corpus("older", days=3), corpus("new", days=0)
    caches.trim(5000)
    assert all(folder.exists() for folder in (old, older, new))
    caches.trim(2000)
    assert [folder.exists() for folder in (old, older, new)] == [True, False, True]
    caches.trim(0)
    assert [folder.exists() for folder in (old, older, new)] == [False, False, True]


def test_a_clock_set_back_costs_nothing_that_is_in_use(home):
    used = corpus("used", days=0)
    os.utime(used / "survey.json", (time.time() + 600,) * 2)
    caches.trim(0)
    assert used.exists()


def test_what_a_process_is_making_stays(home):
    folder = corpus("KEY")
    with locks.hold(paths.corpora() / ".KEY.lock"):
        caches.trim(0)
        assert folder.exists()
    caches.trim(0)
    assert not folder.exists()


def test_a_text_that_a_model_needs_stays(home):
    needed, other = text("stdin-1.txt"), text("stdin-2.txt")
    record = home / "models" / "tale" / "last" / "corpus.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"paths": [str(needed)]}))
    caches.trim(0)
    assert needed.exists()
    assert not other.exists()


@pytest.mark.parametrize("linked", [True, False])
def test_a_text_that_a_model_needs_stays_whatever_way_leads_to_the_home(home, monkeypatch, linked):
    home.mkdir()
    (home.parent / "link").symlink_to(home)
    monkeypatch.chdir(home.parent)
    monkeypatch.setenv("RNNGEN_HOME", str(home.parent / "link") if linked else "home")
    needed = text("stdin-1.txt")
    record = home / "models" / "tale" / "last" / "corpus.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"paths": [str(needed.resolve())]}))
    caches.trim(0)
    assert needed.exists()
    (entry,) = caches.entries()
    assert entry.place in caches.needed_texts()


@pytest.mark.parametrize("record", ["", "[]", '{"paths": 5}', '{"paths": [5]}', '{"paths": ["\\u0000"]}'])
def test_a_damaged_model_hinders_nothing(home, record):
    place = home / "models" / "tale" / "last" / "corpus.json"
    place.parent.mkdir(parents=True)
    place.write_text(record)
    assert caches.needed_texts() == set()


def test_what_dead_processes_left_is_swept(home):
    for folder in (paths.spooled() / ".stdin-abc", paths.prefixes(), paths.corpora()):
        folder.mkdir(parents=True)
    (paths.spooled() / ".stdin-abc" / "text").touch()
    (paths.prefixes() / ".x.safetensors.999999999.tmp").touch()
    (paths.corpora() / ".KEY.lock").touch()
    with locks.hold(paths.spooled() / ".stdin-live" / "lock"):
        caches.sweep()
        left = list(home.rglob(".*"))
    assert left == [paths.spooled() / ".stdin-live"]

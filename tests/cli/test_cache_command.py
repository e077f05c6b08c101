"""``rnngen cache``: listed by kind, cleared by kind, and what models need is kept."""

import json

import pytest

TEXT = "".join(f"line {number} of a text\n" for number in range(200))


def listed(run):
    return {row["kind"]: row["number"] for row in json.loads(run("cache", "list", "--json").out)}


@pytest.mark.slow
def test_the_cache_is_listed_and_cleared_and_made_again(run, place, tiny):
    (place / "tale.txt").write_text(TEXT)
    run("train", "tale.txt", "-q", *tiny, "--steps", "2")
    assert listed(run)["corpora"] == 1
    assert "removed 1 thing" in run("cache", "clear", "corpora").err
    assert listed(run)["corpora"] == 0
    run("train", "--resume", "--name", "tale", "-q", "--steps", "4")
    assert listed(run)["corpora"] == 1
    assert "encoded texts" in run("cache", "list").out


def test_a_text_from_a_pipe_stays_as_long_as_a_model_needs_it(run, tiny, home):
    run("train", "-", "--name", "piped", "-q", *tiny, "--steps", "2", stdin=TEXT)
    assert "kept, since models go on with them: 1 text" in run("cache", "clear").err
    run("train", "--resume", "--name", "piped", "-q", "--steps", "4")
    run("models", "rm", "-y", "piped")
    run("cache", "clear", "stdin")
    assert listed(run)["stdin"] == 0


def test_a_text_from_a_pipe_stays_in_a_home_behind_a_link(run, tiny, home, monkeypatch):
    home.mkdir(exist_ok=True)
    (home.parent / "link").symlink_to(home)
    monkeypatch.setenv("RNNGEN_HOME", str(home.parent / "link"))
    run("train", "-", "--name", "piped", "-q", *tiny, "--steps", "2", stdin=TEXT)
    assert "kept, since models go on with them: 1 text" in run("cache", "clear").err
    run("train", "--resume", "--name", "piped", "-q", "--steps", "4")


def test_all_means_all(run, tiny):
    run("train", "-", "--name", "piped", "-q", *tiny, "--steps", "2", stdin=TEXT)
    run("cache", "clear", "--all")
    assert listed(run) == {"corpora": 0, "prefixes": 0, "stdin": 0, "plugins": 0}

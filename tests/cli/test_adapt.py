"""``--adapt``: the n-gram goes on counting what is read and written, and a saved state keeps it."""

import json
import shutil

import pytest
from fixtures.commands import TINY, tale

from rnngen.__main__ import main


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A home with a model that has an n-gram; only to be read."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "tale.txt").write_text(tale())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNNGEN_HOME", str(folder / "home"))
        assert main(["train", str(folder / "tale.txt"), "-q", *TINY, "--ngram", "auto"]) == 0
    return folder / "home"


@pytest.fixture
def shelf(home, mixed):
    """The folder of this test's models, with that one in it."""
    shutil.copytree(mixed / "models", home / "models")
    return home / "models"


def test_a_text_goes_on_as_if_it_had_never_been_saved(run, shelf):
    whole = run("sample", "-m", "tale", "--adapt", "-n", "60", "--seed", "3", "the cat").out
    state = ["--save-state", "s"]
    first = run("sample", "-m", "tale", "--adapt", "-n", "25", "--seed", "3", *state, "the cat").out
    rest = run("sample", "-m", "tale", "--adapt", "-n", "35", "--from-state", "s").out
    assert first + rest == whole


def test_a_state_of_one_kind_is_not_gone_on_from_in_the_other(run, shelf):
    run("sample", "-m", "tale", "--adapt", "-n", "5", "--seed", "3", "--save-state", "s", "the")
    ran = run("sample", "-m", "tale", "-n", "5", "--from-state", "s", status=2)
    assert ran.status in (1, 2)
    assert ran.err


@pytest.mark.slow
def test_eval_shows_it_beside_the_parts(run, shelf):
    found = json.loads(run("eval", "-m", "tale", "--adapt", "--json").out)
    parts = [found[mode]["nats_per_char"] for mode in ("network", "ngram")]
    assert found["stream"]["nats_per_char"] < 1.05 * min(parts)
    assert found["adapt"]["nats_per_char"] > 0


@pytest.mark.slow
def test_a_model_without_an_ngram_is_named(run, place, tiny):
    (place / "tale.txt").write_text(tale())
    run("train", "tale.txt", "--name", "alone", "--ngram", "none", "-q", *tiny)
    ran = run("sample", "-m", "alone", "--adapt", "-n", "5", status=2)
    assert ran.status == 2
    assert "alone has no n-gram" in ran.err
    assert "Traceback" not in ran.err

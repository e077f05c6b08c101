"""``rnngen distil``, and ``train`` with teachers."""

import json

import pytest


@pytest.mark.slow
def test_distil_makes_one_model_of_several(run, trained, shelf, tiny):
    text = trained / "tale.txt"
    run("train", text, "--name", "other", "-q", *tiny, "--steps", 4)
    ran = run("distil", text, "--teacher", "tale", "--teacher", "other", "--name", "small", "--json", *tiny)
    events = [json.loads(line) for line in ran.out.splitlines()]
    started = next(event for event in events if event["event"] == "started")
    assert started["teachers"] == ["tale", "other"]
    assert events[-1]["event"] == "finished"
    assert "tale, other" in run("models", "show", "small").out
    assert run("sample", "-m", "small", "-n", 20, "--seed", 1).out


@pytest.mark.slow
def test_distil_is_train_with_teachers(run, trained, shelf, tiny):
    text = trained / "tale.txt"
    run("distil", text, "--teacher", "tale", "--name", "one", "-q", *tiny, "--teacher-weight", 0.8)
    run("train", text, "--teacher", "tale", "--name", "two", "-q", *tiny, "--teacher-weight", 0.8)
    assert (shelf / "one" / "model.safetensors").read_bytes() == (
        shelf / "two" / "model.safetensors"
    ).read_bytes()


def test_the_display_names_the_teachers(run, trained, shelf, tiny):
    ran = run("distil", trained / "tale.txt", "--teacher", "tale", "--name", "small", *tiny, "--steps", 4)
    assert "taught by tale" in ran.err


def test_distil_without_a_teacher_is_refused(run, trained):
    assert "distil needs --teacher MODEL" in run("distil", trained / "tale.txt", status=2).err


def test_a_teacher_that_there_is_not_is_refused(run, trained, shelf):
    ran = run("distil", trained / "tale.txt", "--teacher", "tail", "--name", "small", status=3)
    assert "unknown model 'tail'; did you mean 'tale'?" in ran.err


def test_options_that_teachers_decide_are_refused_by_their_flags(run, trained, shelf):
    ran = run("distil", trained / "tale.txt", "--teacher", "tale", "--tokenizer", "byte", status=2)
    assert "--teacher and --tokenizer cannot stand together: it comes from the teachers" in ran.err


def test_a_settings_file_may_set_the_share(run, trained, shelf, place, tiny):
    (place / "rnngen.toml").write_text('[distil]\nteacher-weight = 0.9\n[train]\ntokenizer = "byte"\n')
    run("distil", trained / "tale.txt", "--teacher", "tale", "--name", "small", "-q", *tiny, "--steps", 4)
    config = json.loads((shelf / "small" / "config.json").read_text())
    assert config["training"]["teacher_weight"] == 0.9
    assert config["tokenizer"]["name"] == "char"


@pytest.mark.slow
def test_an_ensemble_is_shown_network_by_network(run, trained, home, tiny):
    ran = run("train", trained / "tale.txt", "--name", "two", "--ensemble", 2, *tiny, "--steps", 9)
    lines = ran.err.splitlines()
    begun = [line.split(": ")[1] for line in lines if "parameters" in line]
    assert begun == ["two-1", "two-2", "two"]
    assert sum(": 3 steps in " in line for line in lines) == 1
    assert [path.name for path in (home / "models").iterdir()] == ["two"]
    assert "two-1, two-2" in run("models", "show", "two").out

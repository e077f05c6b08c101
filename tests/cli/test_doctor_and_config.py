"""``rnngen doctor`` names what is broken, and nothing private; ``rnngen config show`` what holds, and why."""

import json

import pytest


def test_a_sound_installation_has_nothing_about_models_to_mend(run, shelf):
    told = json.loads(run("doctor", "--json").out)
    assert told["program"]["rnngen"]
    assert {"torch", "numpy"} <= told["packages"].keys()
    assert told["store"]["models"] == "2"
    assert not [line for line in told["mend"] if "model" in line]
    assert "tale" not in run("doctor").out


def test_what_is_pasted_into_a_report_of_a_bug_holds_no_secret(run, monkeypatch):
    monkeypatch.setenv("RNNGEN_TUNE_STORAGE", "postgresql://me:secret@host/db")
    monkeypatch.setenv("RNNGEN_PLUGINS", "none")
    said = run("doctor").out
    assert "secret" not in said
    assert "RNNGEN_TUNE_STORAGE" in said
    assert "none" in said


def test_broken_models_and_settings_are_named_with_their_mend(run, shelf, place):
    (shelf / "tale" / "model.safetensors").write_bytes(b"x" * 100)
    (place / "rnngen.toml").write_text("[train]\nhiden = 3\n")
    mend = json.loads(run("doctor", "--json").out)["mend"]
    assert any("model 2" in line and "tale" not in line for line in mend)
    assert any("hiden" in line for line in mend)


def test_config_shows_what_holds_with_its_origin(run, home, place, monkeypatch):
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text("[train]\nhidden = 8\nlayers = 2\n[models.list]\njson = true\n")
    (place / "rnngen.toml").write_text("[train]\nhidden = 16\n")
    monkeypatch.setenv("RNNGEN_SAMPLE_TEMP", "0.5")
    found = {(one["command"], one["option"]): one for one in json.loads(run("config", "show", "--json").out)}
    assert found["train", "hidden"]["value"] == 16
    assert found["train", "hidden"]["origin"].endswith("rnngen.toml")
    assert found["train", "layers"]["origin"].endswith("config.toml")
    assert found["models list", "json"]["value"] is True
    assert found["sample", "temp"]["origin"] == "RNNGEN_SAMPLE_TEMP"
    assert "0.5" not in run("config", "show", "train", "--origin").out


@pytest.mark.parametrize(("args", "status"), [(("show", "trian"), 2), (("show",), 0)])
def test_config_without_settings(run, place, args, status):
    told = run("config", *args, status=status).err
    assert "did you mean 'train'" in told if status else "nothing is set" in told

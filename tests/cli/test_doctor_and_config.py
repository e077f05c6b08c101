"""``rnngen doctor`` names what is broken, and nothing private; ``rnngen config show`` what holds, and why."""

import json

import pytest
from fixtures.plugins import brings


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


@pytest.mark.parametrize("fault", ["nonsense", "[trian]\nhidden = 3\n", "[doctor]\njsn = true\n"])
def test_a_broken_settings_file_stops_neither_doctor_nor_completion(run, place, fault):
    (place / "rnngen.toml").write_text(fault)
    assert any("rnngen.toml" in line for line in json.loads(run("doctor", "--json").out)["mend"])
    assert "_RNNGEN_COMPLETE" in run("completion", "bash").out


def test_options_of_parts_are_shown_key_by_key_with_their_origins(run, home, place, monkeypatch):
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text("[train.option]\nlayer-norm = true\nmogrifier = 3\nmin_count = 2\n")
    (place / "rnngen.toml").write_text("[train.option]\nmogrifier = 5\nforget_bias = 2\n")
    monkeypatch.setenv("RNNGEN_TRAIN_OPTION", "forget_bias=1 zoneout_h=0.1")
    shown = json.loads(run("config", "show", "train", "--json").out)
    assert {one["option"]: (one["value"], one["origin"].rpartition("/")[2]) for one in shown} == {
        "option.layer_norm": ("true", "config.toml"),
        "option.min_count": ("2", "config.toml"),
        "option.mogrifier": ("5", "rnngen.toml"),
        "option.forget_bias": ("1", "RNNGEN_TRAIN_OPTION"),
        "option.zoneout_h": ("0.1", "RNNGEN_TRAIN_OPTION"),
    }
    assert "option.mogrifier" in run("config", "show").out


def test_a_broken_command_of_a_plugin_does_not_hide_the_settings_of_others(run, place, install):
    install("sad", brings("command", "weep"))
    (place / "rnngen.toml").write_text("[train]\nhidden = 3\n")
    shown = run("config", "show", "--json")
    assert [one["value"] for one in json.loads(shown.out)] == [3]
    assert "sad" in shown.err

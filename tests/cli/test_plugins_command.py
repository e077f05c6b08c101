"""``rnngen plugins list``: everything by kind, with options; failures are rows; nothing heavy is imported."""

import json
import subprocess
import sys

import pytest

from rnngen import hookimpl
from rnngen.__main__ import main
from rnngen.cli.context import Program
from rnngen.registry import KINDS, Distribution, Registry


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RNNGEN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


class Broken:
    @hookimpl
    def rnngen_cells(self):
        raise RuntimeError("no good")


@pytest.fixture
def broken(monkeypatch):
    registry = Registry([(Distribution("rnngen-broken", "2.0"), Broken())])
    monkeypatch.setattr(Program, "registry", registry)


def listing(capsys):
    assert main(["plugins", "list", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_has_every_spec_with_its_options(capsys):
    listed = listing(capsys)
    registry = Registry()
    wanted = {(kind, found.spec.name) for kind in KINDS for found in registry.all(kind)}
    assert wanted <= {(row["kind"], row["name"]) for row in listed["plugins"]}
    (rnn,) = [row for row in listed["plugins"] if (row["kind"], row["name"]) == ("cell", "rnn")]
    assert [option["name"] for option in rnn["options"]] == ["zoneout_h", "layer_norm", "activation"]
    assert rnn["options"][-1] == {
        "name": "activation",
        "type": "str",
        "required": False,
        "default": "tanh",
        "choices": ["tanh", "relu", "sigmoid"],
        "help": "The nonlinearity of the recurrence.",
    }
    assert listed["failed"] == []


def test_help_names_every_kind(capsys):
    main(["plugins", "list", "--help"])
    said = capsys.readouterr().out
    assert [kind for kind in KINDS if kind not in said] == []


def test_verbose_shows_options(capsys):
    main(["plugins", "list"])
    assert "forget_bias" not in capsys.readouterr().out
    main(["plugins", "list", "--verbose"])
    assert "forget_bias" in capsys.readouterr().out


def test_no_option_is_shown_with_the_marks_of_its_docstring(capsys):
    assert main(["plugins", "list", "-v"]) == 0
    assert "`" not in capsys.readouterr().out


def test_a_failure_is_a_row_and_a_line(broken, capsys):
    assert main(["plugins", "list"]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1].startswith("broken")
    assert "RuntimeError: no good" in shown.out
    assert "lstm" in shown.out
    assert len(shown.err.splitlines()) == 1


def test_json_has_failures(broken, capsys):
    (failure,) = listing(capsys)["failed"]
    assert failure["distribution"] == "rnngen-broken"
    assert failure["reason"] == "RuntimeError: no good"


def test_nothing_heavy_is_imported():
    code = (
        "import sys; from rnngen.__main__ import main; main(['plugins', 'list', '-v']);"
        "assert not {'torch', 'tokenizers', 'numpy', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

"""Whatever a plugin does, the program goes on, says whose fault it is, and how to get rid of it."""

import json
import os
import sys

import pytest
from fixtures.plugins import HEAD, brings, forget

from rnngen.registry import Registry

OPTIONS = """
from dataclasses import dataclass

@dataclass(frozen=True)
class O:
    n: float = 1.0
    'A number.'
"""
GOOD = brings("cell", "good", load="good_plugin:Good")
COMMAND = """
import click

@click.command()
@click.option("--what", default="print")
def hello(what):
    if what == "raise":
        {}["x"]
    if what == "open":
        open("no such file")
    click.echo("hello")

@hookimpl
def rnngen_commands():
    return [CommandSpec(name="hello", summary="x", load="{}_plugin:hello")]
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "status", "reason"),
    [
        ("import no_such_module", "broken", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import sys; sys.exit(3)", "broken", "SystemExit: 3"),
        ("import pytest; pytest.skip('no\\nluck', allow_module_level=True)", "broken", "Skipped: no luck"),
        ("def (", "broken", "SyntaxError"),
        (brings("cell", "x", hook="cels"), "broken", "did you mean 'rnngen_cells'?"),
        ("def rnngen_cells(): return []", "broken", "put @hookimpl above it"),
        ("rnngen_api = '1.99'", "incompatible", "needs version 1.99 of the plugin interface"),
        ("rnngen_api = '0.1'", "incompatible", "upgrade the plugin"),
    ],
)
def test_a_plugin_that_cannot_be_used_costs_a_line_and_is_listed(run, install, source, status, reason):
    install("good", GOOD)
    install("bad", source)
    for _ in range(2):  # imported, and from the cache
        shown = run("plugins", "list", "--json")
        (failed,) = json.loads(shown.out)["failed"]
        assert (failed["distribution"], failed["status"]) == ("bad", status)
        assert reason in failed["reason"]
        assert len(shown.err.splitlines()) == 1
        assert "'bad' of bad" in shown.err
        assert "-p no:bad" in shown.err
    assert "good" in run("-p", "no:bad", "plugins", "list").out
    assert run("-p", "no:bad", "plugins", "list").err == ""


def test_what_a_plugin_prints_or_breaks_while_it_is_imported_is_neither_output_nor_left_behind(run, install):
    install("loud", "print('LOUD'); import os; os.write(1, b'RAW'); os.system('echo SHELL')\n" + GOOD)
    install("rude", "import sys, os; sys.path.append('x'); os.environ['RUDE'] = 'x'; 1 / 0")
    assert json.loads(run("plugins", "list", "--json").out)["failed"][0]["distribution"] == "rude"
    assert "RUDE" not in os.environ
    assert "x" not in sys.path
    assert "rude_plugin" not in sys.modules


def test_a_failing_plugin_is_not_imported_again_until_something_changes(run, install, tmp_path):
    log = tmp_path / "log"
    written = f"with open({str(log)!r}, 'a') as file:\n    file.write('x')\n"
    module = install("bad", f"{written}import no_such_module")
    for _ in range(3):
        assert "bad" in run("--help").err
    assert log.read_text() == "x"
    module.write_text(module.read_text().replace("import no_such_module", COMMAND.format("{}", "bad")))
    assert "hello" in run("--help").out


def test_listings_and_builtins_import_no_plugin_and_a_name_imports_its_own_alone(install, monkeypatch):
    for name in ("one", "two"):
        more = f"flag=Flag(name='f-{name}'), options=O"
        install(name, OPTIONS + brings("cell", name) + brings("filter", f"f-{name}", more=more))
    Registry.discover().load_all()
    Registry.discover().names("cell")
    forget("one_plugin", "two_plugin")
    registry = Registry.discover()
    (flagged, _) = [
        found.spec for found in registry.all("filter") if found.distribution.name in ("one", "two")
    ]
    assert flagged.flag.name == "f-one"
    registry.find("cell", "lstm")
    assert not {"one_plugin", "two_plugin"} & set(sys.modules)
    assert registry.find("filter", "f-two").spec.options(4).n == 4
    assert {"one_plugin", "two_plugin"} & set(sys.modules) == {"two_plugin"}


def test_plugins_are_chosen_and_left_out_by_flag_and_variable(run, install, monkeypatch):
    install("one", brings("cell", "uno"))
    install("two", brings("cell", "duo"))

    def cells(*flags):
        listed = json.loads(run(*flags, "plugins", "list", "--json").out)["plugins"]
        return {row["name"] for row in listed if row["kind"] == "cell"} & {"uno", "duo"}

    assert cells() == {"uno", "duo"}
    assert cells("-p", "no:one") == cells("-p", "two") == {"duo"}
    assert cells("--no-plugins") == set()
    monkeypatch.setenv("RNNGEN_PLUGINS", "one")
    assert cells() == {"uno"}
    monkeypatch.setenv("RNNGEN_PLUGINS", "none")
    assert cells() == set()
    monkeypatch.delenv("RNNGEN_PLUGINS")
    assert "unknown plugin 'ome'; did you mean 'one'?" in run("-p", "no:ome", "plugins", "list", status=2).err
    shown = run("--version").out.splitlines()
    assert [line.split() for line in shown[1:]] == [["one", "1.0"], ["two", "1.0"]]


def test_strict_ends_the_program_at_a_plugin_that_fails(run, install, monkeypatch):
    install("bad", "1 / 0")
    monkeypatch.setenv("RNNGEN_PLUGINS_STRICT", "1")
    assert "ZeroDivisionError" in run("sample", status=4).err
    assert run("--no-plugins", "sample", status=3).err  # there is no model


def test_debugging_shows_where_a_plugin_fails(run, install, monkeypatch):
    install("bad", "def f():\n    return {}['here']\nf()")
    monkeypatch.setenv("RNNGEN_DEBUG", "1")
    shown = run("plugins", "list").err
    assert "Traceback" in shown
    assert "return {}['here']" in shown


def test_a_command_that_raises_names_its_plugin(run, install):
    install("greeter", COMMAND.format("{}", "greeter"))
    assert run("hello").out == "hello\n"
    refused = run("hello", "--what", "raise", status=4).err
    assert "the command 'hello' of greeter failed (KeyError: 'x')" in refused
    assert "no such file" in run("hello", "--what", "open", status=4).err
    assert "Usage" not in run("hello", "--nothing", status=2).out


CELL = """
from torch import nn

class Cell(nn.Module):
    def __init__(self, input_size, hidden_size, options):
        super().__init__()
        if hidden_size % 5:
            raise ValueError(f"hidden={hidden_size}: a multiple of 5 expected")
        if hidden_size == 25:
            {}["constructor"]
        self.x = nn.Linear(input_size, hidden_size)

    def initial_state(self, batch):
        return (self.x.weight.new_zeros(batch, 1),)

    def forward(self, x, state):
        return self.x(x), {}["forward"]

"""


def test_what_a_cell_raises_is_its_own_and_what_it_refuses_the_users(run, place, install):
    install("acme", CELL + brings("cell", "acme", load="acme_plugin:Cell"))
    (place / "sea.txt").write_text("the sea and the sky. " * 80)
    flags = [
        "sea.txt",
        "-q",
        "--cell",
        "acme",
        "--steps",
        "2",
        "--seq",
        "8",
        "--batch",
        "2",
        "--ngram",
        "none",
    ]
    refused = run("train", *flags, "--hidden", "16", status=2).err
    assert "'acme' from acme: hidden=16: a multiple of 5 expected" in refused
    assert (
        "'acme' from acme failed (KeyError: 'constructor')"
        in run("train", *flags, "--hidden", "25", status=4).err
    )
    failed = run("train", *flags, "--hidden", "20", status=4).err
    assert "the plugin acme failed: KeyError: 'forward'" in failed
    assert "-p no:acme leaves it out" in failed


@pytest.mark.usefixtures("shelf")
def test_a_filter_called_as_a_built_in_leaves_the_built_in_alone(run, install):
    source = f"{OPTIONS}def make(options): return lambda logits, history: logits / 8\n"
    more = "options=O, flag=Flag(name='temp')"
    before = run("sample", "-m", "tale", "--seed", "1", "-n", "20", "the").out
    install("thief", source + brings("filter", "temp", load="thief_plugin:make", more=more))
    install("rival", source + brings("filter", "warm", load="rival_plugin:make", more=more))
    more = "options=O, flag=Flag(name='seed')"
    install("taker", source + brings("filter", "grab", load="taker_plugin:make", more=more))
    assert run("sample", "-m", "tale", "--seed", "1", "-n", "20", "the").out == before
    assert run("sample", "-m", "tale", "--seed", "1", "--temp", "0.8", "-n", "20", "the").out == before
    chosen = run("sample", "-m", "tale", "--seed", "1", "--filters", "thief/temp=1", "-n", "20", "the").out
    assert chosen != before
    listed = json.loads(run("plugins", "list", "--json").out)
    assert "the filter 'temp' means rnngen's own; say thief/temp for the other" in listed["conflicts"]


@pytest.mark.usefixtures("shelf")
def test_what_a_plugin_brought_that_is_gone_is_named_with_it_and_with_who_asked(run, install, place):
    more = "options=O, flag=Flag(name='lipogram')"
    install("lip", OPTIONS + brings("filter", "lipogram", more=more) + brings("cell", "mgu"))
    run("plugins", "list")
    gone = ("-p", "no:lip")
    assert "'mgu' is from lip; lip is switched off" in run(*gone, "train", "x", "--cell", "mgu", status=4).err
    refused = run(*gone, "sample", "--filters", "lipogram=2", status=4).err
    assert "the filter 'lipogram' is from lip" in refused
    assert "asks for it" not in refused
    assert "'--lipogram' is from lip" in run(*gone, "sample", "--lipogram", "2", status=4).err
    (place / "rnngen.toml").write_text("[sample]\nfilters = 'lipogram=2'\n")
    assert "rnngen.toml asks for it" in run(*gone, "sample", status=4).err
    (place / "rnngen.toml").write_text("[sample]\nfilters = 'nothing=2'\n")
    assert "rnngen.toml asks for it" in run(*gone, "sample", status=2).err


def test_a_file_of_a_folder_that_nobody_trusts_is_not_run(run, place, home):
    (place / "rnngen_plugins").mkdir()
    (place / "rnngen_plugins" / "mine.py").write_text(HEAD + brings("cell", "mine"))
    shown = run("plugins", "list")
    assert "mine" not in shown.out
    assert "rnngen_plugins/mine.py is not loaded" in shown.err
    run("plugins", "trust")
    assert "mine" in run("plugins", "list").out
    forget("rnngen_plugins.mine")


def test_a_single_file_is_a_plugin_wherever_the_program_looks(run, single_file, home):
    path = single_file("mine", brings("cell", "mine", load="rnngen_plugins.mine:Mine"))
    (home / "plugins").mkdir(parents=True)
    (home / "plugins" / "mine.py").write_text("1 / 0")  # the nearer one counts
    (home / "plugins" / "other.py").write_text(path.read_text().replace("'mine'", "'other'"))
    listed = json.loads(run("plugins", "list", "--json").out)
    own = {row["name"]: row["distribution"] for row in listed["plugins"] if row["kind"] == "cell"}
    assert (own["mine"], own["other"]) == ("mine.py", "other.py")
    assert listed["failed"] == []
    assert "mine.py" in run("--version").out
    left = json.loads(run("-p", "no:mine", "plugins", "list", "--json").out)
    assert "mine" not in {row["name"] for row in left["plugins"]}
    assert [row["distribution"] for row in left["disabled"]] == ["mine.py"]
    forget("rnngen_plugins.other")

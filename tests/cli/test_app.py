"""The group of commands: lazy, listed without imports, and open to plugins that may be broken."""

import os
import subprocess
import sys

import click
import pytest

from rnngen.__main__ import main
from rnngen.cli.app import COMMANDS, app

HEAVY = {"torch", "numpy", "tokenizers", "rich", "pluggy", "rnngen.registry"}


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RNNGEN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Installs a distribution whose module logs that it was imported and brings one command, ``hello``."""

    def install(name, *, brings="hello", top="", version="1.0"):
        folder = tmp_path / "site"
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[rnngen]\n{name} = {name}_hooks\n")
        (folder / f"{name}_hooks.py").write_text(
            f"with open({str(tmp_path / 'imports.log')!r}, 'a') as log:\n    log.write('{name}\\n')\n{top}\n"
            "from rnngen import hookimpl\nfrom rnngen.contracts import CommandSpec\n"
            "@hookimpl\ndef rnngen_commands():\n"
            f"    return [CommandSpec(name={brings!r}, summary='say hello', load='{name}_command:hello')]\n"
        )
        (folder / f"{name}_command.py").write_text(
            f"import click\n@click.command()\ndef hello():\n    click.echo('hello from {name}')\n"
        )
        monkeypatch.syspath_prepend(folder)
        return folder / f"{name}_hooks.py"

    yield install
    for module in [module for module in sys.modules if module.endswith(("_hooks", "_command"))]:
        del sys.modules[module]


@pytest.fixture
def imports(tmp_path):
    """How often plugins were imported so far, by this and any other process."""
    log = tmp_path / "imports.log"
    return lambda: log.read_text().split() if log.exists() else []


def run(*args):
    """Run in a process of its own, where nothing is imported yet."""
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [sys.executable, "-m", "rnngen", *args],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )


@pytest.mark.slow
@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(argument):
    run_and_tell = (
        "from rnngen.__main__ import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    )
    run("--help")  # commands of plugins that are installed are asked for once, and then known
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {run_and_tell}", argument],
        capture_output=True,
        text=True,
        check=True,
    ).stderr.split()
    commands = {builtin.target.partition(":")[0] for builtin in COMMANDS.values()}
    assert not set(done) & (HEAVY | commands)


def test_help_lists_every_command(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in COMMANDS:
        assert f"  {name} " in shown


def test_short_help_is_help(capsys):
    main(["--help"])
    long = capsys.readouterr().out
    main(["-h"])
    assert capsys.readouterr().out == long


def test_an_unknown_command_names_the_closest(capsys):
    assert main(["trian"]) == 2
    assert capsys.readouterr().err == "rnngen: error: unknown command 'trian'; did you mean 'train'?\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_in_the_table_is_there(name):
    command = app.get_command(click.Context(app), name)
    assert isinstance(command, click.Command)
    assert (command.name, command.hidden) == (name, False)


# ── Plugins ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_plugin_brings_a_command(plugin, capsys):
    plugin("greeter")
    assert main(["hello"]) == 0
    assert capsys.readouterr() == ("hello from greeter\n", "")


@pytest.mark.parametrize(
    "chosen", [("--no-plugins",), ("-p", "no:greeter"), ("-p", "greeter", "--no-plugins")]
)
def test_help_and_version_know_which_plugins_count(plugin, capsys, chosen):
    plugin("greeter")
    assert main(["--help"]) == 0
    assert "say hello" in capsys.readouterr().out
    for asked in ([*chosen, "--help"], ["--help", *chosen]):
        assert main(asked) == 0
        assert "say hello" not in capsys.readouterr().out
    assert main([*chosen, "--version"]) == 0
    assert "greeter 1.0  (switched off)" in capsys.readouterr().out
    assert main([*chosen, "help", "hello"]) == 2
    assert main([*chosen, "hello"]) == 2


def test_a_command_that_two_entry_points_lead_to_is_one(plugin, capsys):
    module = plugin("greeter")
    points = next(module.parent.glob("greeter*.dist-info")) / "entry_points.txt"
    points.write_text("[rnngen]\ngreeter = greeter_hooks\nother = greeter_hooks\n")
    assert main(["hello"]) == 0
    assert main(["--help"]) == 0
    assert "greeter/hello" not in capsys.readouterr().out


def test_listing_imports_a_plugin_once_and_for_all(plugin, imports):
    plugin("greeter")
    first, second = run("--help"), run("--help")
    assert "hello  say hello" in first.stdout
    assert first.stdout == second.stdout
    assert imports() == ["greeter"]


@pytest.mark.slow
def test_a_plugin_that_changes_is_asked_again(plugin, imports):
    source = plugin("greeter")
    run("--help")
    source.write_text(source.read_text().replace("say hello", "greet"))
    os.utime(source, ns=(1, 1))
    assert "hello  greet" in run("--help").stdout
    assert imports() == ["greeter", "greeter"]


@pytest.mark.slow
def test_builtin_commands_do_not_look_at_plugins(plugin, imports):
    plugin("greeter")
    run("plugins", "--help")
    run("completion", "bash")
    assert imports() == []


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["", "{", "[]", '{"key": 3}', '{"specs": [{}]}'])
def test_a_damaged_cache_is_ignored(plugin, tmp_path, damage):
    plugin("greeter")
    run("--help")
    (cache,) = (tmp_path / "home" / "cache").glob("plugins-*/greeter-*.json")
    cache.write_text(damage)
    assert "hello" in run("--help").stdout


def test_an_unwritable_cache_is_ignored(plugin, tmp_path):
    (tmp_path / "home").write_text("a file where the folder should be")
    plugin("greeter")
    done = run("--help")
    assert "hello" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_a_plugin_that_fails_costs_one_line(plugin, capsys):
    plugin("greeter")
    plugin("broken", top="import no_such_module")
    for _ in range(2):  # every time, until it is mended
        assert main(["--help"]) == 0
        shown = capsys.readouterr()
        assert "hello" in shown.out
        assert len(shown.err.splitlines()) == 1
        assert "'broken' of broken cannot be used: ModuleNotFoundError" in shown.err


def test_a_name_from_two_plugins_must_be_qualified(plugin, capsys):
    plugin("greeter")
    plugin("welcomer")
    assert main(["hello"]) == 4
    assert "comes from both" in (complaint := capsys.readouterr().err)
    assert "'greeter/hello'" in complaint
    assert main(["welcomer/hello"]) == 0
    assert capsys.readouterr().out == "hello from welcomer\n"
    main(["--help"])
    assert "greeter/hello" in capsys.readouterr().out


def test_a_plugin_cannot_replace_a_builtin(plugin, capsys):
    plugin("thief", brings="completion")
    assert main(["completion", "bash"]) == 0
    assert "_RNNGEN_COMPLETE" in capsys.readouterr().out
    assert main(["thief/completion"]) == 0
    assert capsys.readouterr().out == "hello from thief\n"


def test_a_command_that_cannot_be_loaded_names_its_package(plugin, tmp_path, capsys):
    plugin("greeter")
    (tmp_path / "site" / "greeter_command.py").unlink()
    assert main(["hello"]) == 4
    assert "reinstall or remove greeter" in capsys.readouterr().err

"""Flags from dataclasses: every type, what was given and what was not, and refusals that name the flag."""

from dataclasses import dataclass
from typing import Literal

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from rnngen.cli import completers, flags
from rnngen.errors import UsageError


@dataclass(frozen=True)
class Options:
    weight_decay: float = 0.1
    """How much weights shrink."""
    steps: int | None = None
    """When to end."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """The rule of updates."""
    tie: bool = True
    """Share the embedding."""
    device: str = ""
    """Where."""

    def __post_init__(self):
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay={self.weight_decay}: 0 or more expected")


def run(*args, decorator=None, build=lambda params: flags.collect(Options, params), **options):
    seen = []

    @click.command("work", cls=flags.Command, context_settings={"auto_envvar_prefix": "RNNGEN_WORK"})
    @(decorator or flags.options_from(Options))
    def work(**params):
        seen.append((params, build(params)))

    done = CliRunner().invoke(work, list(args), standalone_mode=False, **options)
    if done.exception:
        raise done.exception
    return seen[0] if seen else done.output


def test_what_is_not_given_is_none_and_keeps_its_default():
    params, options = run()
    assert set(params.values()) == {None}
    assert options == Options()


def test_every_type_is_read():
    _, options = run(
        "--weight-decay", "0.5", "--steps", "3", "--optimizer", "muon", "--no-tie", "--device", "x"
    )
    assert options == Options(0.5, 3, "muon", False, "x")


def test_none_is_a_value_of_its_own():
    base = Options(steps=9)
    _, changed = run("--steps", "none", build=lambda params: flags.given(Options, params))
    assert base.steps == 9
    assert changed == {"steps": None}


@pytest.mark.parametrize("args", [["--steps", "1.5"], ["--weight-decay", "x"], ["--optimizer", "sgd"]])
def test_an_ill_typed_value_names_its_flag(args):
    with pytest.raises(click.BadParameter) as refusal:
        run(*args)
    assert args[0] in refusal.value.format_message()


def test_what_the_dataclass_refuses_names_the_flag():
    with pytest.raises(UsageError, match=r"^--weight-decay -1\.0: 0 or more expected$"):
        run("--weight-decay", "-1")


def test_only_some_fields_have_flags():
    params, _ = run("--steps", "5", decorator=flags.options_from(Options, only=["steps", "tie"]))
    assert params == {"steps": 5, "tie": None}


def test_the_environment_gives_values():
    _, options = run(env={"RNNGEN_WORK_WEIGHT_DECAY": "0.7", "RNNGEN_WORK_TIE": "no"})
    assert options == Options(weight_decay=0.7, tie=False)


def test_help_shows_docstrings_and_defaults_in_fields_order():
    shown = run("--help")
    assert "--weight-decay FLOAT" in shown
    for text in (
        "How much weights shrink.  [default: 0.1]",
        "[default: tie]",
        'default: ""',
    ):
        assert text in shown
    assert "When to end.\n" in shown
    assert shown.index("--weight-decay") < shown.index("--steps") < shown.index("--optimizer")


def test_help_groups_by_heading():
    shown = run("--help", decorator=flags.options_from(Options, heading="Training"))
    assert shown.index("Options:") < shown.index("--help") < shown.index("Training:") < shown.index("--steps")


# ── In common ──────────────────────────────────────────────────────────────────────────────────────────────


def test_settings_of_plugins_are_texts_by_key():
    params, _ = run("-o", "vocab-size=300", "--option", "a=b=c", "-o", "a=d", decorator=flags.set_flag)
    assert params == {"option": {"vocab_size": "300", "a": "d"}}


@pytest.mark.parametrize("text", ["vocab_size", "=3", ""])
def test_a_setting_without_key_and_value_is_refused(text):
    with pytest.raises(click.BadParameter) as refusal:
        run("-o", text, decorator=flags.set_flag)
    assert "KEY=VALUE" in refusal.value.format_message()


def complete(decorator, *args, incomplete=""):
    command = click.command("work")(decorator(lambda **_: None))
    shell = ShellComplete(command, {}, "work", "_WORK_COMPLETE")
    return [item.value for item in shell.get_completions(list(args), incomplete)]


def test_names_of_plugins_are_completed_by_kind():
    cell = click.option("--cell", shell_complete=completers.names("cell"))
    assert complete(cell, "--cell", incomplete="l") == ["lstm"]
    nothing = click.option("--cell", shell_complete=completers.names("no such kind"))
    assert complete(nothing, "--cell") == []


def test_choices_and_fields_complete():
    decorator = flags.options_from(Options)
    assert complete(decorator, "--optimizer", incomplete="m") == ["muon"]
    assert complete(decorator, "--device", incomplete="cp") == ["cpu"]


def fake_session(monkeypatch, names):
    import sys
    import types

    module = types.ModuleType("rnngen.api")
    module.model_names = names
    monkeypatch.setitem(sys.modules, "rnngen.api", module)


def test_models_are_completed(monkeypatch):
    fake_session(monkeypatch, lambda: ["shakespeare", "names"])
    assert complete(flags.model_flag, "-m", incomplete="sh") == ["shakespeare"]


def test_completion_survives_a_model_folder_that_does_not(monkeypatch):
    def fail():
        raise OSError("disk on fire")

    fake_session(monkeypatch, fail)
    assert complete(flags.model_flag, "-m", incomplete="sh") == ["sh"]  # left to the shell, as a path


def test_examples_are_in_the_help_line_by_line():
    command = flags.examples("work --a", "work --b  # more")(click.Command("work"))
    shown = CliRunner().invoke(command, ["--help"]).output
    assert "  Examples:\n    work --a\n    work --b  # more\n" in shown
    assert flags.examples_of(command) == ["work --a", "work --b  # more"]
    assert flags.examples_of(click.Command("bare")) == []

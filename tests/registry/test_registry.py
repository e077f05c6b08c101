"""What plugins bring is found by name, and what one of them breaks costs nobody else anything."""

import sys
import types
from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from rnngen import hookimpl
from rnngen.contracts import CellSpec, FilterSpec, TokenizerSpec
from rnngen.discovery import Installed
from rnngen.errors import PluginError, UnknownName
from rnngen.registry import KINDS, Distribution, Failure, Registry
from rnngen.registry.loading import hook_of


def cell(name="mine", load="rnngen.builtins.cells.lstm.torch:LSTM", **more):
    return CellSpec(name=name, summary="x", load=load, **more)


def plugin(name="rnngen_test_plugin", **hooks):
    """A module with these hook implementations."""
    module = types.ModuleType(name)
    for hook, implementation in hooks.items():
        setattr(module, hook, hookimpl(implementation))
    return module


def registry(*plugins):
    """Each plugin from a distribution of its own: ``a``, ``b`` …"""
    return Registry(
        plugins=[(Distribution(name, "1.0"), p) for name, p in zip("abcdef", plugins, strict=False)]
    )


@dataclass(frozen=True)
class Unreadable:
    sizes: list


def raises(error):
    def do():
        raise error

    return do


# ── finding ────────────────────────────────────────────────────────────────────────────────────────────────


def test_built_ins_come_through_the_hooks_and_first():
    found = registry(plugin(rnngen_cells=lambda: [cell()]))
    assert found.names("cell") == ["lstm", "gru", "rnn", "seq2seq", "mine"]
    assert found.find("cell", "lstm").distribution.name == "rnngen"
    assert found.find("cell", "mine").qualified == "a/mine"
    assert found.failures == []


def test_every_kind_has_a_hook():
    from rnngen import hookspecs

    assert {hook_of(kind) for kind in KINDS} == {n for n in dir(hookspecs) if n.startswith("rnngen_")}
    assert Registry().names("command") == []


def test_an_unknown_name_is_answered_with_the_closest():
    with pytest.raises(UnknownName, match="unknown cell 'lsmt'; did you mean 'lstm'"):
        Registry().find("cell", "lsmt")
    with pytest.raises(UnknownName, match="there is no listener at all"):
        Registry().find("listener", "any")


def test_two_plugins_of_one_name_are_an_error_that_names_both():
    both = registry(plugin(rnngen_cells=lambda: [cell()]), plugin(rnngen_cells=lambda: [cell()]))
    with pytest.raises(
        PluginError, match="the cell 'mine' comes from both a and b; say 'a/mine' or 'b/mine'"
    ):
        both.find("cell", "mine")
    for owner in "ab":
        assert both.find("cell", f"{owner}/mine").distribution.name == owner
    assert both.names("cell").count("mine") == 1
    assert [r.qualified for r in both.all("cell")][-2:] == ["a/mine", "b/mine"]


def test_a_bare_name_that_a_built_in_has_stays_the_built_ins():
    shadowed = registry(plugin(rnngen_cells=lambda: [cell("lstm")]))
    assert shadowed.find("cell", "lstm").built_in
    assert shadowed.find("cell", "a/lstm").distribution.name == "a"
    assert shadowed.conflicts() == ["the cell 'lstm' means rnngen's own; say a/lstm for the other"]
    assert shadowed.specs(CellSpec) == Registry().specs(CellSpec)


def test_one_module_by_two_entry_points_is_no_conflict():
    module = plugin(rnngen_cells=lambda: [cell()])
    twice = Registry(plugins=[(Distribution("a", "1.0"), module)] * 2)
    assert twice.find("cell", "mine").qualified == "a/mine"


def test_one_name_may_be_of_several_kinds():
    spec = TokenizerSpec(name="mine", summary="x", load="a:b")
    found = registry(plugin(rnngen_cells=lambda: [cell()], rnngen_tokenizers=lambda: [spec]))
    assert found.find("tokenizer", "mine").spec is spec
    assert found.find("cell", "mine").spec == cell()


def test_registries_share_nothing():
    registry(plugin(rnngen_cells=lambda: [cell()])).names("cell")
    assert "mine" not in Registry().names("cell")


# ── failing ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("hooks", "reason"),
    [
        ({"rnngen_cells": raises(ZeroDivisionError("mine"))}, "ZeroDivisionError: mine"),
        ({"rnngen_cells": raises(SystemExit(3))}, "SystemExit: 3"),
        ({"rnngen_cells": lambda: ["lstm"]}, "TypeError: rnngen_cells returned 'lstm', which is no CellSpec"),
        ({"rnngen_cells": lambda: [FilterSpec(name="x", summary="", load="")]}, "which is no CellSpec"),
        ({"rnngen_cells": lambda: 7}, "not iterable"),
        ({"rnngen_cells": raises(BaseException("a\nskip"))}, "BaseException: a skip"),
        ({"rnngen_cels": lambda: [cell()]}, "unknown hook 'rnngen_cels'; did you mean 'rnngen_cells'?"),
        ({"rnngen_cells": lambda surplus: [cell()]}, "rnngen_cells(surplus): this hook takes no arguments"),
        ({"rnngen_cells": lambda: [cell(options=Unreadable)]}, "which cannot be read from text"),
        ({"rnngen_cells": lambda: [cell("A Cell")]}, "'A Cell' is no name"),
        ({"rnngen_cells": lambda: [cell(), cell()]}, "brings 'mine' twice"),
        ({"rnngen_cells": lambda: iter([cell(), 1 / 0])}, "ZeroDivisionError"),
    ],
)
def test_a_plugin_that_fails_is_recorded_and_costs_nobody_else_anything(hooks, reason):
    found = registry(plugin(rnngen_cells=lambda: [cell("good")]), plugin("rnngen_bad", **hooks))
    assert found.names("cell") == ["lstm", "gru", "rnn", "seq2seq", "good"]
    (failure,) = found.failures
    assert (failure.plugin, failure.distribution.name) == ("rnngen_bad", "b")
    assert reason in failure.reason


def test_an_interrupt_is_not_a_plugins_failure():
    with pytest.raises(KeyboardInterrupt):
        registry(plugin(rnngen_cells=raises(KeyboardInterrupt()))).names("cell")


def test_a_hook_may_bring_nothing():
    found = registry(plugin(rnngen_cells=lambda: None), plugin(rnngen_cells=lambda: ()), plugin())
    assert found.names("cell") == ["lstm", "gru", "rnn", "seq2seq"]
    assert found.failures == []


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module_at_all", "ModuleNotFoundError"),
        ("raise SystemExit(1)", "SystemExit"),
        ("def (", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_an_entry_point_that_cannot_be_imported_is_recorded(tmp_path, monkeypatch, source, reason):
    (tmp_path / "rnngen_test_broken.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "rnngen_test_broken", raising=False)
    found = Registry(sources=[Installed(EntryPoint("broken", "rnngen_test_broken", "rnngen"))])
    assert found.names("cell") == ["lstm", "gru", "rnn", "seq2seq"]
    (failure,) = found.failures
    assert (failure.plugin, failure.distribution) == ("broken", Distribution("broken", "?"))
    assert failure.reason.startswith(reason)
    assert isinstance(failure, Failure)


def test_an_entry_point_is_loaded_when_a_name_is_first_looked_up(tmp_path, monkeypatch):
    source = (
        "from rnngen import hookimpl\n"
        "from rnngen.contracts import CellSpec\n"
        "@hookimpl\n"
        "def rnngen_cells():\n"
        "    return [CellSpec(name='late', summary='x', load='nowhere:Nothing')]\n"
    )
    (tmp_path / "rnngen_test_late.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    found = Registry(sources=[Installed(EntryPoint("late", "rnngen_test_late", "rnngen"))])
    assert "rnngen_test_late" not in sys.modules
    assert "late" in found.names("cell")
    assert sys.modules.pop("rnngen_test_late")


# ── resolving ──────────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_spec_loads_is_imported_only_when_it_is_used():
    found = registry(plugin(rnngen_cells=lambda: [cell(load="no_such_module_at_all:Cell")]))
    mine = found.find("cell", "mine")
    with pytest.raises(PluginError, match=r"'mine' from a: no_such_module_at_all:Cell cannot be loaded"):
        mine.resolve()


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        ("rnngen.builtins.cells.lstm.torch:Nothing", "AttributeError"),
        ("rnngen.builtins.cells.lstm.torch", "AttributeError"),
        ("rnngen_test_broken:Cell", "ZeroDivisionError"),
        ("rnngen_test_leaving:Cell", "SystemExit"),
        ("", "ValueError"),
    ],
)
def test_what_cannot_be_loaded_is_told_with_its_distribution(tmp_path, monkeypatch, load, reason):
    (tmp_path / "rnngen_test_broken.py").write_text("1 / 0")
    (tmp_path / "rnngen_test_leaving.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    found = registry(plugin(rnngen_cells=lambda: [cell(load=load)]))
    with pytest.raises(PluginError, match=rf"'mine' from a: .*cannot be loaded \({reason}.*remove a"):
        found.find("cell", "mine").resolve()


def test_a_spec_may_name_more_than_one_thing():
    from rnngen.builtins.seq2seq.numpy import seq2seq_step
    from rnngen.builtins.seq2seq.torch import seq2seq

    found = Registry().find("cell", "seq2seq")
    assert found.resolve() is seq2seq
    assert found.resolve(found.spec.numpy) is seq2seq_step


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_ships_can_be_loaded(kind):
    for found in Registry().all(kind):
        assert callable(found.resolve())
        assert found.spec.summary
        assert found.spec.name == found.spec.name.lower()


def test_installed_plugins_are_discovered():
    assert "lstm" in Registry.discover().names("cell")

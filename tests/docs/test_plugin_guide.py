"""The plugins in the guide work as they stand there, each short enough to be read."""

import re

import pytest
from fixtures.plugins import forget

from rnngen import discovery
from rnngen.cli.commands.help import guide
from rnngen.cli.commands.plugin_new import EXAMPLES, example
from rnngen.contracts import AttentionSpec, CellSpec
from rnngen.registry import Registry
from rnngen.testing.suites import check

GUIDE = guide("plugins")[1]
TEXT = "the sea, the sky, and the sand between them. " * 60


@pytest.fixture
def install(home, monkeypatch):
    """Puts examples of the guide into the user's folder, as its reader would; other plugins do not count."""

    def put(*kinds):
        monkeypatch.setenv("RNNGEN_PLUGINS", ",".join(EXAMPLES[kind] for kind in kinds))
        discovery.user_folder().mkdir(parents=True, exist_ok=True)
        for kind in kinds:
            (discovery.user_folder() / f"{EXAMPLES[kind]}.py").write_text(example(kind))

    yield put
    forget(*(f"rnngen_plugins.{name}" for name in EXAMPLES.values()))


def lines_of(source):
    return [line for line in source.splitlines() if line.strip()]


def test_a_cell_takes_twenty_lines_on_the_first_screen_and_nothing_takes_forty():
    assert GUIDE.index("# mgu.py") < 400
    assert len(lines_of(example("cell"))) <= 20
    assert {
        kind: len(lines_of(example(kind))) for kind in EXAMPLES if len(lines_of(example(kind))) >= 40
    } == {}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_an_example_keeps_the_promises_of_its_kind_and_leaves_no_file(install, kind, tmp_path, monkeypatch):
    install(kind)
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(here)
    registry = Registry.discover()
    (found,) = [one for one in registry.all(kind) if not one.built_in]
    parts = [*registry.specs(CellSpec), *registry.specs(AttentionSpec)]
    check(registry.find(kind, found.spec.name).spec, parts)
    assert [*here.iterdir()] == []


def test_the_examples_are_used_as_the_guide_says(install, run, place, tiny):
    install("cell", "task", "reader", "filter", "strategy", "listener", "command", "tokenizer")
    blocks = "\n\n".join(f"{n}\n0:0{n} --> 0:0{n + 1}\n- {TEXT[:45]}." for n in range(99))
    (place / "film.srt").write_text(blocks)
    flags = ["film.srt", "--cell", "mgu", "--task", "sentences", "--tokenizer", "digraph", *tiny]
    run("train", *flags, "--listener", "csvlog;file=film.csv", "--reader", "srt;dashes=false")
    assert (place / "film.csv").read_text().startswith("step,nats_per_char\n")
    text = run("sample", "-m", "film", "--count", "3", "--seed", "1", "--lipogram", "et").out
    assert not {"e", "t"} & set(text)
    assert run("sample", "-m", "film", "--cooling", "5", "--seed", "1").out
    assert run("riddle", "the sea", "xqzj wvk").out == "the sea\n"


def test_an_option_of_the_guide_is_refused_in_its_words():
    source = re.search(r"```python\n(@dataclass\(frozen=True\)\nclass MGUOptions.*?)```", GUIDE, re.DOTALL)
    names: dict = {}
    exec("from dataclasses import dataclass\n" + source[1], names)
    with pytest.raises(ValueError, match="forget_bias=11"):
        names["MGUOptions"](11)

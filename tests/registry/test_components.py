"""From names and options to built things, and back from what a model's config says."""

import io
import types
from dataclasses import dataclass

import numpy as np
import pytest

from rnngen import hookimpl
from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.contracts import CellSpec, ReaderSpec, TokenizerSpec, collected_notes
from rnngen.errors import ModelError, PluginError, UnknownName, UsageError
from rnngen.inference.build import numpy_layers
from rnngen.registry import Distribution, Registry, components
from rnngen.registry.components import ComponentRecord

NAMES = {"cell": "lstm", "tokenizer": "char", "task": "continue"}


@dataclass(frozen=True)
class Greedy:
    """Options that share a key with the built-in tokenizers."""

    vocab_size: int = 3
    """A number."""


def plugin(**hooks):
    """An object with hook implementations that return what is given."""
    return types.SimpleNamespace(**{f"rnngen_{name}": returning(specs) for name, specs in hooks.items()})


def returning(specs):
    def hook():
        return specs

    return hookimpl(hook)


def registry(**hooks):
    return Registry(plugins=[(Distribution("acme-cells", "2.1"), plugin(**hooks))])


def component(found):
    return {kind: part.component for kind, part in found.items()}


# ── Choosing ───────────────────────────────────────────────────────────────────────────────────────────────


def test_each_setting_goes_to_the_part_whose_key_it_is():
    found = components.choose(Registry(), NAMES, {"forget_bias": "2.5", "vocab_size": "300"})
    assert found["cell"].options.forget_bias == 2.5
    assert found["tokenizer"].options.vocab_size == 300


def test_a_setting_may_name_its_part():
    found = components.choose(Registry(), NAMES, {"cell.forget_bias": "2.5"})
    assert found["cell"].options.forget_bias == 2.5
    with pytest.raises(UnknownName, match=r"cell 'lstm'.*forget_bais.*did you mean 'forget_bias'"):
        components.choose(Registry(), NAMES, {"cell.forget_bais": "2.5"})


def test_a_key_of_two_parts_must_be_qualified():
    here = registry(cells=[CellSpec(name="greedy", summary="", load="x:y", options=Greedy)])
    names = {**NAMES, "cell": "greedy"}
    with pytest.raises(UsageError, match=r"belongs to cell and tokenizer; say -o cell\.vocab_size=300"):
        components.choose(here, names, {"vocab_size": "300"})
    found = components.choose(here, names, {"tokenizer.vocab_size": "300"})
    assert (found["cell"].options.vocab_size, found["tokenizer"].options.vocab_size) == (3, 300)


@pytest.mark.parametrize(
    ("names", "settings", "says"),
    [
        ({"cell": "lsmt"}, {}, "unknown cell 'lsmt'; did you mean 'lstm'"),
        ({"tokenizer": "bep"}, {}, "unknown tokenizer 'bep'; did you mean 'bpe'"),
        ({"task": "line"}, {}, "unknown task 'line'; did you mean 'lines'"),
        ({}, {"forget_bais": "1"}, "unknown option 'forget_bais'; did you mean 'forget_bias'"),
    ],
)
def test_a_name_that_nothing_answers_to_brings_the_closest(names, settings, says):
    with pytest.raises(UnknownName, match=says):
        components.choose(Registry(), {**NAMES, **names}, settings)


def test_a_refused_value_names_its_part():
    with pytest.raises(UsageError, match="tokenizer 'char': vocab_size=3: at least 257"):
        components.choose(Registry(), NAMES, {"vocab_size": "3"})


# ── Finding again ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_chosen_is_found_again_with_its_options():
    chosen = components.choose(Registry(), NAMES, {"forget_bias": "2.5"})
    again = {kind: components.restore(Registry(), kind, one) for kind, one in component(chosen).items()}
    assert {kind: part.options for kind, part in again.items()} == {
        kind: part.options for kind, part in chosen.items()
    }


def test_a_part_that_is_not_installed_is_quoted_and_its_installation_not_advised():
    gone = ComponentRecord("swish", "acme-cells", "2.1", {})
    with pytest.raises(
        PluginError, match=r"cell 'swish' from acme-cells 2\.1; it is not installed"
    ) as refused:
        components.restore(Registry(), "cell", gone)
    assert "pip" not in str(refused.value)  # the name is the file's own word


@pytest.mark.parametrize("owner", ["acme-cells", "rnngen"])
def test_a_part_of_a_newer_version_of_what_is_installed_wants_an_upgrade(owner):
    here = Registry(plugins=[(Distribution("acme-cells", "2.1"), plugin(cells=[]))])
    missing = r"is installed and has none; upgrade it: pip install -U " + owner
    with pytest.raises(PluginError, match=missing) as refused:
        components.restore(here, "cell", ComponentRecord("swish", owner, "99", {}))
    assert "not installed" not in str(refused.value)


def test_a_part_of_the_same_name_from_elsewhere_is_not_taken_for_it():
    here = registry(cells=[CellSpec(name="lstm", summary="", load="x:y")])
    own = components.restore(here, "cell", ComponentRecord("lstm", "rnngen", "0.1.0", {"forget_bias": 1.0}))
    assert own.registered.distribution.name == "rnngen"


def test_a_part_whose_plugin_is_broken_gives_the_reason():
    broken = Registry(plugins=[(Distribution("acme-cells", "2.1"), plugin(cells=["no spec"]))])
    gone = ComponentRecord("swish", "acme-cells", "2.1", {})
    with pytest.raises(PluginError, match=r"acme-cells is installed but does not work.*no CellSpec"):
        components.restore(broken, "cell", gone)


def test_options_that_a_newer_plugin_no_longer_takes_are_told():
    older = ComponentRecord("lstm", "rnngen", "0.0.1", {"peepholes": True})
    with pytest.raises(ModelError, match=r"made with rnngen 0\.0\.1.*peepholes"):
        components.restore(Registry(), "cell", older)


def test_a_damaged_tokenizer_is_named_with_its_place():
    part = components.choose(Registry(), NAMES, {})["tokenizer"]
    with pytest.raises(ModelError, match=r"a/model: tokenizer\.json is damaged"):
        components.load_tokenizer(part, '{"version": ', "a/model")


def test_a_cell_without_a_numpy_step_has_no_numpy_layers():
    spec = CellSpec(name="plain", summary="", load="rnngen.builtins.cells.gru.torch:GRU")
    part = components.choose(registry(cells=[spec]), {"cell": "plain"}, {})["cell"]
    assert numpy_layers(part, {}, 2) is None


# ── Readers ────────────────────────────────────────────────────────────────────────────────────────────────


def read(reader, suffix, data):
    return "".join(chunk.text for chunk in reader(suffix)(io.BytesIO(data), "a file"))


def test_a_file_that_no_reader_claims_is_plain_text():
    assert read(components.reader_for(Registry(), {}), ".xyz", "愛".encode()) == "愛"


def test_each_reader_takes_the_settings_that_it_knows():
    reader = components.reader_for(Registry(), {"encoding": "latin-1", "field": "body"})
    assert read(reader, ".txt", b"\xe9") == "é"
    assert read(reader, ".jsonl", '{"body": "é"}'.encode("latin-1")) == "é"


def loud(suffix, name="loud"):
    return ReaderSpec(
        name=name, summary="", load=f"{__name__}:read_loud", suffixes=(suffix,), options=LoudOptions
    )


def test_a_plugins_reader_takes_its_own_endings_and_a_built_ins_when_it_is_chosen():
    here = registry(readers=[loud(".txt")])
    with collected_notes() as notes:
        assert read(components.reader_for(here, {}), ".txt", b"hi") == "hi"
    assert notes == [".txt is read as text; `reader=acme-cells/loud` reads it as well"]
    chosen = components.reader_for(here, {}, chosen="loud;mark=?")
    assert read(chosen, ".txt", b"hi") == "HI?"
    assert read(components.reader_for(registry(readers=[loud(".epub")]), {}), ".epub", b"hi") == "HI"
    with pytest.raises(UnknownName, match="did you mean 'mark'"):
        components.reader_for(here, {}, chosen="loud;makr=?")(".txt")


def test_two_readers_of_one_ending_are_told():
    here = registry(readers=[loud(".epub"), loud(".epub", "louder")])
    with pytest.raises(PluginError, match=r"\.epub are read by both acme-cells/loud and acme-cells/louder"):
        components.reader_for(here, {})(".epub")


@dataclass(frozen=True)
class LoudOptions:
    mark: str = ""
    """Put at the end."""


def read_loud(stream, name, options):
    from rnngen.contracts import Chunk

    yield Chunk(stream.read().decode().upper() + options.mark, starts_document=True)


# ── Filters ────────────────────────────────────────────────────────────────────────────────────────────────


def kept(chain):
    logits = np.array([[3, 2, 1, 0]], np.float32)
    for keep in components.make_filters(components.choose_filters(Registry(), chain), ByteTokenizer()):
        logits = keep(logits, [[0, 1]])
    return logits[0].tolist()


def test_a_value_is_the_filters_first_option():
    assert kept([("top_k", "2")]) == [3, 2, -np.inf, -np.inf]
    assert kept([("temp", "0.5")]) == [6, 4, 2, 0]


def test_further_options_follow_by_name():
    assert kept([("repetition", "2;window=1")]) == [3, 1, 1, 0]
    assert kept([("repetition", "window=1;penalty=2")]) == [3, 1, 1, 0]


def test_filters_without_a_value_have_their_defaults():
    assert kept([("top_k", "")]) == [3, 2, 1, 0]


def test_filters_keep_their_order():
    assert kept([("temp", "0.5"), ("repetition", "2")]) == [3, 2, 2, 0]


@pytest.mark.parametrize(
    ("chain", "says"),
    [
        ([("topk", "2")], "unknown filter 'topk'; did you mean 'top_k'"),
        ([("top_k", "two")], "k=two: a whole number"),
        ([("top_k", "2;3")], "filter 'top_k': '3' is not of the form KEY=VALUE"),
        ([("top_k", "2;windw=3")], "option of filter 'top_k': 'windw'"),
        ([("top_p", "2")], "filter 'top_p': p=2: a number above 0 and up to 1"),
    ],
)
def test_what_makes_no_filter_is_refused(chain, says):
    with pytest.raises(UsageError, match=says):
        components.choose_filters(Registry(), chain)


def test_the_tokenizers_of_a_plugin_are_found_by_their_full_name():
    spec = TokenizerSpec(name="char", summary="", load="x:y")
    here = registry(tokenizers=[spec])
    assert components.choose(here, NAMES, {})["tokenizer"].registered.built_in
    found = components.choose(here, {**NAMES, "tokenizer": "acme-cells/char"}, {})
    assert found["tokenizer"].component.qualified == "acme-cells/char"

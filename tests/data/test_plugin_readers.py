"""Readers of plugins: what one has read once is not taken for what it would read now."""

from dataclasses import replace

import numpy as np
import pytest
from fixtures.plugins import brings, forget

from rnngen.api import Session
from rnngen.data.dataset import CorpusFiles
from rnngen.errors import CorpusError, OptionError, PluginError, UnknownName
from rnngen.registry import Registry
from rnngen.registry.components import choose
from rnngen.requests.train import TrainRequest
from rnngen.store.model_folder import ModelStore

READER = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Options:
    mark: str = "."
    "Put at the end."

def read(stream, name, options):
    yield Chunk(stream.read().decode().upper() + options.mark, True)

"""
HOOK = brings("reader", "loud", load="loud_plugin:read", more="suffixes=('.loud',), options=Options")


@pytest.fixture
def plan(tmp_path):
    """Plans a training on a file with what is installed now."""
    text = tmp_path / "sea.loud"
    text.write_text("the sea and the sky. " * 60)

    def make(**given):
        session = Session(Registry.discover(), ModelStore(tmp_path / "models"))
        sizes = {"hidden": 8, "steps": 2, "batch": 2, "seq": 8, "ngram": "none", "device": "cpu"}
        return session, session.plan(TrainRequest.of(str(text), tokenizer="byte", **{**sizes, **given}))

    return make


def text_of(plan):
    encoded = plan.encoded
    pieces = encoded.tokenizer.pieces
    return b"".join(
        pieces[token] for token in np.concatenate([encoded.train.tokens, encoded.val.tokens])
    ).decode()


def test_an_edited_reader_is_asked_again_and_a_cache_is_left_aside_when_asked(install, plan, monkeypatch):
    module = install("loud", READER + HOOK)
    assert "THE SEA" in text_of(plan()[1])
    # of another length: within a second Python takes a file of the same one for unchanged
    module.write_text(module.read_text().replace("upper", "capitalize"))
    forget("loud_plugin")
    assert "The sea" in text_of(plan()[1])
    import loud_plugin

    monkeypatch.setattr(loud_plugin, "read", lambda *_: iter([loud_plugin.Chunk("other words " * 60, True)]))
    assert "The sea" in text_of(plan()[1])
    assert "other words" in text_of(plan(no_cache=True)[1])


def test_a_reader_is_chosen_by_name_with_its_options_and_recorded(install, plan):
    install("loud", READER + HOOK)
    _, made = plan(reader="loud;mark=!")
    assert text_of(made).endswith("!")
    assert made.config.corpus.reader_options["reader"] == "loud;mark=!"
    assert "the sea" in text_of(plan(reader="text")[1])
    with pytest.raises(UnknownName, match="did you mean 'mark'"):
        plan(reader="loud;makr=!")
    with pytest.raises(UnknownName, match="unknown reader 'lodu'"):
        plan(reader="lodu")


def test_an_encoding_for_files_whose_reader_has_no_such_option_is_refused(install, plan, tmp_path):
    install("loud", READER + HOOK)
    (tmp_path / "sky.txt").write_text("the sky and the sea. " * 60)
    request = TrainRequest.of(
        str(tmp_path / "sea.loud"), str(tmp_path / "sky.txt"), encoding="utf-8;*.loud=cp1252"
    )
    session = Session(Registry.discover(), ModelStore(tmp_path / "models"))
    with pytest.raises(
        OptionError, match=r"\*\.loud=cp1252: \S+sea\.loud is read as 'loud', which has no such"
    ):
        session.plan(request)
    assert session.plan(replace(request, text=request.text.adding({"encoding": "utf-8;s*=cp1252"})))


def test_half_a_surrogate_pair_from_a_reader_is_named_with_its_file(install, plan):
    install("loud", READER.replace("+ options.mark", '+ "the end\\ud83d"') + HOOK)
    with pytest.raises(
        CorpusError, match=r"sea\.loud: after '[^']*the end' the text holds U\+D83D.*; mend the file"
    ):
        plan()


def test_a_reader_that_came_later_does_not_read_what_another_has_read(install, plan):
    record, task = plan()[1].config.corpus, choose(Registry(), {"task": "continue"}, {})["task"]
    install("loud", READER + HOOK)
    with pytest.raises(
        CorpusError, match=r"sea\.loud: read by loud/loud, and by rnngen/text when .*, or remove loud"
    ):
        CorpusFiles.recorded(Registry.discover(), task, record)


def test_a_run_whose_reader_is_gone_names_the_package(install, plan, monkeypatch):
    install("loud", READER + HOOK)
    session, made = plan()
    list(session.train(made))
    monkeypatch.setenv("RNNGEN_PLUGINS", "none")
    with pytest.raises(PluginError, match=r"was read by loud/loud, which is not there"):
        plan(resume=True)

"""States in files: exact, small, and good for one model and one chain of filters."""

import numpy as np
import pytest

from rnngen.errors import ModelError, NotFoundError, UsageError
from rnngen.generation.saved_state import Kept, fingerprint, save
from rnngen.store import checkpoint

CHAIN = [("dry", "0.8;allowed=1"), ("xtc", "0.5"), ("mirostat", "2;tau=3")]


@pytest.fixture
def opened(session, train):
    """Opens a model of that name, trained with these options, as a writer with its fingerprint."""

    def go(name="verse", **options):
        if name not in session.models.names():
            train(name=name, **options)
        model = session.read(name)
        writer = session.writer(model)
        return writer, fingerprint([model], writer.step)

    return go


def passage(session, writer, chain=CHAIN, prompt="the "):
    filters = session.filters(chain)(writer.tokenizer)
    return writer.passage(prompt, rng=np.random.default_rng([3, 0]), filters=filters)


@pytest.mark.parametrize(
    "options",
    [{"tokenizer": "char"}, {"tokenizer": "byte"}, {"tokenizer": "bpe", "vocab_size": 270}, {"cell": "gru"},
     {"task": "lines", "layers": 2}],
    ids=lambda options: "-".join(map(str, options.values())),
)  # fmt: skip
@pytest.mark.parametrize("chain", [CHAIN, [("temp", "1.3")], []], ids=["memory", "pure", "none"])
def test_n_and_n_tokens_are_2n_tokens(session, opened, tmp_path, options, chain):
    writer, model = opened(**options)
    whole = "".join(passage(session, writer, chain).write(60))
    first = passage(session, writer, chain)
    shown = "".join(first.write(30))
    save(tmp_path / "state", first, model, chain)
    again, _ = opened()
    filters = session.filters(chain)(again.tokenizer)
    rest = Kept.read(tmp_path / "state").passage(again, model, filters, chain)
    assert shown + "".join(rest.write(30)) == whole
    assert (tmp_path / "state").stat().st_size < 4096


def test_the_same_state_is_the_same_bytes(session, opened, tmp_path):
    writer, model = opened()
    for name in ("one", "other"):
        text = passage(session, writer)
        "".join(text.write(20))
        save(tmp_path / name, text, model, CHAIN)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.fixture
def kept(session, opened, tmp_path):
    """The path of a state."""
    writer, model = opened()
    save(tmp_path / "state", passage(session, writer), model, CHAIN)
    return tmp_path / "state"


def gone_on(session, path, writer, model, chain=CHAIN):
    return Kept.read(path).passage(writer, model, session.filters(chain)(writer.tokenizer), chain)


def test_another_model_is_refused_though_it_has_the_same_sizes(session, opened, kept):
    writer, model = opened("other", seed=2)
    with pytest.raises(UsageError, match="saved by another model"):
        gone_on(session, kept, writer, model)


def test_another_chain_is_refused_and_the_right_one_named(session, opened, kept):
    writer, model = opened()
    with pytest.raises(UsageError, match=r'--filters "dry=0\.8;allowed=1,xtc=0\.5,mirostat=2;tau=3"'):
        gone_on(session, kept, writer, model, CHAIN[:2])
    assert Kept.read(kept).chain == CHAIN


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFoundError, match="no such file"):
        Kept.read(tmp_path / "nowhere")


@pytest.mark.parametrize("place", [0.02, 0.4, 0.6, 0.99])
def test_a_byte_that_was_changed_is_noticed(kept, place):
    data = bytearray(kept.read_bytes())
    data[int(len(data) * place)] ^= 1
    kept.write_bytes(data)
    with pytest.raises(ModelError, match="--save-state") as caught:
        Kept.read(kept)
    assert "train" not in str(caught.value)


def test_a_file_cut_short_or_of_another_kind_is_noticed(session, kept):
    with pytest.raises(ModelError, match="no state"):
        Kept.read(session.models.path("verse") / "model.safetensors")
    kept.write_bytes(kept.read_bytes()[:-10])
    with pytest.raises(ModelError, match="damaged"):
        Kept.read(kept)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays, record: arrays.pop("state.0"),
        lambda arrays, record: arrays.pop("history"),
        lambda arrays, record: arrays.update({"state.0": np.zeros((1, 8, 2), np.float32)}),
        lambda arrays, record: arrays.pop("memory.0"),
        lambda arrays, record: record.pop("rng"),
        lambda arrays, record: record.update(rng={"bit_generator": "MT19937"}),
        lambda arrays, record: record.update(given="many"),
    ],
)
def test_a_state_that_was_forged_is_damaged_and_no_traceback(session, opened, kept, change):
    arrays, record = checkpoint.read_tensors(kept)
    change(arrays, record)
    checkpoint.write_tensors(kept, arrays, record)
    writer, model = opened()
    with pytest.raises(ModelError, match="is damaged"):
        gone_on(session, kept, writer, model)

"""States in files: exact, small, and good for one model and one chain of filters."""

import numpy as np
import pytest
from fixtures.generators import generator_of

from rnngen.decoding.sampler import Sampler
from rnngen.errors import ModelError, NotFoundError, UsageError
from rnngen.generation.prefix_cache import arrays_of, state_from
from rnngen.generation.prompts import Prompt
from rnngen.generation.saved_state import ResumableGeneration, SavedState, save_state
from rnngen.store import checkpoint

CHAIN = (("dry", "0.8;allowed=1"), ("xtc", "0.5"), ("mirostat", "2;tau=3"))


@pytest.fixture
def opened(session, train):
    """Opens a model of that name, trained with these options: its generator, and its fingerprint."""

    def go(name="verse", **options):
        if name not in session.models.names():
            train(name=name, **options)
        model = session.load(name)
        return model.generator, session.fingerprint(model)

    return go


def sampler_of(session, generator, chain=CHAIN):
    filters = session.decoding.filter_builder(chain)(generator.tokenizers.target)
    return Sampler(generator.model, filters, forbidden=generator.forbidden)


THE = Prompt("the ")


def begun(session, generator, chain=CHAIN, prompt=THE, seed=3):
    sampler, given = sampler_of(session, generator, chain), generator.prefill(prompt)
    state = sampler.start(given, [np.random.default_rng([seed, 0])])
    return ResumableGeneration(sampler, state, generator.tokenizers.target, len(given.histories[0]))


def gone_on(session, path, generator, model, chain=CHAIN, **how):
    sampler = sampler_of(session, generator, chain)
    return SavedState.read(path).resume(generator, sampler, model=model, filters=chain, **how)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [{"tokenizer": "char"}, {"tokenizer": "byte"}, {"tokenizer": "bpe", "vocab_size": 270}, {"cell": "gru"},
     {"task": "lines", "layers": 2}],
    ids=lambda options: "-".join(map(str, options.values())),
)  # fmt: skip
@pytest.mark.parametrize("chain", [CHAIN, (("temp", "1.3"),), ()], ids=["memory", "pure", "none"])
def test_n_and_n_tokens_are_2n_tokens(session, opened, tmp_path, options, chain):
    generator, model = opened(**options)
    whole = "".join(begun(session, generator, chain).write(60))
    first = begun(session, generator, chain)
    shown = "".join(first.write(30))
    save_state(tmp_path / "state", first, model, chain)
    again, _ = opened()
    rest = gone_on(session, tmp_path / "state", again, model, chain)
    assert shown + "".join(rest.write(30)) == whole
    assert (tmp_path / "state").stat().st_size < 4096


def test_the_same_state_is_the_same_bytes(session, opened, tmp_path):
    generator, model = opened()
    for name in ("one", "other"):
        text = begun(session, generator)
        "".join(text.write(20))
        save_state(tmp_path / name, text, model, CHAIN)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.fixture
def kept(session, opened, tmp_path):
    """The path of a state."""
    generator, model = opened()
    save_state(tmp_path / "state", begun(session, generator), model, CHAIN)
    return tmp_path / "state"


def test_another_model_is_refused_though_it_has_the_same_sizes(session, opened, kept):
    generator, model = opened("other", seed=2)
    with pytest.raises(UsageError, match="saved by another model"):
        gone_on(session, kept, generator, model)


def test_another_chain_is_refused_and_the_right_one_named(session, opened, kept):
    generator, model = opened()
    with pytest.raises(UsageError, match=r'--filters "dry=0\.8;allowed=1,xtc=0\.5,mirostat=2;tau=3"'):
        gone_on(session, kept, generator, model, CHAIN[:2])
    assert SavedState.read(kept).filters == CHAIN


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFoundError, match="no such file"):
        SavedState.read(tmp_path / "nowhere")


@pytest.mark.parametrize("place", [0.02, 0.4, 0.6, 0.99])
def test_a_byte_that_was_changed_is_noticed(kept, place):
    data = bytearray(kept.read_bytes())
    data[int(len(data) * place)] ^= 1
    kept.write_bytes(data)
    with pytest.raises(ModelError, match="--save-state") as caught:
        SavedState.read(kept)
    assert "train" not in str(caught.value)


def test_a_file_cut_short_or_of_another_kind_is_noticed(session, kept):
    with pytest.raises(ModelError, match="no state"):
        SavedState.read(session.models.path("verse") / "model.safetensors")
    kept.write_bytes(kept.read_bytes()[:-10])
    with pytest.raises(ModelError, match="damaged"):
        SavedState.read(kept)


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
    generator, model = opened()
    with pytest.raises(ModelError, match="is damaged"):
        gone_on(session, kept, generator, model)


# ── Arrays ─────────────────────────────────────────────────────────────────────────────────────────────────

TOY_CHAINS = {
    "none": (),
    "mirostat": (("mirostat", "2;tau=2"),),
    "xtc": (("xtc", "0.5;threshold=0.1"),),
    "all": (("no_repeat_ngram", "4"), ("xtc", "0.5;threshold=0.1"), ("mirostat", "1;tau=2")),
}


class Letters:
    """A tokenizer of six letters and the end."""

    pieces = (b"a", b"b", b"c", b"d", b"e", b"f", b"")
    eos_id = 6

    def encode(self, text):
        return np.array(["abcdef".index(letter) for letter in text], np.int64)


@pytest.fixture
def letters(toy):
    """A toy network that generates letters."""
    return generator_of(toy(7, seed=1), Letters())


def again(session, generator, text, chain, path):
    """Into a file and out of it."""
    save_state(path, text, "m", chain)
    return gone_on(session, path, generator, "m", chain)


@pytest.mark.parametrize("chain", TOY_CHAINS.values(), ids=TOY_CHAINS)
@pytest.mark.parametrize("made", [0, 1, 7])
def test_going_on_gives_what_never_stopping_gives(session, letters, tmp_path, chain, made):
    whole = "".join(begun(session, letters, chain, Prompt("bcd")).write(40))
    text = begun(session, letters, chain, Prompt("bcd"))
    first = "".join(text.write(made))
    rest = again(session, letters, text, chain, tmp_path / "state")
    assert first + "".join(rest.write(40 - made)) == whole
    assert len(whole) == 40


def test_saving_changes_nothing(session, letters, tmp_path):
    chain = TOY_CHAINS["all"]
    text = begun(session, letters, chain, Prompt("bcd"))
    first = "".join(text.write(5))
    save_state(tmp_path / "state", text, "m", chain)
    whole = "".join(begun(session, letters, chain, Prompt("bcd")).write(40))
    assert first + "".join(text.write(35)) == whole


def test_a_blend_of_which_nothing_was_drawn_can_be_saved(session, letters, tmp_path):
    chain, prompt = TOY_CHAINS["all"], Prompt("bc", blend=("def", 0.4))
    whole = "".join(begun(session, letters, chain, prompt).write(30))
    rest = again(session, letters, begun(session, letters, chain, prompt), chain, tmp_path / "state")
    assert "".join(rest.write(30)) == whole


def test_a_torch_state_comes_back_as_torchs():
    torch = pytest.importorskip("torch")
    state = torch.arange(6.0).reshape(1, 6), torch.tensor([3])
    back = state_from(arrays_of(state), tuple(torch.zeros_like(one) for one in state))
    assert all(torch.equal(one, other) for one, other in zip(state, back, strict=True))


@pytest.mark.parametrize(
    "like",
    [(), (np.zeros((1, 3), np.int64),), (np.zeros((2, 3), np.float32),), (np.zeros(1, np.float32),)],
    ids=["count", "kind", "streams", "axes"],
)
def test_a_state_that_does_not_fit_is_refused(like):
    with pytest.raises(ValueError, match="array"):
        state_from(arrays_of((np.zeros((1, 3), np.float32),)), like)

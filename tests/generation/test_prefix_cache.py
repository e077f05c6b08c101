"""The cache of long prompts: exact, bounded, and never in the way."""

import os
from dataclasses import replace

import numpy as np
import pytest
from fixtures.generators import text

from rnngen.generation.loading import LoadOptions
from rnngen.generation.prefix_cache import PrefixCache


class Counting:
    """A network of one number that counts its steps."""

    fixed = 0

    def __init__(self):
        self.steps = 0

    def start(self, batch):
        return (np.zeros((batch, 2), np.float32),)

    def __call__(self, tokens, state):
        self.steps += 1
        h = np.tanh(state[0] * np.float32(0.7) + tokens[:, None])
        return h @ np.ones((2, 4), np.float32), (h,)


@pytest.fixture
def prefixes(tmp_path):
    def make(model="m", **options):
        return PrefixCache(tmp_path / "prefixes", lambda: model, **{"least": 8, **options})

    return make


def read(prefixes, tokens, source=()):
    """The state and the tokens, and the steps that they cost."""
    step = Counting()
    found = prefixes.prefill(step, lambda: step.start(1), tokens, source)
    (history,) = found.histories
    return found.state[0].tobytes(), history, step.steps


PROMPT = list(range(1, 11))


def test_the_second_time_nothing_is_read_and_the_state_is_the_same_to_the_bit(prefixes):
    state, history, steps = read(prefixes(), PROMPT)
    assert steps == 9
    assert read(prefixes(), PROMPT) == (state, history, 0)
    assert history == tuple(PROMPT)


def test_another_prompt_or_another_model_is_read(prefixes):
    read(prefixes(), PROMPT)
    assert read(prefixes(), [2, *PROMPT[1:]])[2] == 9
    assert read(prefixes("n"), PROMPT)[2] == 9
    assert read(prefixes(), PROMPT[:-1])[2] == 8


def test_the_same_prompt_about_another_source_is_read(prefixes):
    assert read(prefixes(), PROMPT, [5, 6])[2] == 9
    assert read(prefixes(), PROMPT, [5, 7])[2] == 9
    assert read(prefixes(), PROMPT)[2] == 9
    assert [read(prefixes(), PROMPT, source)[2] for source in ([5, 6], [5, 7], ())] == [0, 0, 0]


def test_the_last_token_alone_may_differ(prefixes):
    read(prefixes(), PROMPT)
    _, history, steps = read(prefixes(), [*PROMPT[:-1], 3])
    assert (history[-1], steps) == (3, 0)


def test_a_short_prompt_is_not_kept_and_asks_for_no_fingerprint(prefixes, tmp_path):
    def never():
        raise AssertionError("asked")

    made = PrefixCache(tmp_path / "prefixes", never, least=11)
    assert read(made, PROMPT)[2] == 9
    assert not (tmp_path / "prefixes").exists()


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_file_is_read_past_and_replaced(prefixes, tmp_path, damage):
    expected = read(prefixes(), PROMPT)
    (path,) = (tmp_path / "prefixes").iterdir()
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if damage is None else damage)
    assert read(prefixes(), PROMPT) == expected
    assert read(prefixes(), PROMPT)[2] == 0


def test_a_folder_that_cannot_be_written_only_costs_time(prefixes, tmp_path):
    (tmp_path / "prefixes").write_text("a file")
    assert read(prefixes(), PROMPT)[2] == 9


def test_those_not_used_for_longest_go_first(prefixes, tmp_path):
    for age, token in enumerate((1, 2, 3)):
        read(prefixes(files=3), [token, *PROMPT])
        for path in (tmp_path / "prefixes").iterdir():
            os.utime(path, ns=(path.stat().st_mtime_ns - 10**9,) * 2)
        assert age < 3
    assert read(prefixes(files=3), [1, *PROMPT])[2] == 0  # used again
    read(prefixes(files=3), [4, *PROMPT])
    assert len(list((tmp_path / "prefixes").iterdir())) == 3
    costs = [read(prefixes(files=9), [token, *PROMPT])[2] for token in (1, 3, 4, 2)]
    assert costs == [0, 0, 0, 10]


def test_all_files_together_stay_within_their_size(prefixes, tmp_path):
    for token in range(1, 30):
        read(prefixes(size=2000), [token, *PROMPT])
    assert 0 < sum(path.stat().st_size for path in (tmp_path / "prefixes").iterdir()) <= 2000


def test_a_state_too_large_is_not_kept(prefixes, tmp_path):
    assert read(prefixes(size=16), PROMPT)[2] == 9
    assert read(prefixes(size=16), PROMPT)[2] == 9


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "plain"])
def test_a_model_generates_the_same_with_and_without(session, train, prefixes, tmp_path, cell):
    train(name="verse")
    options = LoadOptions("cpu" if cell == "lstm" else "auto")
    generator = session.load("verse", options=options).generator
    prompt = "the sun until dawn and night sing of love"
    expected = text(generator, prompt, seed=1, length=30)
    cached = replace(generator, prefix_cache=prefixes())
    assert [text(cached, prompt, seed=1, length=30) for _ in range(2)] == [expected, expected]
    assert len(list((tmp_path / "prefixes").iterdir())) == 1

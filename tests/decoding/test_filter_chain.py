"""Chains: their order, their memory, and that streams, forks and beams each have their own."""

from itertools import islice

import numpy as np
import pytest

from rnngen.builtins.filters import options
from rnngen.builtins.filters.adaptive import mirostat, xtc
from rnngen.builtins.filters.lexical import min_length
from rnngen.builtins.filters.options import TemperatureOptions, TopKOptions
from rnngen.builtins.filters.penalties import frequency
from rnngen.builtins.filters.truncation import temperature, top_k, typical
from rnngen.builtins.strategies.beam.search import beam_search
from rnngen.builtins.strategies.options import BeamOptions
from rnngen.decoding.filter_chain import FilterChain
from rnngen.decoding.sampler import sample, surprisal
from rnngen.errors import PluginError
from rnngen.numerics import log_softmax

V, END = 6, 5
PROMPT = [1, 0]


class Pieces:
    pieces = (b"a", b"b", b"c", b"d", b"e", b"")
    eos_id = END


def everything():
    """Pure filters and such as remember, in a row."""
    return [
        frequency(options.CountOptions(0.3), Pieces()),
        xtc(options.XTCOptions(0.5, 0.1)),
        min_length(options.MinLengthOptions(3), Pieces()),
        typical(options.TypicalOptions(0.97)),
        xtc(options.XTCOptions(0.5, 0.2)),
        mirostat(options.MirostatOptions(2, tau=1.2, eta=0.4)),
        temperature(TemperatureOptions(0.9)),
    ]


def take(state, rows):
    return tuple(array[rows] for array in state)


def course(chain, logits, chosen, seeds):
    """What a chain makes of logits (T,B,V) where the tokens ``chosen`` (T,B) are taken, and its states."""
    state, history = chain.initial(np.array(seeds)), [[] for _ in seeds]
    shaped, states = [], []
    for now, tokens in zip(logits, chosen, strict=True):
        shaped.append(chain(now, history, state))
        states.append(state)
        state = chain.observe(tokens, surprisal(now, tokens), state)
        history = [[*past, int(token)] for past, token in zip(history, tokens, strict=True)]
    return shaped, states


@pytest.fixture
def walk():
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 3, V)).astype(np.float32), rng.integers(V, size=(20, 3))


def test_filters_apply_from_left_to_right():
    def double(logits, history):
        return logits * 2

    def add_one(logits, history):
        return logits + 1

    one = np.ones((1, 1), np.float32)
    assert FilterChain([double, add_one])(one, [[]]) == 3
    assert FilterChain([add_one, double])(one, [[]]) == 4
    assert FilterChain()(one, [[]]) is one


def test_only_chains_with_memory_have_something_to_observe():
    assert FilterChain(everything()).stateful
    assert not FilterChain([temperature(TemperatureOptions(0.5))]).stateful


def test_a_batch_of_streams_is_the_streams_one_at_a_time(walk):
    logits, chosen = walk
    chain, seeds = FilterChain(everything()), [11, 12, 13]
    together, states = course(chain, logits, chosen, seeds)
    for row in range(3):
        one = slice(row, row + 1)
        alone, own = course(chain, logits[:, one], chosen[:, one], seeds[one])
        assert b"".join(x.tobytes() for x in alone) == b"".join(x[one].tobytes() for x in together)
        for state, of_all in zip(own, states, strict=True):
            assert [a.tolist() for a in state] == [a.tolist() for a in take(of_all, [row])]


def test_a_fork_goes_on_by_itself_and_as_the_original_would_have(walk):
    logits, chosen = walk
    chain = FilterChain(everything())
    whole, states = course(chain, logits, chosen, [1, 2, 3])
    state, before = take(states[8], [1, 1]), [a.copy() for a in states[8]]
    history = [chosen[:8, 1].tolist()] * 2
    for now, expected, token in zip(logits[8:, 1], whole[8:], chosen[8:, 1], strict=True):
        shaped = chain(np.stack([now, now]), history, state)
        assert shaped[0].tobytes() == expected[1].tobytes()
        tokens = np.array([token, (token + 1) % V])
        state = chain.observe(tokens, surprisal(np.stack([now, now]), tokens), state)
        history = [[*past, int(one)] for past, one in zip(history, tokens, strict=True)]
    assert any((array[0] != array[1]).any() for array in state)
    assert all((a == b).all() for a, b in zip(states[8], before, strict=True))


def test_a_chain_is_a_filter_itself(walk):
    logits, chosen = walk
    filters = everything()
    flat, _ = course(FilterChain(filters[2:]), logits, chosen, [0, 0, 0])
    nested, _ = course(FilterChain([FilterChain(filters[2:4]), *filters[4:]]), logits, chosen, [0, 0, 0])
    assert nested[0].shape == flat[0].shape
    inner, _ = course(FilterChain([FilterChain(filters[2:])]), logits, chosen, [0, 0, 0])
    assert [x.tobytes() for x in inner] == [x.tobytes() for x in flat]


# ── Under sampling and under a beam ────────────────────────────────────────────────────────────────────────


def drawn(step, filters, seed, count=40):
    return list(islice(sample(step, step.start(1), PROMPT, filters, np.random.default_rng(seed)), count))


def test_same_seed_same_tokens_though_filters_remember(toy):
    assert drawn(toy(V, sharpness=1.0), everything(), 4) == drawn(toy(V, sharpness=1.0), everything(), 4)
    assert drawn(toy(V, sharpness=1.0), everything(), 4) != drawn(toy(V, sharpness=1.0), everything(), 5)


def test_sampling_tells_filters_each_token_and_its_surprise(toy):
    seen = []

    class Watch:
        def initial(self, seeds):
            return (np.zeros((len(seeds), 2)),)

        def __call__(self, logits, history, state):
            seen.append((logits.copy(), int(state[0][0, 0]), float(state[0][0, 1])))
            return logits

        def observe(self, tokens, surprisal, state):
            return (np.stack([tokens, surprisal], axis=1),)

    tokens = drawn(toy(V), [top_k(TopKOptions(3)), Watch()], 0, 10)
    for (logits, *_), (_, token, nats), expected in zip(seen, seen[1:], tokens, strict=False):
        assert token == expected
        assert nats == pytest.approx(-log_softmax(logits)[0, expected])


def replay(network, filters, tokens, seed=0):
    """The log-probability of a hypothesis by going through it alone."""
    chain = FilterChain(filters)
    memory, state, total = chain.initial(np.array([seed])), network.start(1), 0.0
    for token in PROMPT:
        logits, state = network(np.array([token]), state)
    for made, token in enumerate(tokens):
        chances = log_softmax(chain(logits, [[*PROMPT, *tokens[:made]]], memory))
        total += chances[0, token]
        memory = chain.observe(np.array([token]), -chances[:, token], memory)
        logits, state = network(np.array([token]), state)
    return total


@pytest.mark.parametrize("width", [1, 3, 40])
def test_each_hypothesis_has_the_memory_of_its_own_tokens(toy, width):
    network = toy(V, sharpness=1.0)
    (found,) = beam_search(
        network,
        network.start(1),
        [PROMPT],
        [6],
        BeamOptions(width, alpha=0.0),
        eos_id=None,
        filters=everything(),
        seeds=[9],
    )
    assert len(found) == width
    for hypothesis in found:
        expected = replay(network, everything(), hypothesis.tokens, seed=9)
        assert hypothesis.log_probability == pytest.approx(expected, rel=1e-6)


def test_the_coins_of_a_beam_are_those_of_its_seed(toy):
    def search(seed):
        return beam_search(
            toy(V),
            toy(V).start(1),
            [PROMPT],
            [8],
            BeamOptions(4),
            eos_id=None,
            filters=[xtc(options.XTCOptions(0.5, 0.1))],
            seeds=[seed],
        )

    assert search(1) == search(1)
    assert search(1) != search(2)


@pytest.mark.parametrize("length", [1, 3, 5])
def test_no_hypothesis_ends_too_soon(toy, length):
    (found,) = beam_search(
        toy(V, sharpness=1.0),
        toy(V).start(1),
        [PROMPT],
        [6],
        BeamOptions(20, alpha=0.0),
        eos_id=END,
        filters=[min_length(options.MinLengthOptions(length), Pieces())],
    )
    assert min(len(h.tokens) for h in found) == length


def sick(logits, history):
    return np.where(logits > 0, np.nan, logits)


class Narrow:
    """A filter with a state that loses a token."""

    def initial(self, seeds):
        return (seeds,)

    def __call__(self, logits, history, state):
        return logits[:, 1:]

    def observe(self, tokens, surprisal, state):
        return state


def test_a_strangers_filter_that_returns_no_logits_is_named(toy):
    for one, says in (
        (sick, r"test_filter_chain:sick returns .*NaN"),
        (Narrow(), r":Narrow returns .* of shape"),
    ):
        with pytest.raises(PluginError, match=says):
            next(sample(toy(5), toy(5).start(1), [1], [one], np.random.default_rng(0)))


class Other:
    """A filter that forbids what the prompt ends with."""

    def initial(self, seeds):
        return (np.zeros(len(seeds), np.int64),)

    def initial_for(self, seeds, histories):
        return (np.array([history[-1] for history in histories]),)

    def __call__(self, logits, history, state):
        return np.where(np.arange(logits.shape[1]) == state[0][:, None], -np.inf, logits)

    def observe(self, tokens, surprisal, state):
        return state


def test_a_filter_may_begin_with_the_prompt(toy):
    drawn = [*islice(sample(toy(3), toy(3).start(1), [0, 2], [Other()], np.random.default_rng(0)), 40)]
    assert set(drawn) == {0, 1}

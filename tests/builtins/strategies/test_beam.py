"""Beam search against enumeration, where that can be done, and against its definition elsewhere."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from rnngen.builtins.filters.adaptive import mirostat, xtc
from rnngen.builtins.filters.options import (
    CountOptions,
    MirostatOptions,
    TemperatureOptions,
    TopKOptions,
    XTCOptions,
)
from rnngen.builtins.filters.penalties import frequency
from rnngen.builtins.filters.truncation import temperature, top_k
from rnngen.builtins.strategies.beam.search import beam_search
from rnngen.builtins.strategies.options import BeamOptions
from rnngen.decoding.likelihood import length_penalty
from rnngen.errors import RnngenError, UsageError
from rnngen.numerics import log_softmax

NEVER_ENDS = SimpleNamespace(eos_id=-1)
"""A tokenizer whose end token never comes."""

V, LENGTH, END = 4, 4, 3
PROMPT = [1, 0]
ALPHAS = [0.0, 0.6, 1.0, 2.5]
RANKINGS = [
    *({"alpha": alpha} for alpha in ALPHAS),
    *({"penalty": "average", "alpha": alpha} for alpha in (1.0, 0.4, -0.5)),
    *({"penalty": "power", "alpha": 1.2, "offset": offset} for offset in (0.0, 3.0)),
    {"penalty": "none"},
    {"alpha": -1.0},
]


def search(network, options, *, eos_id=None, length=LENGTH, seed=0, **more):
    """The hypotheses of one sentence."""
    (found,) = beam_search(
        network, network.start(1), [PROMPT], [length], options, eos_id=eos_id, seeds=[seed], **more
    )
    return found


def divisor(length, penalty="gnmt", alpha=0.6, offset=0.0):
    """The length penalties, from their sources."""
    if penalty == "none":
        return 1
    return {"gnmt": (5 + length) / 6, "average": length, "power": (offset + length) / (offset + 1)}[
        penalty
    ] ** alpha


def everything(network, end, ranking, length=LENGTH, least=0):
    """Every hypothesis of ``least`` to ``length`` tokens with its score, best first, by definition."""
    alive = [token for token in range(V) if token != end]
    found = list(product(alive, repeat=length))
    if end is not None:
        shorter = (product(alive, repeat=made) for made in range(least, length))
        found += [(*tokens, end) for some in shorter for tokens in some]
    scored = []
    for tokens in found:
        total = likelihood(network, tokens, end, least)
        shown = tuple(token for token in tokens if token != end)
        scored.append((total / divisor(len(tokens), **ranking), total, shown))
    return sorted(scored, reverse=True)


def likelihood(network, tokens, end, least):
    """The log-probability of tokens where the first ``least`` cannot be the end."""
    early = network.log_probabilities(PROMPT, tokens, [end])[:least] if least else []
    return sum(early + network.log_probabilities(PROMPT, tokens)[least:])


def by_definition(network, width, end, ranking, *, length=5, least=0):
    """Keep K, extend each by each token, keep K, to full length; nothing is stopped early."""
    alive, finished = [((), 0.0)], []
    for made in range(length):
        extended = []
        for tokens, _ in alive:
            for token in range(V):
                more = (*tokens, token)
                if token != end or made >= least:
                    extended.append((more, likelihood(network, more, end, least)))
        extended.sort(key=lambda one: -one[1])
        finished += [one for one in extended[:width] if one[0][-1] == end]
        alive = [one for one in extended if one[0][-1] != end][:width]
    scored = [(total / divisor(len(tokens), **ranking), tokens) for tokens, total in finished + alive]
    ranked = sorted(scored, reverse=True)[:width]
    return [tuple(token for token in tokens if token != end) for _, tokens in ranked]


# ── What it finds ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ranking", RANKINGS, ids=str)
@pytest.mark.parametrize("end", [None, END])
def test_a_full_beam_ranks_everything_as_enumeration_does(toy, end, ranking, seed):
    network = toy(V, seed)
    found = search(network, BeamOptions(V**LENGTH, **ranking), eos_id=end)
    expected = everything(network, end, ranking)
    assert len(found) == len(expected)
    np.testing.assert_allclose([h.score for h in found], [score for score, _, _ in expected], rtol=1e-5)
    assert found[0].tokens == expected[0][2]
    assert found[0].log_probability == pytest.approx(expected[0][1], rel=1e-5)


@pytest.mark.parametrize("ranking", RANKINGS[1::3], ids=str)
@pytest.mark.parametrize("least", [1, 3, LENGTH, LENGTH + 2])
def test_a_full_beam_finds_the_best_that_is_long_enough(toy, least, ranking):
    network = toy(V, seed=2)
    found = search(network, BeamOptions(V**LENGTH, least=least, **ranking), eos_id=END)
    expected = everything(network, END, ranking, least=min(least, LENGTH))
    assert len(found) == len(expected)
    assert min(len(h.tokens) for h in found) == min(least, LENGTH)
    np.testing.assert_allclose([h.score for h in found], [score for score, _, _ in expected], rtol=1e-5)
    assert found[0].tokens == expected[0][2]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("ranking", RANKINGS, ids=str)
@pytest.mark.parametrize("end", [None, END])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_narrow_beam_keeps_to_the_definition_though_it_stops_early(toy, width, end, ranking, seed):
    network = toy(V, seed)
    found = search(network, BeamOptions(width, **ranking), eos_id=end, length=5)
    assert [h.tokens for h in found] == by_definition(network, width, end, ranking)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("least", [1, 3])
@pytest.mark.parametrize("width", [1, 3])
def test_a_narrow_beam_with_a_least_length_keeps_to_the_definition(toy, width, least, seed):
    network = toy(V, seed)
    found = search(network, BeamOptions(width, least=least), eos_id=END, length=5)
    assert [h.tokens for h in found] == by_definition(network, width, END, {}, least=least)


@pytest.mark.parametrize("ranking", [{}, {"penalty": "none"}, {"penalty": "average", "alpha": -0.5}], ids=str)
def test_it_stops_when_nothing_better_can_come(toy, ranking):
    network = toy(V, sharpness=1.0)
    found = search(network, BeamOptions(3, **ranking), eos_id=END, length=10_000)
    assert len(found) == 3
    assert network.steps < 1000


def test_an_early_finish_stops_at_the_first_k_that_end(toy):
    patient, hasty = toy(V, sharpness=1.0), toy(V, sharpness=1.0)
    search(patient, BeamOptions(3, alpha=1.0), eos_id=END, length=200)
    found = search(hasty, BeamOptions(3, alpha=1.0, early=True), eos_id=END, length=200)
    assert hasty.steps < patient.steps
    assert len(found) == 3
    longest = max(len(h.tokens) for h in found)
    assert hasty.steps == len(PROMPT) + longest


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("end", [None, END])
def test_a_beam_of_one_without_penalty_is_greedy(toy, end, seed):
    network, text = toy(V, seed), [*PROMPT]
    while len(text) < 12:
        token = max(range(V), key=lambda one: network.log_probabilities(text, [one]))
        if token == end:
            break
        text.append(token)
    for options in (BeamOptions(1, alpha=0.0), BeamOptions(1, penalty="none"), BeamOptions(1, early=True)):
        (found,) = search(network, options, eos_id=end, length=10)
        assert list(found.tokens) == text[2:]


def test_of_equals_the_lowest_ids_win():
    class Uniform:
        fixed = 0

        def start(self, batch):
            return (np.zeros((batch, 1), np.float32),)

        def __call__(self, tokens, state):
            return np.zeros((len(tokens), 500), np.float32), state

    for width in (1, 2, 7):
        found = search(Uniform(), BeamOptions(width), length=2)
        assert [h.tokens for h in found] == [(0, token) for token in range(width)]


@pytest.mark.parametrize("width", [1, 2, 5, 1000])
def test_hypotheses_are_distinct_best_first_and_what_their_tokens_are_worth(toy, width):
    network = toy(V, seed=4)
    found = search(network, BeamOptions(width), length=6)
    scores = [h.score for h in found]
    assert scores == sorted(scores, reverse=True)
    assert len({h.tokens for h in found}) == len(found) == min(width, V**6)
    for hypothesis in found[:20]:
        total = sum(network.log_probabilities(PROMPT, hypothesis.tokens))
        assert hypothesis.log_probability == pytest.approx(total, rel=1e-5)
        assert hypothesis.score == pytest.approx(total / length_penalty(6, 0.6), rel=1e-5)


def test_forbidden_tokens_never_come_and_the_others_share_their_probability(toy):
    network = toy(V, seed=5)
    found = search(network, BeamOptions(V**3, alpha=0.0), length=3, forbidden=[0, 2])
    assert {token for h in found for token in h.tokens} == {1, 3}
    assert len(found) == 8
    assert sum(np.exp(h.log_probability) for h in found) == pytest.approx(1, rel=1e-5)
    for hypothesis in found:
        total = sum(network.log_probabilities(PROMPT, hypothesis.tokens, forbidden=[0, 2]))
        assert hypothesis.log_probability == pytest.approx(total, rel=1e-5)


def test_no_length_is_the_empty_text(toy):
    (found,) = search(toy(V), BeamOptions(3), length=0, eos_id=END)
    assert (found.tokens, found.log_probability, found.score) == ((), 0, 0)


def test_no_sentences_are_no_hypotheses(toy):
    assert beam_search(toy(V), toy(V).start(0), [], [], BeamOptions(), eos_id=END) == []


# ── Filters ────────────────────────────────────────────────────────────────────────────────────────────────


def test_filters_shape_what_is_scored(toy):
    network = toy(V, seed=6)
    (only,) = search(network, BeamOptions(5), length=4, filters=[top_k(TopKOptions(1))])
    assert only.log_probability == 0
    cool = search(
        network, BeamOptions(64, alpha=0.0), length=3, filters=[temperature(TemperatureOptions(0.5))]
    )
    assert sum(np.exp(h.log_probability) for h in cool) == pytest.approx(1, rel=1e-5)


def test_filters_see_the_history_of_their_own_hypothesis(toy):
    seen = set()

    def watch(logits, history):
        assert len(history) == len(logits)
        seen.update(tuple(row) for row in history)
        return logits

    found = search(toy(V), BeamOptions(V**2), length=3, filters=[watch])
    assert seen == {(*PROMPT, *h.tokens[:made]) for h in found for made in range(3)} | {
        (*PROMPT, *tokens) for made in range(3) for tokens in product(range(V), repeat=made)
    }


def test_a_hypothesis_that_nothing_can_follow_is_dropped(toy):
    def no_way_on_after_two(logits, history):
        stuck = np.array([row[-1] == 2 for row in history])
        return np.where(stuck[:, None], -np.inf, logits).astype(np.float32)

    found = search(toy(V), BeamOptions(V**3), length=3, filters=[no_way_on_after_two])
    assert {h.tokens for h in found} == set(product([0, 1, 3], [0, 1, 3], range(V)))


def test_where_nothing_can_be_written_an_error_says_so(toy):
    def nothing(logits, history):
        return np.full_like(logits, -np.inf)

    with pytest.raises(RnngenError, match="no token is allowed"):
        search(toy(V), BeamOptions(3), filters=[nothing])


def test_a_logit_that_is_no_number_is_an_error(toy):
    def broken(logits, history):
        return logits + np.float32(np.nan)

    with pytest.raises(RnngenError, match=r"the filter \S+ returns logits that are not numbers"):
        search(toy(V), BeamOptions(3), filters=[broken])

    class Broken(toy):
        def __call__(self, tokens, state):
            logits, state = super().__call__(tokens, state)
            return logits + np.float32(np.nan), state

    with pytest.raises(RnngenError, match="the highest logit is nan"):
        search(Broken(V), BeamOptions(3))


# ── Many sentences ─────────────────────────────────────────────────────────────────────────────────────────

PROMPTS = [[1, 0], [2], [0], [1, 1, 2, 0], [2, 2], [0, 1, 2]]
LENGTHS = [6, 3, 9, 0, 5, 7]
SEARCHES = {
    "greedy": BeamOptions(1, penalty="none"),
    "plain": BeamOptions(3),
    "wider than the vocabulary": BeamOptions(11, penalty="average", alpha=1.0),
    "least and early": BeamOptions(3, least=2, early=True),
    "diverse": BeamOptions(4, groups=2, diversity=0.7),
    "cumulative": BeamOptions(4, groups=4, diversity=0.7, diversity_kind="cumulative"),
    "stochastic": BeamOptions(3, stochastic=True),
}


def remembering():
    return [
        frequency(CountOptions(0.3), NEVER_ENDS),
        xtc(XTCOptions(0.5, 0.1)),
        mirostat(MirostatOptions(2, tau=2.0, eta=0.4)),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("filters", [list, remembering])
@pytest.mark.parametrize("options", SEARCHES.values(), ids=SEARCHES)
def test_what_a_sentence_gives_does_not_depend_on_the_others(toy, options, filters):
    network, seeds = toy(V, sharpness=1.5), range(10, 16)

    def together(order):
        return beam_search(
            network,
            network.start(len(order)),
            [PROMPTS[i] for i in order],
            [LENGTHS[i] for i in order],
            options,
            eos_id=END,
            filters=filters(),
            seeds=[seeds[i] for i in order],
        )

    alone = [together([i])[0] for i in range(6)]
    assert together(range(6)) == alone
    assert together([5, 2, 2, 0]) == [alone[i] for i in (5, 2, 2, 0)]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("filters", [list, remembering])
@pytest.mark.parametrize("options", SEARCHES.values(), ids=SEARCHES)
def test_fewer_texts_are_the_best_of_all_and_take_no_more_steps(toy, options, filters, count):
    def search(count):
        network = toy(V, sharpness=1.5)
        steps = []

        class Counting:
            fixed = network.fixed

            def __call__(self, tokens, state):
                steps.append(len(tokens))
                return network(tokens, state)

        found = beam_search(
            Counting(),
            network.start(6),
            PROMPTS,
            [40] * 6,
            options,
            eos_id=END,
            filters=filters(),
            seeds=range(6),
            count=count,
        )
        return found, sum(steps)

    (everything, whole), (some, fewer) = search(None), search(count)
    assert some == [texts[:count] for texts in everything]
    assert fewer <= whole
    if options.groups == 1 and not options.early and options.width > count:
        assert fewer < whole


@pytest.mark.parametrize("options", [BeamOptions(3), BeamOptions(4, groups=2, diversity=0.5)], ids=str)
def test_sources_and_their_padding_do_not_depend_on_the_others(attentive, options):
    network, sources = attentive(V, seed=1), [[0, 1, 2], [2], [1, 0, 0, 3, 2]]

    def together(order):
        wide = max(len(sources[i]) for i in order)
        padded = np.array([sources[i] + [-1] * (wide - len(sources[i])) for i in order])
        return beam_search(
            network,
            network.start(padded),
            [[END]] * len(order),
            [6] * len(order),
            BeamOptions(**{**vars(options), "coverage": 0.3}),
            eos_id=END,
            sources=[len(sources[i]) for i in order],
            attention=True,
        )

    alone = [together([i])[0] for i in range(3)]
    for found, expected, source in zip(together([0, 1, 2]), alone, sources, strict=True):
        assert found == expected
        for one, other in zip(found, expected, strict=True):
            assert one.attention.shape[1] == len(source)
            np.testing.assert_array_equal(one.attention, other.attention)


def test_a_finished_sentence_costs_nothing_any_more(toy):
    rows = []

    class Watched(toy):
        def __call__(self, tokens, state):
            rows.append(len(tokens))
            return super().__call__(tokens, state)

    network = Watched(V)
    beam_search(network, network.start(3), [[0]] * 3, [2, 4, 4], BeamOptions(2), eos_id=None)
    assert rows == [3, 6, 4, 4]


def test_what_never_changes_is_only_copied_when_the_rows_do():
    copies = []

    class Memory(np.ndarray):
        def __getitem__(self, rows):
            copies.append(len(rows))
            return super().__getitem__(rows)

    class Reads:
        fixed = 1

        def __call__(self, tokens, state):
            assert len(state[0]) == len(state[1]) == len(tokens)
            np.testing.assert_array_equal(np.asarray(state[0])[:, 0], state[1])
            rng = np.random.default_rng(0)
            return rng.normal(size=(len(tokens), 9)).astype(np.float32), state

    state = np.arange(2.0)[:, None].view(Memory), np.arange(2.0)
    beam_search(Reads(), state, [[0], [0]], [20, 30], BeamOptions(3), eos_id=None)
    assert copies == [2, 6, 3]


# ── Attention ──────────────────────────────────────────────────────────────────────────────────────────────


def weighed(network, source, tokens, *, beta=1.0, ranking=(), prompt=(END,)):
    chances, looks = network.walk(source, prompt, tokens)
    covered = np.log(np.minimum(looks.sum(axis=0, dtype=np.float64), 1)).sum()
    return sum(chances) / divisor(len(tokens), **dict(ranking)) + beta * covered


@pytest.mark.slow
@pytest.mark.parametrize("prompt", [[END], [END, 1, 2]])
@pytest.mark.parametrize("beta", [0.1, 2.0])
@pytest.mark.parametrize("ranking", [{}, {"penalty": "none"}, {"penalty": "average", "alpha": -0.5}], ids=str)
def test_a_full_beam_finds_the_best_under_the_coverage_penalty(attentive, ranking, beta, prompt):
    network, source = attentive(V, seed=3), [0, 2, 1]
    (found,) = beam_search(
        network,
        network.start(np.array([source])),
        [prompt],
        [LENGTH],
        BeamOptions(V**LENGTH, coverage=beta, **ranking),
        eos_id=END,
    )
    texts = [*product(range(3), repeat=LENGTH)]
    texts += [(*text, END) for made in range(LENGTH) for text in product(range(3), repeat=made)]
    worth = {
        text: weighed(network, source, text, beta=beta, ranking=ranking, prompt=prompt) for text in texts
    }
    np.testing.assert_allclose([h.score for h in found], sorted(worth.values(), reverse=True), rtol=1e-5)
    best = max(texts, key=worth.__getitem__)
    assert found[0].tokens == tuple(token for token in best if token != END)


@pytest.mark.parametrize("seed", range(5))
def test_coverage_changes_the_ranking_but_never_what_is_missed(attentive, seed):
    """However it stops early, a search with coverage gives what one to full length would."""
    network, source = attentive(V, seed), [0, 2, 1]

    def search_with(width, length):
        (found,) = beam_search(
            network,
            network.start(np.array([source])),
            [[END]],
            [length],
            BeamOptions(width, coverage=1.0),
            eos_id=END,
        )
        return found

    alive, finished = [()], []
    for _ in range(6):
        extended = sorted(
            ((*text, token) for text in alive for token in range(V)),
            key=lambda text: -sum(network.walk(source, [END], text)[0]),
        )
        finished += [text for text in extended[:3] if text[-1] == END]
        alive = [text for text in extended if text[-1] != END][:3]
    ranked = sorted(finished + alive, key=lambda text: -weighed(network, source, text))[:3]
    assert [h.tokens for h in search_with(3, 6)] == [tuple(t for t in text if t != END) for text in ranked]


def test_attention_is_that_with_which_each_token_was_written(attentive):
    network, source = attentive(V, seed=2), [0, 2, 1, 1]
    (found,) = beam_search(
        network, network.start(np.array([source])), [[END]], [5], BeamOptions(6), eos_id=END, attention=True
    )
    lengths = set()
    for one in found:
        ended = len(one.attention) > len(one.tokens)
        _, looks = network.walk(source, [END], [*one.tokens, *[END] * ended])
        np.testing.assert_array_equal(one.attention, looks)
        lengths.add((len(one.tokens), ended))
    assert {ended for _, ended in lengths} == {True, False}


def test_attention_is_only_kept_if_asked_for(attentive, toy):
    network = attentive(V)
    state = network.start(np.array([[0, 1]]))
    ((one, *_),) = beam_search(network, state, [[END]], [3], BeamOptions(), eos_id=END)
    assert one.attention is None
    assert search(toy(V), BeamOptions(2), attention=True)[0].attention is None


def test_coverage_of_a_network_that_does_not_attend_is_an_error(toy):
    with pytest.raises(UsageError, match="does not attend"):
        search(toy(V), BeamOptions(2, coverage=0.2))


# ── Its parts ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("alpha", ALPHAS)
def test_length_penalty_is_that_of_wu_et_al(alpha):
    assert length_penalty(1, alpha) == 1
    assert length_penalty(7, alpha) == pytest.approx(2**alpha)


def test_log_softmax_is_exact_in_float64():
    logits = np.array([[0, 1, -np.inf, 700], [-700, -701, -702, -703]], np.float32)
    result = log_softmax(logits)
    assert result.dtype == np.float64
    np.testing.assert_allclose(np.exp(result).sum(axis=1), 1)
    assert result[0, 2] == -np.inf
    np.testing.assert_allclose(result[1, 0] - result[1], [0, 1, 2, 3])

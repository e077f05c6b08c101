"""Contrastive search: against its definition in float64, and what it is for."""

from itertools import islice

import numpy as np
import pytest
from fixtures.generators import outputs, text

from rnngen.builtins.filters.adaptive import mirostat
from rnngen.builtins.filters.options import MirostatOptions, TemperatureOptions, TopPOptions
from rnngen.builtins.filters.truncation import temperature, top_p
from rnngen.builtins.strategies.contrastive import ContrastiveSearch, Seen, candidates, contrastive_search
from rnngen.builtins.strategies.options import ContrastiveOptions
from rnngen.decoding.sampler import sample
from rnngen.errors import RnngenError, UsageError
from rnngen.generation.loading import LoadOptions
from rnngen.inference.ensemble import Ensemble
from rnngen.inference.numpy_model import NumpyStep
from rnngen.inference.torch_model import TorchStep

GREEDY = temperature(TemperatureOptions(0.0))


@pytest.fixture
def halves(toy):
    """A toy whose step has two halves; what each row gives depends on no other."""

    class Halves(toy):
        feature_size = 0  # unused

        def features(self, tokens, state):
            self.widest = max(getattr(self, "widest", 0), len(tokens))
            _, (h,) = self(tokens, state)
            return h, (h,)

        def logits(self, features, state):
            return np.array([row @ self.outputs for row in features])

    return Halves


class FilterChain:
    """A Markov chain in two halves: the features of a token are a row, and so are its logits."""

    fixed = 0

    def __init__(self, features, logits):
        self.rows, self.table = np.array(features, np.float32), np.log(np.array(logits, np.float32))
        self.feature_size = self.rows.shape[1]

    def start(self, batch):
        return (np.zeros((batch, 1), np.int64),)

    def attended(self, state):
        return None

    def features(self, tokens, state):
        return self.rows[tokens], (tokens[:, None],)

    def __call__(self, tokens, state):
        features, state = self.features(tokens, state)
        return self.logits(features, state), state

    def logits(self, features, state):
        same = (self.rows[None] == features[:, None]).all(axis=-1)
        return self.table[same.argmax(axis=1)].copy()


def found(step, prompt, count, *, filters=(), forbidden=(), seed=0, **options):
    search = contrastive_search(
        step,
        step.start(1),
        prompt,
        ContrastiveOptions(**options),
        filters=filters,
        forbidden=forbidden,
        seed=seed,
    )
    return list(islice(search, count))


def greedily(step, prompt, count, forbidden=()):
    rng = np.random.default_rng(0)
    tokens = sample(step, step.start(1), prompt, [GREEDY], rng, forbidden=forbidden)
    return list(islice(tokens, count))


def by_definition(step, prompt, count, *, top_k, alpha, window=10**9, forbidden=(), heat=1.0):
    """The paper's equation, all in float64, everything read again for every candidate."""
    inputs, recurrent, outputs = (
        array.astype(np.float64) for array in (step.inputs, step.recurrent, step.outputs)
    )

    def features_of(tokens):
        h, all_of_them = np.zeros(3), []
        for token in tokens:
            h = np.tanh(inputs[token] + h @ recurrent)
            all_of_them.append(h)
        return all_of_them

    def cosine(a, b):
        return a @ b / (a @ a) ** 0.5 / (b @ b) ** 0.5

    text = list(prompt)
    for _ in range(count):
        before = features_of(text)
        logits = before[-1] @ outputs / heat
        logits[list(forbidden)] = -np.inf
        p = np.exp(logits - logits.max())
        p /= p.sum()
        scores = {}
        for token in sorted(range(len(p)), key=lambda token: -p[token])[:top_k]:
            if p[token] > 0:
                h = features_of([*text, token])[-1]
                likeness = max(cosine(h, other) for other in before[-window:])
                scores[token] = (1 - alpha) * p[token] - alpha * likeness
        text.append(max(scores, key=scores.get))
    return text[len(prompt) :]


# ── The definition ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("top_k", [2, 4, 50])
def test_tokens_are_those_of_the_equation(halves, alpha, top_k):
    for seed in range(3):
        step = halves(12, seed=seed, sharpness=1.0)
        expected = by_definition(step, [3, 1, 7], 25, top_k=top_k, alpha=alpha)
        assert found(step, [3, 1, 7], 25, top_k=top_k, alpha=alpha) == expected


def test_p_is_what_filters_leave_of_it(halves):
    step = halves(12, seed=5, sharpness=1.0)
    options = {"top_k": 4, "alpha": 0.5}
    warm = found(step, [2], 25, filters=[temperature(TemperatureOptions(2.5))], **options)
    assert warm == by_definition(step, [2], 25, heat=2.5, **options)
    assert warm != found(step, [2], 25, **options)


def test_forbidden_tokens_are_no_candidates(halves):
    step = halves(12, seed=1, sharpness=1.0)
    usual = found(step, [2], 30, top_k=4, alpha=0.6)
    never = [usual[0], usual[5]]
    expected = by_definition(step, [2], 30, top_k=4, alpha=0.6, forbidden=never)
    assert found(step, [2], 30, top_k=4, alpha=0.6, forbidden=never) == expected


@pytest.mark.parametrize("window", [1, 5, 300])
def test_only_the_latest_of_a_window_are_compared(halves, window):
    step = halves(12, seed=3, sharpness=1.0)
    prompt = [1, 2, 3, 4] * 2 if window < 300 else [1, 2, 3, 4] * 80  # longer than the window, in any case
    expected = by_definition(step, prompt, 12, top_k=4, alpha=0.6, window=window)
    assert found(step, prompt, 12, top_k=4, alpha=0.6, window=window) == expected


def test_alpha_0_is_greedy_and_so_is_a_single_candidate(halves):
    for seed in range(4):
        step = halves(9, seed=seed)
        expected = greedily(step, [4, 2], 40)
        assert found(step, [4, 2], 40, alpha=0.0) == expected
        assert found(step, [4, 2], 40, top_k=1, alpha=0.9) == expected


def test_equals_are_resolved_by_the_lowest_id():
    step = FilterChain(np.ones((5, 2)), np.ones((5, 5)))  # all as probable, all alike
    assert found(step, [4], 6, top_k=3) == [0] * 6
    assert found(step, [4], 6, top_k=3, forbidden=[0]) == [1] * 6


def test_a_loop_that_greedy_never_leaves_is_left():
    likely = np.full((6, 6), 0.01) + np.eye(6)[[1, 0, 1, 2, 3, 4]] * 0.5 + np.eye(6)[[2, 3, 4, 5, 0, 1]] * 0.3
    step = FilterChain(np.eye(6), likely)
    assert set(greedily(step, [0], 20)) == {0, 1}
    assert sorted(found(step, [0], 5, top_k=6)) == [1, 2, 3, 4, 5]


# ── Filters that remember ──────────────────────────────────────────────────────────────────────────────────


def test_filters_see_the_whole_text_and_observe_each_token_once(halves):
    seen, told = [], []

    def watch(logits, history):
        seen.append(list(history[0]))
        return logits

    class Counting:
        def initial(self, seeds):
            return (np.zeros(len(seeds)),)

        def __call__(self, logits, history, state):
            assert logits.shape == (1, 9)
            return logits

        def observe(self, tokens, surprisal, state):
            told.append((int(tokens[0]), float(surprisal[0])))
            return state

    step = halves(9)
    tokens = found(step, [3, 1], 4, filters=[watch, Counting()])
    assert seen == [[3, 1, *tokens[:made]] for made in range(4)]
    assert [token for token, _ in told] == tokens
    nats = step.log_probabilities([3, 1], tokens)
    np.testing.assert_allclose([-surprisal for _, surprisal in told], nats, rtol=1e-5)


def test_it_is_the_same_every_time(halves):
    step = halves(12, sharpness=1.0)
    filters = [top_p(TopPOptions(0.9)), mirostat(MirostatOptions(tau=2.0))]
    assert found(step, [0], 30, filters=filters) == found(step, [0], 30, filters=filters)


# ── What a step costs and what it keeps ────────────────────────────────────────────────────────────────────


def test_each_token_costs_one_step_of_k_rows_and_comes_before_the_next_is_computed(halves):
    step = halves(9, sharpness=1.0)
    tokens = contrastive_search(step, step.start(1), [0, 1, 2], ContrastiveOptions())
    for made in range(1, 5):
        next(tokens)
        assert step.steps == 3 + made
    assert step.widest == 4


def test_what_is_kept_is_bounded_and_is_the_latest():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(1000, 4)).astype(np.float32)
    seen = Seen(300)
    sizes = []
    for row in features:
        seen.add(row)
        sizes.append(len(seen.rows))
    assert sorted(set(sizes)) == [256, 300]
    some = features[[699, 700, 999]]  # the first of them is the first that is forgotten
    expected = [
        max(row @ other / np.linalg.norm(row) / np.linalg.norm(other) for other in features[700:])
        for row in some
    ]
    np.testing.assert_allclose(seen.likeness(some), expected, rtol=1e-5)
    assert expected[0] < 1 - 1e-3


def test_features_of_nought_are_like_nothing_and_small_ones_like_themselves():
    seen = Seen(8)
    seen.add(np.array([1e-30, 2e-30], np.float32))
    likeness = seen.likeness(np.array([[0, 0], [1, 2], [3e-38, 6e-38], [-2, 1]], np.float32))
    np.testing.assert_allclose(likeness, [0, 1, 1, 0], atol=1e-6)


# ── Candidates ─────────────────────────────────────────────────────────────────────────────────────────────


def test_candidates_are_the_most_probable_and_of_equals_the_lowest():
    logits = np.array([0, 2, 1, 2, -np.inf, 1, 1], np.float32)
    tokens, chances = candidates(logits, 4)
    assert tokens.tolist() == [1, 2, 3, 5]
    weights = np.exp(np.array([0, 2, 1, 2, -np.inf, 1, 1]))
    np.testing.assert_allclose(chances, weights[tokens] / weights.sum())
    assert candidates(logits, 99)[0].tolist() == [0, 1, 2, 3, 5, 6]


@pytest.mark.parametrize("values", [[-np.inf, -np.inf], [0.0, np.nan], [np.inf, 0.0]])
def test_where_nothing_can_be_chosen_an_error_says_so(values):
    with pytest.raises(RnngenError, match="no token can be chosen"):
        candidates(np.array(values, np.float32), 2)


def test_an_ensemble_is_refused_before_anything_is_read(halves):
    step = halves(9)
    both = Ensemble([step, step], 1)
    with pytest.raises(UsageError, match="shows no such features"):
        contrastive_search(both, both.start(1), [0], ContrastiveOptions())
    assert step.steps == 0


@pytest.mark.parametrize("wrong", [{"top_k": 0}, {"alpha": -0.1}, {"alpha": 1.1}, {"window": 0}])
def test_options_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        ContrastiveOptions(**wrong)


# ── By a trained model ─────────────────────────────────────────────────────────────────────────────────────


def contrasted(generator, prompt, length, filters=(), **options):
    strategy = ContrastiveSearch(ContrastiveOptions(**options))
    return text(generator, prompt, strategy, length=length, filters=filters)


@pytest.mark.slow
def test_both_backends_choose_the_same(session, train):
    train(name="verse")
    model = session.read("verse")
    quick, slow = (session.open(model, options=LoadOptions(device)).generator for device in ("cpu", "auto"))
    assert isinstance(quick.model, NumpyStep)
    assert isinstance(slow.model, TorchStep)
    assert contrasted(quick, "the ", 40) == contrasted(slow, "the ", 40)
    assert len(contrasted(quick, "the ", 40)) == 40


def test_what_never_occurred_is_no_candidate_and_every_token_may_be_one(session, train, corpus):
    train(name="verse")
    found = contrasted(session.load("verse").generator, "", 60, top_k=10_000, alpha=0.9)
    assert set(found) <= set(corpus.read_text())


@pytest.mark.parametrize("after", [0, 5])
def test_an_example_is_over_at_its_end(session, train, after):
    train(name="verse", task="lines")
    generator = session.load("verse").generator
    end = generator.eos_id

    def ending(logits, history):
        wanted = (np.arange(logits.shape[1]) == end) == (len(history[0]) == 4 + after)  # ␃ t h e
        return np.where(wanted, logits, -np.inf)

    assert len(contrasted(generator, "the", 50, [ending])) == after


def test_text_comes_as_it_is_made(session, train):
    train(name="verse")
    strategy = ContrastiveSearch(ContrastiveOptions())
    (output,) = outputs(session.load("verse").generator, "a", strategy, length=None)
    assert len("".join(islice(output.pieces, 50))) == 50


def test_two_models_cannot_contrast_together(session, train):
    train(name="verse")
    model = session.read("verse")
    with pytest.raises(UsageError, match="shows no such features") as caught:
        contrasted(session.open(model, model).generator, "a", 5)
    assert "\n" not in str(caught.value)

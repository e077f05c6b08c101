"""The shorter a text and the more often it is read, the more is dropped and decayed; what is given stands."""

from dataclasses import replace
from itertools import pairwise

import pytest

from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.training.overfitting import (
    LEAST_DECAY,
    MOST_DECAY,
    PACE_OF_PAIRS,
    TrainingText,
    dropout,
    most_epochs,
    weight_decay,
    with_data_defaults,
)

LENGTHS = [100, 20_000, 100_000, 1_000_000, 10_000_000, 1_000_000_000]


def filled(tokens, measured=None, **training):
    return with_data_defaults(NetworkOptions(), TrainingOptions(**training), TrainingText(tokens), measured)


def test_more_passes_drop_more():
    shares = [dropout(epochs) for epochs in (0.1, 1, 2, 4, 8, 16, 32, 1000)]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] < 1


def test_longer_texts_are_read_less_often_and_less_is_dropped_and_decayed():
    options = [filled(tokens) for tokens in LENGTHS]
    drops = [network.dropout for network, _ in options]
    decays = [training.weight_decay for _, training in options]
    assert drops == sorted(drops, reverse=True)
    assert drops[0] > drops[-1]
    assert decays == sorted(decays, reverse=True)
    assert all(a.max_epochs >= b.max_epochs for (_, a), (_, b) in pairwise(options))
    assert (decays[0], decays[-1]) == (MOST_DECAY, LEAST_DECAY)


@pytest.mark.parametrize("budget", [{"epochs": 100.0}, {"steps": 100}])
def test_a_budget_in_passes_or_steps_has_no_other_bound(budget):
    assert filled(1000, **budget)[1].max_epochs is None


def test_a_narrower_network_reads_more_often_and_drops_less():
    text = TrainingText(10**6)
    assert most_epochs(text, 96) > most_epochs(text, 384) == most_epochs(text, 1024)
    assert dropout(12, 96) < dropout(12, 384) == dropout(12, 1024)


def test_examples_that_end_are_read_more_often_than_free_text():
    assert most_epochs(TrainingText(10**6, has_eos=True)) > most_epochs(TrainingText(10**6))


def test_of_pairs_less_is_dropped_and_decayed():
    pairs = TrainingText(1000, has_eos=True, has_source=True)
    assert dropout(10, has_source=True) < dropout(10)
    assert weight_decay(TrainingOptions(), pairs) == LEAST_DECAY


def test_pairs_have_a_pace_of_their_own_and_smoothed_targets_unless_others_are_given():
    pairs = TrainingText(1000, has_eos=True, has_source=True)

    def filled(given=(), training=None, **network):
        options = training or TrainingOptions()
        made = with_data_defaults(NetworkOptions(**network), options, pairs, given=given)[1]
        return {"batch": made.batch, "lr": made.lr}, made.label_smoothing

    pace, smoothing = filled()
    assert pace == PACE_OF_PAIRS
    assert 0 < smoothing < 0.5
    assert filled(head="adaptive") == (pace, 0)  # which computes no probabilities to smooth
    other = TrainingOptions(batch=40, label_smoothing=0.3)
    assert filled({"batch"}, other) == (pace | {"batch": 40}, smoothing)  # each stands for itself
    assert filled({"label_smoothing"}, other) == (pace, 0.3)


def test_pairs_have_the_wider_a_network_the_more_of_them_there_are_and_a_lower_rate_then():
    def filled(tokens, given=(), hidden=384):
        pairs = TrainingText(tokens, has_eos=True, has_source=True)
        network, training = with_data_defaults(NetworkOptions(hidden), TrainingOptions(), pairs, given=given)
        return network.hidden, training.lr

    found = [filled(tokens) for tokens in (100, 20_000, 40_000, 100_000, 10**6)]
    assert [hidden for hidden, _ in found] == [128, 128, 192, 256, 384]
    assert all(lr == pytest.approx(0.012 * 128 / hidden, rel=0.02) for hidden, lr in found)
    assert filled(100, {"hidden"}) == (384, 0.004)
    assert filled(100, {"hidden"}, 64) == (64, 0.012)
    assert with_data_defaults(NetworkOptions(), TrainingOptions(), TrainingText(100))[0].hidden == 384


def test_gradients_of_pairs_have_one_norm_where_the_optimizer_takes_no_notice_of_it():
    pairs = TrainingText(1000, has_eos=True, has_source=True)

    def clip(text=pairs, given=(), **options):
        return with_data_defaults(NetworkOptions(), TrainingOptions(**options), text, given=given)[1].clip

    usual = TrainingOptions().clip
    assert clip() == clip(given={"lr"}, lr=0.001) == clip(optimizer="muon") < usual / 10
    assert clip(given={"clip"}, clip=0.0) == 0
    assert clip(TrainingText(1000, has_eos=True)) == usual
    assert {clip(optimizer=name) for name in ("sgd", "nt-asgd", "momentum")} == {usual}


@pytest.mark.parametrize("budget", [{"minutes": 3.0}, {}])
def test_other_budgets_are_bounded_and_no_more_is_dropped_than_for_those_passes(budget):
    network, training = filled(1000, **budget)
    assert network.dropout == dropout(training.max_epochs)
    assert filled(1000, 10_000, **budget)[0].dropout == network.dropout
    assert filled(1000, 2, **budget)[0].dropout == dropout(2)


def test_as_many_passes_are_assumed_as_the_steps_make():
    options = TrainingOptions(steps=40, batch=4, seq=25)
    assert with_data_defaults(NetworkOptions(), options, TrainingText(1000))[0].dropout == dropout(4)


def test_what_was_given_stands():
    given = NetworkOptions(dropout=0.0), TrainingOptions(max_epochs=3, weight_decay=0.0)
    assert with_data_defaults(*given, TrainingText(1000)) == given


def test_a_pass_decays_as_much_at_any_rate_and_batch():
    options = TrainingOptions()
    faster, larger = replace(options, lr=2 * options.lr), replace(options, batch=2 * options.batch)
    base = weight_decay(options, TrainingText(1_000_000))
    assert weight_decay(faster, TrainingText(1_000_000)) == pytest.approx(base / 2, rel=0.05)
    assert weight_decay(larger, TrainingText(1_000_000)) == pytest.approx(base * 2, rel=0.05)
    assert weight_decay(replace(options, optimizer="sgd"), TrainingText(1_000_000)) == LEAST_DECAY

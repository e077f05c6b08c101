"""A plan fits its budget and its text, and says why; what a person gave stands."""

import pytest
from fixtures.commands import reversals

from rnngen.errors import UsageError
from rnngen.nn.build import build_network
from rnngen.options.model import NetworkOptions
from rnngen.training import sizing
from rnngen.training.fit import make_batches
from rnngen.training.overfitting import dropout
from rnngen.training.sizing import ANY_TEXT, PARAMETERS_A_TOKEN, TOKENS_A_PARAMETER, parameters_of, propose


@pytest.fixture
def planned(session, ask):
    def make(*path, **given):
        return session.plan(ask(*path, **given))

    return make


@pytest.fixture
def machine(monkeypatch):
    """A machine whose speed is known: so many parameters times tokens a second."""

    def runs_at(power):
        monkeypatch.setattr(sizing, "_rate", lambda plan, _: power / parameters_of(plan))

    return runs_at


def unsized(plan, **changes):
    return sizing.replace(plan, config=plan.config.replace(network=NetworkOptions(dropout=0.0), **changes))


def test_parameters_are_counted_without_making_them(planned):
    for cell in ("lstm", "gru", "rnn"):
        plan = planned(cell=cell, hidden=24, layers=2)
        made = sum(p.numel() for p in build_network(plan.parts["cell"], plan.config).parameters())
        assert parameters_of(plan) == made


@pytest.mark.parametrize("head", ["full", "adaptive", "mixture"])
def test_the_parameters_of_every_output_layer_are_counted(planned, head):
    plan = planned(head=head, hidden=24, tokenizer="byte")
    network = build_network(plan.parts["cell"], plan.config)
    matrices = {
        "full": 257 * (24 + 1),
        "mixture": 257 * (24 + 1) + 4 * 24 * (24 + 1) + 4 * 24,
        "adaptive": (17 + 2) * (24 + 1) + 6 * (24 + 34) + 1 * (24 + 206),
    }
    recurrent = 4 * 24 * (24 + 24 + 1)
    own = sum(p.numel() for p in network.head.parameters())
    assert own == matrices[head]
    assert parameters_of(plan) >= own + 257 * 24 + recurrent
    assert parameters_of(plan) == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("wanted", [50_000, 1_000_000, 3_000_000])
def test_as_many_parameters_as_asked_for_to_a_twentieth(planned, machine, wanted):
    machine(1e12)
    proposal = propose(planned(), wanted)
    assert proposal.parameters == pytest.approx(wanted, rel=0.05)
    assert proposal.parameters == parameters_of(proposal.plan)


def test_fewer_parameters_than_any_network_has_are_refused(planned, machine):
    machine(1e12)
    with pytest.raises(UsageError, match="at least"):
        propose(planned(), 100)


@pytest.mark.slow
@pytest.mark.parametrize("power", [1e9, 1e11, 1e13])
def test_more_time_never_gives_a_narrower_network_and_enough_is_read(planned, machine, power):
    machine(power)
    widths = []
    for given in (0.1, 1.0, 10.0, 100.0):
        plan = unsized(planned(steps=None, minutes=given))
        proposal = propose(plan)
        widths.append(proposal.plan.config.network.hidden)
        if widths[-1] > sizing.SIZES[0]:
            in_time = given * 60 * proposal.tokens_per_second
            assert in_time >= TOKENS_A_PARAMETER * proposal.parameters * 0.99
    assert widths == sorted(widths)


def test_a_network_that_is_wide_for_its_text_is_told_what_to_expect(planned, machine):
    machine(1e12)
    wide, narrow = (propose(planned(hidden=hidden), given={"hidden"}).reasons for hidden in (384, 8))
    assert any("by heart" in reason for reason in wide)
    assert not any("by heart" in reason for reason in narrow)


def test_a_short_text_gets_no_wide_network_however_long_the_time(planned, machine):
    machine(1e18)
    plan = unsized(planned(steps=None, minutes=100.0))
    proposal = propose(plan)
    assert proposal.plan.config.network.hidden == ANY_TEXT
    assert proposal.parameters > PARAMETERS_A_TOKEN * len(plan.encoded.train)
    assert any("short" in reason for reason in proposal.reasons)


def test_sizes_that_were_given_stand(planned, machine):
    machine(1e12)
    proposal = propose(planned(steps=None, minutes=50.0, hidden=24), given={"hidden"})
    assert proposal.plan.config.network.hidden == 24


def test_measuring_leaves_the_random_numbers_alone(planned, monkeypatch):
    import torch

    monkeypatch.setattr(sizing, "SECONDS", 0.01)
    before = torch.get_rng_state()
    assert propose(planned()).tokens_per_second > 0
    assert (torch.get_rng_state() == before).all()


def test_a_long_text_has_its_own_pace_and_what_was_given_stands(planned, machine, monkeypatch):
    machine(1e12)
    plan = planned(steps=None, minutes=1.0, batch=8)

    def pace(**given):
        training = propose(plan, **given).plan.config.training
        return {"batch": training.batch, "lr": training.lr}

    short = pace()
    assert short == {"batch": 8, "lr": plan.config.training.lr}
    monkeypatch.setattr(sizing, "LONG", 10)
    assert pace() == sizing.PACE
    assert pace(given={"batch"}) == short
    assert pace(given={"hidden"}) == short


def test_dropout_follows_the_passes_that_the_time_allows_and_what_was_given_stands(planned, machine):
    plan = planned(steps=None, minutes=1.0, hidden=24, dropout=None)
    count, length = parameters_of(plan), len(plan.encoded.train)

    def proposed(epochs, **given):
        machine(epochs * length * count / 60)
        return propose(plan, given={"hidden", *given})

    few, many = proposed(2), proposed(16)
    assert (
        few.plan.config.network.dropout
        == dropout(2, 24)
        < dropout(16, 24)
        == many.plan.config.network.dropout
    )
    assert any(reason.startswith("dropout 0.1: 1") for reason in many.reasons), many.reasons
    given = proposed(2, dropout=0.5)
    assert given.plan.config.network.dropout == plan.config.network.dropout
    assert not any("dropout" in reason for reason in given.reasons)


def test_no_more_passes_are_planned_than_pay(planned, machine):
    machine(1e18)
    plan = planned(steps=None, minutes=100.0, hidden=24)
    proposal = propose(plan, given={"hidden"})
    most = plan.config.training.max_epochs
    assert proposal.tokens == most * len(plan.encoded.train)
    assert any("less than the time given" in reason for reason in proposal.reasons)


@pytest.mark.slow
def test_the_network_of_pairs_is_the_widest_that_reads_them_often_enough(
    planned, machine, tmp_path, monkeypatch
):
    (tmp_path / "pairs.tsv").write_text(reversals(200))
    monkeypatch.setattr(sizing, "width_of_pairs", lambda tokens: ANY_TEXT)  # as for many more
    plan = planned(tmp_path / "pairs.tsv", task="pairs", steps=None, minutes=1.0)
    length, widths = len(plan.encoded.train), []
    for power in (1e6, 1e8, 1e18):
        machine(power)
        proposal = propose(plan, given={"dropout"})
        widths.append(proposal.plan.config.network.hidden)
        if widths[-1] > sizing.SIZES[0]:
            enough = sizing.PASSES_OF_PAIRS * length, sizing.PAIRED_TOKENS_A_PARAMETER * proposal.parameters
            assert 60 * proposal.tokens_per_second >= min(enough)
    assert widths == sorted(widths)
    assert widths[0] == sizing.SIZES[0] < widths[1] < widths[2] == ANY_TEXT


@pytest.mark.slow
def test_few_pairs_get_a_narrow_network_however_fast_the_machine(planned, machine, tmp_path):
    (tmp_path / "pairs.tsv").write_text(reversals(200))
    machine(1e18)
    plan = planned(tmp_path / "pairs.tsv", task="pairs", steps=None, minutes=1.0)
    proposal = propose(plan, given={"dropout"})
    assert proposal.plan.config.network.hidden == 128
    assert any(f"suits a text of {len(plan.encoded.train):,} tokens" in reason for reason in proposal.reasons)


@pytest.mark.slow
def test_padding_is_no_reading(planned, machine, tmp_path):
    """Rows of unequal targets: a pass costs what its batches hold, and its tokens are those of the text."""
    path = tmp_path / "uneven.tsv"
    path.write_text("".join(f"{n}\t{'long' * (n % 40)}x\n" for n in range(2000)))
    machine(30_000 * 20_000)
    plan = planned(path, task="pairs", hidden=16, steps=None, minutes=0.01, max_epochs=100.0)
    proposal = propose(plan, given=("hidden",))
    held = sum(batch.inputs.size for batch in make_batches(proposal.plan).sweep())
    read = 0.6 * proposal.tokens_per_second / held
    assert held > 1.1 * len(plan.encoded.train)
    assert proposal.tokens == pytest.approx(read * len(plan.encoded.train), rel=1e-4)
    assert proposal.seconds == pytest.approx(0.6)

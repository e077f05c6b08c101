"""A remedy follows from the losses of training and of validation, and from where they were at half time."""

import pytest

from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.training.diagnosis import early_best, remedy


def rows(*val, train, epoch=10.0):
    best = [loss < min(val[:at], default=9) for at, loss in enumerate(val)]
    return [
        {
            "val_nats_per_token": loss,
            "best": good,
            "train_nats_per_token": train,
            "epoch": epoch * (at + 1) / len(val),
            "step": 100 * (at + 1),
        }
        for at, (loss, good) in enumerate(zip(val, best, strict=True))
    ]


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (rows(3.0, 2.5, 2.2, 2.0, train=1.9), "larger budget"),
        (rows(3.0, train=3.2), "larger budget"),
        (rows(2.0, 1.5, 1.6, 1.8, train=0.4), "by heart"),
        (rows(2.0, 1.5, 1.499, 1.498, train=0.4), "by heart"),
        (rows(3.6, 3.7, 3.6, train=3.57, epoch=0.1), "which was 0.5"),
        (rows(2.0, 6.0, train=2.2, epoch=1.0), "which was 0.5"),
        (rows(2.927, 2.926, 2.925, 2.924, train=2.93), "which was 0.5"),
    ],
)
def test_the_remedy_fits_the_losses(run, told):
    said = remedy(run, TrainingOptions(lr=0.5))
    assert told in said
    assert ("by heart" in said) == (told == "by heart")
    assert ("still improving" in said) == (told == "larger budget")


def falling(run):
    """The same with a training loss that falls."""
    return [
        {**row, "train_nats_per_token": row["train_nats_per_token"] - 0.1 * at} for at, row in enumerate(run)
    ]


def test_where_losses_are_not_comparable_the_validation_loss_alone_tells():
    said = remedy(falling(rows(2.0, 1.5, 1.8, train=2.4)), TrainingOptions(), comparable=False)
    assert "by heart (1.800 nats a token of the held-out text, 1.500 at its lowest)" in said
    assert "hardly learns" in remedy(rows(2.0, 1.5, 1.51, train=0.4), TrainingOptions(), comparable=False)
    assert early_best(rows(2.0, 1.5, 1.51, 1.52, train=0.4), NETWORK, 400, comparable=False) is None
    assert "by heart" in early_best(
        falling(rows(1.5, 1.6, 1.7, 1.8, train=2.4)), NETWORK, 400, comparable=False
    )


def test_without_losses_nothing_is_diagnosed():
    assert remedy([], TrainingOptions()) == "give it a larger budget"


def test_figures_are_those_of_the_last_evaluation():
    assert "0.400 nats a token of the training text, 1.800" in remedy(
        rows(1.5, 1.8, train=0.4), TrainingOptions()
    )


NETWORK = NetworkOptions(dropout=0.2)


def test_a_best_step_in_the_first_half_is_named_with_what_would_have_used_the_rest():
    said = early_best(rows(2.0, 1.5, 1.6, 1.7, 1.8, train=0.4), NETWORK, 500)
    assert "step 200 of 500" in said
    assert "--epochs 4," in said
    assert "above 0.2" in said


@pytest.mark.parametrize(
    "run",
    [
        rows(2.0, 1.8, 1.5, 1.6, train=0.4),
        rows(2.0, 1.5, 1.51, 1.52, 1.53, train=1.5),
        rows(2.0, 1.5, 1.6, 1.7, 1.8, train=None),
    ],
)
def test_no_warning_of_a_late_best_step_or_of_a_text_that_is_not_learnt_by_heart(run):
    assert early_best(run, NETWORK, 100 * len(run)) is None

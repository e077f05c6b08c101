"""A remedy follows from the losses of training and of validation, and from where they were at half time."""

import pytest

from rnngen.options.model import TrainingOptions
from rnngen.training.diagnosis import remedy


def rows(*val, train, epoch=10.0):
    best = [loss < min(val[:at], default=9) for at, loss in enumerate(val)]
    return [
        {
            "val_nats_per_token": loss,
            "best": good,
            "train_nats_per_token": train,
            "epoch": epoch * (at + 1) / len(val),
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


def test_without_losses_nothing_is_diagnosed():
    assert remedy([], TrainingOptions()) == "give it a larger budget"


def test_figures_are_those_of_the_last_evaluation():
    assert "0.400 nats a token of the training text, 1.800" in remedy(
        rows(1.5, 1.8, train=0.4), TrainingOptions()
    )

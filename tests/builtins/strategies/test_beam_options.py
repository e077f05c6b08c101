"""Beam options that make no sense are refused, and say what would."""

import pytest

from rnngen.builtins.strategies.options import BeamOptions, DiverseBeamOptions
from rnngen.options import IdleOption, build, describe


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"width": 0}, "width=0: a number from 1 to 10000"),
        ({"least": -1}, "least=-1: 0 or more"),
        ({"alpha": float("nan")}, "alpha=nan: a finite number"),
        ({"alpha": float("inf")}, "alpha=inf: a finite number"),
        ({"offset": -0.5}, "offset=-0.5: a number from 0"),
        ({"coverage": -1.0}, "coverage=-1: a number from 0"),
        ({"diversity": float("inf")}, "diversity=inf: a number from 0"),
        ({"diversity_range": 0.0}, "diversity_range=0: a number above 0"),
        ({"penalty": "wu"}, "penalty=wu: one of"),
        ({"diversity_kind": "ngram"}, "diversity_kind=ngram: one of"),
        ({"width": 5, "groups": 2}, "groups=2: a divisor of the width, 5"),
        ({"groups": 0}, "groups=0: a divisor"),
        ({"stochastic": True, "early": True}, "a stochastic beam has no"),
        ({"stochastic": True, "width": 4, "groups": 2}, "a stochastic beam has no"),
        ({"stochastic": True, "coverage": 0.1}, "a stochastic beam has no"),
    ],
)
def test_what_makes_no_sense_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        BeamOptions(**given)


def test_every_option_can_be_described():
    assert all(option.help for option in describe(BeamOptions))


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({"diversity": "0.5"}, "groups"),
        ({"diversity_kind": "cumulative"}, "groups"),
        ({"diversity_kind": "cumulative", "groups": "5"}, "diversity"),
        ({"diversity_range": "2", "groups": "5", "diversity": "1"}, "diversity_kind=cumulative"),
        ({"offset": "2"}, "penalty=power"),
        ({"alpha": "2", "penalty": "none"}, "penalty"),
        ({"alpha": "2", "stochastic": "true"}, "stochastic=false"),
        ({"penalty": "average", "stochastic": "true"}, "stochastic=false"),
    ],
)
def test_what_has_no_effect_is_refused_where_it_is_given(given, needed):
    with pytest.raises(IdleOption, match=f"strategy beam: .* needs {needed}: ") as refused:
        build(BeamOptions, given, owner="strategy beam")
    assert refused.value.option in given


def test_what_has_an_effect_or_is_the_default_is_not():
    for given in ({"diversity": "0"}, {"offset": "2", "penalty": "power"}, {"diversity": "1", "groups": "5"}):
        build(BeamOptions, given, owner="strategy beam")
    build(
        DiverseBeamOptions, {"diversity": "1", "diversity_kind": "cumulative"}, owner="strategy diverse-beam"
    )

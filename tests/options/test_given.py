"""Options of which some were given: what was not comes from elsewhere."""

from pathlib import Path

import numpy as np
import pytest

from rnngen.errors import UnknownName, UsageError
from rnngen.options.corpus import CorpusOptions
from rnngen.options.given import Given
from rnngen.options.model import NetworkOptions, TrainingOptions


def test_given_values_count_above_other_options_and_the_rest_is_theirs():
    given = Given.of(NetworkOptions, hidden=8)
    assert given.over(NetworkOptions(hidden=16, layers=2)) == NetworkOptions(hidden=8, layers=2)
    assert ("hidden" in given, "layers" in given) == (True, False)


def test_a_value_that_is_the_default_counts_as_given_all_the_same():
    given = Given.of(NetworkOptions, layers=1, dropout=None)
    assert given.values == {"layers": 1, "dropout": None}
    assert given.over(NetworkOptions(layers=3, dropout=0.5)) == NetworkOptions()


def test_more_values_count_above_those_there_are_and_some_may_be_left_out():
    given = Given.of(NetworkOptions, hidden=8, layers=2).adding({"hidden": 16})
    assert given.values == {"hidden": 16, "layers": 2}
    assert given.without({"layers", "embed"}).values == {"hidden": 16}


def test_what_the_dataclass_refuses_is_refused():
    with pytest.raises(UsageError, match="hidden=0: at least 1"):
        Given.of(NetworkOptions, hidden=0)
    with pytest.raises(UnknownName, match="did you mean 'hidden'"):
        Given.of(NetworkOptions, hiden=8)
    with pytest.raises(UsageError, match=r"head=adaptive .* tied=True"):
        Given.of(NetworkOptions, head="adaptive").over(NetworkOptions(tied=True))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"steps": 1e3}, "steps=1000.0: int or None expected"),
        ({"patience": 5.0}, "patience=5.0: int expected"),
        ({"precision": "fp16"}, "precision='fp16': 'auto' or "),
        ({"optimizer": "adagrad"}, "optimizer='adagrad': 'sgd' or "),
        ({"lr": "fast"}, "lr='fast': float expected"),
        ({"seed": True}, "seed=True: int or None expected"),
    ],
)
def test_a_value_of_another_type_is_refused_before_anything_computes_with_it(value, says):
    with pytest.raises(UsageError) as refused:
        Given.of(TrainingOptions, **value)
    assert says in str(refused.value)


def test_numbers_of_numpy_count_as_pythons_and_paths_as_texts():
    assert type(Given.of(NetworkOptions, hidden=np.int64(128)).options.hidden) is int
    assert type(Given.of(TrainingOptions, lr=np.float32(0.5)).options.lr) is float
    assert Given.of(TrainingOptions, lr=1).options.lr == 1
    assert Given.of(CorpusOptions, val=Path("a.txt")).options.val == "a.txt"
    assert Given.of(NetworkOptions, tied=np.bool_(True)).options.tied is True
    assert Given.of(CorpusOptions, field=2, source_field=np.int64(1)).values == {
        "field": "2",
        "source_field": "1",
    }
    assert Given.of(CorpusOptions, val="caf\udce9").options.val == "caf\udce9"

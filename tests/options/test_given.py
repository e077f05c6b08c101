"""Options of which some were given: what was not comes from elsewhere."""

import pytest

from rnngen.errors import UnknownName, UsageError
from rnngen.options.given import Given
from rnngen.options.model import NetworkOptions


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

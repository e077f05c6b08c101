"""The tree of errors is the one that is drawn, and its exit statuses are those that the shell sees."""

import inspect
import re

import pytest

from rnngen import errors
from rnngen.errors import RnngenError, UnknownName, UsageError

TREE = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, RnngenError)]


def test_the_tree_is_the_one_that_is_drawn():
    drawn = dict(re.findall(r"(\w+)  +(\d)  ", errors.__doc__))
    assert drawn == {cls.__name__: str(cls.exit_status) for cls in TREE}


@pytest.mark.parametrize("cls", TREE)
def test_every_error_is_documented_and_caught_by_the_root(cls):
    assert cls.__doc__
    assert issubclass(cls, RnngenError)
    assert 0 < cls.exit_status < 128


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("lsmt", ["gru", "lstm"], "unknown cell 'lsmt'; did you mean 'lstm'?"),
        ("transformer", ["gru", "lstm"], "unknown cell 'transformer'; there is gru, lstm"),
        ("hepl", ["eval", "train"], "unknown cell 'hepl'; there is eval, train"),
        ("tut", ["tune", "tutorial"], "unknown cell 'tut'; did you mean 'tutorial'?"),
        ("temprature", ["temp", "top_k"], "unknown cell 'temprature'; did you mean 'temp'?"),
        ("any", [], "unknown cell 'any'; there is no cell at all"),
        ("", ["gru"], "unknown cell ''; there is gru"),
    ],
)
def test_an_unknown_name_offers_what_there_is(name, known, message):
    error = UnknownName("cell", name, iter(known))
    assert str(error) == message
    assert (error.kind, error.name, error.known) == ("cell", name, tuple(sorted(known)))
    assert isinstance(error, UsageError)

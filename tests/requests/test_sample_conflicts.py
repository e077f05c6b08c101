"""Every row of the table of ``sample`` refuses, by names of options and by flags; a lower flag gives way."""

import pytest

from rnngen.api import Session
from rnngen.cli import interactive
from rnngen.cli.settings import user_file
from rnngen.errors import OptionError, UnknownName, UsageError
from rnngen.registry import Registry
from rnngen.requests.conflicts import Conflict, ConflictError, Need
from rnngen.requests.sample import CONFLICTS
from rnngen.store.model_folder import ModelStore

VALUES = {
    "prompt": {"prompt": "the"},
    "prompt_file": {"prompt_file": "p.txt"},
    "save_state": {"save_state": "s.state"},
    "from_state": {"from_state": "t.state"},
    "count": {"count": 2},
    "nbest": {"nbest": 2},
    "seed": {"seed": 1},
    "endless": {"length": -1},
    "blend": {"blend": ("a", 0.5)},
    "label": {"label": "Russian"},
    "dynamic": {"dynamic": True},
    "cache": {"cache": True},
    "several_models": {"models": ("a", "b")},
    "interactive": {"interactive": True},
    "json": {"json": True},
    "null": {"null": True},
    "attention": {"attention": True},
    "prefix": {"prefix": "A"},
    "no_prompt": {"no_prompt": True},
    "order": {"order": "llama"},
    "stop": {"stop": ("x",)},
    "keep_stop": {"keep_stop": True},
    "log": {"log": True},
    "sentences": {"sentences": 2},
    "novel": {"novel": True},
    "with_filters": {"top_p": 0.9},
    "draft": {"draft": "lookup"},
    "strategy=speculative": {"strategy": "speculative"},
    "strategy=contrastive": {"strategy": "contrastive"},
}
"""What gives each option, by names of the Python interface."""
SPELT = {
    "prompt": "PROMPT",
    "endless": "-n -1 without --stop",
    "several_models": "several models",
    "with_filters": "a filter",
    "strategy=speculative": "--strategy speculative",
    "strategy=contrastive": "--strategy contrastive",
}
"""How the command line names what is no flag."""
ROWS = pytest.mark.parametrize("row", CONFLICTS, ids=lambda row: f"{row.option}-{row.other}")


@pytest.fixture
def session(tmp_path):
    return Session(Registry(), ModelStore(tmp_path / "models"))


def words(option):
    """The same for a shell."""
    ((name, value),) = VALUES[option].items()
    if name == "prompt":
        return [value]
    if name == "models":
        return [word for one in value for word in ("-m", one)]
    flag = f"--{name.replace('_', '-')}"
    if value is True:
        return [flag]
    return [flag, *map(str, value)] if isinstance(value, tuple) else [flag, str(value)]


def toml(option):
    """The same for a settings file; None where it cannot stand there."""
    ((name, value),) = VALUES[option].items()
    if name in ("prompt", "blend"):
        return None
    key = "model" if name == "models" else name
    shown = {True: "true"}.get(value) if isinstance(value, bool) else None
    text = shown or (str(list(value)) if isinstance(value, tuple) else repr(value))
    return f"[sample]\n{key} = {text}\n"


def spelt(option):
    return SPELT.get(option, f"--{option.replace('_', '-')}")


def broken(row):
    """The options that break a row."""
    return [row.option, row.other] if isinstance(row, Conflict) else [row.option]


@ROWS
def test_the_python_interface_refuses_every_row_by_names_of_options(session, row):
    given = {name: value for option in broken(row) for name, value in VALUES[option].items()}
    with pytest.raises(ConflictError) as caught:
        session.sample_request(**given)
    assert caught.value.conflict is row
    for name in (row.option, row.other, row.reason):
        assert name in str(caught.value)
    assert "--" not in str(caught.value)


@ROWS
def test_one_of_a_row_alone_is_a_request(session, row):
    alone = [row.option, row.other] if isinstance(row, Conflict) else [row.other]
    for option in alone:
        if not any(isinstance(one, Need) and one.option == option for one in CONFLICTS):
            session.sample_request(**VALUES[option])
    if not isinstance(row, Conflict):
        session.sample_request(**VALUES[row.option], **VALUES[row.other])


@pytest.mark.slow
@ROWS
def test_the_command_line_refuses_every_row_by_flags(run, row):
    refused = run("sample", *(word for option in broken(row) for word in words(option)), status=2)
    assert refused.out == ""
    for name in (spelt(row.option), spelt(row.other), row.reason):
        assert name in refused.err
    if isinstance(row, Conflict):
        assert f"{spelt(row.option)} and {spelt(row.other)} cannot stand together" in refused.err


@pytest.mark.slow
@pytest.mark.parametrize("lower", ["option", "other"])
@ROWS
def test_what_a_settings_file_says_gives_way_to_a_flag(run, place, monkeypatch, row, lower):
    if not isinstance(row, Conflict):
        return
    below, above = (row.option, row.other) if lower == "option" else (row.other, row.option)
    if toml(below) is None:
        return
    monkeypatch.setattr(interactive, "check", lambda: None)
    user_file().parent.mkdir(parents=True, exist_ok=True)
    user_file().write_text(toml(below))  # a folder's own may not say where to write
    went_on = run("sample", *words(above), status=3)  # as far as the model or the state, which is not there
    assert "cannot stand together" not in went_on.err


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"length": -2}, "length=-2: 0 or more, or -1 for ever"),
        ({"seed": -1}, "seed=-1: from 0"),
        ({"count": 0}, "count=0: 1 or more"),
        ({"nbest": 0, "beam": 2}, "nbest=0: 1 or more"),
        ({"stop": ""}, "stop is empty"),
        ({"blend": ("a", 2.0)}, "blend: weight 2.0: a number from 0 to 1"),
        ({"cache_size": 9}, "cache_size needs cache: it says how to adapt"),
        ({"cache": True, "cache_weight": 2.0}, "cache_weight=2: a number"),
        ({"beam": -1}, "beam=-1: a number from 1"),
        ({"length_penalty": 1}, "length_penalty needs beam"),
        ({"penalty_alpha": 0.5}, "penalty_alpha needs strategy=contrastive"),
        ({"beam": 3, "mbr": 4}, "beam and mbr cannot stand together"),
        ({"strategy": "mbr", "beam": 4}, "strategy=mbr and beam cannot stand together"),
        ({"strategy": "greedy", "temperature": 0.8}, "strategy=greedy and temp cannot stand together"),
        ({"strategy": "sample", "temperature": 0}, "strategy=sample and temp cannot stand together"),
        ({"filters": "temp=1", "top_k": 3}, "filters and top_k cannot stand together"),
        ({"beam": 3, "blend": ("a", 0.5)}, "beam and blend cannot stand together"),
        ({"strategy": "contrastive", "count": 2}, "strategy=contrastive and count cannot stand together"),
        ({"mbr": 3, "length": -1}, "mbr and length=-1 cannot stand together"),
    ],
    ids=str,
)
def test_values_and_strategies_are_refused_by_names_of_options(session, given, says):
    with pytest.raises(OptionError) as caught:
        session.sample_request(**given)
    assert says in str(caught.value)
    assert "--" not in str(caught.value)


@pytest.mark.parametrize("name", ["lenght", "temprature", "tpo_k"])
def test_an_unknown_option_brings_the_closest(session, name):
    with pytest.raises(UnknownName, match="did you mean"):
        session.sample_request(**{name: 1})
    with pytest.raises(UsageError):
        session.sample_request(**{name: 1})

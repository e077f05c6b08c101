"""Options come from text by their types, and a refusal names the option and the mend."""

from dataclasses import FrozenInstanceError, dataclass, field
from typing import Literal

import pytest

from rnngen.builtins import (
    rnngen_cells,
    rnngen_filters,
    rnngen_readers,
    rnngen_strategies,
    rnngen_tasks,
    rnngen_tokenizers,
)
from rnngen.errors import UsageError
from rnngen.generation.fill_options import FillOptions
from rnngen.options import SEARCH, NoOptions, OneOf, Range, build, construct, describe
from rnngen.options.corpus import AdaptingOptions, CorpusOptions, PartsOptions
from rnngen.options.model import NetworkOptions, TrainingOptions

STAGES = [NetworkOptions, TrainingOptions, AdaptingOptions, FillOptions, PartsOptions, CorpusOptions]
HOOKS = [
    rnngen_cells,
    rnngen_filters,
    rnngen_readers,
    rnngen_strategies,
    rnngen_tasks,
    rnngen_tokenizers,
]


@dataclass(frozen=True)
class Base:
    """What is inherited."""

    depth: int = 2
    """How deep;
    over two lines."""


@dataclass(frozen=True)
class Many(Base):
    """One of every kind."""

    needed: float = field(kw_only=True)
    """Has no default."""
    name: str = "x"
    """A word."""
    flag: bool = False
    """Yes or no."""
    kind: Literal["hot", "cold"] = "hot"
    """One of two."""
    maybe: int | None = None
    """A number, or none."""
    either: Literal["a", "b"] | None = "a"
    """One of two, or none."""
    silent: int = 0
    made: str = field(default_factory=lambda: "made")
    """Comes from a factory."""

    def __post_init__(self):
        if self.depth > 9:
            raise ValueError(f"depth={self.depth}: at most 9")


def made(**given):
    return build(Many, {"needed": "1", **given}, owner="cell 'many'")


# ── describing ─────────────────────────────────────────────────────────────────────────────────────────────


def test_fields_are_described_in_order_with_their_docstrings():
    described = {option.name: option for option in describe(Many)}
    assert list(described) == ["depth", "needed", "name", "flag", "kind", "maybe", "either", "silent", "made"]
    assert described["depth"].help == "How deep; over two lines."
    assert described["silent"].help == ""
    assert described["made"].default == "made"
    assert described["kind"].choices == ("hot", "cold")
    assert (described["maybe"].type, described["maybe"].optional) == (int, True)
    assert (described["either"].choices, described["either"].optional) == (("a", "b"), True)
    assert describe(NoOptions) == ()


@pytest.mark.parametrize("hint", [list, dict[str, int], int | str, tuple[int, ...], bytes])
def test_a_type_that_no_text_gives_is_a_plugin_authors_mistake(hint):
    cls = dataclass(frozen=True)(type("Strange", (), {"__annotations__": {"key": hint}, "key": None}))
    with pytest.raises(TypeError, match="option 'key' has the type"):
        describe(cls)


def test_without_source_options_work_undescribed():
    space = {"dataclass": dataclass}
    exec("@dataclass(frozen=True)\nclass Bare:\n    n: int = 1\n    'Help.'\n", space)
    assert describe(space["Bare"])[0].help == ""
    assert build(space["Bare"], {"n": "2"}, owner="x").n == 2


@pytest.mark.parametrize("cls", [*STAGES, *dict.fromkeys(spec.options for hook in HOOKS for spec in hook())])
def test_every_option_of_ours_is_documented_frozen_and_readable(cls):
    for option in describe(cls):
        assert option.help.endswith((".", ")")), option.name
        if option.default is not None:
            text = str(option.default)
            assert option.parse(text) == option.default
    with pytest.raises(FrozenInstanceError):
        cls().anything = 1


# ── parsing ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("depth", "7", 7),
        ("depth", "-1", -1),
        ("needed", "1e-3", 0.001),
        ("needed", "inf", float("inf")),
        ("name", "", ""),
        ("name", "none", "none"),
        ("name", "a=b", "a=b"),
        ("flag", "true", True),
        ("flag", "ON", True),
        ("flag", "1", True),
        ("flag", "no", False),
        ("flag", "0", False),
        ("kind", "cold", "cold"),
        ("maybe", "none", None),
        ("maybe", "None", None),
        ("maybe", "3", 3),
        ("either", "b", "b"),
        ("either", "none", None),
    ],
)
def test_text_becomes_a_value_of_the_fields_type(key, text, value):
    found = getattr(made(**{key: text}), key)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("depth", "1.5", "option depth=1.5: a whole number expected"),
        ("depth", "", "option depth=: a whole number expected"),
        ("depth", "none", "a whole number expected"),
        ("needed", "much", "option needed=much: a number expected"),
        ("flag", "maybe", "option flag=maybe: true or false expected"),
        ("kind", "hit", "unknown value for 'kind' 'hit'; did you mean 'hot'"),
        ("kind", "none", "unknown value for 'kind' 'none'"),
        ("dept", "1", "unknown option of cell 'many': 'dept'; did you mean 'depth'"),
        ("depth", "10", "cell 'many': depth=10: at most 9"),
    ],
)
def test_what_is_refused_is_named_with_the_mend(key, text, message):
    with pytest.raises(UsageError) as caught:
        made(**{key: text})
    assert message in str(caught.value)


def test_what_is_missing_is_asked_for():
    with pytest.raises(
        UsageError, match="cell 'many' needs the option 'needed'; give it with -o needed=VALUE"
    ):
        build(Many, {}, owner="cell 'many'")


def test_what_is_not_given_keeps_its_default():
    assert made() == Many(needed=1.0)


def test_typed_values_are_refused_in_the_same_way():
    assert construct(Many, {"needed": 1.0, "depth": 3}, owner="x").depth == 3
    for values in ({"needed": 1.0, "depth": 10}, {"needed": 1.0, "surplus": 1}, {}):
        with pytest.raises(UsageError, match=r"^x: "):
            construct(Many, values, owner="x")


def test_an_unknown_key_among_none_says_so():
    with pytest.raises(UsageError, match="task 'y' has no options, and so no"):
        build(NoOptions, {"key": "1"}, owner="task 'y'")


# ── searching ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Searched:
    """What a search may try of each kind."""

    rate: float = field(default=0.1, metadata={SEARCH: Range(0.01, 1.0, log=True)})
    size: int = field(default=8, metadata={SEARCH: Range(4, 16, step=4)})
    kind: Literal["hot", "cold"] = field(default="hot", metadata={SEARCH: OneOf()})
    flag: bool = field(default=True, metadata={SEARCH: OneOf()})
    maybe: int | None = None


def of_searched(name):
    return next(option for option in describe(Searched) if option.name == name)


def test_a_field_declares_what_a_search_may_try_and_where_all_values_are_known_they_are_filled_in():
    assert of_searched("rate").search == Range(0.01, 1.0, log=True)
    assert of_searched("kind").search == OneOf(("hot", "cold"))
    assert of_searched("flag").search == OneOf((False, True))
    assert of_searched("maybe").search is None


@pytest.mark.parametrize("search", [OneOf(), Range(1, 2)])
def test_what_cannot_be_listed_or_is_no_number_is_a_plugin_authors_mistake(search):
    body = {"__annotations__": {"key": str}, "key": field(default="", metadata={SEARCH: search})}
    with pytest.raises(TypeError, match="option 'key'"):
        describe(dataclass(frozen=True)(type("Strange", (), body)))


@pytest.mark.parametrize(
    ("name", "text", "search"),
    [
        ("rate", "1e-3..0.5", Range(0.001, 0.5)),
        ("rate", "1e-3..0.5:log", Range(0.001, 0.5, log=True)),
        ("rate", "0..0.5:0.1", Range(0.0, 0.5, step=0.1)),
        ("rate", "0.5", OneOf((0.5,))),
        ("size", "4..64:log", Range(4, 64, log=True)),
        ("size", "4|8|4", OneOf((4, 8))),
        ("kind", "cold|hot", OneOf(("cold", "hot"))),
        ("flag", "yes|no", OneOf((True, False))),
        ("maybe", "none|3", OneOf((None, 3))),
    ],
)
def test_what_to_try_is_read_from_text_and_written_back(name, text, search):
    option = of_searched(name)
    assert option.space(text) == search
    assert option.space(str(search)) == search


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rate", "2..1", "option rate: 2.0..1.0"),
        ("rate", "0..1:log", "starts above 0"),
        ("rate", "0..1:0.3", "a step that leads from the first number to the last"),
        ("rate", "0..1:-1", "a step that leads"),
        ("rate", "0..nan", "option rate"),
        ("rate", "0..inf", "option rate"),
        ("rate", "a..b", "option rate=a: a number expected"),
        ("size", "1..2.5", "option size=2.5: a whole number expected"),
        ("size", "", "option size=: a whole number expected"),
        ("maybe", "none..3", "option maybe"),
        ("kind", "hot|cool", "did you mean 'cold'"),
        ("kind", "cold..hot", "unknown value for 'kind' 'cold..hot'"),
    ],
)
def test_what_cannot_be_tried_is_refused(name, text, message):
    with pytest.raises(UsageError) as caught:
        of_searched(name).space(text)
    assert message in str(caught.value)


def test_a_range_holds_its_ends_and_what_its_steps_lead_to():
    assert [n for n in range(20) if n in Range(4, 16, step=4)] == [4, 8, 12, 16]
    assert 0.3 in Range(0.0, 0.5, step=0.1)
    assert "x" not in Range(0, 1)
    assert None not in Range(0, 1)


@pytest.mark.parametrize("cls", [*STAGES, *dict.fromkeys(spec.options for hook in HOOKS for spec in hook())])
def test_every_default_of_ours_lies_in_what_is_searched_and_all_of_that_is_accepted(cls):
    for option in describe(cls):
        search = option.search
        if search is None:
            continue
        assert option.default is None or option.default in search, option.name
        has_eos = search.values if isinstance(search, OneOf) else (search.low, search.high)
        for value in has_eos:
            assert getattr(cls(**{option.name: option.parse(str(value))}), option.name) == value

"""The request of ``rnngen sample``, ``Model.generate`` and the interactive mode."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

from rnngen.errors import OptionError, UnknownName
from rnngen.options import WHOLE
from rnngen.options.corpus import AdaptingOptions
from rnngen.requests.conflicts import Conflict, ConflictError, Need, Requires, check

FilterChoices: TypeAlias = tuple[tuple[str, str], ...]
"""A chain of filters by name, each with the text of its options: ``("top_k", "40")``."""


@dataclass(frozen=True)
class ComponentChoice:
    """A component by name, with the texts of its options."""

    name: str
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class DecodingChoice:
    """The strategy and the filters that were asked for."""

    strategy: ComponentChoice | None = None
    """None: what suits the model and the filters."""
    chosen_by: str = "strategy"
    """The option that chose it, as errors name it: ``beam``, or ``strategy=beam``."""
    filters: FilterChoices = ()
    """In the order in which they apply."""
    whole_chain: bool = False
    """True if these are all filters, so that no temperature is added."""
    order: str = "hf"
    """Order of the filters: ``hf``, temperature before truncation, or ``llama``, after it."""
    draws: bool = False
    """True if a filter was given that shapes draws, which asks for draws."""


@dataclass(frozen=True)
class SampleRequest:
    """A request to generate text."""

    prompt: str | None = None
    """Text to go on from; a model that reads a source takes every line for one."""
    prompt_file: str | None = None
    """The file that holds it; ``-`` is standard input."""
    prefix: str = ""
    """Beginning of every output of a model that reads a source."""
    label: str | None = None
    """The label under which texts are generated, of models with labels."""
    models: tuple[str, ...] = ()
    """Names or paths; several generate together. None: the model trained last."""
    decoding: DecodingChoice = field(default_factory=DecodingChoice)
    length: int | None = None
    """Tokens at most; -1 for no limit."""
    seed: int | None = None
    """Of the draws; chosen if not given."""
    count: int = 1
    """Texts of each prompt."""
    nbest: int | None = None
    """The best N texts of each prompt, best first."""
    stop: tuple[str, ...] = ()
    """Texts to end before."""
    keep_stop: bool = False
    """Keep the stop that ended a text at its end."""
    novel: bool = False
    """Only examples that are not in the training text, none twice."""
    sentences: int | None = None
    """End after this number of sentences."""
    blend: tuple[str, float] | None = None
    """Another prompt, and how much of the state after it is mixed in."""
    save_state: str | None = None
    """The file to keep the generation state in."""
    from_state: str | None = None
    """The file to go on from."""
    device: str = "cpu"
    quantize: str | None = None
    adapting: AdaptingOptions = field(default_factory=AdaptingOptions)
    """Ways in which the model adapts to its prompt."""
    adapting_given: tuple[str, ...] = ()
    """Names of the options of ``adapting`` that were given."""
    no_prompt: bool = False
    """Leave the prompt out of what is written."""
    interactive: bool = False
    attention: bool = False
    """Include attention weights in the JSON output."""
    json: bool = False
    null: bool = False
    """End each text with a NUL byte."""
    raw: bool = False
    """Write control characters to a terminal as they are, not as symbols."""
    log: bool = False
    """Keep what is written, and what it takes to write it again, in the user's log."""
    quiet: bool = False

    def __post_init__(self) -> None:
        for name in ("length", "count", "nbest", "sentences"):
            _require((getattr(self, name) or 0) < WHOLE, f"`{name}`: a number below 2^63 expected")
        _require(
            self.length is None or self.length >= -1,
            f"`length={self.length}`: 0 or more, or -1 for ever, expected",
        )
        _require(
            self.seed is None or 0 <= self.seed < 2**63, f"`seed={self.seed}`: from 0 to 2^63-1 expected"
        )
        for name in ("count", "nbest", "sentences"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"`{name}={value}`: 1 or more expected")
        _require("" not in self.stop, "`stop` is empty, and would end every text at once; leave it out")
        weight = self.blend[1] if self.blend else 0
        _require(0 <= weight <= 1, f"`blend`: weight {weight}: a number from 0 to 1 expected")
        for option in self.adapting_given:
            kind = option.partition("_")[0]
            if not getattr(self.adapting, kind):
                raise ConflictError(Need(option, kind, "it says how to adapt"))
        check(self, CONFLICTS)

    @property
    def endless(self) -> bool:
        """True if nothing but the model itself ends a text."""
        return self.length == -1 and not self.stop and self.sentences is None

    @property
    def no_prompt_in_json(self) -> bool:
        """True if the prompt is to be left out where it is no part of the text."""
        return self.no_prompt and self.json

    @property
    def with_filters(self) -> bool:
        """True if there are filters, or may be some later."""
        return bool(self.decoding.filters) or self.interactive

    @property
    def draft(self) -> bool:
        """True if a draft chose the strategy."""
        return self.decoding.chosen_by == "draft"

    @property
    def strategy(self) -> str:
        """The strategy that is asked for by its name; empty where none is."""
        return self.decoding.chosen_by.partition("=")[2]

    @property
    def several_models(self) -> bool:
        """True if several models generate together."""
        return len(self.models) > 1


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise OptionError(message)


CONFLICTS: tuple[Conflict | Need, ...] = (
    Conflict("prompt", "prompt_file"),
    Conflict("save_state", "count", "a state is that of one text"),
    Conflict("save_state", "nbest", "a state is that of one text"),
    Conflict("save_state", "endless", "a text without an end is never saved"),
    Conflict("from_state", "count", "a state is that of one text"),
    Conflict("from_state", "nbest", "a state is that of one text"),
    Conflict("from_state", "seed", "the state holds the draws"),
    Conflict("from_state", "prompt", "the state holds what was read"),
    Conflict("from_state", "prompt_file", "the state holds what was read"),
    Conflict("from_state", "blend", "the state holds what was read"),
    Conflict("from_state", "prefix", "the state holds what was read"),
    Conflict("from_state", "no_prompt", "a text that goes on is written without its prompt"),
    Conflict("dynamic", "from_state", "the weights would not be those of the state"),
    Conflict("dynamic", "save_state", "the weights would not be those of the state"),
    Conflict("dynamic", "interactive"),
    Conflict("dynamic", "several_models"),
    Conflict("cache", "several_models", "a cache remembers what one network was like"),
    Conflict("cache", "blend"),
    *(
        Conflict("cache", other, "a cache is read one token at a time, and a draft several at once")
        for other in ("draft", "strategy=speculative")
    ),
    Conflict("cache", "strategy=contrastive", "it compares features of the network, and a cache shows none"),
    *(
        Conflict("log", other, "the log keeps whole texts, with all that it takes to write them again")
        for other in ("save_state", "from_state", "interactive", "endless")
    ),
    Conflict("interactive", "json"),
    Conflict("interactive", "null"),
    Conflict("interactive", "blend"),
    Conflict("interactive", "count"),
    Conflict("interactive", "nbest"),
    Conflict("interactive", "label", "type the label and a tab there"),
    Conflict("from_state", "label", "the state holds what was read"),
    Conflict("interactive", "prefix"),
    Conflict("count", "nbest", "nbest says how many of the best"),
    *(
        Conflict("sentences", other, "it ends a text that is whole")
        for other in ("save_state", "from_state", "interactive")
    ),
    *(
        Conflict("novel", other, "whole texts are drawn, and kept if they are new")
        for other in ("nbest", "save_state", "from_state", "interactive")
    ),
    Need("keep_stop", "stop", "it keeps that at the end of a text"),
    Conflict("json", "null", "a record ends with its line"),
    Need("attention", "json", "it adds weights to the JSON output"),
    Need("order", "with_filters", "it is the order of filters"),
)
"""Options that cannot stand together, or are of no use alone."""

REQUIREMENTS = (
    Requires("prefix", "source", "it is what outputs about a source begin with"),
    Requires("attention", "source", "weights are those of a source"),
    Requires("attention", "attention", "weights are those with which it looked at a source"),
    Requires("blend", "no source", "it mixes the states after two prompts"),
    Requires("novel", "examples", "it compares with the examples of training"),
    Requires("label", "labels", "texts are generated under it"),
    Requires("no_prompt_in_json", "source", "JSON keeps a prompt apart from the text"),
)
"""Options that need a capability of the model."""


def sample_request(decoding: DecodingChoice, options: Mapping[str, Any]) -> SampleRequest:
    """Make a request from options by name, those of ``AdaptingOptions`` among them.

    Raises:
        UnknownName: for an option that there is not; the closest is named.
        UsageError: for a value that is refused, or options that cannot stand together.
    """
    adapting = {name: value for name, value in options.items() if name in ADAPTING}
    rest = {name: value for name, value in options.items() if name not in ADAPTING}
    for name in rest:
        if name not in FIELDS:
            raise UnknownName("option", name, FIELDS | ADAPTING)
    if isinstance(rest.get("stop"), str):
        rest["stop"] = (rest["stop"],)
    given = tuple(sorted(adapting))
    try:
        options_given = AdaptingOptions(**adapting)
    except ValueError as error:
        raise OptionError.of(error, {name: name for name in ADAPTING}) from error
    return SampleRequest(decoding=decoding, adapting=options_given, adapting_given=given, **rest)


ADAPTING = frozenset(field.name for field in fields(AdaptingOptions))
FIELDS = frozenset(field.name for field in fields(SampleRequest)) - {"decoding", "adapting", "adapting_given"}
COMMAND_OPTIONS = (FIELDS | ADAPTING) - {
    *("length", "seed", "count", "nbest", "stop", "keep_stop", "sentences", "novel", "blend", "label")
}
"""Options for where prompts and models come from, and how outputs are written."""

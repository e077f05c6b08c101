"""A strategy of a plugin has a flag, options and an API argument as a built-in one has."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest

from rnngen import hookimpl
from rnngen.api import Session
from rnngen.contracts import DecodingJob, Flag, Generated, StrategySpec
from rnngen.decoding.filter_chain import FilterChain
from rnngen.decoding.prefill import next_logits, select_rows
from rnngen.errors import UnknownName, UsageError
from rnngen.generation.prompts import Prompt
from rnngen.registry import Distribution, Registry
from rnngen.requests.conflicts import ConflictError
from rnngen.testing import check_strategy


@dataclass(frozen=True)
class RunnerUpOptions:
    """How far from the best token."""

    place: int = 2
    """Take the token of this place by probability."""
    first: int = 0
    """How many tokens are the best ones before."""

    def __post_init__(self) -> None:
        if self.place < 1:
            raise ValueError(f"place={self.place}: 1 or more expected")


class RunnerUp:
    """Takes the second most probable token, or the third."""

    def __init__(self, options: RunnerUpOptions) -> None:
        self.options, self.made = options, 0

    def generate(self, job: DecodingJob) -> Iterator[Generated]:
        given = next_logits(job.model, job.prefill())
        for prompt, history in enumerate(given.histories):
            tokens = self._tokens(
                job, list(history), given.logits[[prompt]], select_rows(given.state, [prompt])
            )
            yield Generated(prompt, islice(tokens, job.max_tokens[prompt]))

    def _tokens(self, job, history, logits, state):
        chain = FilterChain(job.filters)
        memory, begun = chain.initial(np.zeros(1, np.int64)), len(history)
        while True:
            logits = logits.copy()
            logits[:, list(job.forbidden)] = -np.inf
            shaped = chain(logits, [history], memory)[0]
            place = 1 if len(history) - begun < self.options.first else self.options.place
            place = min(place, int(np.isfinite(shaped).sum()))
            token = int(np.argsort(-shaped, kind="stable")[place - 1])
            if token == job.eos_id:
                return
            nats = np.log(np.exp(shaped - shaped.max()).sum()) - (shaped[token] - shaped.max())
            memory = chain.observe(np.array([token]), np.array([nats]), memory)
            history.append(token)
            self.made += 1
            yield token
            logits, state = job.model(np.array([token]), state)

    def report(self) -> str:
        return f"runner-up: {self.made} tokens"


SPEC = StrategySpec(
    name="runner-up",
    summary="take the second most probable token",
    load="acme_strategies:RunnerUp",
    options=RunnerUpOptions,
    flag=Flag(name="runner-up", metavar="PLACE"),
    flags=(Flag(name="best-first", option="first"),),
    draws=False,
    excludes=("xtc",),
    can=frozenset({"blend", "endless"}),
)


class Plugin:
    @hookimpl
    def rnngen_strategies(self):
        return [SPEC]


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """The plugin's module, as if it were installed."""
    monkeypatch.setitem(sys.modules, "acme_strategies", SimpleNamespace(RunnerUp=RunnerUp))


@pytest.fixture
def model(session, train):
    train(name="verse")
    registry = Registry(plugins=[(Distribution("acme-strategies", "1"), Plugin())])
    return Session(registry, session.models).load("verse")


def by_definition(generator, prompt, places):
    """The tokens of these places by probability, one after another."""
    text = list(generator.prefix_tokens(prompt))
    for place in places:
        state = generator.model.start(1)
        for token in text:
            logits, state = generator.model(np.array([token]), state)
        logits[0, list(generator.forbidden)] = -np.inf
        text.append(int(np.argsort(-logits[0], kind="stable")[place - 1]))
    return generator.decode(text[len(generator.prefix_tokens(prompt)) :])


def test_it_conforms():
    check_strategy(SPEC)
    check_strategy(SPEC, place="3", first="2")


def test_its_flag_chooses_it_and_sets_its_option(model):
    found = model.generate("the ", runner_up=3, length=12, include_prompt=False)
    assert found == by_definition(model.generator, "the ", [3] * 12)


def test_its_further_flags_set_further_options(model):
    found = model.generate("the ", runner_up=2, best_first=5, length=12, include_prompt=False)
    assert found == by_definition(model.generator, "the ", [1] * 5 + [2] * 7)


def test_it_is_chosen_by_name_and_streams(model):
    pieces = model.stream("the ", strategy="runner-up;place=2", length=-1, include_prompt=False)
    assert "".join(islice(pieces, 12)) == by_definition(model.generator, "the ", [2] * 12)


def test_filters_shape_what_it_sees(model):
    shaped = model.generate("the ", runner_up=2, top_k=1, length=12, include_prompt=False)
    assert shaped == by_definition(model.generator, "the ", [1] * 12)


def test_it_reports_and_draws_no_seed(model):
    decoder = model.decoder(runner_up=2, length=7)
    assert decoder.seed is None
    (output,) = decoder.outputs([Prompt("the ")])
    assert len(output.text) == 7
    assert decoder.report() == "runner-up: 7 tokens"


@pytest.mark.parametrize(
    ("options", "error", "reproach"),
    [
        ({"runner_up": 0.5}, UsageError, "runner_up=0.5: a whole number expected"),
        ({"runner_up": -1}, UsageError, "runner_up=-1: 1 or more expected"),
        ({"best_first": 2}, ConflictError, "best_first"),
        ({"runner_up": 2, "beam": 3}, ConflictError, "beam"),
        ({"runner_up": 2, "xtc": 0.5}, ConflictError, "runner-up has no use for xtc"),
        ({"runner_up": 2, "count": 2}, ConflictError, "generates one text of a prompt"),
        ({"strategy": "runner-down"}, UnknownName, "runner-up"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_in_one_line(model, options, error, reproach):
    with pytest.raises(error, match=reproach) as caught:
        model.generate("the ", **options)
    assert "\n" not in str(caught.value)


def test_a_state_that_it_cannot_go_on_from_is_refused(model):
    with pytest.raises(ConflictError, match="cannot be resumed") as caught:
        model.session.decoder(model.generator, model.session.sample_request(runner_up=2, save_state="x"))
    assert "\n" not in str(caught.value)

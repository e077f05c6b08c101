"""Every built-in strategy keeps its contract; the suite says so when one does not."""

from dataclasses import replace

import pytest

from rnngen.builtins.strategies import rnngen_strategies
from rnngen.builtins.strategies.sampling import Sample
from rnngen.contracts import Generated, StrategySpec
from rnngen.decoding.prefill import prefill
from rnngen.testing import check_strategy

SPECS = {spec.name: spec for spec in rnngen_strategies()}


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_built_in_strategies_conform(spec):
    check_strategy(spec)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("beam", {"width": "2", "early": "true"}),
        ("beam", {"width": "4", "groups": "2", "diversity": "0.7"}),
        ("diverse-beam", {"width": "3", "diversity_kind": "cumulative"}),
        ("best-of", {"size": "1"}),
        ("mbr", {"size": "3"}),
        ("contrastive", {"top_k": "2", "alpha": "0.3", "window": "4"}),
        ("speculative", {"draft": "other"}),
        ("speculative", {"draft_length": "1"}),
    ],
    ids=str,
)
def test_so_they_do_with_options(name, options):
    check_strategy(SPECS[name], **options)


# ── Strategies that break a promise each ───────────────────────────────────────────────────────────────────


class FewerTexts(Sample):
    def generate(self, job):
        return super().generate(replace(job, count=1))


class LongerTexts(Sample):
    def generate(self, job):
        return super().generate(replace(job, max_tokens=tuple(most + 1 for most in job.max_tokens)))


class Forbidden(Sample):
    def generate(self, job):
        return super().generate(replace(job, forbidden=()))


class ThePrefixToo(Sample):
    def generate(self, job):
        for one in super().generate(job):
            tokens = (*job.prefixes[one.prompt], *one.tokens)
            yield Generated(one.prompt, tokens[: job.max_tokens[one.prompt]])


class TheEndToo(Sample):
    def generate(self, job):
        for one in super().generate(job):
            tokens = (*one.tokens, job.eos_id)
            yield Generated(one.prompt, tokens[: job.max_tokens[one.prompt]])


class Unseeded(Sample):
    calls = 0

    def generate(self, job):
        type(self).calls += 1
        return super().generate(replace(job, seeds=tuple(seed + self.calls for seed in job.seeds)))


class Unfiltered(Sample):
    def generate(self, job):
        return super().generate(replace(job, filters=()))


class OneSeedForAll(Sample):
    def generate(self, job):
        return super().generate(replace(job, seeds=(job.seeds[0],) * len(job.seeds)))


class NotFromTheBlend(Sample):
    def generate(self, job):
        return super().generate(replace(job, prefill=lambda: prefill(job.model, job.start(), job.prefixes)))


@pytest.mark.parametrize(
    ("broken", "reproach"),
    [
        (FewerTexts, "has 1 texts, and count=2 was asked for"),
        (LongerTexts, "a text has 13 tokens, and at most 12"),
        (Forbidden, "a forbidden token is part of a text"),
        (ThePrefixToo, "the prefix, or a token of probability 0, is part of a text"),
        (TheEndToo, "the end token is part of a text"),
        (Unseeded, "the same seeds give other texts the second time"),
        (Unfiltered, "has tokens that the job's filters forbid"),
        (OneSeedForAll, "the texts of a prompt depend on the others beside it"),
        (NotFromTheBlend, "texts do not go on from what `prefill` gives"),
    ],
)
def test_a_broken_promise_is_named(broken, reproach, monkeypatch):
    monkeypatch.setattr("rnngen.testing.strategies.imported", lambda _: broken)
    with pytest.raises(AssertionError, match=reproach):
        check_strategy(SPECS["sample"])


def test_a_spec_that_says_too_much_is_named():
    with pytest.raises(AssertionError, match="it does not draw, says its spec, yet seeds matter"):
        check_strategy(replace(SPECS["sample"], draws=False))
    with pytest.raises(AssertionError, match="it draws, says its spec, yet no seed matters"):
        check_strategy(replace(SPECS["greedy"], draws=True))
    ranking = StrategySpec(name="x", summary="", load=SPECS["sample"].load, can=frozenset({"count", "rank"}))
    with pytest.raises(AssertionError, match="it ranks texts, says its spec, yet gives no hypothesis"):
        check_strategy(ranking)

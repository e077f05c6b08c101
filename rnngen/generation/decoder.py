"""A strategy and its filters, built for one model: what a request to generate comes down to."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from rnngen.contracts import AnyFilter, ReportingStrategy, Strategy, StrategySpec
from rnngen.data.normalization import normalize
from rnngen.data.survey import hash_of
from rnngen.decoding.filter_chain import FilterChain, constraints_of
from rnngen.decoding.sampler import Sampler
from rnngen.errors import RnngenError, UnknownName, UsageError
from rnngen.generation.decoding_choice import DecodingFlags
from rnngen.generation.generator import Generator
from rnngen.generation.prompts import BLANK, GenerationSettings, Output, Prompt
from rnngen.generation.saved_state import ResumableGeneration, SavedState, save_state
from rnngen.requests.conflicts import check_requirements
from rnngen.requests.sample import REQUIREMENTS, ComponentChoice, DecodingChoice, FilterChoices, SampleRequest

FRUITLESS, SIDE_BY_SIDE = 1_000, 64
"""Draws without a novel text after which there are taken to be no more, and texts that are drawn together."""
SEEDS = 2**31
"""Seeds that are chosen lie below it."""


@dataclass(frozen=True)
class Decoder:
    """Generates what a request asks for."""

    generator: Generator
    request: SampleRequest
    spec: StrategySpec
    strategy: Strategy
    choice: ComponentChoice
    filters: FilterChoices
    """The chain, as it is kept in saved states…"""
    built: Sequence[AnyFilter]
    """…and as it applies."""
    draws: bool
    """True if chance has a part in the texts, by the strategy or by filters that toss coins."""
    seed: int | None
    """Of the draws; None where there are none."""
    final: bool = False
    """True if the tokens of prompts are final, since a filter has to see every token of the output."""

    @classmethod
    def build(
        cls,
        flags: DecodingFlags,
        generator: Generator,
        request: SampleRequest,
        saved: SavedState | None = None,
    ) -> "Decoder":
        """Choose what was left open, and build it.

        The filters and the strategy of a saved state hold where none are asked for.

        Raises:
            ConflictError: if the model or the strategy is not able to do what is asked for.
        """
        asked = request.decoding if saved is None else _with_saved(request.decoding, saved)
        resolved = flags.resolve(asked, generator.default_strategy, several=request.count > 1)
        assert resolved.strategy is not None
        spec = flags.spec(resolved.strategy)
        check_requirements(request, REQUIREMENTS, generator.capabilities)
        flags.check_abilities(request, spec, reads_source=generator.reads_source)
        if request.label is not None and request.label not in generator.labels:
            unknown = UnknownName("label", request.label, generator.labels)
            raise UsageError(f"{unknown} (see rnngen classify --list)")
        strategy = flags.make_strategy(resolved.strategy)
        built = flags.filter_builder(resolved.filters)(generator.tokenizers.target)
        draws = bool(getattr(strategy, "draws", spec.draws)) or FilterChain(built).tosses_coins
        seed = request.seed
        if seed is None and draws and saved is None:
            seed = secrets.randbelow(SEEDS)
        stop = tuple(normalize(text, generator.normalize) for text in request.stop)  # as texts are generated
        return cls(
            generator,
            replace(request, stop=stop),
            spec,
            strategy,
            resolved.strategy,
            resolved.filters,
            built,
            draws,
            seed,
            flags.follows_output(resolved.filters) or getattr(strategy, "follows_output", False),
        )

    @property
    def constrained(self) -> bool:
        """True if a filter or the strategy says what a whole text has to be."""
        return self.final or bool(constraints_of(self.built))

    @property
    def settings(self) -> GenerationSettings:
        """Settings of generation, whatever the strategy."""
        request = self.request
        return GenerationSettings(
            length=request.length,
            count=request.nbest or request.count,
            seed=self.seed or 0,
            filters=self.built,
            stops=request.stop,
            keep_stop=request.keep_stop,
            sentences=request.sentences,
            attention=request.json and self.generator.attends,
            constrained=self.constrained,
        )

    def outputs(self, prompts: Sequence[Prompt], numbers: Sequence[int] | None = None) -> Iterator[Output]:
        """Generate the texts of prompts, in order; seeds follow from their numbers, from 0 by default."""
        prompts = [replace(prompt, final=True) for prompt in prompts] if self.final else prompts
        if self.request.novel:
            return self._novel(prompts, numbers or range(len(prompts)))
        return self.generator.generate(prompts, self.strategy, self.settings, numbers)

    def _novel(self, prompts: Sequence[Prompt], numbers: Sequence[int]) -> Iterator[Output]:
        """Generate examples that are not those of training, none twice.

        Raises:
            RnngenError: if none came in ``FRUITLESS`` draws, or there are no more where nothing is drawn.
        """
        written: set[int] = set()
        for prompt, number in zip(prompts, numbers, strict=True):
            found = fruitless = 0
            for output in self._candidates(prompt, number):
                whole = normalize(prompt.text + output.text, self.generator.normalize)
                labelled = self.generator.labels and prompt.label is None
                example = hash_of(whole.partition("\t")[2] if labelled else whole)
                if example in written or self._is_known(example):
                    fruitless += 1
                else:
                    written.add(example)
                    yield replace(output, number=found, pieces=iter([output.text]))
                    found, fruitless = found + 1, 0
                if found == self.request.count or fruitless == FRUITLESS:
                    break
            if found < self.request.count:
                mend = "a higher temperature gives more" if self.draws else "the strategy sample draws others"
                raise RnngenError(
                    f"no more than {found:,} of {self.request.count:,} are novel: the other texts that "
                    f"{self.spec.name} found stand in the training text, or were written already; {mend}"
                )

    def _candidates(self, prompt: Prompt, number: int) -> Iterator[Output]:
        """Generate texts, some at a time: for ever, or once where they would be the same again."""
        asked, most = self.request.count, getattr(self.strategy, "most", None)
        several = asked if not self.draws else min(SIDE_BY_SIDE, 2 * asked)
        settings = replace(self.settings, count=several if most is None else most)
        for later in count() if self.draws else range(1):
            seeds = [number + later * SEEDS]  # those of the first are what they are without ``novel``
            yield from self.generator.generate([prompt], self.strategy, settings, seeds)

    def _is_known(self, example: int) -> bool:
        known = self.generator.training_examples
        assert known is not None
        place = int(np.searchsorted(known, np.uint64(example)))
        return place < len(known) and int(known[place]) == example

    def sampler(self, filters: Sequence[AnyFilter] | None = None) -> Sampler:
        """Return what draws one token at a time, of a strategy that can be resumed."""
        settings = self.settings if filters is None else replace(self.settings, filters=filters)
        empty = Prompt("", "" if self.generator.reads_source else None)
        strategy: Any = self.strategy
        made: Sampler = strategy.sampler(self.generator.job([empty], settings))
        return made

    def whole(self, source: str, filters: Sequence[AnyFilter]) -> str:
        """Generate the best text for a source, with other filters.

        Raises:
            UsageError: if the source is blank.
            ConstraintError: if the text ended before it was what a constraint asks for.
        """
        prompt = Prompt("", source)
        if prompt.is_blank:
            raise UsageError(BLANK)
        settings = replace(self.settings, filters=filters, count=1)
        return self.generator.first_texts([prompt], self.strategy, settings)[0]

    def begin(self, prompt: Prompt) -> ResumableGeneration:
        """Begin a text that can be left off and gone on with."""
        prompt = replace(prompt, final=prompt.final or self.final)
        sampler, given = self.sampler(), self.generator.prefill(prompt)
        state = sampler.start(given, [np.random.default_rng([self.seed or 0, 0])])
        prefix, target = self.generator.prefix(prompt), self.generator.tokenizers.target
        return ResumableGeneration(sampler, state, target, len(prefix.tokens), skip=len(prefix.rest))

    def resume(self, saved: SavedState, model: str) -> ResumableGeneration:
        """Go on from a saved state of the model with this fingerprint."""
        return saved.resume(
            self.generator, self.sampler(), model=model, filters=self.filters, strategy=self.choice
        )

    def save(self, text: ResumableGeneration, path: Any, model: str, source: str | None) -> None:
        """Keep a text in the making in a file."""
        save_state(path, text, model, self.filters, strategy=self.choice, source=source)

    def report(self) -> str:
        """Return what the strategy has to say of its work, or nothing."""
        return self.strategy.report() if isinstance(self.strategy, ReportingStrategy) else ""


def _with_saved(asked: DecodingChoice, saved: SavedState) -> DecodingChoice:
    """Return a choice with a saved state's filters and strategy where none are asked for."""
    if not (asked.filters or asked.whole_chain):
        asked = replace(asked, filters=saved.filters, whole_chain=True)
    return asked if asked.strategy else replace(asked, strategy=saved.strategy)

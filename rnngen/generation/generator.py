"""A model that is ready to generate: prompts in, text out.

::

    Prompt(text, source) ─▸ prefix tokens, source tokens ─▸ model ─▸ strategy ─▸ tokens ─▸ pieces of text

A model without a source is a model whose source is absent: nothing but ``start`` knows whether there is one.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from itertools import groupby
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import (
    NO_TOKEN,
    AnyFilter,
    ConditionedStep,
    DecodingJob,
    GenerationState,
    Hypothesis,
    NetworkStep,
    State,
    Strategy,
    TextConstraint,
    TokenIds,
)
from rnngen.data.normalization import normalize
from rnngen.decoding.draws import require_choice
from rnngen.decoding.filter_chain import MOST_SEED, FilterChain, constraints_of, unmet
from rnngen.decoding.likelihood import log_probabilities
from rnngen.decoding.prefill import blend, next_logits, prefill
from rnngen.decoding.text_stream import TextStream, decode, first_sentences, first_tokens, until
from rnngen.errors import UsageError
from rnngen.generation.alignment import Alignment, Unit
from rnngen.generation.prefix_cache import PrefixCache
from rnngen.generation.prompts import BLANK, GenerationSettings, Output, Prefix, Prompt, require_constraints
from rnngen.generation.unseen import Known, Unseen
from rnngen.numerics import log_softmax
from rnngen.options.corpus import NormalForm
from rnngen.printable import shown
from rnngen.registry.components import Tokenizers
from rnngen.requests.conflicts import Capability

T = TypeVar("T")

BATCH_SOURCES = 64
"""Sources that are read side by side at most…"""
MOST_SOURCE_TOKENS = 1 << 17
"""Tokens of a source, at most: the network keeps what it made of each."""
BATCH_TOKENS = 64 * 512
"""…and tokens that they may have together when all are padded to the longest."""
BATCH_TEXTS, BATCH_LOGITS = 512, 1 << 22
"""Texts that are scored side by side at most, and the logits that there are at a time."""
NOTHING = Known(frozenset())
"""Characters of a model that knows none by its record."""
FREE_LENGTH, EXAMPLE_LENGTH = 500, 10_000
"""Tokens of a text by default: of free text, and of an example that does not come to its end."""
SOURCE_RATIO, SOURCE_LENGTH = 3, 256
"""An output may be this many times as long as its source, and always as long as the targets of training, this
many tokens where the model does not say…"""
SPARE_RATIO, SPARE = 1.5, 5
"""…and no longer than this many times the longest target of a similar source, and as many tokens more: what
goes on beyond that repeats itself, and the bound on what a beam may still find is the closer."""


@dataclass(frozen=True)
class Generator:
    """Generates, completes and scores text with one model, or with several as one.

    Args:
        model: the network, one step at a time.
        tokenizers: of the target and of the source.
        has_eos: whether examples end by themselves.
        reads_source: whether the network reads a source first.
        default_prompt: what generation starts from where there is no prompt.
        trained_tokens: (V,) which tokens occurred in training; no others are generated. None: all.
        known: the characters that occurred in training, where that is recorded.
        known_of_sources: those of sources.
        max_source_tokens: tokens of a source above which training left examples out.
        target_lengths: (L,) the longest target of training for sources of 2^i tokens and more, 0 where there
            were none (``rnngen.store.model_folder.TARGET_LENGTHS``); None where it is not known.
        labels: the labels of its training, if its examples have some: each is then ``label TAB text``.
        default_strategy: what chooses tokens where nothing else is asked for.
        prefix_cache: where the states after long prompts are kept, if they are.
        training_examples: (N,) sorted hashes of the examples of training; None where they are not known.
        load_model: opens another model by name, for strategies that need two.
        encoding: in which texts enter and leave: UTF-8, or ``bytes``, of which each is one character.
        normalize: the Unicode normal form that the tokenizers bring texts to.
        separator: what is written between texts.
        check_source: raises ValueError at a source that has not the form that the task needs.
    """

    model: Any
    tokenizers: Tokenizers
    has_eos: bool
    reads_source: bool = False
    default_prompt: str = ""
    trained_tokens: "NDArray[Any] | None" = None
    known: Known | None = None
    known_of_sources: Known | None = None
    max_source_tokens: int | None = None
    target_lengths: "NDArray[Any] | None" = None
    labels: tuple[str, ...] = ()
    default_strategy: str = "sample"
    prefix_cache: PrefixCache | None = None
    load_model: "Callable[[str], NetworkStep] | None" = field(default=None, repr=False)
    training_examples: "NDArray[np.uint64] | None" = None
    encoding: str = "utf-8"
    normalize: NormalForm | None = None
    separator: str = "\n"
    check_source: Callable[[str], None] = lambda _: None

    @cached_property
    def capabilities(self) -> "tuple[Capability, ...]":
        """The model's capabilities, which some options of requests need."""
        reads: Capability = "source" if self.reads_source else "no source"
        ends: Capability = "end" if self.has_eos else "free text"
        found: list[Capability] = [reads, ends]
        found += ["attention"] * self.attends
        found += ["labels"] * bool(self.labels)
        found += ["examples"] * (self.training_examples is not None)
        return tuple(found)

    # ── prompts ────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def eos_id(self) -> int:
        """The end token."""
        return self.tokenizers.target.eos_id

    @cached_property
    def forbidden(self) -> tuple[int, ...]:
        """Tokens that are never generated."""
        trained = self.trained_tokens
        never = [] if trained is None else np.flatnonzero(trained == 0).tolist()
        return tuple(sorted({*never, self.eos_id} - ({self.eos_id} if self.has_eos else set())))

    def prefix_tokens(self, text: str) -> tuple[int, ...]:
        """Return the tokens that the network reads before it generates, at least one."""
        encode = self.tokenizers.target.encode
        tokens: list[int] = encode(text).tolist()
        if self.has_eos:
            return (self.eos_id, *tokens)
        return tuple(tokens or encode(self.default_prompt).tolist() or [self.eos_id])

    def prefix(self, prompt: Prompt) -> Prefix:
        """Return what the network reads of a prompt, and what is given back of it.

        Where all of it is given back, generation starts from where it does without a prompt.
        """
        tokens, text = self.prefix_tokens(prompt.whole), prompt.whole
        hidden = int(self.has_eos) if text else len(tokens)
        if not text or prompt.final or prompt.blend or not isinstance(self.model, ConditionedStep):
            return Prefix(tokens, hidden)
        kept, rest = self.model.split(tokens[hidden:])
        spelt = len(tokens) - hidden - kept
        if kept or hidden:
            return Prefix(tokens[: hidden + kept], hidden, rest, spelt)
        begins = self.prefix_tokens("")
        return Prefix(begins, len(begins), rest, spelt)

    def source_tokens(self, source: str) -> tuple[int, ...]:
        """Return the tokens of a source, its end included."""
        return (*self.tokenizers.source.encode(source).tolist(), self.tokenizers.source.eos_id)

    def exceeds_training(self, source: str) -> bool:
        """Return whether training met no source as long as this."""
        limit = self.max_source_tokens
        return limit is not None and len(self.source_tokens(source)) - 1 > limit

    def _untrained(self, text: str) -> list[bool]:
        """For each character of a text, whether training never met a token that spells it."""
        if self.trained_tokens is None or not text:
            return [False] * len(text)
        tokenizer = self.tokenizers.target
        text = normalize(text, self.normalize)
        ids = tokenizer.encode(text)
        never = self.trained_tokens[ids] == 0
        if isinstance(self.model, ConditionedStep):
            never[self.model.split(ids.tolist())[0] :] = False
        unknown = np.repeat(never, [len(tokenizer.pieces[token]) for token in ids])
        begins = np.cumsum([0, *(len(character.encode()) for character in text[:-1])])
        return [bool(one) for one in np.logical_or.reduceat(unknown, begins)]

    def watch(self, *, sources: bool = False) -> Unseen:
        """Return what takes note of characters that training never met, in texts or in sources.

        Models of earlier versions know of tokens alone, and of no source's.
        """
        known = self.known_of_sources if sources else self.known
        if sources:
            return Unseen(known, known.strange, sources=True) if known else Unseen(NOTHING, lambda _: ())
        trained = [] if self.trained_tokens is None else np.flatnonzero(self.trained_tokens).tolist()
        pieces = self.tokenizers.target.pieces
        known = known or Known(frozenset("".join(pieces[one].decode(errors="ignore") for one in trained)))

        def strange(text: str) -> list[str]:
            met = known.characters if self.known else text
            return [c for c, never in zip(text, self._untrained(text), strict=True) if never or c not in met]

        return Unseen(known, strange)

    @property
    def ends_with_line(self) -> bool:
        """True if an example never holds a line end, so that each line of a file is a prompt of its own."""
        return self.has_eos and self.known is not None and "\n" not in self.known.characters

    def start(self, prompts: Sequence[Prompt]) -> State:
        """The state before the prefixes, sources read.

        Raises:
            UsageError: if a source is missing, blank, too long or of another form than the task needs, or
                given to a model that reads none.
        """
        sources = [prompt.source for prompt in prompts]
        if not self.reads_source:
            if any(source is not None for source in sources):
                raise UsageError("this model reads no source; leave it out")
            return tuple(self.model.start(len(prompts)))
        if None in sources:
            raise UsageError("this model reads a source; give one")
        if any(prompt.is_blank for prompt in prompts):
            raise UsageError(BLANK)
        self.check_sources([source or "" for source in sources])
        read = [self.source_tokens(source or "") for source in sources]
        for source, tokens in zip(sources, read, strict=True):
            if len(tokens) > MOST_SOURCE_TOKENS:
                raise UsageError(
                    f"the source '{shown((source or '')[:30])}…' has {len(tokens):,} tokens, and no more "
                    f"than {MOST_SOURCE_TOKENS:,} are read; divide it"
                )
        return tuple(self.model.start(padded(read)))

    def check_sources(self, sources: Sequence[str], first: int | None = None) -> None:
        """Check that sources have the form that the task needs; blank ones have no output, and so any form.

        Raises:
            UsageError: at one that has not, with its number where the ``first`` has one.
        """
        for number, source in enumerate(sources, start=first or 0):
            try:
                if source.strip():
                    self.check_source(source)
            except ValueError as error:
                raise UsageError(
                    f"{'the source' if first is None else f'source {number}'}: {error}"
                ) from error

    def prefill(self, prompt: Prompt) -> GenerationState:
        """Read one prompt, or find in the cache what was made of it; mix in another one if it says so."""
        found = self._prefill(prompt)
        if prompt.blend is None:
            return found
        other, weight = prompt.blend
        return blend(self.model, found, self._prefill(replace(prompt, text=other)), weight)

    def _prefill(self, prompt: Prompt) -> GenerationState:
        begun = self.prefix(prompt)
        if self.prefix_cache is None:
            given = prefill(self.model, self.start([prompt]), [begun.tokens])
        else:
            source = () if prompt.source is None else self.source_tokens(prompt.source)
            start = partial(self.start, [prompt])
            given = self.prefix_cache.prefill(self.model, start, begun.tokens, source)
        return replace(given, state=self._expecting(given.state, [begun.rest], 1))

    def _expecting(self, state: State, rests: Sequence[bytes], after: int) -> State:
        """A state whose streams begin with what was given back, once ``after`` tokens more are read."""
        if isinstance(self.model, ConditionedStep) and any(rests):
            return self.model.expect(state, rests, after)
        return state

    # ── generation ─────────────────────────────────────────────────────────────────────────────────────────

    def job(
        self, prompts: Sequence[Prompt], settings: GenerationSettings, numbers: Sequence[int] | None = None
    ) -> DecodingJob:
        """Return what a strategy is asked to do for one prompt, or several that begin with as many tokens.

        As much of each is given back. Seeds follow from the prompts' numbers, from 0 by default.
        """
        begun = [self.prefix(prompt) for prompt in prompts]
        prefixes, rests = tuple(one.tokens for one in begun), [one.rest for one in begun]
        sources = [len(self.source_tokens(prompt.source or "")) for prompt in prompts]
        start = cache(lambda: self._expecting(self.start(prompts), rests, len(prefixes[0])))
        single = len(prompts) == 1
        read = cache(lambda: self.prefill(prompts[0]) if single else prefill(self.model, start(), prefixes))
        return DecodingJob(
            model=self.model,
            prefixes=prefixes,
            start=start,
            prefill=read,
            max_tokens=tuple(
                most + one.spelt if (most := self._most(prompt, settings)) else most
                for prompt, one in zip(prompts, begun, strict=True)
            ),
            seeds=tuple((settings.seed + n) & MOST_SEED for n in numbers or range(len(prompts))),
            eos_id=self.eos_id,
            count=settings.count,
            filters=settings.filters,
            forbidden=self.forbidden,
            stops=settings.stops,
            source_lengths=tuple(sources) if self.reads_source else None,
            scores=self.reads_source,
            attention=settings.attention,
            text=partial(self._wanted, settings.sentences, skip=len(rests[0])),
            load_model=self.load_model,
        )

    def generate(
        self,
        prompts: Sequence[Prompt],
        strategy: Strategy,
        settings: GenerationSettings,
        numbers: Sequence[int] | None = None,
    ) -> Iterator[Output]:
        """Generate the texts of each prompt, in the order of the prompts.

        The pieces of one output are taken, or let go, before the next is asked for. Prompts with sources are
        read in batches of similar length; what is generated for one does not depend on the others; a prompt
        with a blank source has no output. Seeds follow from the prompts' numbers, from 0 by default.
        """
        given = zip(prompts, range(len(prompts)) if numbers is None else numbers, strict=True)
        there = [one for one in given if not one[0].is_blank]
        prompts, numbers = [prompt for prompt, _ in there], [number for _, number in there]
        if len(prompts) == 1 or not self.reads_source:
            for prompt, number in there:
                for _, output in self._outputs([prompt], strategy, settings, [number]):
                    yield output
            return
        found: list[list[Output]] = [[] for _ in prompts]
        for batch in self._batches(prompts):
            some = [prompts[place] for place in batch]
            for place, output in self._outputs(some, strategy, settings, [numbers[one] for one in batch]):
                found[batch[place]].append(replace(output, pieces=iter([output.text])))
        for outputs in found:
            yield from outputs

    def first_texts(
        self, prompts: Sequence[Prompt], strategy: Strategy, settings: GenerationSettings
    ) -> list[str]:
        """Return the first text of each prompt; that of a blank source is empty.

        Raises:
            ConstraintError: if one ended before it was what a constraint asks for.
        """
        outputs = self.generate(prompts, strategy, settings)
        found = [(output, output.text) for output in outputs if output.number == 0]
        require_constraints([output for output, _ in found])
        first = {id(output.prompt): text for output, text in found}
        return [first.get(id(prompt), "") for prompt in prompts]

    def _batches(self, prompts: Sequence[Prompt]) -> Iterator[list[int]]:
        """The numbers of prompts that are read side by side: they begin with as many tokens and bytes."""
        prefixes = [self.prefix(prompt) for prompt in prompts]
        begun = [(len(one.tokens), len(one.rest)) for one in prefixes]
        for batch in batches([len(self.source_tokens(prompt.source or "")) for prompt in prompts]):
            for _, some in groupby(sorted(batch, key=begun.__getitem__), key=begun.__getitem__):
                yield list(some)

    def _outputs(
        self,
        prompts: Sequence[Prompt],
        strategy: Strategy,
        settings: GenerationSettings,
        numbers: Sequence[int],
    ) -> Iterator[tuple[int, Output]]:
        counts, given = [0] * len(prompts), len(self.prefix(prompts[0]).rest)
        constraints = constraints_of(settings.filters)
        for one in strategy.generate(self.job(prompts, settings, numbers)):
            prompt, number = prompts[one.prompt], counts[one.prompt]
            most = self._most(prompt, settings)
            taken: list[int] = []
            tokens = _noting(one.tokens, taken) if constraints else one.tokens
            if given:
                tokens = first_tokens(self.tokenizers.target.pieces, tokens, most, given)
            pieces = until(self.pieces(tokens, given), settings.stops, keep=settings.keep_stop)
            if settings.sentences is not None:
                pieces = first_sentences(pieces, settings.sentences)
            if constraints and (settings.stops or settings.sentences):
                written: list[str] = []
                pieces = _noting(pieces, written)
                lacks = partial(self._unmet, constraints, taken, written, given)
            else:
                lacks = partial(unmet, constraints, taken)
            shorten = partial(self._shortened, prompt, given=given)
            yield one.prompt, Output(prompt, number, pieces, one.hypothesis, given, lacks, shorten)
            counts[one.prompt] += 1

    def _wanted(self, sentences: int | None, tokens: Iterable[int], *, skip: int) -> Iterator[str]:
        """Turn tokens into text, no further than to the last sentence that is wanted."""
        pieces = self.pieces(tokens, skip)
        return pieces if sentences is None else first_sentences(pieces, sentences)

    def _unmet(
        self, constraints: Sequence[TextConstraint], taken: list[int], written: list[str], given: int
    ) -> str | None:
        """Return what a text lacks that was cut short: its tokens are those that write it, and no others."""
        pieces, encode = self.tokenizers.target.pieces, self.tokenizers.target.encode
        text = "".join(written).encode()
        ends = np.cumsum([len(pieces[token]) for token in taken]) - given
        whole = int(np.searchsorted(ends, len(text), "right"))
        rest = text[max(0, int(ends[whole - 1])) if whole else 0 :].decode(errors="replace")
        return unmet(constraints, [*taken[:whole], *encode(rest).tolist()])

    def _shortened(self, prompt: Prompt, hypothesis: Hypothesis, text: str, *, given: int) -> Hypothesis:
        """Return what is left of a hypothesis in a text that was cut short: the tokens that write it.

        Their log-probability is that under the network itself; the score stays that of the whole.
        """
        tokens, written = hypothesis.tokens, "".join(self.pieces(hypothesis.tokens, given))
        if written == text:
            return hypothesis
        sizes = np.cumsum([len(self.tokenizers.target.pieces[token]) for token in tokens])
        count = int(np.searchsorted(sizes, given + len(text.encode()))) + 1 if text else 0
        rows, kept = hypothesis.attention, tokens[:count]
        total = float(log_probabilities(self.model, self.prefill(prompt), [kept])[0])
        return Hypothesis(kept, total, hypothesis.score, None if rows is None else rows[:count])

    def max_tokens(self, length: int | None, source: str | None, *, constrained: bool) -> int | None:
        """Return how many tokens a text may have; None for no limit.

        Args:
            length: what is asked for, -1 for no limit; None for what suits the model.
            source: of the text, where the model reads one.
            constrained: whether something says what a whole text has to be; the texts of training say
                nothing of its length then.
        """
        if length is not None:
            return None if length == -1 else length
        if self.reads_source:
            read = len(self.source_tokens(source or ""))
            most = max(self.max_source_tokens or SOURCE_LENGTH, SOURCE_RATIO * read)
            similar = 0 if constrained else self._longest_target(read)
            return min(most, math.ceil(SPARE_RATIO * similar) + SPARE) if similar else most
        return EXAMPLE_LENGTH if self.has_eos else FREE_LENGTH

    def _most(self, prompt: Prompt, settings: GenerationSettings) -> int | None:
        return self.max_tokens(settings.length, prompt.source, constrained=settings.constrained)

    def _longest_target(self, read: int) -> int:
        """Return the longest target of training for sources of such a length; 0 where it met none."""
        octave = read.bit_length() - 1
        if self.target_lengths is None or not self.target_lengths[octave]:
            return 0
        return int(self.target_lengths[max(0, octave - 1) : octave + 2].max(initial=0))

    def pieces(self, tokens: Iterable[int], skip: int = 0, length: int | None = None) -> Iterator[str]:
        """Turn tokens into text as they come; a character only when all its bytes are there.

        The first ``skip`` bytes are not shown, and no more than ``length`` tokens beyond them taken.
        """
        pieces = self.tokenizers.target.pieces
        if skip:
            tokens = first_tokens(pieces, tokens, length, skip)
        return TextStream(pieces, skip).stream(tokens)

    # ── scoring ────────────────────────────────────────────────────────────────────────────────────────────

    def next_token_log_probs(self, prompt: Prompt, filters: Sequence[AnyFilter] = ()) -> NDArray[np.float64]:
        """Return log-probabilities (V,), in nats, of the first token after a prompt, as it would be drawn.

        Raises:
            RnngenError: if the filters forbid every token, or a logit is not a number.
        """
        given = next_logits(self.model, self.prefill(prompt))
        assert given.logits is not None
        logits = given.logits.copy()
        logits[:, list(self.forbidden)] = -np.inf
        chain = FilterChain(filters)
        begun = chain.initial(np.zeros(1, np.int64), given.histories)
        shaped = chain(logits, given.histories, begun)
        require_choice(shaped)
        found: NDArray[np.float64] = log_softmax(shaped)[0]
        return found

    def score(self, text: str, source: str | None = None) -> tuple[float, int]:
        """Return the log-probability of a text in nats, its end included, and its tokens."""
        found = self.token_log_probs(text, source)
        return sum((nats for _, nats in found), 0.0), len(found)

    def log_probs(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the log-probability of each text in nats (N,), its end included where examples end.

        Texts of similar length are read side by side; the logits of a step are no more than ``BATCH_LOGITS``.
        """
        begin = self.prefix_tokens("")
        tokens = [self.tokenizers.target.encode(text).tolist() for text in texts]
        found, ends = np.zeros(len(texts)), [self.eos_id] * self.has_eos
        rows = max(1, min(BATCH_TEXTS, BATCH_LOGITS // len(self.tokenizers.target.pieces)))
        order = sorted(range(len(texts)), key=lambda number: len(tokens[number]))
        for start in range(0, len(order), rows):
            some = order[start : start + rows]
            given = prefill(self.model, self.start([Prompt()] * len(some)), [begin] * len(some))
            found[some] = log_probabilities(self.model, given, [tokens[number] + ends for number in some])
        return found

    def token_log_probs(self, text: str, source: str | None = None) -> list[tuple[int, float]]:
        """Return the tokens of a text, its end included where examples end, each with its log-probability."""
        targets: list[int] = self.tokenizers.target.encode(text).tolist() + [self.eos_id] * self.has_eos
        given = next_logits(self.model, self.prefill(Prompt("", source)))
        logits, state = given.logits, given.state
        found = []
        for target in targets:
            assert logits is not None
            found.append((target, float(log_softmax(logits)[0, target])))
            logits, state = self.model(np.array([target]), state)
        return found

    def split_source(self, line: str) -> tuple[str | None, str]:
        """Split ``source TAB text`` where the model reads a source; else the line is the text.

        Raises:
            ValueError: if it is no pair.
        """
        if not self.reads_source:
            return None, line
        source, *texts = line.split("\t")
        if len(texts) != 1 or not source.strip():
            raise ValueError("is no pair: a source, a tab and a text are expected")
        try:
            self.check_source(source)
        except ValueError as error:
            raise ValueError(f"has a source of another form: {error}") from error
        return source, texts[0]

    # ── attention ──────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def attends(self) -> bool:
        """True if the network attends to its source."""
        if not self.reads_source:
            return False
        empty = padded([(self.tokenizers.source.eos_id,)])
        return self.model.attended(self.model.start(empty)) is not None

    def read_along(self, source: str, text: str, unit: Unit = "character", *, hidden: str = "") -> Alignment:
        """Return where the network looks while it is given a text, token by token.

        ``hidden`` is a beginning of the text that is left out of it.
        """
        tokens, state = self.tokenizers.target.encode(text).tolist(), self.start([Prompt("", source)])
        weights = []
        for token in (self.eos_id, *tokens):
            _, state = self.model(np.array([token]), state)
            if (looked := self.model.attended(state)) is not None:
                weights.append(looked)
        hypothesis = Hypothesis(tuple(tokens), 0.0, 0.0, np.concatenate(weights))
        given = len(normalize(hidden, self.normalize).encode())
        return self.alignment(source, hypothesis, unit, given=given)

    def alignment(
        self, source: str, hypothesis: Hypothesis, unit: Unit = "character", *, given: int = 0
    ) -> Alignment:
        """Return where the network looked for each token of a hypothesis that kept its attention.

        The first bytes of its text may have been given, and are no part of it.

        Raises:
            UsageError: if the weights were not kept, which would have been too many.
        """
        if hypothesis.attention is None:
            raise UsageError(
                "source and output are too long to keep all attention weights; give a shorter source"
            )
        source_pieces, target_pieces = (one.pieces for one in self.tokenizers[::-1])
        tokens = [*hypothesis.tokens, self.eos_id][: len(hypothesis.attention)]
        written = [target_pieces[token] for token in tokens]
        while given and written and len(written[0]) <= given:
            given -= len(written.pop(0))
        written[:1] = [piece[given:] for piece in written[:1]]
        return Alignment.from_pieces(
            [source_pieces[token] for token in self.source_tokens(source)],
            written,
            hypothesis.attention[len(tokens) - len(written) :],
            unit=unit,
        )

    def decode(self, tokens: Iterable[int]) -> str:
        """Turn tokens into text."""
        return decode(self.tokenizers.target.pieces, tokens)


def _noting(them: Iterable[T], taken: list[T]) -> Iterator[T]:
    """Pass tokens or pieces on, and take note of each."""
    for one in them:
        taken.append(one)
        yield one


def padded(rows: Sequence[Sequence[int]]) -> TokenIds:
    """Return rows of unequal lengths as one array (B,S), padded with ``NO_TOKEN``."""
    table = np.full((len(rows), max(map(len, rows))), NO_TOKEN, np.int64)
    for row, tokens in zip(table, rows, strict=True):
        row[: len(tokens)] = tokens
    return table


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Cut texts of some lengths, in tokens, into batches of similar length → their numbers.

    A batch has at most ``BATCH_SOURCES`` texts, and no more than ``BATCH_TOKENS`` tokens with its padding
    unless it is a single text, so that memory is bounded whatever the lengths are.
    """
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        full = len(batch) == BATCH_SOURCES or (len(batch) + 1) * lengths[number] > BATCH_TOKENS
        if batch and full:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch

"""What ``rnngen sample`` does with a model of pairs: a source a line in, an answer a line out, in order."""

import json
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rnngen.builtins.strategies.options import GREEDY, BeamOptions, DecodingOptions
from rnngen.cli import flags, streams
from rnngen.cli.chain import CHAIN, CONSTRAINTS
from rnngen.cli.render import console
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.contracts import AnyFilter, Tokenizer
    from rnngen.generation.answering import Answer, Answerer

F = TypeVar("F", bound=Callable[..., Any])

POOL = 512
"""Lines that are sorted by length and answered together, where so many are there."""
PAIR_FLAGS = {"nbest": "--nbest", "prefix": "--prefix", "attention": "--attention"}

_FLAGS = [
    flags.option(
        "--nbest",
        common=False,
        heading="Seq2seq models",
        type=click.IntRange(1),
        help="Write the N best outputs of each source.",
    ),
    flags.option(
        "--prefix",
        common=False,
        heading="Seq2seq models",
        metavar="TEXT",
        help="Begin every output with TEXT.",
    ),
    flags.option(
        "--attention",
        common=False,
        heading="Seq2seq models",
        is_flag=True,
        default=None,
        help="Include attention weights in the JSON output.",
    ),
]


def pair_flags(command: F) -> F:
    """A decorator that gives a command the flags that only models of pairs know."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def refuse_pair_flags(params: dict[str, Any]) -> None:
    """Raise ``UsageError`` if one of them was given."""
    for name, flag in PAIR_FLAGS.items():
        if params[name]:
            raise UsageError(f"{flag} is for models of pairs, and this one writes free text or lines")


class Answering:
    """The answers of one call."""

    def __init__(
        self,
        answerer: "Answerer",
        options: DecodingOptions,
        beam: BeamOptions | None,
        build: "Callable[[Tokenizer], list[AnyFilter]]",
        params: dict[str, Any],
    ) -> None:
        self.answerer, self.options, self.params = answerer, options, params
        choosing = options.drafts is not None
        self.drawing = beam is None and (choosing or _asks_to_draw(params) or params["count"] > 1)
        self.beam = beam or GREEDY
        self.filters = build(answerer.tokenizers.target) if self.drawing or _shapes(params) else []
        self.seed = options.seed
        self._check()
        if self.seed is None and self.drawing:
            self.seed = secrets.randbelow(2**31)
            if not params["quiet"]:
                console.note(f"seed {self.seed}")

    def _check(self) -> None:
        """Refuse what makes no sense for answers.

        Raises:
            UsageError: naming the flag.
        """
        refused = {
            "--no-prompt": self.params["no_prompt"],
            "-n -1": self.options.length == -1,
            "--strategy contrastive": self.params["contrast"],
        }
        for flag, given in refused.items():
            if given:
                raise UsageError(f"{flag} is for free text, and this model answers sources; leave it out")
        nbest, width = self.params["nbest"] or 1, self.beam.width
        if not self.drawing and self.params["count"] > 1:
            raise UsageError("--count draws several answers, and a beam ranks them; say --nbest N")
        if self.drawing and self.params["nbest"]:
            raise UsageError("--nbest ranks what a beam search finds; add --beam K, or draw with --count")
        if nbest > width:
            raise UsageError(f"--nbest {nbest} of --beam {width}: no more answers than a beam is wide")
        if self.params["attention"] and not self.params["json"]:
            raise UsageError("--attention tells weights as JSON; add --json, or draw them with rnngen attend")

    def run(self) -> None:
        """Answer every source."""
        with streams.Output() as out:
            for first, pool in _pools(self._sources()):
                for text in self._told(first, pool):
                    out.write(text)
                out.write("", flush=True)

    def _sources(self) -> Callable[[int], list[str]]:
        """What gives the next lines, so many at most: those that are there, at least one."""
        argument, file = self.params["prompt"], self.params["prompt_file"]
        if argument is not None and file is not None:
            raise UsageError("a source and --prompt-file both; give one")
        if argument not in (None, "-"):
            given = iter(streams.checked(str(argument), "the source").split("\n"))
            return lambda most: list(islice(given, most))
        if argument is None and file is None and (sys.stdin is None or streams.answered()):
            raise UsageError("no source to write about; give one as an argument, or pipe lines in")
        return streams.Lines(file or "-").take

    def _told(self, first: int, sources: list[str]) -> Iterator[str]:
        """What is written for some sources, in their order; an empty one has an empty answer."""
        there = [number for number, source in enumerate(sources) if source.strip()]
        for number in there:
            if self.answerer.too_long(sources[number]):
                limit = self.answerer.limit
                console.warn(
                    f"source {first + number + 1} has more than {limit} tokens, which training never met"
                )
        answers = iter(self._answered([sources[number] for number in there], [first + n for n in there]))
        for source in sources:
            found = next(answers) if source.strip() else []
            yield self._record(source, found) if self.params["json"] else self._lines(found)

    def _answered(self, sources: list[str], numbers: list[int]) -> "list[list[Answer]]":
        """The answers to the sources in these lines, whichever came together."""
        seeds = [(self.seed or 0) + number for number in numbers]
        shared: dict[str, Any] = {
            "length": self.options.length,
            "prefix": streams.checked(self.params["prefix"] or "", "--prefix"),
            "filters": self.filters,
        }
        if self.drawing:
            return self._drawn(sources, seeds, shared)
        looked = bool(self.params["json"]) and self.answerer.attends
        best = self.params["nbest"] or 1
        found = self.answerer.search_all(sources, self.beam, seeds=seeds, attention=looked, **shared)
        return [answers[:best] for answers in found]

    def _drawn(self, sources: list[str], seeds: list[int], shared: dict[str, Any]) -> "list[list[Answer]]":
        """Answers that are drawn, or the best of each so many."""
        count, size = self.params["count"], self.options.drafts
        if size is None:
            return self.answerer.draw(sources, count, seeds=seeds, **shared)
        drawn = self.answerer.draw(sources, count * size, seeds=seeds, weigh=True, **shared)
        return [
            [self._best(answers[at : at + size]) for at in range(0, count * size, size)] for answers in drawn
        ]

    def _best(self, answers: "list[Answer]") -> "Answer":
        from rnngen.generation.choosing import best, rank_of

        drafts = [(self._stopped(one.text), one.hypothesis) for one in answers if one.hypothesis]
        text, hypothesis = best(drafts, rank_of(self.options))
        return replace(answers[0], text=text, hypothesis=hypothesis)

    # ── what is written ────────────────────────────────────────────────────────────────────────────────────

    def _lines(self, answers: "list[Answer]") -> str:
        end = "\0" if self.params["null"] else "\n"
        return "".join(self._line(answer.text) + end for answer in answers) or end

    def _line(self, text: str) -> str:
        """An answer as one line, or line k of the answers would not be that to source k."""
        text = self._stopped(text)
        return text if self.params["null"] else " ".join(text.splitlines())

    def _stopped(self, text: str) -> str:
        from rnngen.decoding.stop import until

        return "".join(until([text], self.params["stop"]))

    def _record(self, source: str, answers: "list[Answer]") -> str:
        told = [self._hypothesis(answer) for answer in answers]
        record = {"source": source, "text": told[0]["text"] if told else "", "hypotheses": told}
        return json.dumps(record, ensure_ascii=False) + "\n"

    def _hypothesis(self, answer: "Answer") -> dict[str, Any]:
        told: dict[str, Any] = {"text": self._stopped(answer.text)}
        if answer.hypothesis is not None:
            told |= {"score": answer.hypothesis.score, "log_probability": answer.hypothesis.log_probability}
            if answer.hypothesis.attention is not None:
                words = self.answerer.alignment(answer)
                rows = [
                    row for row, text in enumerate(words.target) if text
                ]  # the end looks nowhere in particular
                told["alignment"] = [[words.best(row), row] for row in rows]
        if self.params["attention"] and "alignment" in told:
            told["attention"] = self.answerer.alignment(answer, "token").as_json()
        return told


def _asks_to_draw(params: dict[str, Any]) -> bool:
    """Whether a flag for draws alone is given; constraints hold for greedy answers too."""
    return params["filters"] is not None or any(params[f] is not None for f in CHAIN.keys() - CONSTRAINTS)


def _shapes(params: dict[str, Any]) -> bool:
    """Whether any filter is asked for; the temperature that draws have by default is none."""
    return _asks_to_draw(params) or any(params[flag] is not None for flag in CONSTRAINTS)


def _pools(take: Callable[[int], list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Lines in pools, each with the number of its first."""
    done = 0
    while pool := take(POOL):
        yield done, pool
        done += len(pool)

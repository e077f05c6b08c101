"""``rnngen sample``: write text with a model."""

import json
import secrets
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import answers, chain, flags, streams, ui
from rnngen.cli.app import session
from rnngen.decode.options import BeamOptions, DecodingOptions
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.contracts import AnyFilter
    from rnngen.session.writing import Writer

LENGTH = 500
"""Tokens that free text is long if nobody says otherwise."""
LONGEST = 10_000
"""Tokens after which an example is cut off that does not end by itself."""
BEAM_FLAGS = {
    "penalty": "length_norm",
    "offset": "length_offset",
    "coverage": "coverage_penalty",
    "least": "min_length",
    "early": "early_finish",
    "groups": "beam_groups",
    "diversity": "diversity_penalty",
    "diversity_kind": "diversity_kind",
    "diversity_range": "diversity_range",
    "stochastic": "stochastic_beam",
}
"""The flags of what shapes a beam search."""
SHOWN = 60
"""Characters of a prompt that a warning repeats at most."""


@flags.examples(
    'rnngen sample --temp 0.8 "ROMEO:"',
    'echo -n "ROMEO:" | rnngen sample --seed 7 | head -c 300',
    "rnngen sample -m names --count 10",
    'rnngen sample --beam 5 -n 80 "Once upon a time"',
    'rnngen sample --filters "top_k=40,top_p=0.95,temp=0.8"',
    'rnngen sample -m en-zh --beam 5 "How are you?"',
    "cat english.txt | rnngen sample -m en-zh --beam 5 > chinese.txt",
)
@click.command(cls=flags.Command)
@click.argument("prompt", required=False)
@flags.models_flag
@click.option("--prompt-file", type=click.Path(), metavar="FILE", help="Go on from the text in a file.")
@click.option("--no-prompt", is_flag=True, help="Leave the prompt out of what is written.")
@flags.options_from(DecodingOptions, short={"length": "-n", "seed": "-s"}, heading="Generation")
@flags.options_from(
    BeamOptions, only=BEAM_FLAGS.keys(), rename=BEAM_FLAGS, heading="Beam search (with --beam K)"
)
@answers.pair_flags
@chain.flags
@click.option("--stop", multiple=True, metavar="TEXT", help="End before this text. Repeatable.")
@click.option("--count", type=click.IntRange(1), default=1, help="How many texts to write.")
@click.option("-0", "--null", is_flag=True, help="End each text with a NUL byte instead of a line end.")
@click.option(
    "--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda, cuda:N, mps, auto."
)
@flags.json_flag
@flags.quiet_flag
@click.pass_context
def sample(ctx: click.Context, /, **params: Any) -> None:
    """Write text with a model, going on from PROMPT.

    The prompt is the argument, or --prompt-file, or what is piped in. Text goes to standard output as it
    is made, and nothing else does. A model of pairs takes every line of that for a source, and answers
    each with a line, in order: greedily, or with --beam, or by drawing if --temp or the like is given.
    """
    flags.overrule(ctx, params, ["filters"], [*chain.CHAIN, "order"])
    flags.overrule(ctx, params, ["prompt"], ["prompt_file"])
    options = flags.collect(DecodingOptions, params)
    if "" in params["stop"]:
        raise UsageError("--stop is empty, and would end every text before it begins; leave it out")
    here = session(ctx)
    build = here.filters(chain.collect(params))
    paths = [here.models.find(name) for name in params["model"] or (None,)]
    if not params["model"] and not params["quiet"]:
        ui.note(f"model {paths[0].name}")
    stored = [here.read(str(path)) for path in paths]
    beam = _beam(params, options)
    if any(model.config.source_vocabulary is not None for model in stored):
        answers.Answering(here.answerer(*stored, device=params["device"]), options, beam, build, params).run()
        return
    answers.refuse_pair_flags(params)
    prompt = _prompt(params["prompt"], params["prompt_file"])
    writer = here.writer(*stored, device=params["device"])
    filters = build(writer.tokenizer)
    _tell_unseen(writer, prompt)
    if options.seed is None and not options.beam:
        options = replace(options, seed=secrets.randbelow(2**31))
        if not params["quiet"]:
            ui.note(f"seed {options.seed}")
    _Writing(writer, options, beam, filters, {**params, "prompt": prompt}).run()


def _beam(params: dict[str, Any], options: DecodingOptions) -> BeamOptions | None:
    """How to search, if that is what is asked for."""
    if options.beam:
        return flags.collect(BeamOptions, params, width=options.beam, alpha=options.length_penalty)
    shaping = [name for name in BEAM_FLAGS.values() if params[name] is not None]
    if shaping:
        raise UsageError(f"--{shaping[0].replace('_', '-')} shapes a beam search; add --beam K")
    return None


def _prompt(argument: str | None, file: str | None) -> str:
    if argument is not None and file is not None:
        raise UsageError("a prompt and --prompt-file both; give one")
    if argument not in (None, "-"):
        return _checked(str(argument))
    place = argument or file
    if place is None and (sys.stdin is None or streams.answered()):
        return ""
    with streams.source(place or "-") as (stream, name):
        return _decoded(stream.read(), name)


def _checked(argument: str) -> str:
    """An argument whose bytes are not UTF-8 comes with a half of a surrogate pair for each of them."""
    try:
        argument.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the prompt: what stands at character {error.start} is not UTF-8; convert it with iconv"
        ) from None
    return argument


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        byte, offset = data[error.start], error.start
        raise UsageError(
            f"{name}: byte 0x{byte:02x} at offset {offset} is not UTF-8; convert it with iconv"
        ) from None


def _tell_unseen(writer: "Writer", prompt: str) -> None:
    strange = writer.never_seen(prompt)
    if strange:
        shown = " ".join(repr(text)[1:-1] for text in strange)
        shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]} …"
        ui.warn(f"the prompt holds what the model has never seen, and makes little of: {shown}")


class _Writing:
    """The texts of one call, one after another."""

    def __init__(
        self,
        writer: "Writer",
        options: DecodingOptions,
        beam: BeamOptions | None,
        filters: "list[AnyFilter]",
        params: dict[str, Any],
    ) -> None:
        self.writer, self.options, self.beam = writer, options, beam
        self.filters, self.params = filters, params
        self.prompt, self.seed = params["prompt"], options.seed
        self.shown = "" if params["no_prompt"] else self.prompt

    def run(self) -> None:
        """Write all texts."""
        ending = self.options.length != -1 or self.writer.ends or self.params["stop"]
        if self.params["json"] and not ending:
            raise UsageError("--json writes a text when it is whole, and -n -1 has no end; give -n or --stop")
        with streams.Output() as out:
            for number, text in enumerate(self._texts()):
                if self.params["json"]:
                    out.write(json.dumps(self._record(number, "".join(text)), ensure_ascii=False) + "\n")
                else:
                    self._write(out, text)

    def _write(self, out: streams.Output, text: Iterator[str]) -> None:
        out.write(self.shown)
        for piece in text:
            out.write(piece)
        out.write(self._separator(), flush=True)

    def _separator(self) -> str:
        """A line end where there are several texts, or one that ends by itself, or a person reads."""
        if self.params["null"]:
            return "\0"
        several = self.params["count"] > 1 or self.writer.ends
        return "\n" if several or sys.stdout.isatty() else ""

    def _texts(self) -> Iterator[Iterator[str]]:
        if self.beam:
            yield from (iter([text]) for text in self._found(self.beam))
            return
        import numpy as np

        for number in range(self.params["count"]):
            rng = np.random.default_rng([self.seed or 0, number])
            yield self.writer.write(
                self.prompt, rng=rng, length=self._length(), filters=self.filters, stops=self.params["stop"]
            )

    def _found(self, beam: BeamOptions) -> list[str]:
        """The best texts by beam search."""
        count, width = self.params["count"], beam.width
        if count > width:
            raise UsageError(f"--count {count} of --beam {width}: a beam finds no more texts than it is wide")
        found = self.writer.search(
            self.prompt,
            beam,
            length=self._length() or 0,
            filters=self.filters,
            seed=self.seed or 0,
        )
        from rnngen.decode.stop import until

        return ["".join(until([text], self.params["stop"])) for text, _ in found[:count]]

    def _length(self) -> int | None:
        if self.options.length is None:
            return LONGEST if self.writer.ends else LENGTH
        return None if self.options.length == -1 else self.options.length

    def _record(self, number: int, text: str) -> dict[str, Any]:
        drawn = {} if self.beam else {"seed": self.seed, "number": number}
        return {"prompt": self.prompt, "text": text, **drawn}

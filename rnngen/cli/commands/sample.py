"""``rnngen sample``: generate text with a model."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import completers, context, flags, interactive, prompts, streams
from rnngen.cli.decoding_flags import STRATEGIES, DecodingCommand, values_of
from rnngen.cli.generation_log import Logging
from rnngen.cli.render import console
from rnngen.cli.settings import resolve
from rnngen.encodings import BYTES
from rnngen.errors import ConstraintError, UsageError
from rnngen.options.corpus import AdaptingOptions

if TYPE_CHECKING:
    from rnngen.api import Model, Session
    from rnngen.generation.alignment import Alignment, Unit
    from rnngen.generation.decoder import Decoder
    from rnngen.generation.generator import Generator
    from rnngen.generation.prompts import Output, Prompt
    from rnngen.generation.saved_state import ResumableGeneration, SavedState
    from rnngen.requests.sample import SampleRequest
    from rnngen.store.model_folder import StoredModel

RULE = "---\n"
"""The line between texts that do not end by themselves."""
STATES = "Generation state"
state_flag = partial(flags.option, type=click.Path(dir_okay=False), metavar="FILE", heading=STATES)


@flags.examples(
    'rnngen sample --temp 0.8 "ROMEO:"',
    'echo -n "ROMEO:" | rnngen sample --seed 7 | head -c 300',
    "rnngen sample -m names --count 10",
    "rnngen sample -m surnames --label Russian --count 5",
    'rnngen sample --beam 5 -n 80 "Once upon a time"',
    'rnngen sample --strategy contrastive "Once upon a time"',
    "rnngen sample -m en-zh --mbr 30 --temp 1 'How are you?'",
    'rnngen sample --filters "top_k=40,top_p=0.95,temp=0.8"',
    'rnngen sample -m en-zh --beam 5 "How are you?"',
    "rnngen sample -n 200 --save-state verse.state 'Once upon'",
    "rnngen sample --from-state verse.state",
    "cat english.txt | rnngen sample -m en-zh --beam 5 > chinese.txt",
)
@click.command(cls=DecodingCommand)
@flags.text_argument("prompt")
@flags.models_flag
@flags.option("--prompt-file", type=click.Path(), metavar="FILE", help="Go on from the text in a file.")
@flags.rare_option("--no-prompt", is_flag=True, help="Leave the prompt out of what is written.")
@flags.option(
    "-n",
    "--length",
    type=int,
    help="Tokens to generate at most; -1 for no limit.  [default: 500, or until an example ends]",
)
@flags.option(
    "-s",
    "--seed",
    type=int,
    help="Seed of the draws; chosen and reported if not given. The same seed gives the same bytes.",
)
@flags.option(
    "--count",
    type=click.IntRange(1),
    default=1,
    help="Number of texts; a line of --- divides those of free text.",
)
@flags.option(
    "--label",
    metavar="LABEL",
    callback=flags.utf8,
    shell_complete=completers.labels,
    help="Generate under a label, of models with labels.",
)
@flags.option(
    "--stop", multiple=True, type=flags.OneText(), metavar="TEXT", help="End before this text. Repeatable."
)
@flags.rare_option(
    "--novel",
    is_flag=True,
    help="Write only texts that are no examples of the training text, and none twice; an error ends it where "
    "there are no more.",
)
@flags.rare_option("--keep-stop", is_flag=True, help="Keep the text of --stop at the end.")
@flags.rare_option(
    "--sentences",
    type=click.IntRange(1),
    metavar="N",
    help="End after N whole sentences: . ! ? … before white space, or 。！？.",
)
@flags.option(
    "-i", "--interactive", is_flag=True, help="Write in turns with the model, on a terminal; /help there."
)
@flags.rare_option(
    "--raw",
    is_flag=True,
    sensitive=True,
    help="Write control characters to a terminal as they are, which obeys them; by default as symbols.",
)
@flags.rare_option(
    "--log",
    is_flag=True,
    help="Keep it in the log, with all that it takes to write it again (see rnngen log).",
)
@flags.rare_option("-0", "--null", is_flag=True, help="End each text with a NUL byte instead of a line end.")
@flags.rare_option(
    "--nbest", type=click.IntRange(1), help="The best N texts of each prompt, best first (with --beam)."
)
@flags.rare_option(
    "--prefix", metavar="TEXT", callback=flags.utf8, help="What every output about a source begins with."
)
@flags.rare_option(
    "--attention", is_flag=True, default=None, help="Include attention weights in the JSON output."
)
@flags.rare_option(
    "--strategy",
    metavar="NAME",
    shell_complete=completers.names("strategy"),
    heading=STRATEGIES,
    help="How to choose tokens: sample, greedy, beam, diverse-beam, stochastic-beam, best-of, mbr, "
    "contrastive, speculative, or a plugin's; options as NAME;key=value. By default sample, or greedy for a "
    "model that reads a source.",
)
@flags.order_flag
@flags.filters_flag
@state_flag("--save-state", sensitive=True, help="Save the generation state to FILE.")
@state_flag("--from-state", help="Go on from a saved generation state, to the byte.")
@flags.rare_option(
    "--blend",
    type=(str, flags.FiniteRange(0, 1)),
    metavar="PROMPT WEIGHT",
    heading=STATES,
    help="Mix in the state after another prompt, with a weight from 0 to 1.",
)
@flags.options_from(AdaptingOptions, heading="Adapting to the prompt", common={"adapt"})
@flags.device_flag
@flags.rare_option(
    "--quantize",
    type=click.Choice(["int8", "bf16"]),
    help="Hold the weights in 8 or 16 bits and take compiled steps: faster on the CPU, a little less exact "
    "(needs rnngen[fast]).",
)
@flags.json_lines_flag
@flags.quiet_flag
@click.pass_context
def sample(ctx: click.Context, /, **params: Any) -> None:
    """Generate text with a model, going on from PROMPT.

    The prompt is the argument, or --prompt-file, or what is piped in. Text goes to standard output while it
    is generated, and nothing else does. A model that reads a source takes every line of that for one, and
    generates a line for each, in order: greedily, or by the strategy or the filters that are given. One whose
    examples are lines goes on from each line that is piped in. A model with labels draws a label first, and
    writes LABEL, a tab and the text; with --label the text alone.
    """
    here = context.session(ctx)
    given = given_of(ctx, params)
    request = resolve(ctx, given, lambda found: here.sample_request(**found))
    if request.interactive:
        interactive.check()
    saved = None
    if request.from_state is not None:
        from rnngen.generation.saved_state import SavedState

        saved = SavedState.read(Path(request.from_state))
    stored = [here.read(name) for name in request.models or (None,)]
    if not (request.models or request.quiet):
        console.note(f"model {stored[0].path.name}")

    settled: dict[str, Any] = {}

    def fitting(generator: "Generator") -> "Decoder":
        """Make the decoder, without what settings files ask of other models."""

        def build(found: dict[str, Any]) -> "Decoder":
            settled.clear()
            settled.update(found)
            return here.decoder(generator, given_texts(here.sample_request(**found), generator), saved)

        return resolve(ctx, given, build)

    run(here, request, stored, saved, fitting, log=Logging(settled) if request.log else None)


def given_of(ctx: click.Context, params: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a request that were given, by name."""
    decoding = values_of(ctx, params)
    special = {*decoding, *AdaptingOptions.__dataclass_fields__}
    given = {name: value for name, value in params.items() if value not in (None, ()) and name not in special}
    if "model" in given:
        given["models"] = given.pop("model")
    return given | flags.given(AdaptingOptions, params) | decoding


def run(
    here: "Session",
    request: "SampleRequest",
    stored: "list[StoredModel]",
    saved: "SavedState | None",
    decoder_of: "Callable[[Generator], Decoder]",
    *,
    log: Logging | None = None,
) -> None:
    """Load the models, and generate; what is written is logged, or compared with what was.

    Raises:
        RnngenError: if a model is not the one that wrote what is to be compared.
    """
    from rnngen.generation.loading import LoadOptions

    encoding = stored[0].config.encoding
    prompt = _prompt(request, encoding) if request.adapting.dynamic else None
    if prompt is not None:
        stored[0] = _adapted(here, stored[0], prompt, request)
    adapting = request.adapting
    options = LoadOptions(
        request.device, request.quantize, adapting if adapting.cache else None, adapt=adapting.adapt
    )
    model = here.open(*stored, options=options, cached=True)
    if log:
        log.check([str(one.path) for one in stored], here.fingerprint(model))
    decoder = decoder_of(model.generator)
    request = decoder.request
    if prompt is None and not saved and (request.interactive or not model.generator.reads_source):
        prompt = _prompt(request, encoding)
    if decoder.seed is not None and request.seed is None and not request.quiet:
        console.note(f"seed {decoder.seed}")
    if request.interactive:
        interactive.converse(here, model, decoder, saved, prompt or "")
    elif saved or request.save_state:
        _resumable(here, model, decoder, saved, prompt)
    else:
        pools = _pools(model, request, prompt)
        if prompt is not None and request.count == 1 and "endless" in decoder.spec.can:
            context.take_one_thread()
        if log:
            log.write(Writer(decoder, log.written).write, decoder, pools, prompt)
        else:
            Writer(decoder).write(pools)
    if not request.quiet and (report := decoder.report()):
        console.note(report)


def _prompt(request: "SampleRequest", encoding: str) -> str:
    return prompts.read(request.prompt, request.prompt_file, encoding)


def given_texts(request: "SampleRequest", generator: "Generator") -> "SampleRequest":
    """The request with its texts as the model reads them; in UTF-8 they are so already."""
    encoding = generator.encoding
    if encoding != BYTES:
        return request
    blend = request.blend and (streams.given(request.blend[0], "--blend", encoding), request.blend[1])
    stop = tuple(streams.given(text, "--stop", encoding) for text in request.stop)
    prefix = streams.given(request.prefix, "--prefix", encoding)
    label = request.label and streams.given(request.label, "--label", encoding)
    return replace(request, blend=blend, stop=stop, prefix=prefix, label=label)


def _pools(model: "Model", request: "SampleRequest", prompt: str | None) -> "Iterator[list[Prompt]]":
    """Return the one prompt, or those made of lines: of sources, or where examples end with the line."""
    from rnngen.generation.prompts import Prompt

    generator, quiet = model.generator, request.quiet
    prompts.check_request(generator, request)
    if prompt is None:
        return prompts.sources(generator, request.prompt, request.prompt_file, request.prefix, quiet=quiet)
    piped = request.prompt in (None, "-")
    texts = prompts.by_line(prompt) if piped and generator.ends_with_line else [prompt]
    if len(texts) > 1:
        prompts.warn_of_all(generator.watch(), texts, "prompt", quiet=quiet)
    elif not quiet:
        prompts.warn_unseen(generator, texts[0])
    return iter([[Prompt(text, None, request.blend, label=request.label) for text in texts]])


def _resumable(
    here: "Session", model: "Model", decoder: "Decoder", saved: "SavedState | None", prompt: str | None
) -> None:
    """Generate one text that can be left off and gone on with."""
    from rnngen.generation.prompts import Prompt

    request, generator = decoder.request, model.generator
    fingerprint = here.fingerprint(model)
    # a second one is waited for, since lines may come slowly
    pools = [[Prompt("", saved.source)]] if saved else _pools(model, request, prompt)
    pool = [*islice(chain.from_iterable(pools), 2)]
    if len(pool) != 1:
        noun, more = "sources" if generator.reads_source else "prompts", " or more" if pool else ""
        raise UsageError(f"--save-state keeps one text, and there are {len(pool)} {noun}{more}; give one")
    begun = pool[0]
    text = decoder.resume(saved, fingerprint) if saved else decoder.begin(begun)
    length = generator.max_tokens(request.length, begun.source, constrained=decoder.constrained)
    context.take_one_thread()
    Writer(decoder).write_resumable(text, begun, length)
    if request.save_state:
        decoder.save(text, Path(request.save_state), fingerprint, begun.source)


def _adapted(here: "Session", model: "StoredModel", prompt: str, request: "SampleRequest") -> "StoredModel":
    """The model as its prompt makes it; reported on stderr."""
    found = here.adapt(model, prompt, request.adapting, request.device)
    if not request.quiet:
        console.note(
            f"adapted to {found.tokens:,} tokens of the prompt: {found.before:.3f} nats per token before, "
            f"{found.after:.3f} after"
        )
    return found.model


def _labelled(output: "Output") -> dict[str, str]:
    """Return the label and, where it was generated, the text after it."""
    if output.prompt.label is not None:
        return {"label": output.prompt.label}
    text = output.text
    label, tab, _ = (output.prompt.text + text).partition("\t")
    if not tab:
        return {}
    return {"label": label, "text": text if "\t" in output.prompt.text else text.partition("\t")[2]}


# ── Writing ────────────────────────────────────────────────────────────────────────────────────────────────


class Writer:
    """Writes outputs: texts as they come, lines in the order of their sources, or JSON lines."""

    def __init__(self, decoder: "Decoder", copy: list[str] | None = None) -> None:
        self.copy = copy
        self.decoder, self.request, self.generator = decoder, decoder.request, decoder.generator
        self.escaped = 0
        """Outputs about sources in which line ends were escaped."""
        self.texts, self.short = 0, list[str]()
        """The number of texts, and what those that ended too early lack that a constraint asks for."""
        if self.request.json and self.request.endless and not self.generator.has_eos:
            raise UsageError("--json writes a text when it is whole, and -n -1 has no end; give -n or --stop")
        if self.request.attention and self.request.from_state:
            raise UsageError(
                "--attention shows the weights of a whole text, and --from-state writes the rest of one; "
                "leave one of them out"
            )

    def write(self, pools: "Iterator[Sequence[Prompt]]") -> None:
        """Generate and write the texts of all prompts."""
        first = 0
        with self._output() as out:
            for pool in pools:
                for text in self._texts(pool, first):
                    out.write(text)
                out.write("", flush=True)
                first += len(pool)
        if self.escaped:
            some = "1 output has line ends" if self.escaped == 1 else f"{self.escaped} outputs have line ends"
            console.warn(f"{some}, written as \\n; --json and --null keep them as they are")
        if self.short:
            raise ConstraintError(self.short[0], len(self.short), self.texts)

    def _output(self) -> streams.Output:
        encoding = "utf-8" if self.request.json else self.generator.encoding
        return streams.Output(encoding, raw=self.request.raw, copy=self.copy)

    def _note(self, output: "Output") -> None:
        """Take note of an output that was written: whether it ended too early."""
        self.texts += 1
        self.short += filter(None, [output.unmet()])

    def write_resumable(self, text: "ResumableGeneration", prompt: "Prompt", length: int | None) -> None:
        """Write a text that can be left off, up to where it is left off."""
        from rnngen.generation.prompts import Output

        request, last = self.request, self.request.save_state is None
        pieces = text.write(length, request.stop, keep_stop=request.keep_stop, last=last)
        with self._output() as out:
            if self.request.json:
                output, reads_source = Output(prompt, 0, pieces), self.generator.reads_source
                record = self._record(prompt, [output]) if reads_source else self._text_record(output)
                out.write(record, flush=True)
            else:
                self._write_pieces(out, prompt, text, pieces)
        if last and (clause := text.unmet()):
            raise ConstraintError(clause)

    def _write_pieces(
        self, out: streams.Output, prompt: "Prompt", text: "ResumableGeneration", pieces: Iterator[str]
    ) -> None:
        out.write(self._prompt(prompt))
        for piece in pieces:
            out.write(piece)
        out.write(self._end(ends=text.ends), flush=True)

    def _texts(self, pool: "Sequence[Prompt]", first: int) -> Iterator[str]:
        if self.generator.reads_source:
            yield from self._about_sources(pool, first)
            return
        for number, output in enumerate(self.decoder.outputs(pool)):
            if self.request.json:
                yield self._text_record(output)
                continue
            yield self._separator if number else ""
            yield self._prompt(output.prompt)
            yield from output.pieces
            self._note(output)
            yield self._end(ends=True)

    def _prompt(self, prompt: "Prompt") -> str:
        """Return the prompt as it is written: on a terminal it is dim beside what is generated."""
        if self.request.no_prompt or not prompt.text:
            return ""
        dim = console.interactive(sys.stdout) and console.coloured(sys.stdout) and not self.request.null
        return streams.Dimmed(prompt.text) if dim else prompt.text

    def _end(self, *, ends: bool) -> str:
        """A line end where there are several texts, or one that ended by itself, or a person reads."""
        if self.request.null:
            return "\0" if ends else ""
        several = (self.request.nbest or self.request.count) > 1 or (self.generator.has_eos and ends)
        return "\n" if several else streams.ForTerminal("\n") if sys.stdout.isatty() else ""

    @property
    def _separator(self) -> str:
        """Between texts, what training divided them at, of which a line end is written already.

        Free text, which nothing divides, gets a line of its own.
        """
        if self.request.null:
            return ""
        return self.generator.separator.removeprefix("\n") if self.generator.has_eos else RULE

    def _text_record(self, output: "Output") -> str:
        record: dict[str, Any] = {"prompt": output.prompt.text, "text": output.text}
        self._note(output)
        if self.generator.labels:
            record |= _labelled(output)
        if self.decoder.draws:
            record |= {"seed": self.decoder.seed, "number": output.number}
        if found := output.hypothesis:
            record |= {"log_probability": found.log_probability, "score": found.score}
        return streams.json_line(record) + "\n"

    # ── a line or a record for each source ─────────────────────────────────────────────────────────────────

    def _about_sources(self, pool: "Sequence[Prompt]", first: int) -> Iterator[str]:
        """Yield the output of each source, in their order; that of a blank one is empty."""
        numbers = range(first, first + len(pool))  # the seed of a source follows from its line
        groups = groupby(self.decoder.outputs(pool, numbers), key=lambda output: id(output.prompt))
        for prompt in pool:
            found = [] if prompt.is_blank else [*next(groups)[1]]
            yield self._record(prompt, found) if self.request.json else self._lines(found)

    def _lines(self, outputs: "Sequence[Output]") -> str:
        """Return N outputs, a line each, or line k of the outputs would not be that of source k.

        Where there are fewer, as for a blank source, the rest are empty.
        """
        texts = [self._whole(output) for output in outputs]
        texts += [""] * (self.decoder.settings.count - len(texts))
        if self.request.null:
            return "".join(f"{text}\0" for text in texts)
        lines = [streams.one_line(text) for text in texts]
        self.escaped += sum(line != text for line, text in zip(lines, texts, strict=True))
        return "".join(f"{line}\n" for line in lines)

    def _whole(self, output: "Output") -> str:
        text = ("" if self.request.no_prompt else output.prompt.text) + output.text
        self._note(output)
        return text

    def _record(self, prompt: "Prompt", outputs: "Sequence[Output]") -> str:
        hypotheses = [self._hypothesis(output) for output in outputs]
        text = hypotheses[0]["text"] if hypotheses else ""
        record = {"source": prompt.source, "text": text, "hypotheses": hypotheses}
        return streams.json_line(record) + "\n"

    def _hypothesis(self, output: "Output") -> dict[str, Any]:
        record: dict[str, Any] = {"text": self._whole(output)}
        if found := output.hypothesis:
            record |= {"score": found.score, "log_probability": found.log_probability}
        if words := self._looked(output, "character"):
            target = words.target[: len(record["text"])]  # the last token may go on behind a stop
            rows = [row for row, text in enumerate(target) if text]  # the end looks nowhere in particular
            record["alignment"] = [[words.best(row), row] for row in rows]
        if self.request.attention and (tokens := self._looked(output, "token")):
            record["attention"] = tokens.as_json()
        return record

    def _looked(self, output: "Output", unit: "Unit") -> "Alignment | None":
        """Return where the network looked for a text as it is written; None where it was not noted.

        A prefix, and what the strategy took no note of although it is asked for, is read along once more.
        """
        found, source, prefix = output.hypothesis, output.prompt.source or "", output.prompt.text
        if found is None or found.attention is None:
            if not self.request.attention:
                return None
        elif self.request.no_prompt or not prefix:
            return self.generator.alignment(source, found, unit, given=output.given)
        hidden = prefix if self.request.no_prompt else ""
        return self.generator.read_along(source, prefix + output.text, unit, hidden=hidden)

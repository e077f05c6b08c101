"""``rnngen sample``: generate text with a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags, interactive, prompts, requests, threads
from rnngen.cli.context import session
from rnngen.cli.decoding_flags import STRATEGIES, DecodingCommand, values_of
from rnngen.cli.outputs import Writer
from rnngen.cli.render import console
from rnngen.errors import UsageError
from rnngen.options.corpus import AdaptingOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnngen.api import Model, Session
    from rnngen.generation.decoder import Decoder
    from rnngen.generation.generator import Prompt
    from rnngen.generation.saved_state import SavedState
    from rnngen.requests.sample import SampleRequest
    from rnngen.store.model_folder import StoredModel

STATES = "Generation state"


@flags.examples(
    'rnngen sample --temp 0.8 "ROMEO:"',
    'echo -n "ROMEO:" | rnngen sample --seed 7 | head -c 300',
    "rnngen sample -m names --count 10",
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
@click.argument("prompt", required=False)
@flags.models_flag
@flags.option("--prompt-file", type=click.Path(), metavar="FILE", help="Go on from the text in a file.")
@flags.option("--no-prompt", is_flag=True, help="Leave the prompt out of what is written.", common=False)
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
@flags.option("--count", type=click.IntRange(1), default=1, help="Number of texts.")
@flags.option("--stop", multiple=True, metavar="TEXT", help="End before this text. Repeatable.")
@flags.option(
    "-i", "--interactive", is_flag=True, help="Write in turns with the model, on a terminal; /help there."
)
@flags.option(
    "-0", "--null", is_flag=True, help="End each text with a NUL byte instead of a line end.", common=False
)
@flags.option(
    "--nbest",
    type=click.IntRange(1),
    help="The best N texts of each prompt, best first (with --beam).",
    common=False,
)
@flags.option("--prefix", metavar="TEXT", help="What every output about a source begins with.", common=False)
@flags.option(
    "--attention",
    is_flag=True,
    default=None,
    help="Include attention weights in the JSON output.",
    common=False,
)
@flags.option(
    "--strategy",
    metavar="NAME",
    shell_complete=flags.complete_names("strategy"),
    heading=STRATEGIES,
    help=(
        "How to choose tokens: sample, greedy, beam, diverse-beam, stochastic-beam, best-of, mbr, "
        "contrastive, speculative, or a plugin's; options as NAME;key=value. By default sample, or greedy "
        "for a model that reads a source."
    ),
    common=False,
)
@flags.option(
    "--order",
    type=click.Choice(["hf", "llama"]),
    heading="Filters of the next-token distribution",
    help="Apply filters as transformers does, temperature before truncation, or as llama.cpp.  [default: hf]",
    common=False,
)
@flags.option(
    "--filters",
    metavar="CHAIN",
    heading="Filters of the next-token distribution",
    help="Filters in an order of your own: NAME=VALUE,NAME=VALUE;key=value.",
    common=False,
)
@flags.option(
    "--save-state",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    heading=STATES,
    help="Save the generation state to FILE.",
)
@flags.option(
    "--from-state",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    heading=STATES,
    help="Go on from a saved generation state, to the byte.",
)
@flags.option(
    "--blend",
    type=(str, click.FloatRange(0, 1)),
    metavar="PROMPT WEIGHT",
    heading=STATES,
    help="Mix in the state after another prompt, with a weight from 0 to 1.",
    common=False,
)
@flags.options_from(AdaptingOptions, heading="Adapting to the prompt", common=())
@flags.option(
    "--device",
    default="cpu",
    show_default=True,
    help="Where to compute: cpu, cuda, cuda:N, mps, auto.",
    common=False,
)
@flags.option(
    "--quantize",
    type=click.Choice(["int8"]),
    help=(
        "Hold the weights in 8 bits: large models generate faster on the CPU, a little less exactly "
        "(needs rnngen[fast])."
    ),
    common=False,
)
@flags.json_flag
@flags.quiet_flag
@click.pass_context
def sample(ctx: click.Context, /, **params: Any) -> None:
    """Generate text with a model, going on from PROMPT.

    The prompt is the argument, or --prompt-file, or what is piped in. Text goes to standard output while it
    is generated, and nothing else does. A model that reads a source takes every line of that for one, and
    generates a line for each, in order: greedily, or by the strategy or the filters that are given.
    """
    here = session(ctx)
    request = parse(ctx, here, params)
    if request.interactive:
        interactive.check()
    saved = _saved(request)
    stored = [here.read(name) for name in request.models or (None,)]
    if not (request.models or request.quiet):
        console.note(f"model {stored[0].path.name}")
    run(here, request, stored, saved)


def parse(ctx: click.Context, here: "Session", params: dict[str, Any]) -> "SampleRequest":
    """Make the request; of flags that cannot stand together, those of settings give way to those typed."""
    values = {name: value for name, value in params.items() if value not in (None, ())}
    names = {name: "models" if name == "model" else name for name in values}
    decoding = values_of(ctx.command, params)
    given = {names[name]: value for name, value in values.items() if name not in decoding}
    adapting = flags.given(AdaptingOptions, params)
    given = {name: value for name, value in given.items() if name not in AdaptingOptions.__dataclass_fields__}
    return requests.resolve(
        ctx, {**given, **adapting, **decoding}, lambda found: here.sample_request(**found)
    )


def _saved(request: "SampleRequest") -> "SavedState | None":
    if request.from_state is None:
        return None
    from rnngen.generation.saved_state import SavedState

    return SavedState.read(Path(request.from_state))


def run(
    here: "Session", request: "SampleRequest", stored: "list[StoredModel]", saved: "SavedState | None"
) -> None:
    """Load the models, and generate."""
    prompt = _prompt(request) if request.adapting.dynamic else None
    if prompt is not None:
        stored[0] = _adapted(here, stored[0], prompt, request)
    model = here.open(*stored, options=_load_options(request), cached=True)
    decoder = here.decoder(model.generator, request, saved)
    if prompt is None and not saved and (request.interactive or not model.generator.reads_source):
        prompt = _prompt(request)
    if decoder.seed is not None and request.seed is None and not request.quiet:
        console.note(f"seed {decoder.seed}")
    if request.interactive:
        interactive.converse(here, model, decoder, saved, prompt or "")
    elif saved or request.save_state:
        _resumable(here, model, decoder, saved, prompt)
    else:
        _write(model, decoder, prompt)
    if not request.quiet and (report := decoder.report()):
        console.note(report)


def _prompt(request: "SampleRequest") -> str:
    return prompts.read(request.prompt, request.prompt_file)


def _pools(model: "Model", request: "SampleRequest", prompt: str | None) -> "Iterator[list[Prompt]]":
    """The one prompt, or what is made of each line of sources."""
    from rnngen.generation.generator import Prompt

    if prompt is not None:
        prompts.warn_untrained(model.generator, prompt)
        return iter([[Prompt(prompt, None, request.blend)]])
    return prompts.sources(model.generator, request.prompt, request.prompt_file, request.prefix)


def _write(model: "Model", decoder: "Decoder", prompt: str | None) -> None:
    """Generate from every prompt."""
    pools = _pools(model, decoder.request, prompt)
    if prompt is not None and decoder.request.count == 1 and "endless" in decoder.spec.can:
        threads.take_one()
    Writer(decoder).write(pools)


def _resumable(
    here: "Session", model: "Model", decoder: "Decoder", saved: "SavedState | None", prompt: str | None
) -> None:
    """Generate one text that can be left off and gone on with."""
    from rnngen.generation.generator import Prompt

    request, generator = decoder.request, model.generator
    fingerprint = here.fingerprint(model)
    begun = Prompt("", saved.source) if saved else _one(next(_pools(model, request, prompt), []))
    text = decoder.resume(saved, fingerprint) if saved else decoder.begin(begun)
    length = generator.max_tokens(request.length, begun.source)
    threads.take_one()
    Writer(decoder).write_resumable(text, begun, length)
    if request.save_state:
        decoder.save(text, Path(request.save_state), fingerprint, begun.source)


def _one(pool: "list[Prompt]") -> "Prompt":
    """The one prompt of a text that is to be saved."""
    if len(pool) != 1:
        raise UsageError(f"--save-state keeps one text, and there are {len(pool)} sources; give one")
    return pool[0]


def _load_options(request: "SampleRequest") -> Any:
    from rnngen.generation.loading import LoadOptions

    cache = request.adapting if request.adapting.cache else None
    return LoadOptions(request.device, request.quantize, cache)


def _adapted(here: "Session", model: "StoredModel", prompt: str, request: "SampleRequest") -> "StoredModel":
    """The model as its prompt makes it; reported on stderr."""
    found = here.adapt(model, prompt, request.adapting, request.device)
    if not request.quiet:
        console.note(
            f"adapted to {found.tokens:,} tokens of the prompt: {found.before:.3f} nats per token before, "
            f"{found.after:.3f} after"
        )
    return found.model

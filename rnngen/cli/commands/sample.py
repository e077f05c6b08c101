"""``rnngen sample``: write text with a model."""

import secrets
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from rnngen.builtins.strategies.options import BeamOptions, DecodingOptions, DraftOptions
from rnngen.cli import adapting, answers, chain, drafts, flags, interactive, keeping, prompts, strategies
from rnngen.cli.app import session
from rnngen.cli.render import console
from rnngen.cli.texts import Writing
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.api import Session
    from rnngen.generation.saved_state import FilterChain, Kept
    from rnngen.store.model_folder import StoredModel

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
@click.command(cls=flags.Command)
@click.argument("prompt", required=False)
@flags.models_flag
@click.option("--prompt-file", type=click.Path(), metavar="FILE", help="Go on from the text in a file.")
@flags.option("--no-prompt", is_flag=True, common=False, help="Leave the prompt out of what is written.")
@strategies.strategy_flags
@flags.options_from(
    DecodingOptions,
    short={"length": "-n", "seed": "-s"},
    heading="Generation",
    common={"length", "seed", "beam"},
)
@flags.options_from(
    BeamOptions,
    only=BEAM_FLAGS.keys(),
    rename=BEAM_FLAGS,
    heading="Beam search (with --beam K)",
    common=(),
)
@flags.options_from(
    DraftOptions, complete={"draft": flags.complete_models}, heading="Speculative decoding", common=()
)
@answers.pair_flags
@keeping.state_flags
@adapting.adapting_flags
@chain.flags
@click.option(
    "-i", "--interactive", is_flag=True, help="Write in turns with the model, on a terminal; /help there."
)
@click.option("--stop", multiple=True, metavar="TEXT", help="End before this text. Repeatable.")
@click.option("--count", type=click.IntRange(1), default=1, help="How many texts to write.")
@flags.option(
    "-0", "--null", is_flag=True, common=False, help="End each text with a NUL byte instead of a line end."
)
@flags.option(
    "--device",
    default="cpu",
    show_default=True,
    common=False,
    help="Where to compute: cpu, cuda, cuda:N, mps, auto.",
)
@flags.option(
    "--quantize",
    common=False,
    type=click.Choice(["int8"]),
    help="Hold the weights in 8 bits: large models write faster on the CPU, a little less exactly "
    "(needs rnngen[fast]).",
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
    _settle(ctx, params)
    here = session(ctx)
    kept = keeping.opened(params)
    chosen = keeping.chain_of(params, kept)
    here.filters(chosen)  # what is wrong with them is told before a model is read
    paths = [here.models.find(name) for name in params["model"] or (None,)]
    if not params["model"] and not params["quiet"]:
        console.note(f"model {paths[0].name}")
    stored = [here.read(str(path)) for path in paths]
    if any(model.config.source_vocabulary is not None for model in stored):
        _answer(here, stored, chosen, params)
    else:
        _write(here, stored, kept, chosen, params)


def _settle(ctx: click.Context, params: dict[str, Any]) -> None:
    """Let flags overrule settings, and refuse what cannot stand together.

    Raises:
        UsageError: naming the flags.
    """
    flags.overrule(ctx, params, ["filters"], [*chain.CHAIN, "order"])
    flags.overrule(ctx, params, ["prompt"], ["prompt_file"])
    strategies.settle(ctx, params)
    flags.overrule(ctx, params, ["beam"], ["best_of"], ["mbr"], ["draft"])
    flags.overrule(ctx, params, ["from_state"], ["prompt", "prompt_file"], ["seed"])
    keeping.check(params)
    drafts.check(params)
    adapting.options(params)
    _beam(params)
    if params["interactive"]:
        interactive.check()
    if "" in params["stop"]:
        raise UsageError("--stop is empty, and would end every text before it begins; leave it out")


def _answer(
    here: "Session", stored: "list[StoredModel]", chosen: "FilterChain", params: dict[str, Any]
) -> None:
    """Answer sources with models of pairs."""
    keeping.refuse_state_flags(params)
    adapting.refuse(params)
    answerer = here.answerer(*stored, device=params["device"], quantize=params["quantize"])
    options = flags.collect(DecodingOptions, params)
    answering = answers.Answering(answerer, options, _beam(params), here.filters(chosen), params)
    if params["interactive"]:
        interactive.talk_of_pairs(answering, params)
    else:
        answering.run()


def _write(
    here: "Session",
    stored: "list[StoredModel]",
    kept: "Kept | None",
    chosen: "FilterChain",
    params: dict[str, Any],
) -> None:
    """Write text, from a prompt or from where another text was left off."""
    from rnngen.generation.prefix_cache import remember
    from rnngen.generation.saved_state import fingerprint

    answers.refuse_pair_flags(params)
    prompt = "" if kept else prompts.read(params["prompt"], params["prompt_file"])
    adapts = adapting.options(params)
    stored[0] = adapting.adapted(here, stored[0], prompt, adapts, params)
    writer = here.writer(*stored, device=params["device"], quantize=params["quantize"], adapting=adapts)
    remember(writer, stored)
    drafts.begin(here, writer, stored[0], params)
    prompts.tell_unseen(writer, prompt)
    options, params = _seeded(params, chance=not kept), {**params, "prompt": prompt}
    if params["interactive"]:
        model = partial(fingerprint, stored, writer.step)
        interactive.talk(here, writer, options, chosen, params=params, model=model)
        return
    writing = Writing(writer, options, _beam(params), here.filters(chosen)(writer.tokenizer), params)
    if kept or params["save_state"]:
        writing.keep(kept, fingerprint(stored, writer.step), chosen)
    writing.run()


def _seeded(params: dict[str, Any], *, chance: bool) -> DecodingOptions:
    """What was asked for, with a seed where a new text is drawn; a seed that nobody gave is told."""
    options = flags.collect(DecodingOptions, params)
    if options.seed is not None or options.beam or params["contrast"] or not chance:
        return options
    options = replace(options, seed=secrets.randbelow(2**31))
    if not params["quiet"]:
        console.note(f"seed {options.seed}")
    return options


def _beam(params: dict[str, Any]) -> BeamOptions | None:
    """How to search, if that is what is asked for."""
    options = flags.collect(DecodingOptions, params)
    if options.beam:
        return flags.collect(BeamOptions, params, width=options.beam, alpha=options.length_penalty)
    shaping = [name for name in BEAM_FLAGS.values() if params[name] is not None]
    if shaping:
        raise UsageError(f"--{shaping[0].replace('_', '-')} shapes a beam search; add --beam K")
    return None

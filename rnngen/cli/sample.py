"""``rnngen sample``: write text with a model."""

import secrets
from dataclasses import replace
from functools import partial
from typing import Any

import click

from rnngen.cli import answers, chain, drafts, flags, keeping, prompts, talk, ui
from rnngen.cli.app import session
from rnngen.cli.texts import Writing
from rnngen.decode.options import BeamOptions, DecodingOptions, DraftOptions
from rnngen.errors import UsageError

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
    "rnngen sample -m en-zh --mbr 30 --temp 1 'How are you?'",
    'rnngen sample --filters "top_k=40,top_p=0.95,temp=0.8"',
    'rnngen sample -m en-zh --beam 5 "How are you?"',
    "rnngen sample -n 200 --save-state verse.state 'Once upon' && rnngen sample --from-state verse.state",
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
@flags.options_from(DraftOptions, complete={"draft": flags.complete_models}, heading="Speculative decoding")
@answers.pair_flags
@keeping.state_flags
@chain.flags
@click.option(
    "-i", "--interactive", is_flag=True, help="Write in turns with the model, on a terminal; /help there."
)
@click.option("--stop", multiple=True, metavar="TEXT", help="End before this text. Repeatable.")
@click.option("--count", type=click.IntRange(1), default=1, help="How many texts to write.")
@click.option("-0", "--null", is_flag=True, help="End each text with a NUL byte instead of a line end.")
@click.option(
    "--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda, cuda:N, mps, auto."
)
@click.option(
    "--quantize",
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
    flags.overrule(ctx, params, ["filters"], [*chain.CHAIN, "order"])
    flags.overrule(ctx, params, ["prompt"], ["prompt_file"])
    flags.overrule(ctx, params, ["beam"], ["best_of"], ["mbr"], ["draft"])
    flags.overrule(ctx, params, ["from_state"], ["prompt", "prompt_file"], ["seed"])
    keeping.check(params)
    drafts.check(params)
    if params["interactive"]:
        talk.check()
    options = flags.collect(DecodingOptions, params)
    if "" in params["stop"]:
        raise UsageError("--stop is empty, and would end every text before it begins; leave it out")
    from rnngen.session.prefixes import remember
    from rnngen.session.states import fingerprint

    here = session(ctx)
    kept = keeping.opened(params)
    chosen = keeping.chain_of(params, kept)
    build = here.filters(chosen)
    paths = [here.models.find(name) for name in params["model"] or (None,)]
    if not params["model"] and not params["quiet"]:
        ui.note(f"model {paths[0].name}")
    stored = [here.read(str(path)) for path in paths]
    beam = _beam(params, options)
    where = {"device": params["device"], "quantize": params["quantize"]}
    if any(model.config.source_vocabulary is not None for model in stored):
        keeping.refuse_state_flags(params)
        answerer = here.answerer(*stored, **where)
        answering = answers.Answering(answerer, options, beam, build, params)
        if params["interactive"]:
            talk.talk_of_pairs(answering, params)
        else:
            answering.run()
        return
    answers.refuse_pair_flags(params)
    prompt = "" if kept else prompts.read(params["prompt"], params["prompt_file"])
    writer = here.writer(*stored, **where)
    remember(writer, stored)
    drafts.begin(here, writer, stored[0], params)
    filters = build(writer.tokenizer)
    prompts.tell_unseen(writer, prompt)
    if options.seed is None and not (options.beam or kept):
        options = replace(options, seed=secrets.randbelow(2**31))
        if not params["quiet"]:
            ui.note(f"seed {options.seed}")
    if params["interactive"]:
        model = partial(fingerprint, stored, writer.step)
        talk.talk(here, writer, options, chosen, params={**params, "prompt": prompt}, model=model)
        return
    writing = Writing(writer, options, beam, filters, {**params, "prompt": prompt})
    if kept or params["save_state"]:
        writing.keep(kept, fingerprint(stored, writer.step), chosen)
    writing.run()


def _beam(params: dict[str, Any], options: DecodingOptions) -> BeamOptions | None:
    """How to search, if that is what is asked for."""
    if options.beam:
        return flags.collect(BeamOptions, params, width=options.beam, alpha=options.length_penalty)
    shaping = [name for name in BEAM_FLAGS.values() if params[name] is not None]
    if shaping:
        raise UsageError(f"--{shaping[0].replace('_', '-')} shapes a beam search; add --beam K")
    return None

"""The built-in filters of the next-token distribution: what there is, and where."""

from collections.abc import Iterable

from rnngen.builtins.filters import options
from rnngen.contracts import FilterSpec, Flag
from rnngen.hookspecs import hookimpl


@hookimpl
def rnngen_filters() -> Iterable[FilterSpec]:
    """Return the filters of the next-token distribution."""
    home = __name__
    return [
        FilterSpec(
            name="repetition",
            summary="make tokens that have occurred less probable (Keskar et al. 2019)",
            load=f"{home}.penalties:repetition",
            options=options.RepetitionOptions,
            needs_text=True,
            flag=Flag(name="repetition-penalty", help="Above 1: repeat less."),
            rank=10,
        ),
        FilterSpec(
            name="temp",
            summary="sharpen or flatten the distribution",
            load=f"{home}.truncation:temperature",
            options=options.TemperatureOptions,
            flag=Flag(
                name="temp",
                help="Below 1 is safer, above 1 is wilder, 0 is greedy; 'rnngen sample' draws at 0.8 by "
                "default.",
                common=True,
            ),
            rank=20,
            llama_rank=36,
        ),
        FilterSpec(
            name="top_k",
            summary="keep the k most probable tokens (Fan et al. 2018)",
            load=f"{home}.truncation:top_k",
            options=options.TopKOptions,
            flag=Flag(name="top-k", help="Draw from the K most probable tokens only.", common=True),
            rank=30,
            llama_rank=31,
        ),
        FilterSpec(
            name="top_p",
            summary="keep the nucleus of probability p (Holtzman et al. 2020)",
            load=f"{home}.truncation:top_p",
            options=options.TopPOptions,
            flag=Flag(
                name="top-p", help="Draw from the smallest set of tokens of probability P.", common=True
            ),
            rank=31,
            llama_rank=33,
        ),
        FilterSpec(
            name="min_p",
            summary="keep tokens near the most probable one (Nguyen et al. 2024)",
            load=f"{home}.truncation:min_p",
            options=options.MinPOptions,
            flag=Flag(
                name="min-p", help="Draw from tokens at least P times as probable as the best.", common=True
            ),
            rank=32,
            llama_rank=34,
        ),
        FilterSpec(
            name="frequency",
            summary="subtract from the logits of tokens, for each time that they occurred",
            load=f"{home}.penalties:frequency",
            options=options.CountOptions,
            needs_text=True,
            flag=Flag(name="frequency-penalty", help="Subtract this for each time that a token occurred."),
            rank=11,
        ),
        FilterSpec(
            name="presence",
            summary="subtract from the logits of tokens that have occurred",
            load=f"{home}.penalties:presence",
            options=options.CountOptions,
            needs_text=True,
            flag=Flag(name="presence-penalty", help="Subtract this from tokens that have occurred."),
            rank=12,
        ),
        FilterSpec(
            name="dry",
            follows_output=True,
            summary="penalise tokens that continue a repetition, more the longer it is (p-e-w 2024)",
            load=f"{home}.penalties:dry",
            options=options.DryOptions,
            needs_text=True,
            flag=Flag(
                name="dry", help="Penalise what goes on with a repetition, this strongly; 0.8 is usual."
            ),
            rank=13,
        ),
        FilterSpec(
            name="no_repeat_ngram",
            follows_output=True,
            summary="never n tokens in a row twice (Paulus et al. 2017)",
            load=f"{home}.penalties:no_repeat_ngram",
            options=options.NoRepeatOptions,
            needs_text=True,
        ),
        FilterSpec(
            name="escape_loops",
            summary="leave a loop: never a segment once more that stands several times in a row",
            load=f"{home}.penalties:escape_loops",
            options=options.EscapeLoopsOptions,
            constraint=True,
            flag=Flag(
                name="escape-loops",
                help="Leave a loop once a segment stands N times in a row; 3 is usual.",
                metavar="N",
            ),
            rank=14,
        ),
        FilterSpec(
            name="dynatemp",
            summary="a temperature that follows the entropy (Zhang et al. 2024)",
            load=f"{home}.truncation:dynatemp",
            options=options.DynatempOptions,
        ),
        FilterSpec(
            name="typical",
            summary="keep tokens of typical surprisal (Meister et al. 2022)",
            load=f"{home}.truncation:typical",
            options=options.TypicalOptions,
            flag=Flag(name="typical", help="Draw from the most typical tokens, of probability P together."),
            rank=33,
            llama_rank=32,
        ),
        FilterSpec(
            name="epsilon",
            summary="keep tokens of probability ε or more (Hewitt et al. 2022)",
            load=f"{home}.truncation:epsilon",
            options=options.EpsilonOptions,
        ),
        FilterSpec(
            name="eta",
            summary="the same, with a bound that falls with the entropy (Hewitt et al. 2022)",
            load=f"{home}.truncation:eta",
            options=options.EtaOptions,
        ),
        FilterSpec(
            name="top_nsigma",
            summary="keep tokens within n standard deviations of the best (Tang et al. 2024)",
            load=f"{home}.truncation:top_nsigma",
            options=options.TopNSigmaOptions,
            flag=Flag(name="top-nsigma", help="Draw from tokens within N standard deviations of the best."),
            rank=34,
            llama_rank=30,
        ),
        FilterSpec(
            name="xtc",
            summary="exclude the top choices now and then (p-e-w 2024)",
            load=f"{home}.adaptive:xtc",
            options=options.XTCOptions,
            flag=Flag(name="xtc", help="With this probability, exclude all top choices but the last."),
            rank=35,
            llama_rank=35,
        ),
        FilterSpec(
            name="mirostat",
            summary="hold the surprisal of the text near a target (Basu et al. 2021)",
            load=f"{home}.adaptive:mirostat",
            options=options.MirostatOptions,
            flag=Flag(name="mirostat", help="Mirostat sampling, version 1 or 2 (target 5 bits per token)."),
            rank=40,
            llama_rank=40,
        ),
        FilterSpec(
            name="ban",
            follows_output=True,
            summary="never write some texts",
            load=f"{home}.lexical:ban",
            options=options.BanOptions,
            needs_text=True,
        ),
        FilterSpec(
            name="force",
            follows_output=True,
            summary="write nothing but the tokens of some texts",
            load=f"{home}.lexical:force",
            options=options.ForceOptions,
            needs_text=True,
        ),
        FilterSpec(
            name="logit_bias",
            summary="add to the logits of given tokens",
            load=f"{home}.lexical:logit_bias",
            options=options.BiasOptions,
            needs_text=True,
        ),
        FilterSpec(
            name="min_length",
            summary="no end before a minimum length",
            load=f"{home}.lexical:min_length",
            options=options.MinLengthOptions,
            needs_text=True,
        ),
    ]

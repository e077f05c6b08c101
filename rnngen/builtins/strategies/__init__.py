"""The built-in decoding strategies: what there is, and where."""

from collections.abc import Iterable

from rnngen.builtins.strategies import options
from rnngen.contracts import Flag, StrategySpec
from rnngen.hookspecs import hookimpl

BEAM = Flag(
    name="beam",
    help="Search for the most probable text with K hypotheses instead of drawing.",
    metavar="K",
    common=True,
)
BEAM_FLAGS = (
    Flag(name="length-penalty", option="alpha", help="Favour longer hypotheses the more, the greater (0.6)."),
    Flag(name="length-norm", option="penalty"),
    Flag(name="length-offset", option="offset"),
    Flag(name="coverage-penalty", option="coverage"),
    Flag(name="min-length", option="least"),
    Flag(name="early-finish", option="early"),
    Flag(name="beam-groups", option="groups"),
    Flag(name="diversity-penalty", option="diversity"),
    Flag(name="diversity-kind", option="diversity_kind"),
    Flag(name="diversity-range", option="diversity_range"),
    Flag(name="stochastic-beam", option="stochastic"),
)
"""Flags of a beam search; the help is that of the options."""


@hookimpl
def rnngen_strategies() -> Iterable[StrategySpec]:
    """From argmax to speculation."""
    home = "rnngen.builtins.strategies"
    return [
        StrategySpec(
            name="sample",
            summary="draw each token from the filtered distribution",
            load=f"{home}.sampling:Sample",
            temperature=0.8,
            excludes=("temp=0",),
            can=frozenset({"resume", "blend", "count", "endless"}),
        ),
        StrategySpec(
            name="greedy",
            summary="take the most probable token at every step",
            load=f"{home}.sampling:Greedy",
            draws=False,
            excludes=("temp",),
            can=frozenset({"resume", "blend", "count", "endless"}),
        ),
        StrategySpec(
            name="beam",
            summary="search for the most probable text with several hypotheses (width 5)",
            load=f"{home}.beam.search:BeamSearch",
            options=options.BeamOptions,
            flag=BEAM,
            flags=BEAM_FLAGS,
            draws=False,
            can=frozenset({"count", "rank"}),
        ),
        StrategySpec(
            name="diverse-beam",
            summary="beam search in groups that keep away from one another (Vijayakumar et al. 2016)",
            load=f"{home}.beam.search:BeamSearch",
            options=options.DiverseBeamOptions,
            flags=(BEAM, *BEAM_FLAGS),
            draws=False,
            can=frozenset({"count", "rank"}),
        ),
        StrategySpec(
            name="stochastic-beam",
            summary="beam search that draws different texts without replacement (Kool et al. 2019)",
            load=f"{home}.beam.search:BeamSearch",
            options=options.StochasticBeamOptions,
            flags=(BEAM, *BEAM_FLAGS),
            can=frozenset({"count", "rank"}),
        ),
        StrategySpec(
            name="best-of",
            summary="draw N texts and keep the likeliest per token",
            load=f"{home}.selection:BestOf",
            options=options.BestOfOptions,
            flag=Flag(name="best-of", metavar="N"),
            temperature=0.8,
            can=frozenset({"blend", "count"}),
        ),
        StrategySpec(
            name="mbr",
            summary="draw N texts and keep the one most like the others (minimum Bayes risk)",
            load=f"{home}.selection:MinimumBayesRisk",
            options=options.MBROptions,
            flag=Flag(name="mbr", metavar="N"),
            temperature=0.8,
            can=frozenset({"blend", "count"}),
        ),
        StrategySpec(
            name="contrastive",
            summary="take, of the most probable tokens, the one least like the text so far (Su et al. 2022)",
            load=f"{home}.contrastive:ContrastiveSearch",
            options=options.ContrastiveOptions,
            flags=(
                Flag(name="top-k", option="top_k"),
                Flag(name="penalty-alpha", option="alpha"),
                Flag(name="contrast-window", option="window"),
            ),
            draws=False,
            can=frozenset({"endless"}),
        ),
        StrategySpec(
            name="speculative",
            summary="draw as sample does, several tokens guessed and read at once (Leviathan et al. 2023)",
            load=f"{home}.speculative:Speculative",
            options=options.SpeculativeOptions,
            flag=Flag(name="draft", metavar="MODEL|lookup"),
            flags=(Flag(name="draft-length", option="draft_length"),),
            temperature=0.8,
            can=frozenset({"resume", "blend", "count", "endless"}),
        ),
    ]

"""Attentions: ``torch`` has the equations and trains, ``numpy`` generates without torch.

::

    products    dot · general · scaled-dot · multihead     a query times keys
                local                                      likewise, in a window around a predicted position
    additive    additive · concat                          a small network over query and memory
                location · coverage                        likewise, and over past weights
    monotonic   monotonic                                  continues where it stopped, never back

In the equations q is a query (H,), mᵢ the encoder's output for source token i (M,), eᵢ the score of that
token and αᵢ its weight; the context is Σᵢ αᵢ mᵢ unless another is given.
"""

from collections.abc import Iterable
from typing import Any

from rnngen.builtins.attention.options import (
    LocalOptions,
    LocationOptions,
    MonotonicOptions,
    MultiheadOptions,
    SizeOptions,
)
from rnngen.contracts import AttentionSpec
from rnngen.hookspecs import hookimpl
from rnngen.options import NoOptions


@hookimpl
def rnngen_attentions() -> Iterable[AttentionSpec]:
    """Return the attentions, from none to several heads."""
    return [
        _spec("none", "NoAttention", "no attention: the plain encoder-decoder (Sutskever et al. 2014)"),
        _spec(
            "additive", "Additive", "a hidden layer over query and memory (Bahdanau et al. 2015)", SizeOptions
        ),
        _spec("dot", "Dot", "the product of query and memory, of one size (Luong et al. 2015)"),
        _spec("general", "General", "a matrix between query and memory (Luong et al. 2015)"),
        _spec(
            "concat", "Concat", "a hidden layer over query and memory, with one matrix (Luong et al. 2015)"
        ),
        _spec(
            "scaled-dot", "ScaledDot", "learnt queries, keys and values (Vaswani et al. 2017)", SizeOptions
        ),
        _spec(
            "multihead", "Multihead", "several of these side by side (Vaswani et al. 2017)", MultiheadOptions
        ),
        _spec(
            "location",
            "Location",
            "additive, with filters over the last weights (Chorowski et al. 2015)",
            LocationOptions,
        ),
        _spec("coverage", "Coverage", "additive, with the sum of past weights (Tu et al. 2016)", SizeOptions),
        _spec(
            "local",
            "Local",
            "general, in a window around a predicted position (Luong et al. 2015)",
            LocalOptions,
        ),
        _spec(
            "monotonic",
            "Monotonic",
            "continues where it stopped, never back (Raffel et al. 2017)",
            MonotonicOptions,
        ),
    ]


def _spec(name: str, implementation: str, summary: str, options: type[Any] = NoOptions) -> AttentionSpec:
    load, numpy = f"{__name__}.torch:{implementation}", f"{__name__}.numpy:{implementation}Step"
    return AttentionSpec(name=name, summary=summary, load=load, numpy=numpy, options=options)

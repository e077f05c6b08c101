"""Attentions, a folder a family: ``torch`` has the equations and trains, ``numpy`` generates without torch.

::

    products    dot · general · scaled-dot · multihead     a query times keys
                local                                      likewise, in a window around a predicted position
    additive    additive · concat                          a small network over query and memory
                location · coverage                        likewise, and over past weights
    monotonic   monotonic                                  continues where it stopped, never back
    torch, numpy, options                                  what they share, and none

In the equations q is a query (H,), mᵢ the encoder's output for source token i (M,), eᵢ the score of that
token and αᵢ its weight; the context is Σᵢ αᵢ mᵢ unless another is given.
"""

from collections.abc import Iterable

from rnngen.builtins.attention import options
from rnngen.contracts import AttentionSpec
from rnngen.hookspecs import hookimpl


@hookimpl
def rnngen_attentions() -> Iterable[AttentionSpec]:
    """Return the attentions, from none to several heads."""
    home = "rnngen.builtins.attention"
    return [
        AttentionSpec(
            name="none",
            summary="no attention: the plain encoder-decoder (Sutskever et al. 2014)",
            load=f"{home}.torch:NoAttention",
            numpy=f"{home}.numpy:NoAttentionStep",
        ),
        AttentionSpec(
            name="additive",
            summary="a hidden layer over query and memory (Bahdanau et al. 2015)",
            load=f"{home}.additive.torch:Additive",
            numpy=f"{home}.additive.numpy:AdditiveStep",
            options=options.SizeOptions,
        ),
        AttentionSpec(
            name="dot",
            summary="the product of query and memory, of one size (Luong et al. 2015)",
            load=f"{home}.products.torch:Dot",
            numpy=f"{home}.products.numpy:DotStep",
        ),
        AttentionSpec(
            name="general",
            summary="a matrix between query and memory (Luong et al. 2015)",
            load=f"{home}.products.torch:General",
            numpy=f"{home}.products.numpy:GeneralStep",
        ),
        AttentionSpec(
            name="concat",
            summary="a hidden layer over query and memory, with one matrix (Luong et al. 2015)",
            load=f"{home}.additive.torch:Concat",
            numpy=f"{home}.additive.numpy:ConcatStep",
        ),
        AttentionSpec(
            name="scaled-dot",
            summary="learnt queries, keys and values (Vaswani et al. 2017)",
            load=f"{home}.products.torch:ScaledDot",
            numpy=f"{home}.products.numpy:ScaledDotStep",
            options=options.SizeOptions,
        ),
        AttentionSpec(
            name="multihead",
            summary="several of these side by side (Vaswani et al. 2017)",
            load=f"{home}.products.torch:Multihead",
            numpy=f"{home}.products.numpy:MultiheadStep",
            options=options.MultiheadOptions,
        ),
        AttentionSpec(
            name="location",
            summary="additive, with filters over the last weights (Chorowski et al. 2015)",
            load=f"{home}.additive.torch:Location",
            numpy=f"{home}.additive.numpy:LocationStep",
            options=options.LocationOptions,
        ),
        AttentionSpec(
            name="coverage",
            summary="additive, with the sum of past weights (Tu et al. 2016)",
            load=f"{home}.additive.torch:Coverage",
            numpy=f"{home}.additive.numpy:CoverageStep",
            options=options.SizeOptions,
        ),
        AttentionSpec(
            name="local",
            summary="general, in a window around a predicted position (Luong et al. 2015)",
            load=f"{home}.products.torch:Local",
            numpy=f"{home}.products.numpy:LocalStep",
            options=options.LocalOptions,
        ),
        AttentionSpec(
            name="monotonic",
            summary="continues where it stopped, never back (Raffel et al. 2017)",
            load=f"{home}.monotonic.torch:Monotonic",
            numpy=f"{home}.monotonic.numpy:MonotonicStep",
            options=options.MonotonicOptions,
        ),
    ]

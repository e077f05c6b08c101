"""Ways to look at a source, a family a file; beside each, in ``…_steps``, its twin that needs NumPy alone.

::

    none        nothing at all
    products    dot · general · scaled-dot · multihead     a query times keys
    additive    additive · concat                          a small network over query and memory
    coverage    location · coverage                        the same, and where it looked before
    local       local                                      a window around a place that it predicts
    monotonic   monotonic                                  goes on from where it stopped, never back

The equations stand with the faces that train. In them q is a query (H,), mᵢ what the encoder gives of source
token i (M,), eᵢ the score of that token and αᵢ its weight; the context is Σᵢ αᵢ mᵢ unless another is given.
"""

from collections.abc import Iterable

from rnngen.builtins import attention_options as o
from rnngen.contracts import AttentionSpec
from rnngen.hookspecs import hookimpl


@hookimpl
def rnngen_attentions() -> Iterable[AttentionSpec]:
    """From looking nowhere to looking at several places at once."""
    home = "rnngen.builtins.attention"
    return [
        AttentionSpec(
            name="none",
            summary="no attention: the plain encoder-decoder (Sutskever et al. 2014)",
            load=f"{home}.none:NoAttention",
            numpy=f"{home}.none_steps:NoAttentionStep",
        ),
        AttentionSpec(
            name="additive",
            summary="a hidden layer over query and memory (Bahdanau et al. 2015)",
            load=f"{home}.additive:Additive",
            numpy=f"{home}.additive_steps:AdditiveStep",
            options=o.SizeOptions,
        ),
        AttentionSpec(
            name="dot",
            summary="the product of query and memory, of one size (Luong et al. 2015)",
            load=f"{home}.products:Dot",
            numpy=f"{home}.product_steps:DotStep",
        ),
        AttentionSpec(
            name="general",
            summary="a matrix between query and memory (Luong et al. 2015)",
            load=f"{home}.products:General",
            numpy=f"{home}.product_steps:GeneralStep",
        ),
        AttentionSpec(
            name="concat",
            summary="a hidden layer over query and memory, with one matrix (Luong et al. 2015)",
            load=f"{home}.additive:Concat",
            numpy=f"{home}.additive_steps:ConcatStep",
        ),
        AttentionSpec(
            name="scaled-dot",
            summary="learnt queries, keys and values (Vaswani et al. 2017)",
            load=f"{home}.products:ScaledDot",
            numpy=f"{home}.product_steps:ScaledDotStep",
            options=o.SizeOptions,
        ),
        AttentionSpec(
            name="multihead",
            summary="several of these side by side (Vaswani et al. 2017)",
            load=f"{home}.products:Multihead",
            numpy=f"{home}.product_steps:MultiheadStep",
            options=o.MultiheadOptions,
        ),
        AttentionSpec(
            name="location",
            summary="additive, with filters over where it looked before (Chorowski et al. 2015)",
            load=f"{home}.coverage:Location",
            numpy=f"{home}.coverage_steps:LocationStep",
            options=o.LocationOptions,
        ),
        AttentionSpec(
            name="coverage",
            summary="additive, knowing how much it has looked at each token (Tu et al. 2016)",
            load=f"{home}.coverage:Coverage",
            numpy=f"{home}.coverage_steps:CoverageStep",
            options=o.SizeOptions,
        ),
        AttentionSpec(
            name="local",
            summary="general, in a window around a place that it predicts (Luong et al. 2015)",
            load=f"{home}.local:Local",
            numpy=f"{home}.local_steps:LocalStep",
            options=o.LocalOptions,
        ),
        AttentionSpec(
            name="monotonic",
            summary="goes on from where it stopped and never back (Raffel et al. 2017)",
            load=f"{home}.monotonic:Monotonic",
            numpy=f"{home}.monotonic_steps:MonotonicStep",
            options=o.MonotonicOptions,
        ),
    ]

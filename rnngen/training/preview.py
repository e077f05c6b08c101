"""Text that a network writes while it is trained: samples to show, and outputs for validation sources."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from rnngen.builtins.strategies.options import GREEDY
from rnngen.data.dataset import Encoded
from rnngen.decoding.text_stream import decode
from rnngen.generation.answering import Answerer
from rnngen.generation.writing import Writer
from rnngen.inference.build import numpy_step
from rnngen.inference.torch_model import TorchStep
from rnngen.registry.components import Tokenizers
from rnngen.store.checkpoint import Tensors
from rnngen.training.plan import Plan

PREVIEW_TOKENS = 240
"""Tokens of the samples that are shown while training."""
PREVIEW_SOURCES = 3
"""Validation sources whose outputs are shown, where there are sources."""


def preview(plan: Plan, network: nn.Module, weights: Tensors, step: int) -> str:
    """Return what a network writes now; its draws are its own, so that training does not depend on them.

    Args:
        plan: what is trained.
        network: put into training mode afterwards.
        weights: its weights to write with.
        step: updates made, from which the choice of sources and all draws follow.
    """
    encoded, rng = plan.encoded, np.random.default_rng(step)
    if encoded.val.source is None:
        return _write(plan, network, weights, rng=rng)[0].strip()
    sources, _ = validation_pairs(encoded, rng.integers(encoded.val.examples, size=PREVIEW_SOURCES).tolist())
    outputs = _write(plan, network, weights, sources)
    return "\n".join(f"{source} → {text}" for source, text in zip(sources, outputs, strict=True)).strip()


def greedy_outputs(plan: Plan, network: nn.Module, weights: Tensors, sources: Sequence[str]) -> list[str]:
    """Return the greedy outputs for sources; the network is put into training mode afterwards."""
    return _write(plan, network, weights, sources)


def validation_pairs(encoded: Encoded, numbers: Sequence[int]) -> tuple[list[str], list[str]]:
    """Return the sources and the texts of some validation examples."""
    val = encoded.val
    assert val.source is not None
    sources = [decode(encoded.source_tokenizer.pieces, val.source.example(number)) for number in numbers]
    return sources, [decode(encoded.tokenizer.pieces, val.example(number)) for number in numbers]


def _write(
    plan: Plan,
    network: nn.Module,
    weights: Tensors,
    sources: Sequence[str] = (),
    rng: np.random.Generator | None = None,
) -> list[str]:
    """One sample without a source, drawn with ``rng``, or the greedy output for each source."""
    encoded = plan.encoded
    step = numpy_step(plan.parts["cell"], plan.config, weights) or TorchStep(network)
    if rng is None:
        answerer = Answerer(step, Tokenizers(encoded.tokenizer, encoded.source_tokenizer))
        texts = [best[0].text for best in answerer.search_all(list(sources), GREEDY)]
    else:
        writer = Writer(step, encoded.tokenizer, has_eos=encoded.has_eos, opening=encoded.opening)
        texts = ["".join(writer.write("", rng=rng, length=PREVIEW_TOKENS))]
    network.train()
    return texts

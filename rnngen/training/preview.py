"""Text that a network writes while it is trained: samples to show, and outputs for validation sources."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from rnngen.builtins.strategies.sampling import Greedy, Sample
from rnngen.data.dataset import EncodedDataset
from rnngen.decoding.text_stream import decode
from rnngen.generation.generator import GenerationSettings, Generator, Prompt
from rnngen.inference.build import numpy_step
from rnngen.inference.torch_model import torch_step
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
    encoded = plan.encoded
    if encoded.val.source is None:
        generator = _generator(plan, network, weights)
        settings = GenerationSettings(length=PREVIEW_TOKENS, seed=step)
        text = "".join(output.text for output in generator.generate([Prompt()], Sample(), settings))
        network.train()
        return text.strip()
    numbers = np.random.default_rng(step).integers(encoded.val.examples, size=PREVIEW_SOURCES)
    sources, _ = validation_pairs(encoded, numbers.tolist())
    outputs = greedy_outputs(plan, network, weights, sources)
    return "\n".join(f"{source} → {text}" for source, text in zip(sources, outputs, strict=True)).strip()


def greedy_outputs(plan: Plan, network: nn.Module, weights: Tensors, sources: Sequence[str]) -> list[str]:
    """Return the greedy outputs for sources; the network is put into training mode afterwards."""
    prompts = [Prompt("", source) for source in sources]
    outputs = _generator(plan, network, weights).generate(prompts, Greedy(), GenerationSettings())
    texts = [output.text for output in outputs]
    network.train()
    return texts


def validation_pairs(encoded: EncodedDataset, numbers: Sequence[int]) -> tuple[list[str], list[str]]:
    """Return the sources and the texts of some validation examples."""
    val = encoded.val
    assert val.source is not None
    sources = [decode(encoded.source_tokenizer.pieces, val.source.example(number)) for number in numbers]
    return sources, [decode(encoded.tokenizer.pieces, val.example(number)) for number in numbers]


def _generator(plan: Plan, network: nn.Module, weights: Tensors) -> Generator:
    """The network with these weights, ready to generate."""
    encoded = plan.encoded
    return Generator(
        numpy_step(plan.parts["cell"], plan.config, weights) or torch_step(network),
        Tokenizers(encoded.tokenizer, encoded.source_tokenizer),
        has_eos=encoded.has_eos,
        reads_source=encoded.train.source is not None,
        default_prompt=encoded.default_prompt,
    )

"""Each stage of a chain: what it removed, with its probability; the last is what is drawn from."""

from itertools import pairwise

import numpy as np
import pytest

from rnngen.api import load
from rnngen.generation.prompts import Prompt
from rnngen.observation.explain import explain
from rnngen.registry import Registry
from rnngen.registry.components import choose_filters, make_filters

CHAIN = [("temp", "0.5"), ("top_k", "4"), ("min_p", "0.01")]


def test_stages_end_in_the_distribution_that_is_drawn_from(shelf):
    generator, prompt = load("tale").generator, Prompt("the c", final=True)
    built = make_filters(choose_filters(Registry(), CHAIN), generator.tokenizers.target)
    stages = explain(generator, prompt, [(name, one) for (name, _), one in zip(CHAIN, built, strict=True)])
    assert [one.name for one in stages] == ["model", "never trained", "temp", "top_k", "min_p"]
    assert stages[3].left == 4
    assert len(stages[2].removed) == 0
    for before, after in pairwise(stages):
        assert after.left + len(after.removed) == before.left
        assert after.mass == pytest.approx(sum(np.exp(before.log_probs[list(after.removed)])))
    expected = generator.next_token_log_probs(prompt, built)
    np.testing.assert_allclose(stages[-1].log_probs, expected, atol=1e-6)

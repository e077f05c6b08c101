"""A network small enough to enumerate what it can say."""

import numpy as np
import pytest


class Toy:
    """A recurrent network in float32 whose next token depends on everything before; it counts its steps."""

    def __init__(self, vocabulary, seed=0, sharpness=3.0):
        rng = np.random.default_rng(seed)
        self.inputs = rng.normal(size=(vocabulary, 3)).astype(np.float32)
        self.recurrent = rng.normal(size=(3, 3)).astype(np.float32)
        self.outputs = (sharpness * rng.normal(size=(3, vocabulary))).astype(np.float32)
        self.steps = 0

    def start(self, batch):
        return (np.zeros((batch, 3), np.float32),)

    def __call__(self, tokens, state):
        assert tokens.ndim == 1
        self.steps += 1
        h = np.tanh(self.inputs[tokens] + state[0] @ self.recurrent)
        return h @ self.outputs, (h,)

    def log_probabilities(self, prompt, tokens, forbidden=()):
        """Of each token after all before it, in float64, written from the definition."""
        (h,) = self.start(1)
        found = []
        for place, token in enumerate([*prompt, *tokens]):
            if place >= len(prompt):
                logits = (h @ self.outputs)[0].astype(np.float64)
                logits[list(forbidden)] = -np.inf
                found.append(float(logits[token] - np.log(np.exp(logits).sum())))
            h = np.tanh(self.inputs[[token]] + h @ self.recurrent)
        return found


@pytest.fixture
def toy():
    return Toy

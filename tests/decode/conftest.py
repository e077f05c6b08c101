"""Networks small enough to enumerate what they can say.

They compute each row by itself, so that not a bit of it depends on the others in its batch.
"""

import numpy as np
import pytest


class Toy:
    """A recurrent network in float32 whose next token depends on everything before; it counts its steps."""

    fixed = 0

    def __init__(self, vocabulary, seed=0, sharpness=3.0):
        rng = np.random.default_rng(seed)
        self.inputs = rng.normal(size=(vocabulary, 3)).astype(np.float32)
        self.recurrent = rng.normal(size=(3, 3)).astype(np.float32)
        self.outputs = (sharpness * rng.normal(size=(3, vocabulary))).astype(np.float32)
        self.steps = 0

    def start(self, batch):
        return (np.zeros((batch, 3), np.float32),)

    def attended(self, state):
        return None

    def __call__(self, tokens, state):
        assert tokens.ndim == 1
        self.steps += 1
        rows = zip(self.inputs[tokens], state[0], strict=True)
        h = np.array([np.tanh(x + row @ self.recurrent) for x, row in rows]).reshape(-1, 3)
        return np.array([row @ self.outputs for row in h]).reshape(len(tokens), -1), (h,)

    def log_probabilities(self, prompt, tokens, forbidden=()):
        """Of each token after all before it, in float64, written from the definition."""
        h = np.zeros(3, np.float32)
        found = []
        for place, token in enumerate([*prompt, *tokens]):
            if place >= len(prompt):
                logits = (h @ self.outputs).astype(np.float64)
                logits[list(forbidden)] = -np.inf
                found.append(float(logits[token] - np.log(np.exp(logits).sum())))
            h = np.tanh(self.inputs[token] + h @ self.recurrent)
        return found


class Attentive:
    """A network that looks at a source; its state: the memory (B,S,3), fixed, then h (B,3), weights (B,S)."""

    fixed = 1

    def __init__(self, vocabulary, seed=0):
        rng = np.random.default_rng(seed)
        self.inputs, self.outputs = rng.normal(size=(vocabulary, 3)), 2 * rng.normal(size=(3, vocabulary))
        self.sources = rng.normal(size=(vocabulary, 3))

    def start(self, source):
        """From sources (B,S), padded with -1."""
        memory = np.where(source[:, :, None] < 0, np.nan, self.sources[source])
        return memory, np.zeros((len(source), 3)), np.zeros(source.shape, np.float32)

    def attended(self, state):
        return state[2]

    def one(self, token, memory, h):
        """A step of one stream → logits (V,), h, weights (S,)."""
        h = np.tanh(self.inputs[token] + h)
        scores = np.array([np.exp(-2 * ((row - h) ** 2).sum()) for row in memory])
        weights = np.where(np.isnan(scores), 0, scores / np.nansum(scores)).astype(np.float32)
        h = h / 2 + sum(weight * row for weight, row in zip(weights, memory, strict=True) if weight)
        return (h @ self.outputs).astype(np.float32), h, weights

    def __call__(self, tokens, state):
        rows = [self.one(*row) for row in zip(tokens, state[0], state[1], strict=True)]
        logits, h, weights = (np.stack(arrays) for arrays in zip(*rows, strict=True))
        return logits, (state[0], h, weights)

    def walk(self, source, prompt, tokens):
        """The log-probabilities of tokens and the weights that wrote all of them, the prompt's included."""
        memory, h, chances, looks = self.sources[list(source)], np.zeros(3), [], []
        text = [*prompt, *tokens]
        for place in range(1, len(text)):
            logits, h, weights = self.one(text[place - 1], memory, h)
            looks.append(weights)
            if place >= len(prompt):
                shifted = logits.astype(np.float64)
                chances.append(float(shifted[text[place]] - np.log(np.exp(shifted).sum())))
        return chances, np.array(looks)


@pytest.fixture
def toy():
    return Toy


@pytest.fixture
def attentive():
    return Attentive

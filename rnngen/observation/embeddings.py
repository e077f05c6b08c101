"""The embeddings of a model: the nearest tokens of each, and a map of them in two dimensions.

The map shows the two directions in which the embeddings differ most (principal components); how much of all
difference it shows is said beside it.
"""

from dataclasses import dataclass

import numpy as np

from rnngen.contracts import Floats
from rnngen.errors import UsageError
from rnngen.generation.generator import Generator
from rnngen.inference.unwrapped import unwrapped
from rnngen.numerics import Doubles
from rnngen.store.model_folder import StoredModel

MATRIX = "embedding.weight"
"""The name of the matrix among a network's weights."""


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The embeddings of tokens that training met."""

    tokens: tuple[int, ...]
    """N tokens, the most frequent first where an n-gram counted them."""
    pieces: tuple[bytes, ...]
    vectors: Floats
    """(N,E)"""

    def neighbours(self, place: int, count: int) -> list[tuple[int, float]]:
        """Return the places of the nearest tokens, with the cosines of their angles."""
        lengths = np.maximum(np.linalg.norm(self.vectors, axis=1), 1e-12)
        near = self.vectors @ self.vectors[place] / (lengths * lengths[place])
        order = [at for at in np.argsort(-near, kind="stable").tolist() if at != place]
        return [(at, float(near[at])) for at in order[:count]]

    def plane(self) -> tuple[Doubles, float]:
        """Return where each stands in two dimensions (N,2), and the share of the variance that is seen."""
        centred = self.vectors.astype(np.float64) - self.vectors.mean(axis=0, dtype=np.float64)
        left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
        flat = np.zeros((len(centred), 2))
        kept = min(2, len(sizes))
        flat[:, :kept] = left[:, :kept] * sizes[:kept]
        total = float((sizes**2).sum())
        return flat, float((sizes[:2] ** 2).sum()) / total if total else 0.0

    def first(self, count: int) -> "Embeddings":
        """Return the most frequent."""
        return Embeddings(self.tokens[:count], self.pieces[:count], self.vectors[:count])

    def find(self, text: str) -> int:
        """Return the place of the token that writes a text.

        Raises:
            UsageError: if no trained token does.
        """
        piece = text.encode(errors="surrogateescape")  # an argument may be a byte that is no character
        if piece not in self.pieces:
            raise UsageError(f"{text!r} is no token that this model was trained on; `rnngen next` shows some")
        return self.pieces.index(piece)


def embeddings(generator: Generator, stored: StoredModel, name: str) -> Embeddings:
    """Read the embeddings of a model.

    Raises:
        UsageError: if its network has none under the name that networks give them.
    """
    if (matrix := stored.weights.get(MATRIX)) is None:
        raise UsageError(f"{name} has no matrix called {MATRIX}, so there are no embeddings to show")
    pieces = generator.tokenizers.target.pieces
    trained = generator.trained_tokens
    tokens = [
        token
        for token in range(min(len(pieces), len(matrix)))
        if pieces[token] and (trained is None or trained[token])
    ]
    rarity = _rarity(generator, len(pieces))
    tokens.sort(key=lambda token: float(rarity[token]))
    if len(tokens) < 2:
        raise UsageError(f"{name} was trained on fewer than two tokens; there is nothing to compare")
    return Embeddings(tuple(tokens), tuple(pieces[token] for token in tokens), matrix[tokens])


def _rarity(generator: Generator, count: int) -> Doubles:
    """Return numbers that grow as tokens get rarer; all alike where no n-gram counted them."""
    mixture = unwrapped(generator.model)[1]
    if mixture is None:
        return np.zeros(count)
    alone = mixture.ngram.predict(mixture.ngram.start(1)).log_probs[0]
    return np.asarray(-alone, np.float64)

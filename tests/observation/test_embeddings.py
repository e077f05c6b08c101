"""Embeddings: neighbours are the nearest by angle, and the plane shows what differs most."""

import numpy as np
import pytest

from rnngen.api import load
from rnngen.errors import UsageError
from rnngen.observation.embeddings import Embeddings, embeddings


def test_neighbours_and_plane_of_known_vectors():
    vectors = np.array([[1, 0, 0], [2, 0.1, 0], [0, 3, 0], [-1, 0, 0]], np.float32)
    found = Embeddings((0, 1, 2, 3), (b"a", b"b", b"c", b"d"), vectors)
    assert [at for at, _ in found.neighbours(0, 2)] == [1, 2]
    flat, share = found.plane()
    assert share == pytest.approx(1)
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    np.testing.assert_allclose(distances, np.linalg.norm(vectors[:, None] - vectors[None], axis=2), atol=1e-5)


def test_only_trained_tokens_are_shown(models):
    for name in ("tale", "pairs"):
        model = load(name)
        found = embeddings(model.generator, model.stored[0], name)
        assert all(model.generator.trained_tokens[token] for token in found.tokens)
    with pytest.raises(UsageError, match="no token"):
        found.find("zzz")

"""Characters by the tokens that spell them."""

import numpy as np
import pytest

from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.builtins.tokenizers.char import CharTokenizer
from rnngen.contracts import Chunk
from rnngen.data import spelling
from rnngen.data.token_store import TokenStore


@pytest.mark.parametrize("block", [1, 2, 3, 1 << 20])
def test_a_character_counts_once_whichever_of_its_bytes_are_marked(tmp_path, monkeypatch, block):
    monkeypatch.setattr(spelling, "BLOCK", block)
    tokenizer = ByteTokenizer()
    store = TokenStore.write(tmp_path, [Chunk("aéb🙂é", True), Chunk("è", True)], tokenizer)
    marked = np.zeros(257, bool)
    marked[["é".encode()[1], *"🙂".encode()]] = True
    assert spelling.characters_of(store, tokenizer.pieces, marked) == {"é": 2, "🙂": 1}


def test_whole_characters_and_spelt_ones_are_told_alike(tmp_path):
    tokenizer = CharTokenizer("ab")
    store = TokenStore.write(tmp_path, [Chunk("abя\nbab", True)], tokenizer)
    marked = np.ones(len(tokenizer.pieces), bool)
    marked[tokenizer.encode("a")] = False
    assert spelling.characters_of(store, tokenizer.pieces, marked) == {"b": 3, "я": 1, "\n": 1}

"""The format of a saved tokenizer, and the bytes of a text.

::

    {"kind": "bpe", "tokenizer": { … }}

Below ``tokenizer`` stands what the `tokenizers` library itself reads and writes, so that other programs can
read it. It has no end token: that is the first id after the library's vocabulary, so that no text can spell
it. Nothing here imports the library, which generation does not need.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[np.unsignedinteger[Any]]
Parts: TypeAlias = dict[str, Any]


def id_type(vocabulary: int) -> type[np.unsignedinteger[Any]]:
    """Return the smallest integer type that holds every id of a vocabulary."""
    return np.uint16 if vocabulary <= 1 << 16 else np.uint32


def library(model: Parts, *, pre_tokenizer: Parts | None, decoder: Parts) -> Parts:
    """Return a tokenizer as the library reads it; without ``pre_tokenizer`` it cuts no text into words."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": decoder,
        "model": model,
    }


def bpe_model(
    tokens: Iterable[str],
    merges: Sequence[Sequence[str]] = (),
    *,
    whole_words: bool = False,
    byte_fallback: bool = False,
) -> Parts:
    """Return the library's BPE model.

    Args:
        tokens: the tokens by ascending id.
        merges: pairs of tokens in the order in which they are joined.
        whole_words: whether a word that is a token is taken whole before any merge is tried.
        byte_fallback: whether a character that is no token is spelt in bytes.
    """
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": byte_fallback,
        "ignore_merges": whole_words,
        "vocab": {token: index for index, token in enumerate(tokens)},
        "merges": [list(pair) for pair in merges],
    }


def dumps(kind: str, library: Parts) -> str:
    """Write a tokenizer of this kind, which is what the library reads as ``library``."""
    return json.dumps({"kind": kind, "tokenizer": library}, ensure_ascii=False)


def loads(kind: str, text: str) -> Parts:
    """Return the library's model in a tokenizer that ``dumps`` wrote.

    Raises:
        ValueError: if it is no tokenizer of this kind. What the model holds is not looked at.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"tokenizer.json is not JSON ({error}); restore it, or train the model again"
        ) from None
    match document:
        case {"kind": str(found), "tokenizer": {"model": dict(model)}}:
            if found != kind:
                raise ValueError(f"tokenizer.json holds a {found!r} tokenizer where {kind!r} is expected")
            return model
    raise damaged(kind, "the keys 'kind', 'tokenizer' and 'model' are expected")


def damaged(kind: str, reason: str) -> ValueError:
    """Return the error for a tokenizer that was not written by ``dumps``."""
    return ValueError(
        f"tokenizer.json holds no {kind!r} tokenizer of this version of rnngen: {reason}; restore it, "
        "or train the model again"
    )


def check_unaltered(kind: str, text: str, rewritten: str) -> None:
    """Raise ``ValueError`` if a tokenizer differs from what would be written for it now.

    A normaliser or tokens that were added would break the law that tokens stand for the text's own bytes.
    """
    if text != rewritten and json.loads(text) != json.loads(rewritten):
        raise damaged(kind, "something was added or changed")


def tokens_in_order(kind: str, vocabulary: object) -> list[str]:
    """Return the tokens of a vocabulary, which must be listed by ascending id without a gap.

    Raises:
        ValueError: if they are not.
    """
    match vocabulary:
        case dict() if list(vocabulary.values()) == list(range(len(vocabulary))):
            return list(vocabulary)
    raise damaged(kind, "its vocabulary is not a mapping from tokens to the ids 0, 1, 2, …")

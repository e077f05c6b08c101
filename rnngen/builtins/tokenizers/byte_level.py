"""Tokenizers with a learnt vocabulary: byte-pair encoding, words, WordPiece; and what ``unigram`` shares.

Tokens are spelt in bytes, whatever the text.
The library works on characters, so each byte is written as a character of its own, as GPT-2 does it
(Radford et al. 2019): printable ASCII and Latin-1 stand for themselves, the rest follow from U+0100 on. As
the 256 of them are always tokens, there is no text that cannot be spelt.
"""

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Self, TypeAlias

import numpy as np

from rnngen.builtins.options import VocabularyOptions
from rnngen.builtins.tokenizers import tokenizer_json
from rnngen.builtins.tokenizers.tokenizer_json import Ids, Parts
from rnngen.builtins.tokenizers.words import PRE_TOKENIZER, by_frequency, count_words, sample, stretches
from rnngen.contracts import Chunk
from rnngen.encodings import utf8
from rnngen.errors import UsageError

Merges: TypeAlias = Sequence[Sequence[str]]

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Library
    from tokenizers.trainers import Trainer

_PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
ALPHABET = tuple(chr(byte if byte in _PRINTABLE else 0x100 + _OTHERS.index(byte)) for byte in range(256))
"""The character that each byte is written as."""
BYTES: Parts = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
"""The library's decoder for it."""
_BYTES = {character: byte for byte, character in enumerate(ALPHABET)}


def write(text: str) -> str:
    """Return a text's bytes, each as its character of the alphabet."""
    return "".join([ALPHABET[byte] for byte in utf8(text)])


def read(written: str) -> bytes:
    """Return the bytes that characters of the alphabet stand for.

    Raises:
        KeyError: if a character is not in the alphabet.
    """
    return bytes([_BYTES[character] for character in written])


class ByteLevelTokenizer:
    """A model of the library behind the contract of ``Tokenizer``.

    Ids: the 256 bytes, what was learnt, the end. Parts of a text have the same ids as the whole if it is cut
    after a newline (whatever stands around it), or before a space when what precedes that is no space.
    To encode a lone surrogate, or to learn from it, raises ``CorpusError``.

    Args:
        model: the library's model, as the library writes it.
        pieces: the bytes of its tokens, by ascending id.
    """

    kind: ClassVar[str]
    """The tokenizer's name."""
    decoder: ClassVar[Parts] = BYTES
    """The library's decoder from tokens to text."""

    def __init__(self, model: Parts, pieces: Iterable[bytes]) -> None:
        self._library_parts = tokenizer_json.library(model, pre_tokenizer=PRE_TOKENIZER, decoder=self.decoder)
        self.pieces: tuple[bytes, ...] = (*pieces, b"")
        self.eos_id = len(self.pieces) - 1

    @cached_property
    def _library(self) -> "Library":
        from tokenizers import Tokenizer as Library

        return Library.from_str(json.dumps(self._library_parts))

    def encode(self, text: str) -> Ids:
        """Return the ids of a text."""
        utf8(text)
        kind = tokenizer_json.id_type(len(self.pieces))
        encoded = self._library.encode_batch_fast(list(stretches(text)), add_special_tokens=False)
        return np.concatenate([np.empty(0, kind), *(np.array(part.ids, kind) for part in encoded)])

    def to_json(self) -> str:
        """Return the text of ``tokenizer.json``."""
        return tokenizer_json.dumps(self.kind, self._library_parts)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Build it again; raise ``ValueError`` if the text is not what ``to_json`` wrote."""
        model = tokenizer_json.loads(cls.kind, text)
        try:
            tokenizer = cls.from_model(model)
        except (KeyError, TypeError) as error:
            raise tokenizer_json.damaged(cls.kind, f"{type(error).__name__} {error} in its model") from None
        tokenizer_json.check_unaltered(cls.kind, text, tokenizer.to_json())
        return tokenizer

    @classmethod
    def from_model(cls, model: Parts) -> Self:
        """Build it from the library's model; what it does not look at is compared afterwards.

        Raises:
            ValueError, KeyError or TypeError: if that is no model of this kind.
        """
        raise NotImplementedError

    @classmethod
    def check_bytes(cls, tokens: Sequence[str], expected: Sequence[str] = ALPHABET) -> None:
        """Raise ``ValueError`` if a vocabulary does not begin with the single bytes."""
        if tuple(tokens[: len(expected)]) != tuple(expected):
            raise tokenizer_json.damaged(cls.kind, "its vocabulary does not begin with the single bytes")


def learn(empty: Parts, trainer: "Trainer", chunks: Iterable[Chunk]) -> Parts:
    """Train a model of the library, and return it as the library writes it."""
    from tokenizers import Tokenizer as Library

    untrained = tokenizer_json.library(empty, pre_tokenizer=PRE_TOKENIZER, decoder=BYTES)
    library = Library.from_str(json.dumps(untrained))
    library.train_from_iterator(sample(chunks), trainer)
    trained: Parts = json.loads(library.to_str())["model"]
    return trained


class BPETokenizer(ByteLevelTokenizer):
    """Byte-pair encoding over bytes (Sennrich et al. 2016; over bytes: Radford et al. 2019).

    ``tokens`` are written in the byte alphabet; ``merges`` are pairs of tokens in the order in which they are
    joined.
    """

    kind = "bpe"

    def __init__(self, tokens: Sequence[str], merges: Merges) -> None:
        super().__init__(tokenizer_json.bpe_model(tokens, merges), map(read, tokens))

    @classmethod
    def from_model(cls, model: Parts) -> Self:
        """Build it from the library's model."""
        tokens = tokenizer_json.tokens_in_order(cls.kind, model["vocab"])
        cls.check_bytes(tokens)
        for pair in model["merges"]:
            match pair:
                case [str(left), str(right)] if {left, right, left + right} <= model["vocab"].keys():
                    continue
            raise tokenizer_json.damaged(cls.kind, f"{pair!r} is no pair of tokens that make a token")
        return cls(tokens, model["merges"])

    @classmethod
    def train(cls, chunks: Iterable[Chunk], options: VocabularyOptions) -> Self:
        """Join the most frequent pair of tokens, as long as there is room and a pair occurs twice.

        Ties go to the tokens that were learnt first. Memory grows with the different words of the sample
        (see ``words.sample``).
        """
        from tokenizers import trainers

        trainer = trainers.BpeTrainer(
            vocab_size=options.vocab_size - 1,
            min_frequency=2,
            initial_alphabet=list(ALPHABET),
            special_tokens=[],
            show_progress=False,
        )
        model = learn(tokenizer_json.bpe_model(()), trainer, chunks)
        learnt = sorted(model["vocab"].keys() - set(ALPHABET), key=model["vocab"].__getitem__)
        return cls([*ALPHABET, *learnt], model["merges"])


class WordTokenizer(ByteLevelTokenizer):
    """One token a frequent word, with the space before it; a rare word is spelt in bytes.

    The library's model is BPE that takes known words whole and knows no merges.
    """

    kind = "word"

    def __init__(self, tokens: Sequence[str]) -> None:
        super().__init__(tokenizer_json.bpe_model(tokens, whole_words=True), map(read, tokens))

    @classmethod
    def from_model(cls, model: Parts) -> Self:
        """Build it from the library's model."""
        tokens = tokenizer_json.tokens_in_order(cls.kind, model["vocab"])
        cls.check_bytes(tokens)
        return cls(tokens)

    @classmethod
    def train(cls, chunks: Iterable[Chunk], options: VocabularyOptions) -> Self:
        """Take the most frequent words of those that occur at least twice.

        A word that occurs once stays spelt, so that a network learns to spell. Ties go in the order of
        code points. Memory is bounded (see ``words.count_words``).
        """
        ranked = by_frequency(count_words(sample(chunks)))
        frequent = (written for word, count in ranked if count > 1 and len(written := write(word)) > 1)
        room = options.vocab_size - len(ALPHABET) - 1
        return cls([*ALPHABET, *islice(frequent, room)])


CONTINUES = "⋯"
"""Marks a token that goes on inside a word. It is not in the byte alphabet, so that no text can hold it."""
SINGLE_BYTES = (*ALPHABET, *(CONTINUES + character for character in ALPHABET))
"""The first 512 tokens: every byte where a word begins, and where it goes on."""


class WordPieceTokenizer(ByteLevelTokenizer):
    """WordPiece, longest match first (Schuster and Nakajima 2012; as in Devlin et al. 2019)."""

    kind = "wordpiece"
    decoder: ClassVar[Parts] = {
        "type": "Sequence",
        "decoders": [{"type": "Replace", "pattern": {"String": CONTINUES}, "content": ""}, BYTES],
    }

    def __init__(self, tokens: Sequence[str]) -> None:
        super().__init__(wordpiece_model(tokens), (read(token.removeprefix(CONTINUES)) for token in tokens))

    @classmethod
    def from_model(cls, model: Parts) -> Self:
        """Build it from the library's model."""
        tokens = tokenizer_json.tokens_in_order(cls.kind, model["vocab"])
        cls.check_bytes(tokens, SINGLE_BYTES)
        return cls(tokens)

    @classmethod
    def train(cls, chunks: Iterable[Chunk], options: VocabularyOptions) -> Self:
        """Learn the tokens as BPE does, a token that begins a word apart from one that goes on.

        The library numbers what goes on inside words in the order of a hash map, and breaks ties by that
        number; named as special tokens, they keep the numbers that they are given, and the result is
        the same every time.

        Raises:
            UsageError: if ``vocab_size`` has no room for the single bytes.
        """
        from tokenizers import trainers

        if options.vocab_size <= len(SINGLE_BYTES):
            raise UsageError(
                f"tokenizer 'wordpiece': vocab_size={options.vocab_size}: at least {len(SINGLE_BYTES) + 1} "
                "are needed (256 bytes in two forms, and the end)"
            )
        trainer = trainers.WordPieceTrainer(
            vocab_size=options.vocab_size - 1,
            min_frequency=2,
            initial_alphabet=list(ALPHABET),
            special_tokens=list(SINGLE_BYTES[len(ALPHABET) :]),
            continuing_subword_prefix=CONTINUES,
            show_progress=False,
        )
        model = learn(wordpiece_model(()), trainer, chunks)
        learnt = sorted(model["vocab"].keys() - set(SINGLE_BYTES), key=model["vocab"].__getitem__)
        return cls([*SINGLE_BYTES, *learnt])


def wordpiece_model(tokens: Iterable[str]) -> Parts:
    """Return the library's WordPiece model with these tokens, by ascending id.

    The library requires a token for unknown words; with every byte a token in both forms, and no word as long
    as the limit, none is unknown.
    """
    return {
        "type": "WordPiece",
        "unk_token": "",
        "continuing_subword_prefix": CONTINUES,
        "max_input_chars_per_word": 1 << 16,
        "vocab": {token: index for index, token in enumerate(tokens)},
    }

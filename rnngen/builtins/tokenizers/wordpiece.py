"""WordPiece over bytes, longest match first (Schuster and Nakajima 2012; as in Devlin et al. 2019)."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Self

from rnngen.builtins.options import VocabularyOptions
from rnngen.builtins.tokenizers import tokenizer_json
from rnngen.builtins.tokenizers.byte_level import ALPHABET, BYTES, ByteLevelTokenizer, learn, read
from rnngen.builtins.tokenizers.tokenizer_json import Parts
from rnngen.contracts import Chunk
from rnngen.errors import UsageError

CONTINUES = "⋯"
"""Marks a token that goes on inside a word. It is not in the byte alphabet, so that no text can hold it."""
SINGLE_BYTES = (*ALPHABET, *(CONTINUES + character for character in ALPHABET))
"""The first 512 tokens: every byte where a word begins, and where it goes on."""


class WordPieceTokenizer(ByteLevelTokenizer):
    """WordPiece.

    Args:
        tokens: the tokens by ascending id, written in the byte alphabet; those that go on begin with
            ``CONTINUES``.
    """

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
            CorpusError: if the text holds a lone surrogate.
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

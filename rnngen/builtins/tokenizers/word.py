"""One token a frequent word, with the space before it; a rare word is spelt in bytes."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Self

from rnngen.builtins.options import VocabularyOptions
from rnngen.builtins.tokenizers import tokenizer_json
from rnngen.builtins.tokenizers.byte_level import ALPHABET, ByteLevelTokenizer, read, write
from rnngen.builtins.tokenizers.tokenizer_json import Parts
from rnngen.builtins.tokenizers.words import by_frequency, count_words, sample
from rnngen.contracts import Chunk


class WordTokenizer(ByteLevelTokenizer):
    """Whole words. The library's model is BPE that takes known words whole and knows no merges.

    Args:
        tokens: the tokens by ascending id, written in the byte alphabet.
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

        Raises:
            CorpusError: if the text holds a lone surrogate.
        """
        ranked = by_frequency(count_words(sample(chunks)))
        frequent = (written for word, count in ranked if count > 1 and len(written := write(word)) > 1)
        room = options.vocab_size - len(ALPHABET) - 1
        return cls([*ALPHABET, *islice(frequent, room)])

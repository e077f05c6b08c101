"""Byte-pair encoding over bytes (Sennrich et al. 2016; over bytes: Radford et al. 2019)."""

from collections.abc import Iterable, Sequence
from typing import Self, TypeAlias

from rnngen.builtins.options import VocabularyOptions
from rnngen.builtins.tokenizers import tokenizer_json
from rnngen.builtins.tokenizers.byte_level import ALPHABET, ByteLevelTokenizer, learn, read
from rnngen.builtins.tokenizers.tokenizer_json import Parts
from rnngen.contracts import Chunk

Merges: TypeAlias = Sequence[Sequence[str]]


class BPETokenizer(ByteLevelTokenizer):
    """Byte-pair encoding.

    Args:
        tokens: the tokens by ascending id, written in the byte alphabet.
        merges: pairs of tokens in the order in which they are joined.
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

        Raises:
            CorpusError: if the text holds a lone surrogate.
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

"""llguidance's parsers, one for each text that is being written."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper
from numpy.typing import NDArray
from rnngen.contracts import TokenIds, Tokenizer
from rnngen.errors import RnngenError

from rnngen_constrain.alphabet import character_class
from rnngen_constrain.language import Language

Mask = NDArray[np.bool_]
BROKEN = {"InternalError", "LexerTooComplex", "ParserTooComplex"}
"""Why llguidance gives up."""


@dataclass(frozen=True)
class Row:
    """A stream: what was written in it."""

    history: Sequence[int]
    """Its tokens, those of the prompt before them."""
    count: int
    """How many of them were written."""
    now: int
    """The name of that text."""
    before: int
    """The name of that text without its last token."""

    @property
    def written(self) -> list[int]:
        """Its tokens, without the prompt."""
        return list(self.history[len(self.history) - self.count :])


def mixed(names: TokenIds, tokens: TokenIds) -> TokenIds:
    """The names (B,) of texts that were called ``names`` and go on with ``tokens`` (splitmix64)."""
    with np.errstate(over="ignore"):
        x = names.astype(np.uint64) + (tokens.astype(np.uint64) + np.uint64(1)) * np.uint64(
            0x9E3779B97F4A7C15
        )
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        named: TokenIds = (x ^ (x >> np.uint64(31))).astype(np.int64)
    return named


class Matchers:
    """Parsers by the name of what they have read; those of the latest call are kept.

    Args:
        language: what may be written.
        tokenizer: text ↔ ids.
    """

    def __init__(self, language: Language, tokenizer: Tokenizer) -> None:
        self.language, self.pieces, self.eos_id = language, tokenizer.pieces, tokenizer.eos_id
        self.vocabulary = LLTokenizer(TokenizerWrapper(_Vocabulary(tokenizer)), slices=[])
        self.met: Mask | None = None
        """(V,) the tokens that there were at first."""
        self._narrow("")

    def meet(self, tokens: Mask) -> None:
        """See which tokens (V,) there are: at first, those that the model knows.

        A pattern is narrowed to the characters that these spell, so that it never leads to where only others
        follow. If more tokens come later, it was another filter that had cut the first, and nothing is known.
        """
        if not self.language.regular:
            return
        if self.met is None:
            self.met = tokens | (np.arange(len(tokens)) == self.eos_id)
            self._narrow(character_class(self.pieces[token] for token in np.flatnonzero(tokens).tolist()))
        elif self.alphabet and (tokens & ~self.met).any():
            self._narrow("")

    def _narrow(self, alphabet: str) -> None:
        """Begin anew with the texts over a class of characters; with all of them if it is empty."""
        self.alphabet, self.kept = alphabet, dict[int, LLMatcher]()
        self.fresh = self._parser(alphabet)

    def allowed(self, rows: Sequence[Row]) -> Mask:
        """Mask (B,V) of the tokens that may follow, the end among them."""
        self.kept = self._parsers(rows)
        masks = {name: self._mask(parser) for name, parser in self.kept.items()}
        return np.stack([masks[row.now] for row in rows]) if rows else np.zeros((0, len(self.pieces)), bool)

    def wanted(self, row: Row) -> list[int]:
        """The tokens that may follow if the model knew all of them."""
        parser = self._parser()
        parser.consume_tokens(row.written)
        return np.flatnonzero(self._mask(parser)).tolist()

    def accepts(self, tokens: Sequence[int]) -> bool:
        """Return whether a text is one of the language."""
        parser = self._parser()
        parser.consume_tokens(list(tokens))
        return not parser.is_error() and parser.is_accepting()

    def _parsers(self, rows: Sequence[Row]) -> dict[int, LLMatcher]:
        """By name, those that have read what was written in each row."""
        by_name = {row.now: row for row in rows}
        heirs = Counter(row.before for row in by_name.values() if row.now not in self.kept)
        heirs.update(by_name.keys())  # a parser that is needed as it is goes to no heir
        found = {}
        for name, row in by_name.items():
            parser = self.kept.get(name)
            if parser is None:
                heirs[row.before] -= 1
                parser = self._heir(row, last=not heirs[row.before])
            found[name] = parser
        return found

    def _heir(self, row: Row, *, last: bool) -> LLMatcher:
        """The parser of the text before, gone on; a copy of it unless this is the last that needs it."""
        before = self.kept.get(row.before) if row.count else None
        if before is None:
            parser = self.fresh.deep_copy()
            parser.consume_tokens(row.written)
            return parser
        parser = before if last else before.deep_copy()
        parser.consume_token(row.history[-1])
        return parser

    def _parser(self, alphabet: str = "") -> LLMatcher:
        return LLMatcher(self.vocabulary, self.language.grammar(alphabet), log_level=0)

    def _mask(self, parser: LLMatcher) -> Mask:
        """Mask (V,) of what may follow; where llguidance gives up, ``RnngenError`` says why."""
        accepts = not parser.is_error() and parser.is_accepting()
        bits = np.frombuffer(parser.compute_bitmask(), np.uint8)
        mask = np.unpackbits(bits, count=len(self.pieces), bitorder="little").astype(bool)
        reason = parser.get_error().split("\n", 1)[0]
        if parser.stop_reason() in BROKEN and reason != "NoExtensionBias":
            raise RnngenError(f"filter {self.language.name!r}: llguidance gave up ({reason}); simplify it")
        mask[self.eos_id] = accepts
        return mask


class _Vocabulary:
    """A tokenizer as llguidance wants it: bytes by id, and which id is the end.

    No UTF-8 has the byte 0xff, with which llguidance marks special tokens; so pieces with it are left out.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.eos_token_id, self.bos_token_id = tokenizer.eos_id, None
        self.special_token_ids = [tokenizer.eos_id]
        self.tokens = [b"" if b"\xff" in piece else bytes(piece) for piece in tokenizer.pieces]
        self.tokens[tokenizer.eos_id] = b"\xff<end>"

    def __call__(self, text: bytes) -> list[int]:  # noqa: ARG002
        """Nothing is ever asked to be spelt in tokens."""
        return []

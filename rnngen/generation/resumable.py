"""A text that can be left off between any two tokens and gone on with, as if nobody had stopped."""

from collections.abc import Iterator, Sequence
from itertools import islice

from rnngen.contracts import Tokenizer
from rnngen.decoding.sampler import Sampler, SamplerState
from rnngen.decoding.text_stream import TextStream, until


class ResumableGeneration:
    """One text in the making, and how much of it was shown.

    Args:
        sampler: what draws its tokens.
        state: where it stands.
        tokenizer: makes text of them.
        given: how many tokens of its history were given, not drawn.
        shown: characters that were shown already.
        ended: whether the text had come to its end or to a stop then.
    """

    def __init__(
        self,
        sampler: Sampler,
        state: SamplerState,
        tokenizer: Tokenizer,
        given: int,
        shown: int = 0,
        *,
        ended: bool = False,
    ) -> None:
        self.sampler, self.state, self.tokenizer = sampler, state, tokenizer
        self.given, self.shown = given, shown
        self._shown_at_end = shown if ended else -1
        self.cut = True
        """Whether the last ``write`` left off, and did not come to the end of the text or to a stop."""

    @property
    def ends(self) -> bool:
        """Whether the text came to an end in the last ``write``, and had not done so before."""
        return not self.cut and self.shown != self._shown_at_end

    def write(self, length: int | None, stops: Sequence[str] = (), *, last: bool = False) -> Iterator[str]:
        """Go on → the characters not yet shown.

        What could be half of a character or of a stop when the length is reached is not shown, but comes with
        what follows; unless this is the last call. What was generated before is decoded again first, which
        costs no step of the network: so a stop is found wherever it began.

        Args:
            length: tokens at most; None for no limit.
            stops: texts that end the text before them.
            last: whether nobody will go on.
        """
        self.cut = False
        behind = self.shown
        for text in until(self._pieces(length, last), stops):
            if self.cut:
                return
            new = text[behind:]
            behind = max(behind - len(text), 0)
            if new:
                self.shown += len(new)
                yield new

    def _pieces(self, length: int | None, last: bool) -> Iterator[str]:
        stream = TextStream(self.tokenizer.pieces)
        for token in self._tokens(length, last):
            if token == self.tokenizer.eos_id:
                break
            if text := stream.push(token):
                yield text
        if not self.cut and (text := stream.flush()):
            yield text

    def _tokens(self, length: int | None, last: bool) -> Iterator[int]:
        """Those generated already, then new ones."""
        yield from self.state.histories[0][self.given :]
        for token, after in islice(self.sampler.stream(self.state), length):
            self.state = after
            yield token
        self.cut = not last

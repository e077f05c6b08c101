"""A text that can be left off and gone on with, as if nobody had stopped."""

from collections.abc import Iterator, Sequence

from rnngen.contracts import Tokenizer
from rnngen.decoding.sampler import Sampler
from rnngen.decoding.stop import until
from rnngen.decoding.text_stream import TextStream


class Passage:
    """One text in the making, and how much of it was shown.

    Args:
        sampler: where its tokens come from.
        tokenizer: makes text of them.
        given: how many tokens of the sampler's history are not its own.
        shown: characters that were shown already.
        over: whether the text had come to its end or to a stop then.
    """

    def __init__(
        self, sampler: Sampler, tokenizer: Tokenizer, given: int, shown: int = 0, *, over: bool = False
    ) -> None:
        self.sampler, self.tokenizer = sampler, tokenizer
        self.given, self.shown = given, shown
        self._before = shown if over else -1
        self.cut = True
        """Whether the last ``write`` left off, and did not come to the end of the text or to a stop."""

    @property
    def ends(self) -> bool:
        """Whether the text came to an end in the last ``write``, and had not done so before."""
        return not self.cut and self.shown != self._before

    def write(self, length: int | None, stops: Sequence[str] = (), *, last: bool = False) -> Iterator[str]:
        """Go on for so many tokens at most, None for no limit → the characters not yet shown.

        What could be half of a character or of a stop when the length is reached is not shown, but comes with
        what follows; unless this is the ``last`` call. What was made before is read again first, which costs
        no step of the network: so a stop is found wherever it began.
        """
        self.cut = False
        behind = self.shown
        for text in until(self._pieces(length, last), stops):
            if self.cut:
                return
            fresh = text[behind:]
            behind = max(behind - len(text), 0)
            if fresh:
                self.shown += len(fresh)
                yield fresh

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
        """Those made already, then new ones."""
        yield from self.sampler.history[0][self.given :]
        for _ in range(length) if length is not None else iter(int, 1):
            yield next(self.sampler)
        self.cut = not last

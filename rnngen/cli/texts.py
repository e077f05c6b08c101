"""What ``rnngen sample`` writes with a model of free text or of lines."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnngen.builtins.strategies.options import BeamOptions, ContrastiveOptions, DecodingOptions
from rnngen.cli import drafts, streams, threads
from rnngen.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from rnngen.contracts import AnyFilter, Hypothesis
    from rnngen.generation.resumable import Passage
    from rnngen.generation.saved_state import FilterChain, Kept
    from rnngen.generation.writing import Writer

LENGTH = 500
"""Tokens that free text is long if nobody says otherwise."""
LONGEST = 10_000
"""Tokens after which an example is cut off that does not end by itself."""


class Writing:
    """The texts of one call, one after another."""

    def __init__(
        self,
        writer: "Writer",
        options: DecodingOptions,
        beam: BeamOptions | None,
        filters: "list[AnyFilter]",
        params: dict[str, Any],
    ) -> None:
        self.writer, self.options, self.beam = writer, options, beam
        self.filters, self.params = filters, params
        self.prompt, self.seed = params["prompt"], options.seed
        self.shown = "" if params["no_prompt"] else self.prompt
        self.passage: Passage | None = None
        self.choice: Hypothesis | None = None
        self.contrast: ContrastiveOptions | None = params["contrast"]
        self.seal: tuple[str, FilterChain] = "", ()

    def keep(self, kept: "Kept | None", model: str, chain: "FilterChain") -> None:
        """Go on from a state, or begin a text that one can go on with.

        Args:
            kept: the state, if there is one.
            model: the fingerprint of what writes.
            chain: the filters, as they were asked for.
        """
        self.seal = model, chain
        if kept:
            self.passage = kept.passage(self.writer, model, self.filters, chain)
        else:
            self.passage = self.writer.passage(
                self.prompt, rng=self._rng(0), filters=self.filters, other=self.params["blend"]
            )

    def run(self) -> None:
        """Write all texts."""
        ending = self.options.length != -1 or self.writer.has_eos or self.params["stop"]
        if self.params["json"] and not ending:
            raise UsageError("--json writes a text when it is whole, and -n -1 has no end; give -n or --stop")
        if self.params["count"] == 1 and not (self.beam or self.options.drafts):
            threads.take_one()
        with streams.Output() as out:
            for number, text in enumerate(self._texts()):
                if self.params["json"]:
                    out.write(json.dumps(self._record(number, "".join(text)), ensure_ascii=False) + "\n")
                else:
                    self._write(out, text)
        if self.params["save_state"] and self.passage:
            from rnngen.generation.saved_state import save

            save(Path(self.params["save_state"]), self.passage, *self.seal)
        drafts.tell(self.writer, self.params)

    def _write(self, out: streams.Output, text: Iterator[str]) -> None:
        out.write(self.shown)
        for piece in text:
            out.write(piece)
        out.write(self._separator(), flush=True)

    def _separator(self) -> str:
        """A line end where there are several texts, or one that ends by itself, or a person reads."""
        ending = self.passage is None or self.passage.ends
        if self.params["null"]:
            return "\0" if ending else ""
        several = self.params["count"] > 1 or (self.writer.has_eos and ending)
        return "\n" if several or sys.stdout.isatty() else ""

    def _texts(self) -> Iterator[Iterator[str]]:
        if self.beam:
            yield from (iter([text]) for text in self._found(self.beam))
        elif self.contrast:
            yield self.writer.contrast(
                self.prompt,
                self.contrast,
                length=self._length(),
                filters=self.filters,
                stops=self.params["stop"],
                seed=self.seed or 0,
            )
        elif self.passage:
            last = not self.params["save_state"]
            yield self.passage.write(self._length(), self.params["stop"], last=last)
        elif self.options.drafts:
            yield from self._chosen(self.options.drafts, self._length() or 0)
        else:
            yield from self._drawn(self._length())

    def _chosen(self, size: int, length: int) -> Iterator[Iterator[str]]:
        """The texts that are chosen, each out of ``size`` that are drawn."""
        from rnngen.generation.choosing import chosen, rank_of

        rngs = map(self._rng, range(self.params["count"] * size))
        rank = rank_of(self.options)
        found = chosen(self.writer, self.prompt, size, rank, rngs=rngs, length=length, **self._shared())
        for text, self.choice in found:
            yield iter([text])

    def _drawn(self, length: int | None) -> Iterator[Iterator[str]]:
        """The texts that are drawn: one as it comes, several side by side, endless ones one by one."""
        shared = self._shared()
        rngs = map(self._rng, range(self.params["count"]))
        if self.params["count"] == 1 or length is None:
            yield from (self.writer.write(self.prompt, rng=rng, length=length, **shared) for rng in rngs)
        else:
            yield from self.writer.write_many(self.prompt, rngs=rngs, length=length, **shared)

    def _shared(self) -> dict[str, Any]:
        """What all ways to draw have in common."""
        return {"filters": self.filters, "stops": self.params["stop"], "other": self.params["blend"]}

    def _rng(self, number: int) -> "np.random.Generator":
        """Where the draws of text ``number`` come from."""
        import numpy as np

        return np.random.default_rng([self.seed or 0, number])

    def _found(self, beam: BeamOptions) -> list[str]:
        """The best texts by beam search."""
        count, width = self.params["count"], beam.width
        if count > width:
            raise UsageError(f"--count {count} of --beam {width}: a beam finds no more texts than it is wide")
        found = self.writer.search(
            self.prompt,
            beam,
            length=self._length() or 0,
            filters=self.filters,
            seed=self.seed or 0,
        )
        from rnngen.decoding.stop import until

        return ["".join(until([text], self.params["stop"])) for text, _ in found[:count]]

    def _length(self) -> int | None:
        if self.options.length is None:
            return LONGEST if self.writer.has_eos else LENGTH
        return None if self.options.length == -1 else self.options.length

    def _record(self, number: int, text: str) -> dict[str, Any]:
        drawn = {} if self.beam or self.contrast else {"seed": self.seed, "number": number}
        told: dict[str, Any] = {"prompt": self.prompt, "text": text, **drawn}
        if self.choice:
            told |= {"log_probability": self.choice.log_probability, "score": self.choice.score}
        return told

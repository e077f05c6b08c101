"""What ``rnngen sample`` writes: texts as they come, lines in the order of their sources, or JSON lines."""

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rnngen.cli import streams
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.generation.decoder import Decoder
    from rnngen.generation.generator import Output, Prompt
    from rnngen.generation.saved_state import ResumableGeneration


class Writer:
    """Writes the outputs of one call.

    Args:
        decoder: what generates them.
    """

    def __init__(self, decoder: "Decoder") -> None:
        self.decoder, self.request, self.generator = decoder, decoder.request, decoder.generator
        if self.request.json and self.request.endless and not self.generator.has_eos:
            raise UsageError("--json writes a text when it is whole, and -n -1 has no end; give -n or --stop")

    def write(self, pools: "Iterator[Sequence[Prompt]]") -> None:
        """Generate and write the texts of all prompts."""
        first = 0
        with streams.Output() as out:
            for prompts in pools:
                for text in self._texts(prompts, first):
                    out.write(text)
                out.write("", flush=True)
                first += len(prompts)

    def write_resumable(self, text: "ResumableGeneration", prompt: "Prompt", length: int | None) -> None:
        """Write a text that can be left off, up to where it is left off."""
        from rnngen.generation.generator import Output

        pieces = text.write(length, self.request.stop, last=self.request.save_state is None)
        with streams.Output() as out:
            if self.request.json:
                output = Output(prompt, 0, pieces)
                record = (
                    self._record(prompt, [output])
                    if self.generator.reads_source
                    else self._text_record(output)
                )
                out.write(record, flush=True)
                return
            out.write("" if self.request.no_prompt else prompt.text)
            for piece in pieces:
                out.write(piece)
            out.write(self._end(ends=text.ends), flush=True)

    def _texts(self, prompts: "Sequence[Prompt]", first: int) -> Iterator[str]:
        if self.generator.reads_source:
            yield from self._about_sources(prompts, first)
            return
        for output in self.decoder.outputs(prompts):
            if self.request.json:
                yield self._text_record(output)
                continue
            yield "" if self.request.no_prompt else output.prompt.text
            yield from output.pieces
            yield self._end(ends=True)

    def _end(self, *, ends: bool) -> str:
        """A line end where there are several texts, or one that ended by itself, or a person reads."""
        if self.request.null:
            return "\0" if ends else ""
        several = (self.request.nbest or self.request.count) > 1 or (self.generator.has_eos and ends)
        return "\n" if several or sys.stdout.isatty() else ""

    def _text_record(self, output: "Output") -> str:
        record: dict[str, Any] = {"prompt": output.prompt.text, "text": output.text}
        if self.decoder.spec.draws:
            record |= {"seed": self.decoder.seed, "number": output.number}
        if found := output.hypothesis:
            record |= {"log_probability": found.log_probability, "score": found.score}
        return streams.json_line(record) + "\n"

    # ── a line or a record for each source ─────────────────────────────────────────────────────────────────

    def _about_sources(self, prompts: "Sequence[Prompt]", first: int) -> Iterator[str]:
        """What is written for some sources, in their order; an empty one has an empty output."""
        there = [number for number, prompt in enumerate(prompts) if (prompt.source or "").strip()]
        outputs = self._generated([prompts[number] for number in there], [first + n for n in there])
        for number, prompt in enumerate(prompts):
            found = next(outputs) if number in set(there) else []
            yield self._record(prompt, found) if self.request.json else self._lines(found)

    def _generated(self, prompts: "Sequence[Prompt]", numbers: Sequence[int]) -> "Iterator[list[Output]]":
        """The outputs for each source; its seed follows from its line."""
        outputs = self.decoder.outputs(prompts, numbers=numbers)
        for _, group in groupby(outputs, key=lambda output: id(output.prompt)):
            yield [*group]

    def _lines(self, outputs: "Sequence[Output]") -> str:
        end = "\0" if self.request.null else "\n"
        return "".join(self._line(output) + end for output in outputs) or end

    def _line(self, output: "Output") -> str:
        """An output as one line, or line k of the outputs would not be that of source k."""
        text = self._whole(output)
        return text if self.request.null else " ".join(text.splitlines())

    def _whole(self, output: "Output") -> str:
        return ("" if self.request.no_prompt else output.prompt.text) + output.text

    def _record(self, prompt: "Prompt", outputs: "Sequence[Output]") -> str:
        hypotheses = [self._hypothesis(output) for output in outputs]
        text = hypotheses[0]["text"] if hypotheses else ""
        record = {"source": prompt.source, "text": text, "hypotheses": hypotheses}
        return streams.json_line(record) + "\n"

    def _hypothesis(self, output: "Output") -> dict[str, Any]:
        record: dict[str, Any] = {"text": self._whole(output)}
        if output.hypothesis is None:
            return record
        record |= {"score": output.hypothesis.score, "log_probability": output.hypothesis.log_probability}
        if output.hypothesis.attention is None:
            return record
        source = output.prompt.source or ""
        words = self.generator.alignment(source, output.hypothesis)
        rows = [row for row, text in enumerate(words.target) if text]  # the end looks nowhere in particular
        record["alignment"] = [[words.best(row), row] for row in rows]
        if self.request.attention:
            record["attention"] = self.generator.alignment(source, output.hypothesis, "token").as_json()
        return record

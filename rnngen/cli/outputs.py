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
    from rnngen.generation.resumable import ResumableGeneration


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
                output, reads_source = Output(prompt, 0, pieces), self.generator.reads_source
                record = self._record(prompt, [output]) if reads_source else self._text_record(output)
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
        numbers = [first + number for number in there]  # the seed of a source follows from its line
        outputs = self.decoder.outputs([prompts[number] for number in there], numbers=numbers)
        groups = groupby(outputs, key=lambda output: id(output.prompt))
        for number, prompt in enumerate(prompts):
            found = [*next(groups)[1]] if number in set(there) else []
            yield self._record(prompt, found) if self.request.json else self._lines(found)

    def _lines(self, outputs: "Sequence[Output]") -> str:
        """Each output as one line, or line k of the outputs would not be that of source k."""
        if self.request.null:
            return "".join(self._whole(output) + "\0" for output in outputs) or "\0"
        return "".join(" ".join(self._whole(output).splitlines()) + "\n" for output in outputs) or "\n"

    def _whole(self, output: "Output") -> str:
        return ("" if self.request.no_prompt else output.prompt.text) + output.text

    def _record(self, prompt: "Prompt", outputs: "Sequence[Output]") -> str:
        hypotheses = [self._hypothesis(output) for output in outputs]
        text = hypotheses[0]["text"] if hypotheses else ""
        record = {"source": prompt.source, "text": text, "hypotheses": hypotheses}
        return streams.json_line(record) + "\n"

    def _hypothesis(self, output: "Output") -> dict[str, Any]:
        record: dict[str, Any] = {"text": self._whole(output)}
        found, source = output.hypothesis, output.prompt.source or ""
        if found is None:
            return record
        record |= {"score": found.score, "log_probability": found.log_probability}
        if found.attention is None:
            return record
        words = self.generator.alignment(source, found)
        rows = [row for row, text in enumerate(words.target) if text]  # the end looks nowhere in particular
        record["alignment"] = [[words.best(row), row] for row in rows]
        if self.request.attention:
            record["attention"] = self.generator.alignment(source, found, "token").as_json()
        return record

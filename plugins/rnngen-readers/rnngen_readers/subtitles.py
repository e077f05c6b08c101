"""Subtitles: SubRip (.srt) and WebVTT (.vtt), whose cues look alike."""

import html
import re
from collections.abc import Iterator
from typing import BinaryIO

from rnngen import encodings
from rnngen.contracts import Chunk
from rnngen.errors import CorpusError

from rnngen_readers import SubtitleOptions

SPACE = re.compile(r"[ \t\n\r\f]+")
"""White space that flows; any other, as an ideographic or a no-break space, is text."""
CUE = re.compile(r"^[^\n]*\d[ \t]*-->[ \t]*\d[^\n]*\n((?:[^\n]*[^ \t\n\r\f][^\n]*\n?)*)", re.MULTILINE)
"""A line with times, and the lines up to the next blank one."""
TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")
"""Of WebVTT and HTML, and positions as ``{\\an8}``."""


def read_subtitles(stream: BinaryIO, name: str, options: SubtitleOptions) -> Iterator[Chunk]:
    """Read one document: what is said, one cue on a line, without numbers, times and tags.

    Raises:
        CorpusError: if there is no cue in the file; also at a byte that the encoding does not allow.
        UsageError: if there is no such encoding.
    """
    text = "".join(encodings.read(stream, name, options.encoding))
    plain = html.unescape if text.startswith("WEBVTT") else str  # SubRip has no entities
    found = CUE.findall(text.replace("\r\n", "\n"))
    cues = [SPACE.sub(" ", plain(TAG.sub("", cue))).strip(" ") for cue in found]
    if not cues:
        raise CorpusError(f"{name}: no subtitles: a line with times like '00:01 --> 00:02' is missing")
    yield Chunk("".join(f"{cue}\n" for cue in cues if cue.strip()), True)

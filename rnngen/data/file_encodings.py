"""The encoding of each file of a corpus: one for all, or some of its own by pattern, and what they may be.

::

    utf-8;old/*.txt=cp1251;letter.txt=cp1252      NAME;PATTERN=NAME;PATTERN=NAME, the last that matches counts
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from rnngen.encodings import BYTES, EncodingError, canonical
from rnngen.errors import CorpusError, OptionError
from rnngen.options import divide, unescape
from rnngen.paths import name_of

NAMED = 12
"""Wrong files that are named at most."""


@dataclass(frozen=True)
class FileEncodings:
    """The encodings of files."""

    default: str = "utf-8"
    patterns: tuple[tuple[str, str], ...] = ()
    """Pairs of a pattern and the encoding of files: their path, or that of a folder around them, ends so."""

    @classmethod
    def parse(cls, text: str | None) -> "FileEncodings":
        r"""Read ``utf-8;old/*.txt=cp1251``; without a first name, the other files are UTF-8.

        Raises:
            UsageError: for an encoding that there is not, or bytes beside texts.
        """
        default, patterns = "utf-8", []
        for number, part in enumerate(divide(text or "utf-8", ";")):
            pattern, equals, encoding = part.rpartition("=")
            canonical(encoding)
            if equals:
                patterns.append((unescape(pattern.strip()), encoding))
            elif number:
                raise OptionError(f"`encoding={text}`: {part!r} is not of the form PATTERN=NAME")
            else:
                default = encoding
        if len({name == BYTES for name in (default, *(encoding for _, encoding in patterns))}) > 1:
            raise OptionError(f"`encoding={text}`: bytes is for all files or for none")
        return cls(default, tuple(patterns))

    def of(self, path: Path) -> str:
        """Return the encoding of a file."""
        found = [encoding for pattern, encoding in self.patterns if _matches(path, pattern)]
        return found[-1] if found else self.default

    def check(self, paths: Sequence[Path]) -> None:
        """Refuse a pattern that no file matches, with ``OptionError``."""
        for pattern, encoding in self.patterns:
            if not any(_matches(path, pattern) for path in paths):
                raise OptionError(
                    f"`encoding=…;{pattern}={encoding}`: no file of the corpus matches {pattern!r}; "
                    f"there is {', '.join(map(name_of, paths[:3]))}{' …' * (len(paths) > 3)}"
                )


UTF8 = FileEncodings()


def _matches(path: Path, pattern: str) -> bool:
    return any(one.match(pattern) for one in (path, *path.parents))


def all_wrong(errors: Sequence[EncodingError], paths: Sequence[Path], asked: FileEncodings) -> CorpusError:
    """Return one error for all files of a corpus that are not in the encodings that they were to be in.

    Args:
        errors: an error for each of them.
        paths: all files of the corpus.
        asked: the encodings.
    """
    if len(paths) == 1:
        return errors[0]
    likely = {one.name: one.candidates[0].encoding for one in errors if one.is_encoded}
    lines = [f"{len(errors)} of {len(paths)} files cannot be read as they are"]
    if likely:
        pairs = (*asked.patterns, *_patterns(likely, paths))
        mend = ";".join((asked.default, *(f"{_escaped(pattern)}={encoding}" for pattern, encoding in pairs)))
        lines[0] += f'; pass `encoding="{mend}"` if the first readings are right'
    for one in errors[:NAMED]:
        advice = f"; {one.mend}" * (not one.is_encoded)
        lines.append(f"  {one.name}: {one.fault}{advice} ({', '.join(one.readings)})".removesuffix(" ()"))
    if len(errors) > NAMED:
        lines.append(f"  … and {len(errors) - NAMED:,} more")
    return CorpusError("\n".join(lines))


def _patterns(likely: Mapping[str, str], paths: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Yield pairs for ``FileEncodings``: one for a whole folder where that is enough, else one a file."""
    folders: dict[tuple[Path, str], list[Path]] = {}
    for path in paths:
        folders.setdefault((path.parent, path.suffix), []).append(path)
    for (folder, suffix), inside in folders.items():
        encodings = {likely.get(name_of(path), "") for path in inside}
        whole = f"{escape(str(folder / ''))}/*{suffix}"
        if "" not in encodings and len(encodings) == 1 and _matched(paths, whole) == inside != inside[:1]:
            yield whole, encodings.pop()
            continue
        for path in inside:
            if encoding := likely.get(name_of(path)):
                short = escape(path.name)
                yield short if _matched(paths, short) == [path] else escape(str(path)), encoding


def _matched(paths: Sequence[Path], pattern: str) -> list[Path]:
    return [path for path in paths if _matches(path, pattern)]


def _escaped(pattern: str) -> str:
    return re.sub(r"([\\;=])", r"\\\1", pattern)

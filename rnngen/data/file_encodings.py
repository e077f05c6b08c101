"""The encoding of each file of a corpus: one for all, or some of its own by pattern, and what they may be.

::

    utf-8;old/*.txt=cp1251;letter.txt=cp1252      NAME;PATTERN=NAME;PATTERN=NAME, the last that matches counts
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache, cached_property
from glob import escape
from itertools import dropwhile
from pathlib import Path

from rnngen.encodings import BYTES, EncodingError, canonical
from rnngen.errors import CorpusError, OptionError
from rnngen.options import divide, unescape
from rnngen.paths import name_of

NAMED = 12
"""Wrong files that are named at most."""


@dataclass(frozen=True)
class FileEncodings:
    """The encodings of files.

    A pattern is held against absolute paths, so that it matches the same files whatever the working directory
    is. It begins within the corpus or, where it matches nothing there, at the nearest folder around it.
    """

    default: str = "utf-8"
    patterns: tuple[tuple[str, str], ...] = ()
    """Pairs of a pattern and the encoding of files: their path, or that of a folder around them, ends so."""
    paths: tuple[Path, ...] = ()
    """The files of the corpus, as they were given."""

    @classmethod
    def parse(cls, text: str | None, paths: Sequence[Path] = ()) -> "FileEncodings":
        r"""Read ``utf-8;old/*.txt=cp1251``; without a first name, the other files are UTF-8.

        Raises:
            UsageError: for an encoding that there is not, a pattern that is empty, or bytes beside texts.
        """
        default, patterns = "utf-8", []
        for number, part in enumerate(divide(text or "utf-8", ";")):
            pattern, equals, encoding = part.rpartition("=")
            canonical(encoding)
            if equals and not pattern.strip():
                raise OptionError(
                    f"`encoding={text}`: no pattern before {part!r}; give {encoding} alone for all files"
                )
            if equals:
                patterns.append((unescape(pattern.strip()), encoding))
            elif number:
                raise OptionError(f"`encoding={text}`: {part!r} is not of the form PATTERN=NAME")
            else:
                default = encoding
        if len({name == BYTES for name in (default, *(encoding for _, encoding in patterns))}) > 1:
            raise OptionError(f"`encoding={text}`: bytes is for all files or for none")
        return cls(default, tuple(patterns), tuple(paths))

    @property
    def text(self) -> str:
        """The text that ``parse`` reads as these."""
        return ";".join((self.default, *(f"{_escaped(pattern)}={name}" for pattern, name in self.patterns)))

    def of(self, path: Path) -> str:
        """Return the encoding of a file."""
        matches = (encoding for pattern, encoding in reversed(self.patterns) if self._matches(path, pattern))
        return next(matches, self.default)

    def matched(self, pattern: str) -> list[Path]:
        """Return the files of the corpus that a pattern matches."""
        base = self._base(pattern)
        return [path for path in self.paths if _fits(_names(path), pattern, base)]

    def check(self) -> None:
        """Refuse a pattern that no file matches by the names that were given, with ``OptionError``."""
        for pattern, encoding in self.patterns:
            if not any(self._fits_given(path, pattern) for path in self.paths):
                raise OptionError(
                    f"`encoding=…;{pattern}={encoding}`: no file of the corpus matches {pattern!r}; "
                    f"there is {', '.join(map(name_of, self.paths[:3]))}{' …' * (len(self.paths) > 3)}"
                )

    def settled(self) -> "FileEncodings":
        """Return these with patterns that match the same files in any working directory.

        Dots at the beginning of one say nothing there. Where it would match other files without them, names
        of folders replace them.
        """
        patterns = tuple((self._settled(pattern), encoding) for pattern, encoding in self.patterns)
        return replace(self, patterns=patterns)

    def _settled(self, pattern: str) -> str:
        if Path(pattern).is_absolute() or pattern.partition("/")[0] not in (".", ".."):
            return pattern
        parts = _parts(f"{escape(str(Path.cwd()))}/{pattern}")
        meant = self.matched(str(Path(*parts)))
        if meant in ([], self.matched(pattern)):
            return pattern
        longer = (str(Path(*parts[start:])) for start in range(len(parts) - 1, -1, -1))
        return next(one for one in longer if self.matched(one) == meant)

    def _matches(self, path: Path, pattern: str) -> bool:
        return _fits(_names(path), pattern, self._bases[pattern])

    def _fits_given(self, path: Path, pattern: str) -> bool:
        """Return whether a pattern fits the names that were given; of a full path, those of the corpus."""
        names = _names(path)
        given = [*dropwhile("..".__eq__, Path(os.path.normpath(path)).parts)]
        return _fits(names, pattern, self._depth - 1 if path.is_absolute() else len(names) - len(given))

    @cached_property
    def _depth(self) -> int:
        """The length of the path of the innermost folder that all files are in."""
        folders = [Path(*_names(path)[:-1]) for path in self.paths]
        return len(Path(os.path.commonpath(folders)).parts) if folders else 0

    @cached_property
    def _bases(self) -> dict[str, int]:
        return {pattern: self._base(pattern) for pattern, _ in self.patterns}

    def _base(self, pattern: str) -> int:
        """Return the length of the path below which a pattern begins: the corpus's, or a shorter one."""
        names = [_names(path) for path in self.paths]
        depths = range(self._depth, 0, -1)
        return next((depth for depth in depths if any(_fits(one, pattern, depth) for one in names)), 0)


UTF8 = FileEncodings()


def _names(path: Path) -> tuple[str, ...]:
    return Path(os.path.abspath(path)).parts  # noqa: PTH100 - links are no matter of names


def _fits(names: tuple[str, ...], pattern: str, base: int) -> bool:
    """Return whether a path, or that of a folder around it, ends as a pattern has it.

    ``base`` is the length of the path below which a folder, and a pattern with ``**``, may begin.
    """
    parts = _parts(pattern)
    base = base if parts[0] == "**" else 0  # an absolute one begins at the root
    whole = names[base:] if "**" in parts[1:] else names
    folders = (names[base:end] for end in range(base + 1, len(names)))
    return _is_like(whole, parts) or any(_is_like(folder, parts) for folder in folders)


@cache
def _parts(pattern: str) -> tuple[str, ...]:
    """Divide a pattern at its slashes; a relative one goes on to the left with any folders."""
    parts = Path(os.path.normpath(pattern)).parts
    return parts if Path(pattern).is_absolute() else ("**", *dropwhile("..".__eq__, parts))


def _is_like(names: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Return whether names are as the parts of a pattern, ``**`` being any number of them."""
    if not parts:
        return not names
    if parts[0] == "**":
        return any(_is_like(names[start:], parts[1:]) for start in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], parts[0]) and _is_like(names[1:], parts[1:])


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
        mend = replace(asked, patterns=(*asked.patterns, *_patterns(likely, paths, asked.paths or paths)))
        lines[0] += f'; pass `encoding="{mend.text}"` if the first readings are right'
    for one in errors[:NAMED]:
        advice = f"; {one.mend}" * (not one.is_encoded)
        lines.append(f"  {one.name}: {one.fault}{advice} ({', '.join(one.readings)})".removesuffix(" ()"))
    if len(errors) > NAMED:
        lines.append(f"  … and {len(errors) - NAMED:,} more")
    return CorpusError("\n".join(lines))


def _patterns(
    likely: Mapping[str, str], paths: Sequence[Path], every: Sequence[Path]
) -> Iterator[tuple[str, str]]:
    """Yield pairs for ``FileEncodings``: one for a whole folder where that is enough, else one a file.

    They match none of the other files in ``every``.
    """
    files = FileEncodings(paths=tuple(every))
    folders: dict[tuple[Path, str], list[Path]] = {}
    for path in paths:
        folders.setdefault((path.parent, path.suffix), []).append(path)
    for (folder, suffix), inside in folders.items():
        encodings = {likely.get(name_of(path), "") for path in inside}
        whole = f"{escape(str(folder / ''))}/*{suffix}"
        if (
            "" not in encodings
            and len(encodings) == 1
            and len(inside) > 1
            and {*files.matched(whole)} == {*inside}
        ):
            yield whole, encodings.pop()
            continue
        for path in inside:
            if encoding := likely.get(name_of(path)):
                short, given, full = map(escape, (path.name, str(path), os.path.abspath(path)))  # noqa: PTH100
                yield next((one for one in (short, given) if files.matched(one) == [path]), full), encoding


def _escaped(pattern: str) -> str:
    return re.sub(r"([\\;=])", r"\\\1", pattern)

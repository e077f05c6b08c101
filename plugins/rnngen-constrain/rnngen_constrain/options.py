r"""The options of the constraints, each read and checked before a model is.

A value that begins with ``@`` names a file to read it from. In ``--filters`` a backslash goes before ``,``,
``;`` and ``=`` (``[0-9]{1\,3}``), and before an ``@`` that begins no file's name.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rnngen import encodings
from rnngen.options import divide, unescape

from rnngen_constrain.language import Language, json_language, one_of, regular

LARGEST = 1 << 22
"""Bytes of a file that holds a constraint, at most."""


@dataclass(frozen=True)
class RegexOptions:
    """The options of the filter ``regex``."""

    pattern: str = ""
    """What the whole text is to match, in Rust's syntax (docs.rs/regex), without look-around; @FILE reads it
    from a file."""

    def __post_init__(self) -> None:
        self.language.check()

    @cached_property
    def language(self) -> Language:
        """The texts that it matches."""
        pattern = _given("regex", "pattern", self.pattern)
        return regular("regex", pattern.removesuffix("\n"))


@dataclass(frozen=True)
class ChoicesOptions:
    """The options of the filter ``choices``."""

    texts: str = ""
    """The texts to choose from, with | between; @FILE reads them from a file, one a line."""

    def __post_init__(self) -> None:
        self.language.check()

    @cached_property
    def language(self) -> Language:
        """These texts."""
        text = _given("choices", "texts", self.texts)
        if self.texts.startswith("@"):
            lines = [line.removesuffix("\r") for line in text.split("\n")]
            found = [line for line in lines if line]
        else:
            found = [unescape(part) for part in divide(self.texts, "|")]
        if not found:
            raise ValueError(f"texts={self.texts}: no text to choose; write one a line")
        return one_of("choices", found)


@dataclass(frozen=True)
class JSONSchemaOptions:
    """The options of the filter ``json_schema``."""

    schema: str = ""
    """The schema, as JSON; @FILE reads it from a file."""
    whitespace: bool = True
    """Whether space and line ends may stand where JSON allows them."""

    def __post_init__(self) -> None:
        self.language.check()

    @cached_property
    def language(self) -> Language:
        """The values that it describes, as JSON."""
        return json_language("json_schema", _given("json_schema", "schema", self.schema), self.whitespace)


@dataclass(frozen=True)
class GrammarOptions:
    """The options of the filter ``grammar``."""

    rules: str = ""
    """The grammar in Lark's notation, as llguidance reads it, from the rule ``start``; @FILE reads it from a
    file."""

    def __post_init__(self) -> None:
        self.language.check()

    @cached_property
    def language(self) -> Language:
        """The texts that it derives."""
        rules = _given("grammar", "rules", self.rules)
        return Language("grammar", _source(self.rules), rules)


@dataclass(frozen=True)
class InclusionOptions:
    """The options of the filter ``must_include``."""

    words: str = ""
    """What a text has to hold before it may end, several with | between: all of them."""

    def __post_init__(self) -> None:
        if not self.wanted:
            raise ValueError("words: at least one expected, as in must_include=WORD|WORD")

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """The words."""
        return tuple(unescape(part) for part in divide(self.words, "|"))


def _given(owner: str, name: str, value: str) -> str:
    """Return the text of an option, read from a file where it names one."""
    if not value:
        raise ValueError(f"{name} is empty; give it as in {owner}=… or {owner}=@FILE")
    if not value.startswith("@"):
        return _plain(value)
    path = Path(_plain(value[1:]))
    try:
        with path.open("rb") as file:
            found = file.read(LARGEST + 1)
        if len(found) > LARGEST:
            raise ValueError(f"{name}: {path} has more than {LARGEST:,} bytes; name another file")
        return encodings.decode(found, str(path))
    except OSError as error:
        raise ValueError(f"{name}: {path} cannot be read ({error.strerror}); name another file") from error
    except encodings.EncodingError as error:
        raise ValueError(f"{name}: {error}") from error


def _plain(value: str) -> str:
    """Without the backslashes that the chain needed; all others stay, as a pattern has its own."""
    return re.sub(
        r"\\(.)", lambda found: found[1] if found[1] in ",;=@" else found[0], value, flags=re.DOTALL
    )


def _source(value: str) -> str:
    return value[1:] if value.startswith("@") else "rules"

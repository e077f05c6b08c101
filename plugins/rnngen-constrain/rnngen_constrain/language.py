"""Sets of texts, in the form that llguidance reads: its dialect of Lark's notation, whatever they came as."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

EXACT = '%llguidance {"no_forcing": true}'
"""Without it the mask of forced text holds one spelling in tokens only, and a model may know another."""
SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$/&~#-]")


@dataclass(frozen=True)
class Language:
    """A set of texts."""

    name: str
    """Of the filter."""
    source: str
    """What it was read from, as messages name it."""
    rules: str
    """In Lark's notation, from ``start``; for a regular language the pattern alone."""
    regular: bool = False
    """Whether it is given by a regular expression, and can be narrowed to an alphabet."""

    def grammar(self, alphabet: str = "") -> str:
        """Return llguidance's grammar; of a regular language only what a class of characters spells."""
        from llguidance import LLMatcher

        rules = self.rules
        if self.regular:
            rules = f"start: TEXT\nTEXT: /{_lark_pattern(self.rules)}/"
            rules += f" & /{alphabet}*/" if alphabet else ""
        return LLMatcher.grammar_from_lark(f"{rules}\n{EXACT}\n")

    def check(self) -> None:
        """Raise ``ValueError`` that says what is wrong with it and where, if anything is."""
        from llguidance import LLMatcher

        wrong, messages = LLMatcher.validate_grammar_with_warnings(self.grammar())
        if wrong:
            raise ValueError(f"{self.source}: {_reason(messages[0])}")


def regular(name: str, pattern: str) -> Language:
    """Return what a regular expression matches as a whole.

    Raises:
        ValueError: if there is none.
    """
    if not pattern:
        raise ValueError("pattern is empty; give one, as in regex=[0-9]+")
    return Language(name, repr(pattern), pattern, regular=True)


def one_of(name: str, texts: Sequence[str]) -> Language:
    """Some texts, each a pattern that matches nothing else."""
    pattern = "|".join(SPECIAL.sub(r"\\\g<0>", text) for text in dict.fromkeys(texts))
    return replace(regular(name, f"(?:{pattern})"), source=f"{len(texts)} texts")


def json_language(name: str, schema: str, whitespace: bool) -> Language:
    """The values that a JSON schema describes.

    Args:
        name: of the filter.
        schema: as JSON.
        whitespace: whether space may stand where JSON allows it.

    Raises:
        ValueError: if it is not JSON; with line and column.
    """
    try:
        parsed = json.loads(schema)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"schema: {error.msg} at {place}; a JSON schema expected") from error
    except RecursionError:
        raise ValueError("schema: it is nested too deeply to be read; a JSON schema expected") from None
    if not whitespace and isinstance(parsed, dict):
        parsed = {**parsed, "x-guidance": {"whitespace_flexible": False}}
    return Language(name, "schema", f"start: %json {json.dumps(parsed)}")


def _lark_pattern(pattern: str) -> str:
    """A pattern to stand between slashes on one line; a line end in it is written as an escape."""
    from llguidance import regex_to_lark

    return regex_to_lark(pattern.replace("\n", r"\n"), "")


def _reason(message: str) -> str:
    """Return a message of llguidance's in one line: the place that a caret marks, and the mistake."""
    marked = re.search(r"regex parse error:\n    (.*)\n    ( *)\^.*\nerror: (.*)", message)
    if marked:
        return f"{marked[3]}, at character {len(marked[2]) + 1}"
    first = message.split("\n", 1)[0]
    schema = re.search(r"failed to compile JSON schema: (.*)", first)
    return schema[1] if schema else re.sub(r"^(?:at )?(\d+)\((\d+)\): ", r"line \1, column \2: ", first)

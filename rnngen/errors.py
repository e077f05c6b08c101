"""Every error that rnngen raises on purpose, and the exit status that the command line gives it.

::

    RnngenError                1   the work failed
     ├── UsageError            2   what was asked for makes no sense
     │    ├── OptionError      2   …by the options that it names; the command line names flags
     │    └── UnknownName      2   …because no such cell, option, model … exists; the closest is named
     ├── NotFoundError         3   a model or a corpus is not there
     ├── PluginError           4   a plugin is broken or in conflict with another
     │    └── MissingPlugin    4   …or was there once, and brought what is asked for
     ├── CorpusError           1   a text cannot be read, or is too small to train on
     ├── ModelError            1   a model on disk is damaged, or from a newer rnngen
     ├── DeviceError           1   the device asked for is not there, or cannot do what was asked
     ├── DivergedError         1   loss, gradient or weights are no longer numbers, or the loss is absurd
     └── ConstraintError       1   a text ended before it was what a constraint asks for

A message names the thing, the place and the mend, in that order.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

INTERRUPTED = 130
"""The exit status after Ctrl-C."""


class RnngenError(Exception):
    """The root of the tree: catch it to catch everything that rnngen raises on purpose."""

    exit_status = 1


class UsageError(RnngenError):
    """A request that makes no sense, whatever the state of the disk."""

    exit_status = 2


class NotFoundError(RnngenError):
    """A model or a corpus is not there."""

    exit_status = 3


class PluginError(RnngenError):
    """A plugin is missing, broken, or in conflict with another."""

    exit_status = 4


class MissingPlugin(PluginError):  # noqa: N818 - reads as the sentence that it prints
    """A name that a plugin brought which is not there now."""

    def __init__(self, kind: str, name: str, distribution: str, why: str) -> None:
        self.kind, self.name = kind, name
        super().__init__(f"the {kind} {name!r} is from {distribution}; {why}")


class CorpusError(RnngenError):
    """A text cannot be read, or is too small to train on."""


class ModelError(RnngenError):
    """A model on disk is damaged, or was written by a newer rnngen."""


class DeviceError(RnngenError):
    """The device asked for is not there, or cannot do what was asked."""


class DivergedError(RnngenError):
    """The loss, the gradient or the weights are no longer numbers, or the loss is absurd."""


class ConstraintError(RnngenError):
    """Texts ended before they were what a constraint asks for.

    Args:
        clause: what the first of them lacks.
        short: how many lack something…
        count: …of how many.
        texts: all of them, where they are not written yet.
    """

    def __init__(self, clause: str, short: int = 1, count: int = 1, texts: Sequence[str] = ()) -> None:
        self.texts = tuple(texts)
        which = clause if count == 1 else f"{short} of {count} texts ended too early; of the first, {clause}"
        super().__init__(f"{which}; give a larger length (-n), or loosen the constraint")


class OptionError(UsageError):
    """An option whose value cannot be had; the text names options between backticks, as ```hidden=16```."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(self.message(str))

    def message(self, name: Callable[[str], str]) -> str:
        """Return the message with options as ``name`` writes them, ``--hidden 16`` for ``hidden=16``."""
        return with_options(self.text, name)

    @classmethod
    def of(cls, error: Exception, names: Mapping[str, str]) -> "OptionError":
        """Return an error for one of an options dataclass, its fields renamed as the user knows them."""

        def named(found: re.Match[str]) -> str:
            return f"`{names[found[1]]}={found[2]}`" if found[1] in names else found[0]

        return cls(re.sub(r"\b(\w+)=([^\s:;,]*)", named, str(error)))


STDOUT = "standard output"
"""The name of standard output in errors about it."""


def is_output(error: Exception) -> bool:
    """Return whether an error is about standard output, and nobody's who writes to it."""
    named = isinstance(error, OSError) and error.filename == STDOUT
    return named or isinstance(error, BrokenPipeError)


def os_reason(error: OSError) -> str:
    """Return what the system says of a failure, with the files that it is about."""
    files = " → ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    reason = error.strerror or str(error)
    return f"{files}: {reason}" if files else reason


def out_of_memory(error: Exception) -> str | None:
    """Return what memory did not suffice for, where an error says so; torch's are no ``MemoryError``."""
    text = str(error)
    if type(error).__name__ == "OutOfMemoryError":
        found = re.search(r"[Tt]ried to allocate ([\d.]+ \w+)", text)
        return f"on the GPU, tried to allocate {found[1]}" if found else "on the GPU"
    if re.search(r"CU\w+_STATUS_ALLOC_FAILED|CUDA error: out of memory|MPS backend out of memory", text):
        return "on the GPU"
    if found := re.search(r"(?:can't allocate|not enough) memory: you tried to allocate (\d+) bytes", text):
        return f"for an array of {int(found[1]) / 2**30:,.1f} GiB"
    if not isinstance(error, MemoryError) and not re.search("std::bad_alloc|failed to map segment", text):
        return None
    size = re.search(r"Unable to allocate ([\d.]+ \w+) for an array", text)
    return f"for an array of {size[1]}" if size else "for a text or an array"


def with_options(text: str, name: Callable[[str], str]) -> str:
    """Return a message with the options between its backticks as ``name`` writes them."""
    return re.sub(r"`([^`]+)`", lambda found: name(found[1]), text)


class UnknownName(UsageError):  # noqa: N818 - reads as the sentence that it prints
    """A name that nothing of some kind (``"cell"``, ``"option"``) answers to; the closest is offered."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        from difflib import get_close_matches

        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        begun = [one for one in self.known if len(name) > 1 and one.startswith(name)]
        begun += [one for one in self.known if len(one) > 2 and name.startswith(one)]
        near = get_close_matches(name, self.known, n=1, cutoff=0.6) or begun[:1]
        mend = f"there is {', '.join(self.known)}" if self.known else f"there is no {kind} at all"
        if near:
            mend = f"did you mean {near[0]!r}?"
        super().__init__(f"unknown {kind} {name!r}; {mend}")

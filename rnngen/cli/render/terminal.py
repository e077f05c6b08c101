"""Whether a stream is watched by somebody, and takes colour; each is judged by itself."""

import os
from typing import TextIO


def interactive(stream: TextIO) -> bool:
    """Whether somebody watches the stream on a terminal that can move its cursor."""
    return bool(stream) and stream.isatty() and os.environ.get("TERM") != "dumb"


def coloured(stream: TextIO) -> bool:
    """Whether the stream takes colour."""
    if os.environ.get("NO_COLOR"):
        return False
    return forced() or interactive(stream)


def forced() -> bool:
    """Whether the person wants colour, and drawn tables, where nobody seems to watch."""
    return os.environ.get("FORCE_COLOR", "0") not in ("", "0")

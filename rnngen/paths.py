"""The folders in which rnngen keeps things on this machine: below ``RNNGEN_HOME``, or the platform's."""

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from platformdirs import PlatformDirs


def shipped(name: str | Path) -> Path:
    """A file or folder that ships with rnngen: in the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    checkout = package.parent / name
    return checkout if checkout.exists() and not (package / name).exists() else package / name


def home() -> Path:
    """Return the folder of models and built corpora: ``RNNGEN_HOME``, else the user's data folder."""
    return _chosen() or _platform().user_data_path


def cache() -> Path:
    """Return the folder of what can be made again: encoded corpora, and text that came through a pipe."""
    chosen = _chosen()
    return chosen / "cache" if chosen else _platform().user_cache_path


def spooled() -> Path:
    """Return the folder of text that came through a pipe."""
    return cache() / "stdin"


def corpora() -> Path:
    """Return the folder of encoded corpora."""
    return cache() / "corpora"


def prefixes() -> Path:
    """Return the folder of the states after long prompts."""
    return cache() / "prefixes"


def name_of(path: str | Path) -> str:
    """Return how messages name a file: as it was given, or ``standard input``."""
    return "standard input" if Path(path).parent.resolve() == spooled().resolve() else str(path)


def require_regular(path: Path) -> None:
    """Raise ``OSError`` for what is no regular file: a pipe may wait for ever, and a device has no end."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "a folder, where a file is expected", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "a pipe or a device, where a file is expected", str(path))


def read_regular(path: Path, limit: int) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        OSError: if it cannot be read, is no regular file, or has more than ``limit`` bytes.
    """
    require_regular(path)
    found = bytearray()
    with path.open("rb") as file:
        while part := file.read(PIECE):  # to ask for all that it may be would take as much memory
            found += part
            if len(found) > limit:
                raise OSError(errno.EFBIG, f"more than {limit:,} bytes, which is not plausible", str(path))
    return bytes(found)


PIECE = 1 << 16
"""Bytes that are read at once: as much memory is asked for, and most files are small."""


def config() -> Path:
    """Return the folder of the user's settings: ``RNNGEN_HOME``, else the user's configuration folder."""
    return _chosen() or _platform().user_config_path


def _chosen() -> Path | None:
    folder = os.environ.get("RNNGEN_HOME")
    return Path(folder).expanduser() if folder else None


def _platform() -> "PlatformDirs":
    from platformdirs import PlatformDirs

    return PlatformDirs("rnngen")

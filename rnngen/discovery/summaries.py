"""What each plugin brings, kept in the user's cache: a file a plugin, good for as long as its sources stay.

A plugin that imports torch at its top would cost every ``rnngen --help`` a second, and one that fails to be
imported likewise. What is kept is good for one version of the plugin, and for the files that it was imported
from; of one that failed, until something is installed or removed as well. Whatever is wrong with a file, or
with the folder, only costs the time of importing the plugin.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from traceback import walk_tb
from typing import Any
from zlib import crc32

from rnngen import paths
from rnngen.discovery import Source
from rnngen.version import API, __version__

FORMAT = 1
Summary = dict[str, Any]
"""``specs``: pairs of a kind and the fields of a spec, or ``failure``; ``seconds`` that importing it took."""


def read(source: Source) -> Summary | None:
    """Return what is kept about a plugin; None where there is nothing, or not of what is there now."""
    try:
        kept: Summary = json.loads(_file(source).read_bytes())
        same = kept["key"] == _key(source) and all(_stamp(path) == stamp for path, stamp in kept["files"])
        if not same or ("failure" in kept and kept["environment"] != _environment()):
            return None
        if not all(isinstance(spec, dict) for _, spec in kept["specs"]):
            return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return kept


def write(source: Source, summary: Summary, files: Iterable[str]) -> None:
    """Keep what a plugin brings, where JSON can hold it, and the files that it was imported from."""
    record = {
        "key": _key(source),
        "distribution": asdict(source.distribution),
        "files": [[path, _stamp(path)] for path in sorted({*files, *_own_files(source)})],
        "environment": _environment(),
        **summary,
    }
    path = _file(source)
    if "failure" in summary:  # what it brought when it last worked, for messages that name it
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            record["specs"] = json.loads(path.read_bytes())["specs"]
    draft = path.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError, TypeError, ValueError):  # without it the next call is slow, no more
        text = json.dumps(record)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)


def absent(present: list[Source]) -> Iterator[Summary]:
    """Yield what is kept of plugins that are not there now, for messages that name them."""
    here = {_file(source) for source in present}
    for path in sorted(set(_folder().glob("*.json")) - here):
        with contextlib.suppress(OSError, ValueError, RecursionError):
            kept = json.loads(path.read_bytes())
            if isinstance(kept, dict) and isinstance(kept.get("specs"), list):
                yield kept


def _folder() -> Path:
    """The folder of this Python's cache; two environments have two."""
    return paths.cache() / f"plugins-{crc32(sys.prefix.encode()):08x}"


def _file(source: Source) -> Path:
    name = f"{source.distribution.name}/{source.name}/{source.place}"
    return _folder() / f"{source.name}-{crc32(name.encode()):08x}.json"


def _key(source: Source) -> list[Any]:
    return [FORMAT, __version__, list(API), *asdict(source.distribution).values(), source.place]


def imported(source: Source) -> list[str]:
    """Return the files of the plugin's modules that are imported by now."""
    top = source.module
    modules = [m for name, m in sys.modules.copy().items() if name == top or name.startswith(f"{top}.")]
    return [file for module in modules if (file := getattr(module, "__file__", None))]


def involved(error: BaseException) -> list[str]:
    """Return the files that an error came through: who mends it changes one of them."""
    files: list[str] = []
    cause: BaseException | None = error
    while cause:
        files += [frame.f_code.co_filename for frame, _ in walk_tb(cause.__traceback__)]
        files += [cause.filename] if isinstance(cause, SyntaxError) and cause.filename else []
        cause = cause.__cause__ or cause.__context__
    return [file for file in dict.fromkeys(files) if Path(file).is_file()]


def _own_files(source: Source) -> list[str]:
    """Return the file of the top-level module, found without importing it: it may be none that can be."""
    if Path(source.place).is_absolute():
        return [source.place]
    with contextlib.suppress(ImportError, ValueError, AttributeError):
        spec = find_spec(source.module)
        return [spec.origin] if spec and spec.origin else []
    return []


def _stamp(path: str) -> list[int]:
    try:
        found = Path(path).stat()
    except OSError:
        return []
    return [found.st_mtime_ns, found.st_size]


def _environment() -> list[Any]:
    """Folders of packages on which a failed import may have hung: something may have been added to them."""
    return [[path, _stamp(path)] for path in sys.path if path]

"""Where rnngen keeps things on this machine."""

import os
from pathlib import Path

APP = "rnngen"


def shipped(folder: str | Path) -> Path:
    """A folder of data that ships with rnngen: in the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    return next(
        (top / folder for top in (package, package.parent) if (top / folder).is_dir()), package / folder
    )


def home() -> Path:
    """The folder of models and built corpora: ``RNNGEN_HOME``, else the user's data folder."""
    if chosen := os.environ.get("RNNGEN_HOME"):
        return Path(chosen).expanduser()
    from platformdirs import user_data_path

    return user_data_path(APP)


def cache() -> Path:
    """The folder of what can be made again: encoded corpora, and text that came through a pipe."""
    if chosen := os.environ.get("RNNGEN_HOME"):
        return Path(chosen).expanduser() / "cache"
    from platformdirs import user_cache_path

    return user_cache_path(APP)

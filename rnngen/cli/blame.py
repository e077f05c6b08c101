"""The plugin that an unexpected error comes from: the one whose code is nearer to it than rnngen's own."""

from traceback import walk_tb

from rnngen import discovery


def owner_of(error: BaseException) -> str | None:
    """Return the name of the package or file whose code raised an error; None if it is no plugin's.

    Libraries that the plugin called are passed over.
    """
    owners = {source.module: source.distribution.name for source in discovery.sources()}
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__)]
    for name in reversed(modules):
        if name.partition(".")[0] == "rnngen":
            return None
        owner = owners.get(name) or owners.get(name.partition(".")[0])
        if owner:
            return owner
    return None

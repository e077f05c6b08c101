"""A command for rnngen: ``rnngen serve``, models over HTTP.

::

    command      flags, the socket, uvicorn
    app          routes, who may ask, sizes of requests
    completions  a request's parameters, a worker that generates, answers and events
    batching     one step of the network for all requests that wait for one

Listings import this module: it names the command and imports nothing of the server.
"""

from collections.abc import Iterable

from rnngen import hookimpl
from rnngen.contracts import CommandSpec


@hookimpl
def rnngen_commands() -> Iterable[CommandSpec]:
    """Return the command ``serve``."""
    return [
        CommandSpec(
            name="serve",
            summary="Serve models over HTTP, as clients of completions APIs expect them.",
            load="rnngen_serve.command:serve",
        )
    ]

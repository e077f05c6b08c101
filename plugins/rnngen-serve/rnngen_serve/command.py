"""``rnngen serve``: the flags, the socket and the server's life."""

import ipaddress
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click
import rnngen
from rnngen.errors import RnngenError, UsageError

from rnngen_serve.completions import Limits

if TYPE_CHECKING:
    from rnngen.api import Model

F = TypeVar("F", bound=Callable[..., Any])
LIMITS = Limits()
"""The defaults."""
GRACE = 5
"""Seconds that requests have to end once the server is to end."""


class Own(click.Option):
    """A flag that the settings file of a folder, which can be anybody's, never sets: it lets others in."""

    sensitive: ClassVar[bool] = True


def _limit(name: str, what: str, kind: type = int) -> Callable[[F], F]:
    least: Any = click.IntRange(1) if kind is int else click.FloatRange(0, min_open=True)
    flag = f"--{name.replace('_', '-')}"
    return click.option(
        flag, type=least, default=getattr(LIMITS, name), show_default=True, cls=Own, help=what
    )


@click.command()
@click.option("-m", "--model", multiple=True, metavar="NAME", help="A model; may be given several times.")
@click.option("--host", default="127.0.0.1", show_default=True, cls=Own, help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port; 0 for any that is free.",
)
@click.option(
    "--token",
    cls=Own,
    help="What clients have to send as their API key; needed where others than this machine can ask. "
    "RNNGEN_SERVE_TOKEN sets it without showing it to other users of this machine.",
)
@click.option(
    "--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda, cuda:N, mps, auto."
)
@click.option("--quantize", type=click.Choice(["int8", "bf16"]), help="Hold the weights in 8 or 16 bits.")
@_limit("max_tokens", "Tokens of a text, at most.")
@_limit("max_prompt", "Characters of a prompt, at most.")
@_limit("max_texts", "Texts that one request may ask for.")
@_limit("max_requests", "Requests that generate at once.")
@_limit("max_body", "Bytes of a request, at most.")
@_limit("timeout", "Seconds that a request may take.", float)
@click.option("-q", "--quiet", is_flag=True, help="Print warnings and errors only.")
def serve(
    model: Sequence[str],
    host: str,
    port: int,
    token: str | None,
    device: str,
    quantize: str | None,
    quiet: bool,
    **limits: Any,
) -> None:
    """Serve models over HTTP: a page to try them, and the completions API that clients already speak.

    Without -m, the model trained last. Clients of that API take http://127.0.0.1:8000/v1 as their base URL.
    What a request leaves open is as 'rnngen sample' has it, and the same seed gives the same text. Requests
    that come at the same time take each step of the network together. Ctrl-C ends it.
    """
    alone = _is_loopback(host)
    if token is not None and not token.strip():
        raise UsageError("--token is empty; give a text that nobody guesses")
    if not alone and token is None:
        raise UsageError(
            f"--host {host} lets other machines in; give a --token that they have to send (or set "
            "RNNGEN_SERVE_TOKEN)"
        )
    listening = _listen(host, port)
    with listening:
        models = _load(model, device, quantize)
        if not quiet:
            _report(listening, list(models), token is not None)
        _run(listening, models, Limits(**limits), token, host if alone else None)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise RnngenError(
            f"cannot listen at {host}, port {port}: {reason}; choose another address or port (0: any)"
        ) from error


def _load(names: Sequence[str], device: str, quantize: str | None) -> "dict[str, Model]":
    models: dict[str, Model] = {}
    for name in names or (None,):
        loaded = rnngen.load(name, device=device, quantize=quantize)
        if loaded.name in models:
            raise UsageError(f"two models are called {loaded.name}; serve one of them")
        models[loaded.name] = loaded
    return models


def _report(listening: socket.socket, names: Sequence[str], guarded: bool) -> None:
    host, port, *_ = listening.getsockname()
    shown = f"[{host}]" if ":" in host else host
    asks = ", with the token" if guarded else ""
    click.echo(
        f"serving {', '.join(names)} at http://{shown}:{port} (API: /v1{asks}); Ctrl-C ends it", err=True
    )


def _run(
    listening: socket.socket, models: "dict[str, Model]", limits: Limits, token: str | None, host: str | None
) -> None:
    import uvicorn

    from rnngen_serve.app import Server, application

    times = {name: _made(Path(model.stored[0].path)) for name, model in models.items()}
    names = frozenset({"localhost", "127.0.0.1", "::1", host}) if host else None
    config = uvicorn.Config(
        application(Server(models, limits, times), token=token, hosts=names),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=GRACE,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _made(path: Path) -> int:
    return int(path.stat().st_mtime)

"""The server: its routes, who may ask, sizes of requests, and the way from worker threads to events.

::

    GET /                    the page
    GET /v1/models           the models, as clients list them
    POST /v1/completions     texts, at once or as server-sent events

Refusals are JSON, ``{"error": {"message", "type", "param", "code"}}``, with the status that clients expect.
"""

import asyncio
import hmac
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.resources import files
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from rnngen.api import Model
from rnngen.errors import OptionError, RnngenError, UnknownName, UsageError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from rnngen_serve.batching import Batcher
from rnngen_serve.completions import (
    Completion,
    End,
    Limits,
    ParameterError,
    Piece,
    answer,
    chunk,
    error,
    generate,
    last_chunk,
    parameter,
)

BODY_SECONDS = 15.0
"""Seconds within which the body of a request has to be there."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""Types of errors by status; others are the client's below 500, and the server's from there on."""


def refusal(
    status: int, message: str, *, param: str | None = None, code: str | None = None, **headers: str
) -> JSONResponse:
    """Return a refusal; underscores in names of ``headers`` stand for hyphens."""
    kind = KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse(error(message, kind, param, code), status, {**HEADERS, **named})


class Stopped(Exception):  # noqa: N818 - nothing failed: nobody waits for the text any more
    """Raised in a worker whose client has gone."""


class TooLong(RnngenError):  # noqa: N818 - reads as the sentence that it prints
    """The time for a request is over."""


class Guard:
    """Refuses requests without the token, and those that other pages send through a browser.

    Args:
        app: what is guarded.
        token: which ``/v1/`` asks for; None for none.
        hosts: names under which the server may be asked, so that no other name leads a browser to it; None
            for any.
    """

    def __init__(self, app: ASGIApp, token: str | None, hosts: frozenset[str] | None) -> None:
        self.app, self.token, self.hosts = app, token, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "http" and (refused := self._refused(Request(scope))):
            await refused(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _refused(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if self.hosts is not None and _host(host) not in self.hosts:
            return refusal(403, f"this server does not answer under the name {host!r}")
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return refusal(403, f"a page of {origin} asks, and only this server's own may")
        if self.token is None or not request.scope["path"].startswith("/v1/"):  # a URL holds what Host says
            return None
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _same(given.strip(" "), self.token):
            return None
        return refusal(
            401,
            "a token is needed: send the header Authorization: Bearer TOKEN",
            code="invalid_api_key",
            WWW_Authenticate="Bearer",
        )


def _same(given: str, token: str) -> bool:
    """Return whether a header, decoded from Latin-1 as browsers send it, is the token; others send UTF-8."""
    return any(hmac.compare_digest(given.encode(sent), token.encode()) for sent in ("latin-1", "utf-8"))


def _host(value: str) -> str | None:
    """Return the name, without the port, of a header ``Host``; None where it is none."""
    try:
        return urlsplit(f"//{value}").hostname
    except ValueError:
        return None


class Server:
    """Models, the threads that generate with them, and the limits.

    Args:
        models: by name; the first is taken where a request names none.
        limits: of requests.
        times: when each was made, in seconds since 1970.
    """

    def __init__(self, models: Mapping[str, Model], limits: Limits, times: Mapping[str, int]) -> None:
        self.models, self.limits, self.times = models, limits, times
        self.batchers = {name: Batcher(model.generator.model) for name, model in models.items()}
        self.workers = ThreadPoolExecutor(limits.max_requests, thread_name_prefix="rnngen-request")
        self.busy = 0
        """Requests that generate."""

    def close(self) -> None:
        """End the threads."""
        self.workers.shutdown(wait=False, cancel_futures=True)
        for batcher in self.batchers.values():
            batcher.close()

    # ── models ─────────────────────────────────────────────────────────────────────────────────────────────

    def model(self, name: object) -> str:
        """Return the name of the model that a request asks for.

        Raises:
            UnknownName: if there is none.
        """
        if name is None:
            return next(iter(self.models))
        if not isinstance(name, str) or name not in self.models:
            raise UnknownName("model", str(name), self.models)
        return name

    def described(self, name: str) -> dict[str, Any]:
        """Return a model as clients list it."""
        return {"id": name, "object": "model", "created": self.times[name], "owned_by": "rnngen"}

    async def list_models(self, _: Request) -> Response:
        """Answer ``GET /v1/models``."""
        return JSONResponse({"object": "list", "data": [*map(self.described, self.models)]}, headers=HEADERS)

    async def show_model(self, request: Request) -> Response:
        """Answer ``GET /v1/models/NAME``."""
        return JSONResponse(self.described(self.model(request.path_params["name"])), headers=HEADERS)

    # ── completions ────────────────────────────────────────────────────────────────────────────────────────

    async def complete(self, request: Request) -> Response:
        """Answer ``POST /v1/completions``."""
        body = await self._body(request)
        name, asked = self.model(body.get("model")), Completion.read(body, self.limits)
        if self.busy >= self.limits.max_requests:
            busy = f"{self.busy} requests are generating, and no more do at once; ask again in a while"
            return refusal(429, busy, code="rate_limit_exceeded", Retry_After="1")
        pieces = self._begun(name, asked)
        if asked.stream:
            first = await anext(pieces)  # what is wrong with a request shows before the status is sent
            events = self._events(name, asked, first, pieces)
            return StreamingResponse(events, media_type="text/event-stream", headers=HEADERS)
        return await self._whole(request, name, asked, pieces)

    async def _body(self, request: Request) -> Mapping[str, Any]:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "Content-Type: application/json expected")
        data, most = bytearray(), self.limits.max_body
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for part in request.stream():
                    data += part
                    if len(data) > most:
                        raise HTTPException(413, f"a body of more than {most:,} bytes")
        except TimeoutError:
            raise HTTPException(408, f"the body was not there after {BODY_SECONDS:g} s") from None
        try:
            body = json.loads(data)
        except (ValueError, RecursionError) as reason:
            raise HTTPException(400, f"the body is no JSON: {reason}") from None
        if not isinstance(body, dict):
            raise HTTPException(400, "the body is no JSON object")
        return body

    async def _whole(
        self, request: Request, name: str, asked: Completion, pieces: "AsyncIterator[Piece | End]"
    ) -> Response:
        """Collect all texts, unless the client goes."""

        async def collected() -> list[Piece | End]:
            return [piece async for piece in pieces]

        work = asyncio.ensure_future(collected())
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientDisconnect
            *found, end = await work
        finally:
            work.cancel()
            gone.cancel()
        assert isinstance(end, End)
        texts = (one for one in found if isinstance(one, Piece))
        return JSONResponse(answer(asked, name, texts, end), headers=HEADERS)

    async def _events(
        self, name: str, asked: Completion, first: "Piece | End", pieces: "AsyncIterator[Piece | End]"
    ) -> AsyncIterator[str]:
        try:
            piece = first
            while isinstance(piece, Piece):
                yield _event(chunk(asked, name, piece))
                piece = await anext(pieces)
            if asked.usage:
                yield _event(last_chunk(asked, name, piece))
        except RnngenError as reason:
            yield _event(error(str(reason), "server_error"))
        yield "data: [DONE]\n\n"

    def _begun(self, name: str, asked: Completion) -> "AsyncIterator[Piece | End]":
        """Generate in a worker thread; when the result is closed, that ends before its next step."""
        loop, found = asyncio.get_running_loop(), asyncio.Queue[Piece | End | Exception]()
        gone, until = threading.Event(), monotonic() + self.limits.timeout

        def check() -> None:
            if gone.is_set():
                raise Stopped
            if monotonic() > until:
                raise TooLong(f"the text took longer than the {self.limits.timeout:g} s that it may")

        def work() -> None:
            batcher = self.batchers[name]
            try:
                with batcher.request():
                    for piece in generate(self.models[name], batcher, asked, self.limits, check):
                        loop.call_soon_threadsafe(found.put_nowait, piece)
            except Exception as reason:  # it is that of the request
                if not gone.is_set():
                    loop.call_soon_threadsafe(found.put_nowait, reason)

        self.busy += 1
        loop.run_in_executor(self.workers, work).add_done_callback(self._finished)
        return _taken(found, gone)

    def _finished(self, _: object) -> None:
        self.busy -= 1


async def _taken(
    found: "asyncio.Queue[Piece | End | Exception]", gone: threading.Event
) -> "AsyncIterator[Piece | End]":
    """Yield what a worker finds, all that there is of a text at once, up to the end."""
    try:
        while True:
            waiting = [await found.get()]
            while not found.empty():
                waiting.append(found.get_nowait())
            for one in _joined(waiting):
                if isinstance(one, Exception):
                    raise one
                yield one
                if isinstance(one, End):
                    return
    finally:
        gone.set()


def _joined(found: "list[Piece | End | Exception]") -> "list[Piece | End | Exception]":
    """Join pieces of one text that stand side by side."""
    joined = found[:1]
    for one in found[1:]:
        last = joined[-1]
        if isinstance(one, Piece) and isinstance(last, Piece) and one.index == last.index:
            joined[-1] = Piece(one.index, last.text + one.text, one.finish_reason)
        else:
            joined.append(one)
    return joined


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _event(data: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


# ── The application ────────────────────────────────────────────────────────────────────────────────────────


async def show_page(_: Request) -> Response:
    """Answer ``GET /``."""
    return HTMLResponse(files(__package__).joinpath("page.html").read_text(encoding="utf-8"), headers=HEADERS)


async def _unknown(_: Request, reason: Exception) -> Response:
    assert isinstance(reason, UnknownName)
    code = "model_not_found" if reason.kind == "model" else None
    return refusal(404 if code else 400, str(reason), param="model" if code else None, code=code)


async def _bad(_: Request, reason: Exception) -> Response:
    if isinstance(reason, OptionError):
        return refusal(400, reason.message(parameter))
    return refusal(400, str(reason), param=reason.name if isinstance(reason, ParameterError) else None)


async def _failed(_: Request, reason: Exception) -> Response:
    return refusal(504 if isinstance(reason, TooLong) else 500, str(reason))


async def _refused(_: Request, reason: Exception) -> Response:
    assert isinstance(reason, HTTPException)
    return refusal(reason.status_code, str(reason.detail), **dict(reason.headers or {}))


async def _unexpected(_: Request, reason: Exception) -> Response:  # noqa: ARG001 - it is the log's
    return refusal(500, "the server failed; its log shows where")


async def _nobody(_: Request, reason: Exception) -> Response:  # noqa: ARG001
    return Response(status_code=499)


def application(server: Server, *, token: str | None = None, hosts: frozenset[str] | None = None) -> ASGIApp:
    """Return the application of a server; ``token`` and ``hosts`` as in ``Guard``."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        server.close()

    handlers: dict[Any, Callable[..., Any]] = {
        UnknownName: _unknown,
        UsageError: _bad,
        RnngenError: _failed,
        HTTPException: _refused,
        ClientDisconnect: _nobody,
        Exception: _unexpected,
    }
    routes = [
        Route("/", show_page),
        Route("/v1/models", server.list_models),
        Route("/v1/models/{name:path}", server.show_model),
        Route("/v1/completions", server.complete, methods=["POST"]),
    ]
    return Guard(Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan), token, hosts)

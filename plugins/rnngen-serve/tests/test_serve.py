"""What the server promises: the completions API, limits, nobody let in, and steps that requests share."""

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rnngen
import uvicorn
from click.testing import CliRunner
from rnngen.api import Model
from rnngen.errors import RnngenError
from rnngen.testing import check_command

from rnngen_serve import rnngen_commands
from rnngen_serve.app import Server, application
from rnngen_serve.batching import Batcher
from rnngen_serve.command import serve
from rnngen_serve.completions import Limits

(SPEC,) = rnngen_commands()
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LIMITS = Limits()
LOCAL = frozenset({"127.0.0.1", "localhost"})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    folder = tmp_path_factory.mktemp("models")
    (folder / "tale.txt").write_text("the cat sat on the mat, and the dog sat on the cät.\n" * 60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNNGEN_HOME", str(folder / "home"))
        yield rnngen.train(str(folder / "tale.txt"), steps=3, hidden=8, batch=4, seq=16, seed=1)


@contextmanager
def running(model: Model, limits: Limits = LIMITS, token: str | None = None) -> Iterator[tuple[int, Server]]:
    """A server at a port of its own, in a thread."""
    server = Server({"tale": model}, limits, {"tale": 1})
    app = application(server, token=token, hosts=LOCAL)
    runner = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=runner.run)
    thread.start()
    while not runner.started:
        time.sleep(0.01)
    try:
        yield runner.servers[0].sockets[0].getsockname()[1], server
    finally:
        runner.should_exit = True
        thread.join()


@contextmanager
def ask(port: int, body: Any = None, path: str = "/v1/completions", **headers: str) -> Iterator[HTTPResponse]:
    """Get an answer; then the connection is closed."""
    given = {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    with closing(connection):
        connection.request("GET" if body is None else "POST", path, data, given)
        with connection.getresponse() as response:
            yield response


def status(port: int, body: Any = None, **given: str) -> int:
    with ask(port, body, **given) as response:
        return response.status


def answer(port: int, body: Any) -> Any:
    with ask(port, body) as response:
        return json.loads(response.read())


def events(port: int, body: Any) -> list[Any]:
    with ask(port, {**body, "stream": True}) as response:
        lines = response.read().decode().split("\n\n")
    *found, done = [line.removeprefix("data: ") for line in lines if line]
    assert done == "[DONE]"
    return [json.loads(one) for one in found]


def test_contract() -> None:
    check_command(SPEC)


def test_texts_are_those_of_sample_with_the_same_seed_whole_or_as_events(model: Model) -> None:
    asked: Any = {
        "prompt": ["the c", "a"],
        "n": 2,
        "max_tokens": 30,
        "seed": 7,
        "temperature": 1.2,
        "top_p": 0.9,
    }
    options: dict[str, Any] = {
        "count": 2,
        "length": 30,
        "temperature": 1.2,
        "top_p": 0.9,
        "include_prompt": False,
    }
    expected = [*model.generate("the c", seed=7, **options), *model.generate("a", seed=8, **options)]
    with running(model) as (port, _):
        whole = answer(port, asked)
        streamed = events(port, {**asked, "stream_options": {"include_usage": True}})
    assert [choice["text"] for choice in whole["choices"]] == expected
    *parts, last = streamed
    texts = ["", "", "", ""]
    for choice in [part["choices"][0] for part in parts]:
        texts[choice["index"]] += choice["text"]
    assert texts == expected
    assert whole["usage"] == last["usage"]
    assert whole["usage"] == {"prompt_tokens": 6, "completion_tokens": 120, "total_tokens": 126}
    assert {choice["finish_reason"] for choice in whole["choices"]} == {"length"}
    assert whole["seed"] == last["seed"] == 7


def test_a_stop_ends_a_text_and_says_so(model: Model) -> None:
    asked = {"prompt": "the", "max_tokens": 40, "seed": 3}
    with running(model) as (port, _):
        text = answer(port, asked)["choices"][0]["text"]
        stop = text[9:12]
        ended = answer(port, {**asked, "stop": [stop], "echo": True})["choices"][0]
    assert ended["text"] == "the" + text[: text.index(stop)]
    assert ended["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("body", "expected", "names"),
    [
        ({"promt": "a"}, 400, "promt"),
        ({"temperature": "hot"}, 400, "temperature"),
        ({"temperature": -1}, 400, "temperature=-1"),
        ({"prompt": [1, 2]}, 400, "prompt"),
        ({"prompt": "\ud800"}, 400, "prompt"),
        ({"prompt": "a" * 101}, 400, "prompt"),
        ({"max_tokens": 51}, 400, "max_tokens"),
        ({"n": 5}, 400, "n"),
        ({"n": True}, 400, "n"),
        ({"logprobs": 3}, 400, "logprobs"),
        ({"logprobs": 0}, 400, "logprobs"),
        ({"label": "x"}, 400, "label"),
        ({"model": "other"}, 404, "other"),
        ([], 400, "object"),
        (b"{", 400, "JSON"),
        (b" " * 3000, 413, "2,000"),
    ],
)
def test_refusals_are_json_that_names_the_parameter(small: int, body: Any, expected: int, names: str) -> None:
    with ask(small, body) as response:
        found = json.loads(response.read())["error"]
    assert response.status == expected
    assert names in found["message"]
    assert found["type"] == "invalid_request_error"


@pytest.fixture(scope="module")
def small(model: Model) -> Iterator[int]:
    """The port of a server of small limits."""
    with running(model, Limits(max_tokens=50, max_prompt=100, max_texts=4, max_body=2000)) as (port, _):
        yield port


def test_what_asks_for_nothing_is_taken(small: int) -> None:
    body: dict[str, Any] = {
        "suffix": None,
        "logprobs": None,
        "best_of": 1,
        "logit_bias": {},
        "user": "me",
        "top_p": 1,
        "n": 1,
    }
    assert len(answer(small, {**body, "max_tokens": 2})["choices"]) == 1


def test_nobody_is_let_in(model: Model) -> None:
    with running(model, token="sesame") as (port, _):
        statuses = {
            "no token": status(port, path="/v1/models"),
            "another": status(port, {}, Authorization="Bearer sesam"),
            "the token": status(port, path="/v1/models", Authorization="Bearer sesame"),
            "a page elsewhere": status(port, {}, Origin="http://elsewhere.example"),
            "another name": status(port, {}, Host="elsewhere.example"),
            "no origin": status(port, {}, Origin="http://["),
            "a form": status(port, b"{}", Content_Type="text/plain", Authorization="Bearer sesame"),
            "the page": status(port, path="/"),
        }
    assert list(statuses.values()) == [401, 401, 200, 403, 403, 403, 415, 200]
    refused = CliRunner().invoke(serve, ["--host", "0.0.0.0"])
    assert "--token" in str(refused.exception)


def test_a_token_may_have_any_letters_and_no_host_stands_for_one(model: Model) -> None:
    with running(model, token="sésà") as (port, _):
        for encoding in ("utf-8", "latin-1"):  # as curl and as browsers send it
            given = "Bearer sésà".encode(encoding).decode("latin-1")
            assert status(port, path="/v1/models", Authorization=given) == 200
    app = application(Server({"tale": model}, LIMITS, {"tale": 1}), token="t", hosts=None)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/v1/models", "raw_path": b"/v1/models"}
    scope |= {"headers": [(b"host", b"a?")], "query_string": b"", "scheme": "http", "server": ("a", 80)}

    async def asked() -> None:
        await app(scope, receive, send)

    asyncio.run(asked())
    assert sent[0]["status"] == 401


def test_who_asks_after_the_end_does_not_wait_for_ever(model: Model) -> None:
    batcher, caught = Batcher(model.generator.model), list[Exception]()
    batcher.close()

    def late() -> None:
        try:
            batcher.ask(1, None)
        except RnngenError as reason:
            caught.append(reason)

    thread = threading.Thread(target=late, daemon=True)
    thread.start()
    thread.join(10)
    assert "closing" in str(caught)


def test_a_stream_that_the_end_cuts_says_so(model: Model) -> None:
    with (
        running(slowed(model, 0.01)) as (port, server),
        ask(port, {"max_tokens": 500, "stream": True}) as cut,
    ):
        assert cut.readline()
        server.close()
        *_, last, done = cut.read().decode().strip().split("\n\n")  # the end of the line above is left
    assert "closing" in json.loads(last.removeprefix("data: "))["error"]["message"]
    assert done == "data: [DONE]"


def test_the_page_writes_prompt_and_text_in_their_own_direction(model: Model) -> None:
    with running(model) as (port, _), ask(port, path="/") as response:
        page = response.read().decode()
    assert '<textarea name="prompt" rows="3" dir="auto">' in page
    assert 'shown.dir = "auto"' in page  # of the text alone: its heading begins with the model's name


class Slow:
    """A model's step that takes its time, and counts."""

    fixed = 0

    def __init__(self, step: Any, seconds: float) -> None:
        self.step, self.seconds, self.rows = step, seconds, list[int]()

    def start(self, batch: int) -> Any:
        return self.step.start(batch)

    def __call__(self, tokens: Any, state: Any) -> Any:
        self.rows.append(len(tokens))
        time.sleep(self.seconds)
        return self.step(tokens, state)

    def attended(self, _: Any) -> None:
        return None


def slowed(model: Model, seconds: float) -> Model:
    return replace(model, generator=replace(model.generator, model=Slow(model.generator.model, seconds)))


def test_requests_share_steps_and_their_texts_are_those_that_they_would_be_alone(model: Model) -> None:
    asked = [
        {"prompt": "the cat "[:size], "max_tokens": 20 + size, "seed": size, "temperature": size / 4}
        for size in range(1, 7)
    ]
    slow = slowed(model, 0.01)
    with running(slow) as (port, _):
        alone = [answer(port, one)["choices"] for one in asked]
        slow.generator.model.rows.clear()
        with ThreadPoolExecutor(6) as pool:
            together = list(pool.map(lambda one: answer(port, one)["choices"], asked))
    assert together == alone
    assert np.mean(slow.generator.model.rows) > 2


def test_too_many_too_long_and_gone(model: Model) -> None:
    long = {"max_tokens": 500, "stream": True}
    with running(slowed(model, 0.01), Limits(max_requests=1, timeout=1.5)) as (port, server):
        with ask(port, long) as first:
            assert first.readline()
            with ask(port, {}) as refused:
                assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        until = time.monotonic() + 1.2
        while server.busy and time.monotonic() < until:  # well before its own end
            time.sleep(0.01)
        assert not server.busy
        assert status(port, {"max_tokens": 500}) == 504
        assert "longer" in events(port, long)[-1]["error"]["message"]


def test_the_public_client_is_content(model: Model) -> None:
    openai = pytest.importorskip("openai", reason="the openai client is not installed")
    with running(model, Limits(max_tokens=50), token="sesame") as (port, _):
        address = f"http://127.0.0.1:{port}/v1"
        with openai.OpenAI(base_url=address, api_key="sesame", max_retries=0) as client:
            (listed,) = client.models.list().data
            asked = {"model": listed.id, "prompt": "the ", "max_tokens": 20, "seed": 5, "temperature": 0.9}
            whole = client.completions.create(**asked)
            with client.completions.create(**asked, stream=True) as stream:
                parts = [part.choices[0].text for part in stream]
            greedy = client.completions.create(**asked | {"temperature": 0}, extra_body={"top_k": 3})
            with pytest.raises(openai.BadRequestError, match="max_tokens"):
                client.completions.create(model="tale", prompt="", max_tokens=1000)
            with pytest.raises(openai.NotFoundError):
                client.models.retrieve("other")
            with pytest.raises(openai.AuthenticationError):
                client.with_options(api_key="guess").models.list()
    expected = model.generate("the ", length=20, seed=5, temperature=0.9, include_prompt=False)
    assert whole.choices[0].text == "".join(parts) == expected
    assert whole.usage.total_tokens == 24
    assert greedy.choices[0].text == model.generate(
        "the ", length=20, strategy="greedy", include_prompt=False
    )


class Browser:
    """Headless Chromium over two pipes: the DevTools protocol, messages of JSON that end with NUL."""

    def __init__(self, folder: Path) -> None:
        (read, theirs), (ours, write) = os.pipe(), os.pipe()
        high = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10) for one in (ours, theirs)]
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        self.process = subprocess.Popen(
            [str(CHROMIUM), *flags, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=lambda: [os.dup2(one, place) for place, one in enumerate(high, start=3)],
        )
        for one in (ours, theirs, *high):
            os.close(one)
        self.input, self.output = os.fdopen(write, "wb"), os.fdopen(read, "rb")
        self.held, self.number, self.session = b"", 0, {}
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self.session = {"sessionId": attached["sessionId"]}

    def send(self, method: str, **params: Any) -> Any:
        self.number += 1
        message = {"id": self.number, "method": method, "params": params, **self.session}
        self.input.write(json.dumps(message).encode() + b"\0")
        self.input.flush()
        while True:
            while b"\0" not in self.held:
                more = self.output.read1()
                assert more, "the browser ended"
                self.held += more
            one, _, self.held = self.held.partition(b"\0")
            if (found := json.loads(one)).get("id") == self.number:
                return found["result"]

    def value(self, script: str) -> Any:
        """Evaluate an expression until it has a value."""
        while True:
            found = self.send("Runtime.evaluate", expression=script, returnByValue=True)["result"]
            if found.get("value") is not None:
                return found["value"]
            time.sleep(0.02)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.input.close()
        self.output.close()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_the_page_shows_the_text_in_a_browser(model: Model, tmp_path: Path) -> None:
    expected = model.generate("the ", length=20, seed=5, temperature=0.9)
    settings = "max_tokens=20&seed=5&temperature=0.9"
    script = "document.querySelector('article[data-done]')?.innerText"
    with running(model) as (port, _), closing(Browser(tmp_path)) as browser:
        browser.send("Page.navigate", url=f"http://127.0.0.1:{port}/#prompt=the%20&{settings}")
        head, _, text = browser.value(script).partition("\n")
    assert text.strip() == str(expected).strip()
    assert "tale · temperature 0.9 · top p 1 · seed 5 · 20 tokens" in head

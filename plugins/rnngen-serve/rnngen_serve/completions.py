"""A request for completions: its parameters, the worker that generates, and what becomes of its texts.

::

    body ─▸ Completion ─▸ worker thread: decoder ─▸ Piece, Piece, … End ─▸ one answer, or events
"""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rnngen.api import Model
from rnngen.contracts import DecodingJob, Generated, Strategy
from rnngen.errors import UnknownName, UsageError
from rnngen.generation.prompts import Prompt

from rnngen_serve.batching import Batcher, shared_step

KNOBS: Mapping[str, tuple[str, type, float | None]] = {
    "temperature": ("temp", float, None),
    "top_p": ("top_p", float, 1),
    "top_k": ("top_k", int, 0),
    "min_p": ("min_p", float, 0),
    "typical": ("typical", float, 1),
    "repetition_penalty": ("repetition_penalty", float, 1),
    "frequency_penalty": ("frequency_penalty", float, 0),
    "presence_penalty": ("presence_penalty", float, 0),
    "seed": ("seed", int, None),
    "label": ("label", str, None),
}
"""Parameters with the option of ``rnngen sample``, the type, and the value that asks for nothing."""
OTHERS = frozenset({"model", "prompt", "max_tokens", "n", "stop", "stream", "stream_options", "echo", "user"})
"""Parameters that are read one by one; ``user`` says who asks, and is not kept."""
NOTHING: Mapping[str, tuple[Any, ...]] = {
    "best_of": (1,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "suffix": ("",),
}
"""Parameters of other servers, with the values that ask for nothing; no other is taken."""


OPTIONS = {option: name for name, (option, *_) in KNOBS.items()} | {"length": "max_tokens", "count": "n"}
"""Options of ``rnngen sample`` with their parameters."""


def parameter(option: str) -> str:
    """Return an option as ``rnngen sample`` has it, ``temp=-1``, with the name of its parameter."""
    name, equals, value = option.partition("=")
    return f"{OPTIONS.get(name, name)}{equals}{value}"


class ParameterError(UsageError):
    """A parameter that cannot be had; ``name`` is the parameter."""

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        super().__init__(f"{name}: {message}")


@dataclass(frozen=True)
class Limits:
    """Sizes above which a request is refused."""

    max_tokens: int = 2048
    """Tokens of a text."""
    max_prompt: int = 20_000
    """Characters of a prompt."""
    max_texts: int = 16
    """Texts of one request: prompts times ``n``."""
    max_requests: int = 16
    """Requests that generate at once."""
    max_body: int = 1 << 20
    """Bytes of a request."""
    timeout: float = 120.0
    """Seconds of a request."""


@dataclass(frozen=True)
class Completion:
    """A request that was understood."""

    prompts: tuple[str, ...]
    options: dict[str, Any]
    """Of ``Model.decoder``."""
    stream: bool = False
    usage: bool = False
    """True if a stream ends with the numbers of tokens."""
    echo: bool = False
    """True if texts begin with their prompts."""
    identifier: str = field(default_factory=lambda: f"cmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def read(cls, body: Mapping[str, Any], limits: Limits) -> "Completion":
        """Read the parameters of a request; those that are null are not given.

        Raises:
            ParameterError: for one that there is not, or whose value cannot be had.
        """
        given = {name: value for name, value in body.items() if value is not None}
        for name in given:
            if name not in OTHERS and name not in KNOBS:
                _require_nothing(name, given)
        options = {
            option: _typed(given, name, kind)
            for name, (option, kind, off) in KNOBS.items()
            if name in given and given[name] != off
        }
        prompts = _texts(given, "prompt") or ("",)
        count = _typed(given, "n", int, 1)
        if not 1 <= count * len(prompts) <= limits.max_texts:
            raise ParameterError(
                "n", f"{len(prompts)} prompts of {count} texts, and from 1 to {limits.max_texts} expected"
            )
        if longest := [len(prompt) for prompt in prompts if len(prompt) > limits.max_prompt]:
            raise ParameterError(
                "prompt", f"{longest[0]:,} characters, and no more than {limits.max_prompt:,} are read"
            )
        if (most := _typed(given, "max_tokens", int, limits.max_tokens)) not in range(limits.max_tokens + 1):
            raise ParameterError("max_tokens", f"{most}: from 0 to {limits.max_tokens:,} expected")
        options |= {"count": count, "stop": _texts(given, "stop")}
        options |= {"length": most} if "max_tokens" in given else {}
        stream = _typed(given, "stream", bool, False)
        return cls(prompts, options, stream, _usage(given, stream), _typed(given, "echo", bool, False))


def _require_nothing(name: str, given: Mapping[str, Any]) -> None:
    if name not in NOTHING:
        raise ParameterError(name, str(UnknownName("parameter", name, OTHERS | KNOBS.keys())))
    if (type(given[name]), given[name]) not in [(type(one), one) for one in NOTHING[name]]:  # 0 is no False
        raise ParameterError(name, f"{given[name]!r}: this server has none; leave it out")


def _typed(given: Mapping[str, Any], name: str, kind: type, default: Any = None) -> Any:
    value = given.get(name, default)
    fits = isinstance(value, int | float if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        words = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}
        raise ParameterError(name, f"{value!r}: {words[kind]} expected")
    return _text(name, value) if kind is str else value


def _texts(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Read a text, or a list of texts."""
    value = given.get(name, [])
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ParameterError(name, "a text or a list of texts expected; numbers of tokens are not read")
    return tuple(_text(name, text) for text in texts)


def _text(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ParameterError(
            name, "half of a surrogate pair, which is no character; send the whole"
        ) from None
    return text


def _usage(given: Mapping[str, Any], stream: bool) -> bool:
    options = given.get("stream_options", {})
    if not isinstance(options, dict) or options.keys() - {"include_usage"}:
        raise ParameterError("stream_options", '{"include_usage": true} expected')
    if options and not stream:
        raise ParameterError("stream_options", "it says how a stream ends; set stream too, or leave it out")
    return bool(_typed(options, "include_usage", bool, False))


# ── Generating ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Piece:
    """Some text of one of the choices; with its end, the reason for that."""

    index: int
    text: str
    finish_reason: str | None = None


@dataclass(frozen=True)
class End:
    """The end of all texts."""

    seed: int | None
    prompt_tokens: int
    completion_tokens: int

    @property
    def usage(self) -> dict[str, int]:
        """The numbers of tokens, as answers hold them."""
        read, written = self.prompt_tokens, self.completion_tokens
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


@dataclass
class _Counted:
    """The tokens of a text, as they were taken."""

    most: int | None
    tokens: list[int] = field(default_factory=list)
    ended: bool = False
    """True if the network ended it."""

    def passed(self, tokens: Iterable[int]) -> Iterator[int]:
        for token in tokens:
            self.tokens.append(token)
            yield token
        self.ended = self.most is None or len(self.tokens) < self.most


class _Counting:
    """A strategy whose tokens are counted."""

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.texts: list[_Counted] = []

    def generate(self, job: DecodingJob) -> Iterator[Generated]:
        for one in self.strategy.generate(job):
            self.texts.append(counted := _Counted(job.max_tokens[one.prompt]))
            yield replace(one, tokens=counted.passed(one.tokens))


def generate(
    model: Model, batcher: Batcher, asked: Completion, limits: Limits, check: Callable[[], None]
) -> Iterator[Piece | End]:
    """Generate the texts of a request one after another, piece by piece.

    Those of one prompt are drawn side by side. ``check`` is called before every step of the network, and
    raises where the request is not to go on.

    Raises:
        UsageError: for options that make no sense, or not for this model.
        RnngenError: if nothing can be drawn.
    """
    shared = replace(model.generator, model=shared_step(batcher, check))
    options, reads = asked.options, shared.reads_source
    decoder = replace(model, generator=shared).decoder(**options)
    counting, pieces = _Counting(decoder.strategy), shared.tokenizers.target.pieces
    prompts = [
        Prompt("", text) if reads else Prompt(text, label=options.get("label")) for text in asked.prompts
    ]
    if any(prompt.is_blank for prompt in prompts):
        raise ParameterError("prompt", "it is the source for this model, and blank")
    for number, prompt in enumerate(prompts):
        if asked.echo:
            for place in range(options["count"]):
                yield Piece(number * options["count"] + place, asked.prompts[number])
        most = shared.max_tokens(decoder.request.length, prompt.source, constrained=decoder.constrained)
        length = limits.max_tokens if most is None else min(most, limits.max_tokens)
        request = replace(decoder.request, length=length)
        for output in replace(decoder, strategy=counting, request=request).outputs([prompt], [number]):
            index = number * options["count"] + output.number
            for piece in output.pieces:
                yield Piece(index, piece)
            text, given = counting.texts[-1], len(shared.prefix(prompt).rest)
            written = b"".join(map(pieces.__getitem__, text.tokens))[given:].decode(errors="replace")
            stopped = text.ended or any(stop in written for stop in decoder.request.stop)
            yield Piece(index, "", "stop" if stopped else "length")
    encode = shared.source_tokens if reads else shared.tokenizers.target.encode
    read = sum(len(encode(text)) for text in asked.prompts)
    yield End(decoder.seed, read, sum(len(text.tokens) for text in counting.texts))


# ── Answers ────────────────────────────────────────────────────────────────────────────────────────────────


def chunk(asked: Completion, model: str, piece: Piece) -> dict[str, Any]:
    """Return what a stream's event holds."""
    choice = {
        "text": piece.text,
        "index": piece.index,
        "logprobs": None,
        "finish_reason": piece.finish_reason,
    }
    return {**_head(asked, model), "choices": [choice], **({"usage": None} if asked.usage else {})}


def last_chunk(asked: Completion, model: str, end: End) -> dict[str, Any]:
    """Return what the last event of a stream holds where the numbers of tokens were asked for."""
    return {**_head(asked, model), "choices": [], "usage": end.usage, "seed": end.seed}


def answer(asked: Completion, model: str, pieces: Iterable[Piece], end: End) -> dict[str, Any]:
    """Return the whole answer."""
    texts: dict[int, list[Piece]] = {}
    for piece in pieces:
        texts.setdefault(piece.index, []).append(piece)
    choices = [
        {
            "text": "".join(piece.text for piece in some),
            "index": index,
            "logprobs": None,
            "finish_reason": some[-1].finish_reason,
        }
        for index, some in texts.items()
    ]
    return {**_head(asked, model), "choices": choices, "usage": end.usage, "seed": end.seed}


def _head(asked: Completion, model: str) -> dict[str, Any]:
    return {"id": asked.identifier, "object": "text_completion", "created": asked.created, "model": model}


def error(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """Return the body of a refusal."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}

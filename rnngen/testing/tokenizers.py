"""The conformance suite for tokenizers: tokens stand for the text's own bytes, whatever the text."""

import re
from collections.abc import Callable, Iterator

from rnngen.contracts import Chunk, ExtendableTokenizer, Tokenizer, TokenizerSpec, imported
from rnngen.errors import CorpusError
from rnngen.options import build
from rnngen.testing import checks

SAMPLE = (
    "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate:\n",
    "Rough winds do shake the darling buds of May, and summer's lease hath all too short a date.\n",
    "Die Würde des Menschen ist unantastbar. Sie zu achten und zu schützen ist Verpflichtung.\r\n",
    "Все люди рождаются свободными и равными в своём достоинстве и правах.\n",
    "天地玄黃,宇宙洪荒。日月盈昃,辰宿列張。寒來暑往,秋收冬藏。\n",
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।\n",
    "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.\n🙂🙃 👩‍👩‍👧‍👦\n",
)
"""Training text: seven scripts, foreign line ends, emoji."""

LATER = "ՄԱՐԴԻԿ ծնվում են ազատ ու հավասար՝ իրենց արժանապատվությամբ ու իրավունքներով։\n" * 2
"""Text in an eighth script, for vocabularies that grow."""

NASTY = (
    "",
    " ",
    "\n",
    "\r\n\r\n\t \x0b\x0c\x1c\x85\xa0\u2028\u3000",
    "".join(map(chr, range(256))),
    "<eos> </s> <|endoftext|> [UNK] [CLS] <unk> <pad> <0x41> ##ing ▁a Ġa Ċ ⋯ @@",
    "\ufeffa\ufffd\ufffe\uffff\x00\U0010ffff",
    "e\u0301 é ﬁ ① Å \u212b 한국어 ᄒ",
    "👩‍👩‍👧‍👦🏳️‍🌈 مرحبا שלום ไทย",
    "a" * 1000,
    "天" * 500 + "🙂" * 500,
    "ab " * 20_000,
    "  two  spaces   and\n\n\n lines \n",
)
"""Texts that tokenizers are known to change, to refuse, or to take for a sign of their own."""

OTHER_KIND = '{"kind": "other", "tokenizer": {"model": {}}}'
GARBAGE = ("", "no JSON", "null", "[]", "{}", "1", OTHER_KIND, "[" * 5000)
"""Texts that are no ``tokenizer.json``."""


@checks.suite
def check_tokenizer(spec: TokenizerSpec, **options: str) -> None:
    """Check a tokenizer against its contract."""
    chosen = build(spec.options, options, owner=f"tokenizer {spec.name!r}")
    cls: type[Tokenizer] = imported(spec.load)
    tokenizer = cls.train(_chunks(), chosen)
    _check_vocabulary(tokenizer)
    for text in (*NASTY, *SAMPLE, "".join(SAMPLE)):
        _check_law(tokenizer, text)
    _check_refusal(tokenizer)
    again = cls.train(_chunks(), chosen)
    assert again.to_json() == tokenizer.to_json(), "trained twice on one text, it writes two different JSONs"
    _check_saved(cls, tokenizer)
    _check_law(cls.train(iter(()), chosen), NASTY[4])
    if isinstance(tokenizer, ExtendableTokenizer):
        _check_extended(tokenizer, tokenizer.extended(iter([Chunk(LATER, True)]), chosen))


def check_hash_seed(spec: TokenizerSpec, **options: str) -> None:
    """Check, in two processes of their own, that training does not depend on the order of sets (seconds)."""
    code = (
        f"{checks.importing(imported(spec.load).__module__)}\n"
        "import sys; from rnngen.contracts import imported; from rnngen.options import build\n"
        "from rnngen.testing.tokenizers import _chunks\n"
        f"options = build(imported({_target(spec.options)!r}), {options!r}, owner='')\n"
        f"sys.stdout.write(imported({spec.load!r}).train(_chunks(), options).to_json())"
    )
    trained = [checks.in_process(code, PYTHONHASHSEED=seed) for seed in ("1", "2")]
    assert trained[0] == trained[1], "trained in two processes (PYTHONHASHSEED), its JSON differs; sort sets"


def _target(options: type) -> str:
    return f"{options.__module__}:{options.__qualname__}"


def _check_extended(tokenizer: Tokenizer, grown: Tokenizer) -> None:
    """Check that what was there keeps its ids, and that the whole is a tokenizer like any other."""
    size = len(tokenizer.pieces)
    assert list(grown.pieces[:size]) == list(tokenizer.pieces), "extended, its pieces begin with other ones"
    assert grown.eos_id == tokenizer.eos_id, "extended, its end token has changed"
    for text in SAMPLE:
        assert _ids(grown, text) == _ids(tokenizer, text), f"extended, it gives other ids for {_short(text)}"
    _check_vocabulary(grown)
    for text in (LATER, *NASTY):
        _check_law(grown, text)
    _check_saved(type(grown), grown)


def _chunks() -> Iterator[Chunk]:
    """Return the sample as a stream that can be read once, in small pieces."""
    for text in SAMPLE:
        yield Chunk(text[:20], starts_document=True)
        yield Chunk(text[20:], starts_document=False)


def _check_vocabulary(tokenizer: Tokenizer) -> None:
    pieces, end = tokenizer.pieces, tokenizer.eos_id
    strange = next((piece for piece in pieces if not isinstance(piece, bytes)), None)
    assert strange is None, f"pieces holds {strange!r}, which is no bytes"
    assert isinstance(end, int), f"end should be the id of a token, and is {end!r}"
    assert 0 <= end < len(pieces), f"end is {end}, but ids go from 0 to {len(pieces) - 1}"
    assert pieces[end] == b"", f"the end token writes nothing, but pieces[end] is {pieces[end]!r}"


def _check_law(tokenizer: Tokenizer, text: str) -> None:
    """Check that the tokens' bytes are the text's own, and that none is the end token."""
    ids = _ids(tokenizer, text)
    size = len(tokenizer.pieces)
    outside = [token for token in ids if not 0 <= token < size]
    assert not outside, f"encode({_short(text)}) gives the id {outside[:1]}, but ids go from 0 to {size - 1}"
    assert tokenizer.eos_id not in ids, f"encode({_short(text)}) gives the end token, which no text may"
    found, expected = b"".join(tokenizer.pieces[token] for token in ids), text.encode()
    at = next((i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), len(expected))
    assert found == expected, (
        f"the pieces of encode({_short(text)}) should join to the text's own bytes, but from byte {at} on "
        f"they are {found[at : at + 20]!r} instead of {expected[at : at + 20]!r}"
    )


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    import numpy as np

    ids = tokenizer.encode(text)
    kind = type(ids).__name__
    assert isinstance(ids, np.ndarray), f"encode should return a NumPy array, and returns a {kind}"
    assert ids.ndim == 1, f"encode should return one dimension, and returns {ids.ndim}"
    whole = ids.dtype.kind in "iu"
    assert whole, f"encode should return integers, and returns {ids.dtype} for {_short(text)}"
    listed: list[int] = ids.tolist()
    return listed


def _check_refusal(tokenizer: Tokenizer) -> None:
    """Check that half of a surrogate pair, which has no bytes, is refused, and nothing else."""
    error = _raised(tokenizer.encode, "abc\ud800def")
    assert isinstance(error, CorpusError), f"a lone surrogate should raise CorpusError; encode: {error!r}"
    named = re.search(r"\b3\b", str(error))
    assert named, f"the error for a lone surrogate should name its offset, 3, and says: {error}"


def _raised(call: Callable[[str], object], text: str) -> Exception | None:
    try:
        call(text)
    except Exception as error:
        return error
    return None


def _check_saved(cls: type[Tokenizer], tokenizer: Tokenizer) -> None:
    saved = tokenizer.to_json()
    loaded = cls.from_json(saved)
    assert loaded.to_json() == saved, "saved, loaded and saved again, its JSON has changed"
    assert list(loaded.pieces) == list(tokenizer.pieces), "saved and loaded, its pieces have changed"
    assert loaded.eos_id == tokenizer.eos_id, "saved and loaded, its end token has changed"
    for text in (*NASTY, *SAMPLE):
        same = _ids(loaded, text) == _ids(tokenizer, text)
        assert same, f"saved and loaded, it gives other ids for {_short(text)}"
    for garbage in (*GARBAGE, saved[: len(saved) // 2]):
        error = _raised(cls.from_json, garbage)
        call = f"from_json({_short(garbage)})"
        assert isinstance(error, ValueError), f"{call} gives {error!r}, not a ValueError"
        assert str(error), f"{call} raises a ValueError without a message"


def _short(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:40] + "…")

"""What constraints promise: the form, whatever the tokenizer and the search; an end; an error, not a hang."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from rnngen.builtins.options import CharOptions
from rnngen.builtins.strategies.beam.search import BeamSearch, beam_search
from rnngen.builtins.strategies.options import BeamOptions
from rnngen.builtins.strategies.sampling import Sample
from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.builtins.tokenizers.byte_level import BPETokenizer, WordTokenizer
from rnngen.builtins.tokenizers.char import CharTokenizer
from rnngen.contracts import Chunk, State, Strategy, TextConstraint, TokenIds, Tokenizer
from rnngen.data.normalization import NormalizingTokenizer
from rnngen.decoding.filter_chain import FilterChain
from rnngen.decoding.sampler import Sampler, sample
from rnngen.errors import RnngenError, UsageError
from rnngen.generation.generator import Generator
from rnngen.generation.prompts import GenerationSettings, Prompt
from rnngen.options import NoOptions
from rnngen.registry import Distribution, Registry
from rnngen.registry.components import Tokenizers, choose_filters, make_filters

import rnngen_constrain

TEXT = 'In 2024-07 he said: {"name": "Zoë", "age": 40}, red green blue; 13579 (6, 8) naïve ünï 😀 🐈\n' * 8
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "name": {"enum": ["Zoë", "red", "said"]},
    },
    "required": ["age", "name"],
    "additionalProperties": False,
}
GRAMMAR = 'start: "(" item ")"\nitem: DIGITS | start\nDIGITS: /[0-9]+/\n'
SHORT = 'start: "(" (DIGITS | "(" DIGITS ")") ")"\nDIGITS: /[0-9]{1,3}/\n'
TOKENIZERS = {"char": CharTokenizer, "byte": ByteTokenizer, "bpe": BPETokenizer, "word": WordTokenizer}
REGISTRY = Registry([(Distribution("rnngen-constrain", "0"), rnngen_constrain)])


def learnt(name: str) -> Tokenizer:
    options = REGISTRY.find("tokenizer", name).spec.options()
    return TOKENIZERS[name].train([Chunk(TEXT, True)], options)  # type: ignore[no-any-return,attr-defined]


ALL = {name: learnt(name) for name in TOKENIZERS}
every = pytest.mark.parametrize("name", TOKENIZERS)


class Random:
    """A network of one step's memory, whose logits are drawn once."""

    fixed = 0

    def __init__(self, size: int, seed: int = 0) -> None:
        self.logits = np.random.default_rng(seed).normal(0, 2, (size, size)).astype(np.float32)

    def start(self, batch: int) -> State:
        return (np.zeros((batch, 1), np.float32),)

    def __call__(self, tokens: Any, state: State) -> tuple[Any, State]:
        return self.logits[tokens], state

    def attended(self, state: State) -> None:  # noqa: ARG002
        return None


def filters(tokenizer: Tokenizer, *chain: tuple[str, str]) -> list[Any]:
    return make_filters(choose_filters(REGISTRY, list(chain)), tokenizer)


def text_of(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    return b"".join(tokenizer.pieces[token] for token in tokens).decode()


def drawn(
    tokenizer: Tokenizer, chain: list[Any], *, seed: int, never: Sequence[int] = (), has_eos: bool = False
) -> tuple[str, bool]:
    """A text of at most 400 tokens, and whether it came to its end."""
    forbidden = [*never, *([] if has_eos else [tokenizer.eos_id])]
    tokens: list[int] = []
    step = Random(len(tokenizer.pieces), seed)
    for token in sample(step, step.start(1), [3], chain, np.random.default_rng(seed), forbidden=forbidden):
        if token == tokenizer.eos_id:
            return b"".join(tokenizer.pieces[token] for token in tokens).decode(errors="replace"), True
        tokens.append(token)
        if len(tokens) == 400:
            break
    return b"".join(tokenizer.pieces[token] for token in tokens).decode(errors="replace"), False


def searched(
    tokenizer: Tokenizer, chain: list[Any], *, width: int = 4, has_eos: bool = False
) -> Iterator[str]:
    """What a beam search finds."""
    step = Random(len(tokenizer.pieces), 5)
    (found,) = beam_search(
        step,
        step.start(1),
        [[3]],
        [120],
        BeamOptions(width=width),
        eos_id=tokenizer.eos_id,
        filters=chain,
        forbidden=[] if has_eos else [tokenizer.eos_id],
    )
    return (text_of(tokenizer, one.tokens) for one in found)


def unseen(tokenizer: Tokenizer, letters: str) -> list[int]:
    """The tokens with any of these letters."""
    return [i for i, piece in enumerate(tokenizer.pieces) if any(one.encode() in piece for one in letters)]


# ── The form ───────────────────────────────────────────────────────────────────────────────────────────────

PATTERNS = [
    "[0-9]{4}-[0-9]{2}",
    "(red|green|blue){1,3}",
    "[Zz]oë|naïve|.ünï.",
    "[a-z]{2}[😀🐈]",
    "(13579|135|79){3}",
]


@every
@pytest.mark.parametrize("pattern", PATTERNS)
def test_free_text_matches_the_pattern_and_ends(name: str, pattern: str) -> None:
    chain = filters(ALL[name], ("regex", pattern), ("temp", "0.9"))
    for seed in range(6):
        text, ended = drawn(ALL[name], chain, seed=seed)
        assert ended
        assert re.fullmatch(pattern, text)


@every
@pytest.mark.parametrize("pattern", PATTERNS[:4])
def test_beams_match_the_pattern(name: str, pattern: str) -> None:
    found = list(searched(ALL[name], filters(ALL[name], ("regex", pattern))))
    assert found
    assert all(re.fullmatch(pattern, text) for text in found)


@every
def test_a_text_is_one_of_the_choices(name: str) -> None:
    choices = ["red", "green", "blue", "Zoë (6, 8)", "a.c|*", "naïve ünï", "gr"]
    chain = filters(ALL[name], ("choices", "|".join(one.replace("|", r"\|") for one in choices)))
    texts = [drawn(ALL[name], chain, seed=seed, has_eos=True) for seed in range(8)]
    assert all(ended and text in choices for text, ended in texts)
    assert len(set(texts)) > 1
    assert {*searched(ALL[name], chain, width=6)} <= {*choices}


@every
@pytest.mark.parametrize("whitespace", [False, True])
def test_json_is_valid_under_the_schema(name: str, whitespace: bool) -> None:
    value = json.dumps(SCHEMA, ensure_ascii=False) + f";whitespace={str(whitespace).lower()}"
    chain = filters(ALL[name], ("json_schema", value))
    texts = [text for text, ended in (drawn(ALL[name], chain, seed=s) for s in range(12)) if ended]
    assert texts
    for text in [*texts, *(searched(ALL[name], chain) if not whitespace else ())]:
        found = json.loads(text)
        assert set(found) == {"age", "name"}
        assert type(found["age"]) is int
        assert 0 <= found["age"] <= 150
        assert found["name"] in SCHEMA["properties"]["name"]["enum"]
        assert whitespace or not re.search(r"\s", text)


@every
def test_texts_are_derived_from_the_grammar(name: str) -> None:
    chain = filters(ALL[name], ("grammar", GRAMMAR))
    ended = [text for text, ended in (drawn(ALL[name], chain, seed=s) for s in range(8)) if ended]
    assert ended
    for text in [*ended, *searched(ALL[name], filters(ALL[name], ("grammar", SHORT)))]:
        depth = text.count("(")
        assert re.fullmatch(rf"\({{{depth}}}[0-9]+\){{{depth}}}", text)


# ── Bounds of tokens ───────────────────────────────────────────────────────────────────────────────────────


class Pieces:
    """Tokens that overlap in every way; two say the same, and one holds a byte that no UTF-8 has."""

    pieces = (b"a", b"b", b"ab", b"abc", b"c", b"a", b"bc", b"", b"\xff", b"\xc3", b"\xa9")
    eos_id = 7

    def encode(self, text: str) -> TokenIds:
        return np.array([self.pieces.index(bytes([byte])) for byte in text.encode()])


def allowed(
    chain: FilterChain, written: Sequence[int], prompt: Sequence[int] = (), end: float = -np.inf
) -> set[bytes]:
    """What may follow some tokens: their bytes, and nothing for the end."""
    state = chain.initial(np.array([1]))
    for number, token in enumerate(written):
        assert token in after(chain, state, [*prompt, *written[:number]], end)
        state = chain.observe(np.array([token]), np.zeros(1), state)
    return {Pieces.pieces[token] for token in after(chain, state, [*prompt, *written], end)}


def after(chain: FilterChain, state: State, history: Sequence[int], end: float) -> list[int]:
    logits = np.zeros((1, len(Pieces.pieces)), np.float32)
    logits[:, Pieces.eos_id] = end
    return np.flatnonzero(chain(logits, [history], state)[0] > -np.inf).tolist()


def pieces_chain(*chain: tuple[str, str]) -> FilterChain:
    return FilterChain(filters(Pieces(), *chain))  # type: ignore[arg-type]


def test_every_spelling_of_forced_text_is_allowed_and_no_token_overruns_the_end() -> None:
    chain = pieces_chain(("regex", "ab"))
    assert allowed(chain, []) == {b"a", b"ab"}
    assert allowed(chain, [0]) == {b"b"}
    assert allowed(chain, [5]) == {b"b"}
    assert allowed(chain, [2]) == {b""}


def test_both_tokens_of_one_text_are_allowed() -> None:
    chain = pieces_chain(("regex", "a+"))
    state = chain.initial(np.array([1]))
    assert after(chain, state, [], 0) == [0, 5]


def test_characters_are_followed_byte_by_byte() -> None:
    chain = pieces_chain(("regex", "aé."))
    assert allowed(chain, [0]) == {b"\xc3"}
    assert allowed(chain, [0, 9]) == {b"\xa9"}
    assert b"\xa9" not in allowed(chain, [0, 9, 10])


def test_the_prompt_is_not_constrained() -> None:
    chain = pieces_chain(("regex", "ab"))
    assert allowed(chain, [0], prompt=[8, 4, 4]) == {b"b"}


# ── The end ────────────────────────────────────────────────────────────────────────────────────────────────


def test_where_text_could_go_on_the_end_is_as_probable_as_the_model_has_it() -> None:
    chain = pieces_chain(("regex", "a+"))
    assert b"" in allowed(chain, [0], end=-3.0)
    assert b"" not in allowed(chain, [0])


def test_where_text_is_not_complete_it_cannot_end() -> None:
    assert b"" not in allowed(pieces_chain(("regex", "abc")), [2], end=5.0)


def test_where_nothing_that_the_model_knows_may_follow_a_complete_text_ends() -> None:
    assert allowed(pieces_chain(("regex", "a(b|z*)")), [0]) == {b"b"}
    assert allowed(pieces_chain(("regex", "az*")), [0]) == {b""}


@every
def test_free_text_ends_however_it_is_written(name: str) -> None:
    tokenizer = ALL[name]
    generator = Generator(Random(len(tokenizer.pieces)), Tokenizers(tokenizer, tokenizer), has_eos=False)
    chain = filters(tokenizer, ("regex", "[a-e]{2,5};".replace(";", "\\;")))

    def texts(strategy: Strategy, **settings: Any) -> list[str]:
        given = GenerationSettings(length=50, filters=chain, **settings)
        return [output.text for output in generator.generate([Prompt("In")], strategy, given)]

    sampler = Sampler(generator.model, chain, forbidden=generator.forbidden)
    alone = []
    for number in range(4):
        state = sampler.start(generator.prefill(Prompt("In")), [np.random.default_rng([1, number])])
        tokens = (token for token, _ in islice(sampler.stream(state), 50))
        alone.append(text_of(tokenizer, [*takewhile(lambda token: token != tokenizer.eos_id, tokens)]))
    assert texts(Sample(), seed=1, count=4) == alone
    found = texts(BeamSearch(BeamOptions(width=3)), count=3)
    assert all(re.fullmatch("[a-e]{2,5};", text) for text in [*alone, *found])


# ── Forks ──────────────────────────────────────────────────────────────────────────────────────────────────


def course(chain: FilterChain, rows: Sequence[Sequence[int]], *, together: bool) -> list[list[list[int]]]:
    """What may follow each token of each row, in one batch or a row at a time."""
    if not together:
        return [course(chain, [row], together=True)[0] for row in rows]
    state = chain.initial(np.arange(len(rows)))
    found: list[list[list[int]]] = [[] for _ in rows]
    for made in range(len(rows[0])):
        logits = np.zeros((len(rows), len(Pieces.pieces)), np.float32)
        shaped = chain(logits, [row[:made] for row in rows], state)
        for one, row in zip(found, shaped, strict=True):
            one.append(np.flatnonzero(row > -np.inf).tolist())
        state = chain.observe(np.array([row[made] for row in rows]), np.zeros(len(rows)), state)
    return found


ROWS = [[0, 1, 4, 0], [0, 0, 1, 6], [2, 4, 1, 3], [0, 1, 4, 0], [5, 1, 1, 0]]


def test_streams_get_what_they_would_alone() -> None:
    def chain() -> FilterChain:
        return pieces_chain(("regex", "(a|ab|abc|b+c|bb)*"), ("must_include", "bb"))

    assert course(chain(), ROWS, together=True) == course(chain(), ROWS, together=False)


def test_forks_are_independent_and_an_old_state_is_as_good_as_a_new_one() -> None:
    chain = pieces_chain(("regex", "a(b|cc)a"))
    start = chain.initial(np.array([1]))
    logits = np.zeros((1, len(Pieces.pieces)), np.float32)
    chain(logits, [[]], start)
    one = chain.observe(np.array([0]), np.zeros(1), start)
    before = chain(logits, [[0]], one)
    forks = tuple(array[[0, 0]] for array in one)
    two = chain.observe(np.array([1, 4]), np.zeros(2), forks)
    both = chain(np.repeat(logits, 2, 0), [[0, 1], [0, 4]], two)
    assert [np.flatnonzero(row > -np.inf).tolist() for row in both] == [[0, 5], [4]]
    np.testing.assert_array_equal(chain(logits, [[0]], one), before)


def test_a_state_goes_on_in_another_process() -> None:
    state = pieces_chain(("regex", "abca")).initial(np.array([1]))
    for token in (2, 4):
        state = pieces_chain(("regex", "abca")).observe(np.array([token]), np.zeros(1), state)
    assert all(array.dtype.kind == "i" for array in state)
    assert after(pieces_chain(("regex", "abca")), state, [8, 2, 4], -np.inf) == [0, 5]


# ── Words that must occur ──────────────────────────────────────────────────────────────────────────────────


@every
def test_no_text_ends_before_the_words_have_come(name: str) -> None:
    tokenizer = ALL[name]
    chain = filters(tokenizer, ("must_include", "7|e"), ("logit_bias", "7:9"))
    for seed in range(6):
        text, ended = drawn(tokenizer, chain, seed=seed, has_eos=True)
        assert not ended or {"7", "e"} <= {*text}


def test_a_word_may_begin_within_its_own_beginning_and_within_a_token() -> None:
    chain = pieces_chain(("must_include", "abab"))
    assert b"" not in allowed(chain, [0, 1, 0], end=0)
    assert b"" in allowed(chain, [0, 1, 2], end=0)
    assert b"" in allowed(chain, [0, 1, 3], end=0)
    assert b"" in allowed(chain, [2, 2, 4, 4], end=0)


def test_a_word_is_brought_to_the_normal_form_of_the_tokenizer() -> None:
    learnt = cast(Tokenizer, CharTokenizer.train([Chunk("né", True)], CharOptions()))
    tokenizer = cast(Tokenizer, NormalizingTokenizer(learnt, "nfc"))
    chain = FilterChain(filters(tokenizer, ("must_include", "e\u0301")))
    state = chain.initial(np.array([1]))
    for text, ends in (("n", False), ("é", True)):
        for token in tokenizer.encode(text).tolist():
            state = chain.observe(np.array([token]), np.zeros(1), state)
        logits = chain(np.zeros((1, len(tokenizer.pieces)), np.float32), [[0]], state)
        assert bool(np.isfinite(logits[0, tokenizer.eos_id])) is ends


def test_a_word_that_the_form_has_no_room_for_is_an_error() -> None:
    with pytest.raises(RnngenError, match="has to end and does not hold 'b'"):
        allowed(pieces_chain(("regex", "aa"), ("must_include", "b")), [0, 0])


# ── What cannot be written ─────────────────────────────────────────────────────────────────────────────────


@every
@pytest.mark.parametrize(
    ("kind", "value", "wants"),
    [
        ("regex", "[0-9]{2}7", "'7'"),
        ("regex", "[a-z0-9]*7", ""),
        ("choices", "17|27", ""),
        ("grammar", 'start: "1" x\nx: "7"', "after '1'.*it wants '7'"),
    ],
)
def test_an_alphabet_without_what_is_needed_is_an_error(name: str, kind: str, value: str, wants: str) -> None:
    tokenizer = ALL[name]
    with pytest.raises(RnngenError, match=f"(?s)filter '{kind}'.*no token is left.*loosen") as told:
        drawn(tokenizer, filters(tokenizer, (kind, value)), seed=1, never=unseen(tokenizer, "7"))
    if kind == "grammar":
        assert re.search(wants, str(told.value))


def test_what_cannot_be_written_is_an_error_of_a_beam_too() -> None:
    tokenizer = ALL["char"]
    step = Random(len(tokenizer.pieces))
    with pytest.raises(RnngenError, match="filter 'regex'"):
        beam_search(
            step,
            step.start(1),
            [[3]],
            [20],
            BeamOptions(width=3),
            eos_id=tokenizer.eos_id,
            filters=filters(tokenizer, ("regex", "[0-9]+7")),
            forbidden=[tokenizer.eos_id, *unseen(tokenizer, "7")],
        )


def test_only_line_ends_divide_a_file_of_choices(tmp_path: Path) -> None:
    path = tmp_path / "choices"
    path.write_bytes("one\u2028two\r\nthree\x0cfour\n\nfive".encode())
    tokenizer: Any = ByteTokenizer.train([], NoOptions())
    chain = filters(tokenizer, ("choices", f"@{path}"))
    found = {drawn(tokenizer, chain, seed=seed, has_eos=True)[0] for seed in range(60)}
    assert found == {"one\u2028two", "three\x0cfour", "five"}


@every
def test_choices_that_cannot_be_spelt_are_left_alone(name: str) -> None:
    tokenizer = ALL[name]
    chain = filters(tokenizer, ("choices", "2024|13579|red"))
    lost = unseen(tokenizer, "7")
    assert {drawn(tokenizer, chain, seed=s, never=lost)[0] for s in range(8)} <= {"2024", "red"}


def test_after_a_cut_the_form_still_holds() -> None:
    tokenizer = ALL["char"]
    chain = filters(tokenizer, ("top_k", "90"), ("regex", "[a-z]{9}"))
    assert re.fullmatch("[a-z]{9}", drawn(tokenizer, chain, seed=1)[0])


def test_what_another_filter_cut_at_first_is_not_taken_for_unknown() -> None:
    chain = pieces_chain(("regex", "a[abc]"))
    state = chain.initial(np.array([1]))
    cut = np.full((1, len(Pieces.pieces)), -np.inf, np.float32)
    cut[0, 0] = 0
    assert np.flatnonzero(chain(cut, [[]], state)[0] > -np.inf).tolist() == [0]
    state = chain.observe(np.array([0]), np.zeros(1), state)
    assert after(chain, state, [0], -np.inf) == [0, 1, 4, 5]


# ── Bad input ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("regex", "", "pattern is empty"),
        ("regex", "ab[c", "unclosed character class, at character 3"),
        ("regex", "(?=a)b", "look-around.*at character 1"),
        ("choices", "", "empty"),
        ("choices", "|", "no text to choose"),
        ("json_schema", '{"type"', "line 1, column 8"),
        ("json_schema", '{"type": "objekt"}', "objekt"),
        ("json_schema", "[" * 5000, "nested too deeply"),
        ("json_schema", '{"enum": []}', "anyOf is empty"),
        ("grammar", 'start: "a" b\nb: "b" (', "line 2, column 9"),
        ("grammar", "start: foo", 'line 1, column 8: unknown name: "foo"'),
        ("grammar", 'a: "b"', "no start rule"),
        ("must_include", "", "at least one"),
    ],
)
def test_mistakes_are_named_with_their_place(kind: str, value: str, told: str) -> None:
    with pytest.raises(UsageError, match=f"filter '{kind}': .*{told}"):
        choose_filters(REGISTRY, [(kind, value.replace("=", r"\="))])


@pytest.mark.parametrize("kind", ["regex", "choices", "json_schema", "grammar"])
def test_a_file_that_is_missing_or_no_text_is_named(kind: str, tmp_path: Any) -> None:
    with pytest.raises(UsageError, match=rf"filter '{kind}': .*nowhere\.txt cannot be read \(No such file"):
        choose_filters(REGISTRY, [(kind, f"@{tmp_path}/nowhere.txt")])
    (tmp_path / "bytes").write_bytes(b"ab\xff")
    with pytest.raises(UsageError, match="byte 0xff at offset 2 is not UTF-8"):
        choose_filters(REGISTRY, [(kind, f"@{tmp_path}/bytes")])


def test_files_are_read(tmp_path: Any) -> None:
    (tmp_path / "a;b=c.txt").write_bytes(b"\xef\xbb\xbfred\r\n\r\ngreen|1\n")
    path = str(tmp_path / "a;b=c.txt").replace(";", r"\;").replace("=", r"\=")
    chain = filters(ALL["char"], ("choices", f"@{path}"))
    assert {drawn(ALL["char"], chain, seed=s)[0] for s in range(12)} == {"red", "green|1"}
    (tmp_path / "pattern").write_text("[0-9]{2,3}\n")
    chain = filters(ALL["char"], ("regex", f"@{tmp_path}/pattern"))
    assert re.fullmatch("[0-9]{2,3}", drawn(ALL["char"], chain, seed=1)[0])


def test_a_listing_imports_neither_llguidance_nor_numpy() -> None:
    import subprocess
    import sys

    code = (
        "import sys, rnngen_constrain as plugin; plugin.rnngen_filters();"
        "sys.exit(bool({'llguidance', 'numpy'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ── Texts that end too early ───────────────────────────────────────────────────────────────────────────────


@every
@pytest.mark.parametrize(
    ("kind", "value", "whole", "part"),
    [
        ("regex", "[0-9]{4}", "2024", "20"),
        ("regex", "[0-9]+b?", "20", "20c"),
        ("choices", "red|green", "green", "gre"),
        ("json_schema", json.dumps(SCHEMA), '{"age": 40, "name": "red"}', '{"age": 40, '),
        ("must_include", "red|40", "40, red", "red, 4"),
    ],
)
def test_a_text_that_ends_too_early_is_told_from_a_whole_one(
    name: str, kind: str, value: str, whole: str, part: str
) -> None:
    (constraint,) = filters(ALL[name], (kind, value))
    assert isinstance(constraint, TextConstraint)
    assert constraint.unmet(ALL[name].encode(whole).tolist()) is None
    assert f"filter {kind!r}" in (constraint.unmet(ALL[name].encode(part).tolist()) or "")

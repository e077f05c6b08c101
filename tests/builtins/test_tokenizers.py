import json
import os
import random
import subprocess
import sys
from collections import Counter
from importlib import import_module
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnngen.builtins import rnngen_tokenizers
from rnngen.builtins.options import CharOptions, VocabularyOptions
from rnngen.builtins.tokenizers import words
from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.builtins.tokenizers.byte_level import (
    ALPHABET,
    CONTINUES,
    BPETokenizer,
    WordPieceTokenizer,
    WordTokenizer,
)
from rnngen.builtins.tokenizers.char import CharTokenizer
from rnngen.builtins.tokenizers.unigram import WIDTHS, Lattice, UnigramTokenizer
from rnngen.contracts import Chunk, TokenizerSpec
from rnngen.errors import CorpusError, UsageError
from rnngen.testing import check_tokenizer
from rnngen.testing.tokenizers import NASTY, SAMPLE

SPECS = {spec.name: spec for spec in rnngen_tokenizers()}
LEARNT = ["bpe", "word", "unigram", "wordpiece"]


def made_up_prose(size=3000):
    """Words of a small alphabet, so that counts tie often."""
    chance = random.Random(0)
    lexicon = ["".join(chance.choices("etaoinéж天", k=chance.randint(1, 7))) for _ in range(300)]
    return "".join(chance.choice(lexicon) + chance.choice(" \n,.") for _ in range(size))


def class_of(name):
    module, _, attribute = SPECS[name].load.partition(":")
    return getattr(import_module(module), attribute)


TRAINED = {
    name: class_of(name).train([Chunk(text, True) for text in (*SAMPLE, made_up_prose())], spec.options())
    for name, spec in SPECS.items()
}


def library(tokenizer):
    """What other programs read out of our file."""
    from tokenizers import Tokenizer

    return Tokenizer.from_str(json.dumps(json.loads(tokenizer.to_json())["tokenizer"]))


spaced_text = st.text(
    st.one_of(st.sampled_from(" \n\t\r\x1c\x85'sx.7é天"), st.characters(codec="utf-8")), max_size=80
)
"""Any text, with spaces of all kinds more often than chance has it."""


def spelt(tokenizer, text):
    return [tokenizer.pieces[token] for token in tokenizer.encode(text).tolist()]


def count(text):
    return words.count_words([text])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [(name, {}) for name in SPECS]
    + [(name, {"vocab_size": "257"}) for name in ("char", "bpe", "word", "unigram")]
    + [("char", {"vocab_size": "270"}), ("bpe", {"vocab_size": "300"}), ("word", {"vocab_size": "300"})]
    + [("unigram", {"vocab_size": "300"}), ("wordpiece", {"vocab_size": "513"})],
)
def test_tokens_stand_for_the_texts_own_bytes(name, options):
    check_tokenizer(SPECS[name], **options)


@pytest.mark.parametrize("name", SPECS)
@given(text=st.text(max_size=200))
def test_any_text_comes_back(name, text):
    assert b"".join(spelt(TRAINED[name], text)) == text.encode()


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
@given(text=st.text(max_size=100))
@settings(max_examples=50)
def test_other_programs_read_the_same_tokenizer_out_of_the_file(name, text):
    other, ours = library(TRAINED[name]), TRAINED[name]
    assert other.get_vocab_size() == ours.eos_id
    for sample in (text, *SAMPLE):
        ids = other.encode(sample).ids
        assert ids == ours.encode(sample).tolist()
        assert other.decode(ids) == sample


def test_char_table_is_the_librarys_model_on_nasty_texts():
    for text in (*NASTY, made_up_prose()):
        assert TRAINED["char"].encode(text).tolist() == library(TRAINED["char"]).encode(text).ids


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
@given(left=spaced_text, right=spaced_text)
def test_a_cut_after_a_newline_changes_no_id(name, left, right):
    left += "\n"
    whole = TRAINED[name].encode(left + right)
    parts = np.concatenate([TRAINED[name].encode(left), TRAINED[name].encode(right)])
    assert whole.tolist() == parts.tolist()


@pytest.mark.parametrize("name", LEARNT)
@given(text=spaced_text)
def test_cutting_inside_encode_changes_no_id(name, text):
    text += " don't  stop\n\n now "
    whole = TRAINED[name].encode(text).tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "_STRETCH", 1)
        assert len(list(words.stretches(text))) > 1
        assert TRAINED[name].encode(text).tolist() == whole


TRAIN_ALL = """
import sys
from hashlib import sha256
from importlib import import_module
from rnngen.builtins import rnngen_tokenizers
from rnngen.contracts import Chunk
text = sys.stdin.buffer.read().decode()
for spec in rnngen_tokenizers():
    module, _, attribute = spec.load.partition(":")
    trained = getattr(import_module(module), attribute).train([Chunk(text, True)] * 5, spec.options())
    ids = trained.encode(text).tolist()
    print(spec.name, sha256(trained.to_json().encode()).hexdigest(), sha256(str(ids).encode()).hexdigest())
"""


@pytest.mark.slow
def test_same_text_same_vocabulary_in_every_process():
    def trained(**environment):
        return subprocess.run(
            [sys.executable, "-c", TRAIN_ALL],
            input=made_up_prose().encode(),
            env=os.environ | environment,
            capture_output=True,
            check=True,
        ).stdout.decode()

    first = trained(PYTHONHASHSEED="1", RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
    assert len(first.splitlines()) == len(SPECS)
    assert trained(PYTHONHASHSEED="2", RAYON_NUM_THREADS="7", TOKENIZERS_PARALLELISM="true") == first


def test_a_saved_char_model_writes_without_the_library():
    program = """
import sys
from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.builtins.tokenizers.byte_level import BPETokenizer
from rnngen.builtins.tokenizers.char import CharTokenizer
char = CharTokenizer.from_json(CharTokenizer("abc").to_json())
assert char.encode("abcd").tolist() == [256, 257, 258, 100]
assert ByteTokenizer.from_json(ByteTokenizer().to_json()).encode("é").tolist() == [0xC3, 0xA9]
BPETokenizer.from_json(sys.stdin.read()).pieces
heavy = {"tokenizers", "torch"} & sys.modules.keys()
assert not heavy, heavy
"""
    saved = TRAINED["bpe"].to_json().encode()
    done = subprocess.run([sys.executable, "-c", program], check=False, input=saved, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("name", SPECS)
def test_single_bytes_come_first_and_the_end_comes_last(name):
    tokenizer = TRAINED[name]
    assert tokenizer.pieces[:256] == tuple(bytes([byte]) for byte in range(256))
    assert tokenizer.eos_id == len(tokenizer.pieces) - 1
    assert tokenizer.pieces.count(b"") == 1


@pytest.mark.parametrize("name", LEARNT)
@pytest.mark.parametrize("size", [520, 700])
def test_vocabulary_is_no_larger_than_asked_for(name, size):
    trained = class_of(name).train([Chunk(made_up_prose(), True)], VocabularyOptions(vocab_size=size))
    assert 512 < len(trained.pieces) <= size


@pytest.mark.parametrize("name", LEARNT)
def test_a_learnt_vocabulary_shortens_the_text(name):
    text = made_up_prose()
    assert len(TRAINED[name].encode(text)) < len(text.encode()) / 2.5


@pytest.mark.parametrize("name", ["char", *LEARNT])
def test_training_refuses_half_a_surrogate_pair(name):
    chunks = [Chunk("fine", True), Chunk("ab\udfffc", False)]
    with pytest.raises(CorpusError, match=r"U\+DFFF at offset 2"):
        class_of(name).train(chunks, SPECS[name].options())


@pytest.mark.parametrize("name", ["char", *LEARNT])
def test_an_error_of_the_reader_reaches_the_caller_as_it_is(name):
    def chunks():
        yield Chunk("fine", True)
        raise CorpusError("corpus.txt: byte 0xff at offset 3 is not UTF-8")

    with pytest.raises(CorpusError, match=r"corpus.txt: byte 0xff"):
        class_of(name).train(chunks(), SPECS[name].options())


def with_model(saved, **changed):
    document = json.loads(saved)
    document["tokenizer"]["model"] |= changed
    return json.dumps(document)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize(
    "added",
    [
        {"normalizer": {"type": "Lowercase"}},
        {"added_tokens": [{"id": 256, "content": "<eos>"}]},
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"surplus": 1},
    ],
)
def test_a_file_that_says_more_than_we_wrote_is_refused(name, added):
    document = json.loads(TRAINED[name].to_json())
    document["tokenizer"] |= added
    with pytest.raises(ValueError, match="added or changed"):
        class_of(name).from_json(json.dumps(document))


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize(
    "vocabulary", [None, 3, [], {}, {"a": 0}, {"a": 1}, [["a", -1.0]], {"<0x00>": 0, "ab": 1}]
)
def test_a_broken_vocabulary_is_refused(name, vocabulary):
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        class_of(name).from_json(with_model(TRAINED[name].to_json(), vocab=vocabulary))


@pytest.mark.parametrize(
    "merges", [3, [3], [["a"]], [["a", "b", "c"]], [["天", "b"]], [["a", ["b"]]], ["a b"]]
)
def test_broken_merges_are_refused(merges):
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        BPETokenizer.from_json(with_model(TRAINED["bpe"].to_json(), merges=merges))


@pytest.mark.parametrize("score", [0.5, float("nan"), float("-inf"), "x", None])
def test_a_score_that_is_no_log_probability_is_refused(score):
    vocabulary = [[byte, -1.0] for byte in ALPHABET] + [["ab", score]]
    with pytest.raises(ValueError, match="logarithm"):
        UnigramTokenizer.from_json(with_model(TRAINED["unigram"].to_json(), vocab=vocabulary))


@pytest.mark.parametrize("name", SPECS)
def test_a_tokenizer_of_another_kind_is_refused_by_name(name):
    other = "byte" if name != "byte" else "char"
    with pytest.raises(ValueError, match=f"'{other}' tokenizer where '{name}' is expected"):
        class_of(name).from_json(TRAINED[other].to_json())


# ── Each tokenizer's own ───────────────────────────────────────────────────────────────────────────────────


def test_char_gives_every_character_of_the_text_a_token_by_code_point():
    tokenizer = CharTokenizer.train([Chunk("天b", True), Chunk("aéb", False)], CharOptions())
    assert tokenizer.pieces[256:] == (b"a", b"b", "é".encode(), "天".encode(), b"")
    assert tokenizer.encode("b天").tolist() == [257, 259]


def test_char_spells_what_it_does_not_know_in_place():
    tokenizer = CharTokenizer("ab")
    assert spelt(tokenizer, "aéb天🙂Ab") == [
        b"a",
        b"\xc3",
        b"\xa9",
        b"b",
        *map(bytes, zip("天🙂A".encode())),
        b"b",
    ]


def test_char_culls_the_rarest_and_the_later_of_equals():
    tokenizer = CharTokenizer.train([Chunk("aabbbzzcd", True)], CharOptions(vocab_size=256 + 4 + 1))
    assert tokenizer.characters == "abcz"


@pytest.mark.parametrize(("different", "own"), [(512, 512), (513, 1)])
def test_in_scripts_of_many_characters_those_that_occur_once_are_spelt(different, own):
    text = "".join(chr(0x4E00 + number) for number in range(different)) + chr(0x4E00)
    tokenizer = CharTokenizer.train([Chunk(text, True)], CharOptions())
    assert len(tokenizer.characters) == own
    assert b"".join(tokenizer.pieces[token] for token in tokenizer.encode(text)).decode() == text


def test_how_often_a_character_must_occur_can_be_chosen():
    for least, characters in ((1, "abc"), (2, "bc"), (3, "c")):
        options = CharOptions(min_count=least)
        assert CharTokenizer.train([Chunk("abbccc", True)], options).characters == characters
    with pytest.raises(ValueError, match="min_count=0"):
        CharOptions(min_count=0)


@pytest.mark.slow
def test_char_counts_the_same_in_many_chunks_as_in_one():
    text = made_up_prose() * 100
    many = [Chunk(text[at : at + 7], at == 0) for at in range(0, len(text), 7)]
    options = CharOptions(vocab_size=262)
    expected = sorted(character for character, _ in Counter(text).most_common(5))
    assert list(CharTokenizer.train(many, options).characters) == expected


def test_ids_fit_vocabularies_beyond_sixteen_bits():
    characters = "".join(chr(code) for code in range(0x20000, 0x20000 + 66_000))
    tokenizer = CharTokenizer(characters)
    assert tokenizer.encode(characters).tolist() == list(range(256, 256 + 66_000))


def test_byte_ids_are_the_bytes():
    assert ByteTokenizer().encode("aé\n").tolist() == [97, 0xC3, 0xA9, 10]


def test_bpe_joins_the_most_frequent_pair_first():
    text = "ab " * 9 + "cd " * 5 + "abcd " * 3  # ab: 12, cd: 8, and a space before all but the first
    tokenizer = BPETokenizer.train([Chunk(text, True)], VocabularyOptions(vocab_size=259))
    assert tokenizer.pieces[256:258] == (b"ab", b" ab")


def test_words_are_one_token_and_rare_ones_are_spelt():
    text = " the cat the cat the dog's tail once"
    tokenizer = WordTokenizer.train([Chunk(text, True)], VocabularyOptions(vocab_size=1000))
    assert tokenizer.pieces[256:-1] == (b" the", b" cat")
    assert spelt(tokenizer, " the cats once") == [b" the", *map(bytes, zip(b" cats once"))]


def test_word_keeps_the_most_frequent_and_the_earlier_of_equals():
    text = " bb bb bb cc cc aa aa"
    tokenizer = WordTokenizer.train([Chunk(text, True)], VocabularyOptions(vocab_size=259))
    assert tokenizer.pieces[256:-1] == (b" bb", b" aa")


def test_wordpiece_takes_the_longest_match_first():
    tokens = [*ALPHABET, *(CONTINUES + byte for byte in ALPHABET), "un", "unin", CONTINUES + "wanted"]
    tokenizer = WordPieceTokenizer(tokens)
    assert spelt(tokenizer, "uninwanted") == [b"unin", b"wanted"]
    assert spelt(tokenizer, "unix") == [b"un", b"i", b"x"]
    assert tokenizer.encode("un un")[0] != tokenizer.encode("xun")[1]


def test_wordpiece_says_how_many_tokens_it_needs():
    with pytest.raises(UsageError, match="at least 513"):
        WordPieceTokenizer.train([], VocabularyOptions(vocab_size=512))


def test_unigram_cuts_where_the_product_of_probabilities_is_highest():
    tokens = [(byte, -10.0) for byte in ALPHABET] + [("ab", -2.0), ("bc", -1.0), ("abc", -12.0)]
    assert spelt(UnigramTokenizer(tokens), "abc") == [b"a", b"bc"]


def test_unigram_finds_the_words_that_a_text_is_made_of():
    chance = random.Random(0)
    text = " ".join("".join(chance.choices(["foo", "quux", "天地"], k=3)) for _ in range(500))
    tokenizer = UnigramTokenizer.train([Chunk(text, True)], VocabularyOptions(vocab_size=263))
    assert {b"foo", b"quux", "天地".encode()} <= set(tokenizer.pieces)


def cuts(word):
    """Every way to cut a word."""
    for size in range(len(word)):
        for borders in combinations(range(1, len(word)), size):
            yield [word[a:b] for a, b in zip((0, *borders), (*borders, len(word)), strict=True)]


def test_lattice_weighs_every_cut_by_its_probability():
    pieces = ["a", "b", "ab", "ba", "aba", "bb"]
    index = {piece: number for number, piece in enumerate(pieces)}
    chance = np.random.default_rng(0)
    scores = -chance.random(len(pieces) + WIDTHS) * 3
    texts, counts = ["ababb", "a", "éab", "bab天"], np.array([3.0, 1.0, 2.0, 5.0])
    score = dict(zip(pieces, scores, strict=False)) | {"é": scores[7], "天": scores[8]}
    uses, totals = np.zeros(len(scores)), []
    for text, times in zip(texts, counts, strict=True):
        weighed = [
            (cut, np.exp(sum(score[part] for part in cut))) for cut in cuts(text) if {*cut} <= {*score}
        ]
        total = sum(weight for _, weight in weighed)
        totals.append(np.log(total))
        for cut, weight in weighed:
            for part in cut:
                uses[[*pieces, "", "é", "天", ""].index(part)] += times * weight / total
    lattice = Lattice(texts, index)
    np.testing.assert_allclose(lattice.log_probability(scores), totals)
    np.testing.assert_allclose(lattice.expected_uses(scores, counts), uses)


def test_a_lattice_without_some_candidates_is_the_lattice_of_the_others():
    texts, pieces = ["abab", "éab", "b天é"], ["a", "b", "ab", "aba", "é"]
    stays, rows = np.array([0, 1, 3]), np.array([0, 2])
    pruned = Lattice(texts, {piece: number for number, piece in enumerate(pieces)})
    pruned.keep(stays, rows=rows)
    fresh = Lattice([texts[row] for row in rows], {pieces[n]: i for i, n in enumerate(stays)})
    scores, counts = -np.arange(1.0, 3 + WIDTHS + 1), np.array([1.0, 4.0])
    np.testing.assert_allclose(pruned.expected_uses(scores, counts), fresh.expected_uses(scores, counts))


# ── Words ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_words_join_to_the_text_and_marks_stay_with_their_letters():
    counted = count("I'll   go.\r\nनमस्ते दुनिया e\u0301te\u0301 x2\n \n\n  \r\n  y")
    expected = [
        "I",
        "'ll",
        "  ",
        " go",
        ".",
        "\r\n",
        "नमस्ते",
        " दुनिया",
        " e\u0301te\u0301",
        " x",
        "2",
        "\n",
        " \n",
        "  \r\n",
        " ",
        " y",
    ]
    assert list(counted) == expected


def test_no_word_is_longer_than_its_bound():
    for text in ("a" * 100, "9" * 100, "." * 100, " " * 100, "天" * 100):
        assert max(map(len, count("x " + text + "x"))) <= 33


@pytest.mark.slow
def test_every_space_of_the_library_is_one_of_pythons():
    """Texts are cut by Python's idea of a space, and words by the library's."""
    from tokenizers import Regex, pre_tokenizers

    everything = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    spaces = pre_tokenizers.Split(Regex(r"\S+"), "removed").pre_tokenize_str(everything)
    assert "".join(part for part, _ in spaces).isspace()


def test_counting_is_exact_within_its_bound_and_keeps_the_frequent_beyond():
    texts = [f" often rare{number}" for number in range(100)]
    assert words.count_words(texts)[" often"] == 100
    bounded = words.count_words(texts, limit=10)
    assert len(bounded) <= 10
    assert bounded[" often"] == 100


def test_forgetting_drops_the_rarest_only():
    counts = Counter({"a": 1, "b": 2, "c": 3, "d": 4, "e": 5})
    words.forget_rarest(counts, 4)
    assert counts == {"d": 4, "e": 5}


def test_a_small_corpus_is_sampled_whole():
    text = made_up_prose(20_000)
    assert "".join(words.sample([Chunk(text, True), Chunk(text, False)])) == text + text


def test_a_large_corpus_is_sampled_ever_more_thinly():
    chunks = [Chunk(f"{number:07} \n", False) for number in range(4096)]
    taken = [int(text) for text in words.sample(chunks, whole=9 * 512)]
    assert taken[:513] == list(range(513))
    assert taken[-1] == 4088
    assert len(taken) < 512 * 4


# ── What the conformance suite tells an author ─────────────────────────────────────────────────────────────


class Lowers(ByteTokenizer):
    def encode(self, text):
        return super().encode(text.lower())


class SpellsItsEnd(ByteTokenizer):
    def encode(self, text):
        ids = super().encode(text.replace("<eos>", ""))
        return np.append(ids, self.eos_id) if "<eos>" in text else ids


class Lists(ByteTokenizer):
    def encode(self, text):
        return super().encode(text).tolist()


class Wavers(ByteTokenizer):
    trained = 0

    def to_json(self):
        Wavers.trained += 1
        return super().to_json()[:-1] + f', "run": {Wavers.trained}}}'


class Trusts(ByteTokenizer):
    @classmethod
    def from_json(cls, text):
        return cls()


class Replaces(ByteTokenizer):
    def encode(self, text):
        return super().encode(text.encode(errors="replace").decode())


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Lowers, "join to the text's own bytes, but from byte"),
        (SpellsItsEnd, "gives the end token, which no text may"),
        (Lists, "should return a NumPy array, and returns a list"),
        (Wavers, "trained twice on one text, it writes two different JSONs"),
        (Trusts, r"from_json\(''\) gives None, not a ValueError"),
        (Replaces, "a lone surrogate should raise CorpusError"),
    ],
)
def test_an_author_is_told_which_promise_was_broken(broken, sentence):
    spec = TokenizerSpec(name="broken", summary="", load=f"{__name__}:{broken.__name__}")
    with pytest.raises(AssertionError, match=sentence):
        check_tokenizer(spec)

"""From files to token stores: the same text gives the same bytes, and what is held out is not learnt."""

import io
import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from rnngen.builtins.tokenizers.char import CharTokenizer
from rnngen.data.dataset import CorpusFiles
from rnngen.decoding.text_stream import decode
from rnngen.errors import CorpusError, NotFoundError
from rnngen.events import listening
from rnngen.options.corpus import CorpusOptions
from rnngen.registry import Registry
from rnngen.registry.components import choose
from rnngen.store.checkpoint import write_sealed

TEXT = "".join(f"line {i} of the text\n" for i in range(50))


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "corpus.txt"
    made.write_text(TEXT)
    return made


def parts(task="continue", tokenizer="char", **settings):
    names = {"cell": "lstm", "task": task, "tokenizer": tokenizer}
    return choose(Registry(), names, settings)


def encode(*paths, task="continue", tokenizer="char", tokenizer_json=None, **options):
    chosen, options = parts(task, tokenizer), CorpusOptions(**options)
    texts = CorpusFiles.find(Registry(), chosen["task"], [str(path) for path in paths], options)
    return texts.encode(chosen, options.val_fraction, tokenizer_json)


def text_of(encoded, side):
    store = getattr(encoded, side)
    return [decode(encoded.tokenizer.pieces, store.example(i)) for i in range(store.examples)]


def cached(home):
    """Every file of the cache by its name, which for a store holds a digest."""
    return {p.relative_to(home): p.read_bytes() for p in home.rglob("*") if p.is_file()}


def test_a_folder_says_what_was_read_and_what_was_not(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, text in {
        "a.txt": TEXT,
        "b.txt": TEXT,
        "c.md": "# Title\n",
        "d.py": "pass\n",
        ".x.toml": "",
    }.items():
        (folder / name).write_text(text)
    (folder / "e.png").write_bytes(b"\x89PNG")
    surveyed = encode(folder).surveyed
    assert surveyed.kinds == {".txt": [2, 2 * len(TEXT)], ".md": [1, 8]}
    assert surveyed.not_read == {".png": 1, ".py": 1}
    assert f"3 files (1 .md with 8 characters, 2 .txt with {2 * len(TEXT):,} characters)" in surveyed.message
    assert "not read: 1 .png, 1 .py (files and patterns" in surveyed.message
    assert encode(folder).surveyed == surveyed  # from the cache
    alone = encode(folder / "a.txt").surveyed
    assert "files" not in alone.message


def test_passes_are_reported_while_they_are_under_way(path):
    path.write_text(TEXT * 300)
    heard = []
    with listening(heard.append):
        encode(path)
    assert list(dict.fromkeys(one.message for one in heard)) == [f"reading {path}", f"encoding {path}"]
    assert {one.progress for one in heard} >= {None, 1.0}


# ── the split ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("tokenizer", ["char", "byte", "bpe"])
def test_free_text_is_cut_once_and_nothing_is_lost(path, fraction, tokenizer):
    encoded = encode(path, val_fraction=fraction, tokenizer=tokenizer)
    train, val = ("".join(text_of(encoded, side)) for side in ("train", "val"))
    assert train + val == TEXT
    assert len(val) == pytest.approx(fraction * len(TEXT), abs=1)
    assert encoded.record.chars == len(TEXT)
    assert encoded.record.cut == len(train)


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5, 0.99])
def test_examples_are_held_out_whole(path, fraction):
    encoded = encode(path, val_fraction=fraction, task="lines")
    train, val = (text_of(encoded, side) for side in ("train", "val"))
    assert sorted(train + val) == sorted(TEXT.splitlines())
    assert len(val) == pytest.approx(fraction * 50, abs=1)
    assert train
    assert val


def test_the_vocabulary_is_learnt_from_what_is_trained_on_alone(tmp_path):
    (tmp_path / "t.txt").write_text("abc" * 300 + "天" * 100)
    encoded = encode(tmp_path / "t.txt")
    known = set(encoded.tokenizer.pieces)
    assert "天".encode() not in known
    assert b"a" in known
    assert text_of(encoded, "val") == ["天" * 100]


def test_a_validation_file_leaves_the_whole_corpus_to_train_on(path, tmp_path):
    (tmp_path / "val.txt").write_text("held out")
    encoded = encode(path, val=str(tmp_path / "val.txt"))
    assert text_of(encoded, "train") == [TEXT]
    assert text_of(encoded, "val") == ["held out"]
    assert encoded.record.val_paths == (str(tmp_path / "val.txt"),)


@pytest.mark.parametrize("text", ["", "x", "one line and no more"])
def test_a_text_with_nothing_left_for_one_side_is_refused(tmp_path, text):
    (tmp_path / "t.txt").write_text(text)
    with pytest.raises(CorpusError, match=r"\.txt is (empty|too small).*(--val|this is the text)"):
        encode(tmp_path / "t.txt", task="lines")


# ── labels in tables ───────────────────────────────────────────────────────────────────────────────────────

NAMES = "name,country\n" + "".join(
    f"{name}{n},{country}\n" for n in range(40) for name, country in (("Eva", "Peru"), ("Tom", "Mali"))
)
FEW = "name,country\nAnn9,Peru\nBen9,Mali\n"


def test_labels_of_a_small_validation_file_are_where_those_of_the_corpus_are(tmp_path):
    (tmp_path / "names.csv").write_text(NAMES)
    (tmp_path / "val.csv").write_text(FEW)
    encoded = encode(tmp_path / "names.csv", task="labelled", val=str(tmp_path / "val.csv"))
    assert encoded.record.labels == ("Mali", "Peru")
    assert text_of(encoded, "val") == ["Peru\tAnn9", "Mali\tBen9"]


def test_labels_of_a_small_part_of_a_folder_are_where_those_of_the_first_are(tmp_path):
    folder = tmp_path / "names"
    folder.mkdir()
    (folder / "a.csv").write_text(NAMES)
    (folder / "b.csv").write_text(FEW)
    encoded = encode(folder, task="labelled")
    assert encoded.record.labels == ("Mali", "Peru")
    assert {"Peru\tAnn9", "Mali\tBen9"} <= {*text_of(encoded, "train"), *text_of(encoded, "val")}


def test_the_header_of_the_first_table_is_one_in_the_others_too(tmp_path):
    folder = tmp_path / "navn"
    folder.mkdir()
    head = "nimi,maa\n"  # nothing but the many rows below it shows that it is one
    (folder / "a.csv").write_text(NAMES.replace("name,country\n", head))
    (folder / "b.csv").write_text(f"{head}Ann9,Peru\n")
    (tmp_path / "val.csv").write_text(f"{head}Ben9,Mali\n")
    encoded = encode(folder, task="labelled", val=str(tmp_path / "val.csv"))
    assert encoded.record.labels == ("Mali", "Peru")
    assert text_of(encoded, "val") == ["Mali\tBen9"]
    assert len(text_of(encoded, "train")) == 81
    (folder / "0.csv").write_text("Cleo9,Mali\n")  # now the first has none, and nothing is known of b.csv's
    again = encode(folder, task="labelled", field="1", label_field="2")
    assert "maa\tnimi" in {*text_of(again, "train"), *text_of(again, "val")}


def test_notes_on_a_validation_file_are_reported_once(tmp_path):
    (tmp_path / "names.csv").write_text(NAMES)
    (tmp_path / "val.csv").write_text(FEW + ",\n,Peru\n")
    val = str(tmp_path / "val.csv")
    oddities = encode(tmp_path / "names.csv", task="lines", field="name", val=val).surveyed.oddities
    assert f"{val}: rows left out, as their text is empty: 1" in oddities
    assert sum("is a header" in line for line in oddities) == 2
    without = encode(tmp_path / "names.csv", task="lines", field="name").surveyed.oddities
    assert sum("is a header" in line for line in without) == 1


def test_encodings_of_a_corpus_decide_what_is_advised(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"It\x92s calm, and it is cold.\n" * 9)
    (line,) = encode(tmp_path / "a.txt", encoding="latin-1").surveyed.oddities
    assert "give --encoding cp1252" in line
    (tmp_path / "b.txt").write_text("It\x92s calm, and it is cold.\n" * 9)
    (line,) = encode(tmp_path / "b.txt").surveyed.oddities
    assert "--encoding" not in line


# ── where generation starts ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "task", "opening"),
    [
        (TEXT, "continue", "\n"),
        (TEXT, "lines", ""),
        (TEXT.replace("\n", " "), "continue", ""),
        (TEXT.replace("\n", " ") + "\n", "continue", ""),
    ],
    ids=["lines of free text", "examples", "one line", "one line and its end, which is held out"],
)
def test_generation_starts_from_what_training_has_met(tmp_path, text, task, opening):
    (tmp_path / "t.txt").write_text(text)
    assert encode(tmp_path / "t.txt", task=task).default_prompt == opening


# ── the cache ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("task", ["continue", "lines"])
@pytest.mark.parametrize("tokenizer", ["char", "byte", "bpe", "word", "unigram", "wordpiece"])
def test_the_same_text_gives_the_same_bytes(path, tmp_path, monkeypatch, task, tokenizer):
    made = []
    for name in ("one", "two"):
        monkeypatch.setenv("RNNGEN_HOME", str(tmp_path / name))
        encode(path, task=task, tokenizer=tokenizer)
        made.append(cached(tmp_path / name))
    assert len(made[0]) == 8  # a survey, a tokenizer, and three files of each side
    assert made[0] == made[1]


def test_what_is_in_the_cache_is_not_made_again(path, monkeypatch):
    first = encode(path)

    def fail(*_):
        raise AssertionError("learnt again")

    monkeypatch.setattr(CharTokenizer, "train", fail)
    again = encode(path)
    assert (again.record, again.default_prompt) == (first.record, first.default_prompt)
    assert (again.train.tokens == first.train.tokens).all()


@pytest.mark.parametrize(
    "change",
    [
        {"task": "lines"},
        {"tokenizer": "byte"},
        {"val_fraction": 0.3},
        {"encoding": "latin-1"},
        {"text": TEXT + "x"},
        {"file": "corpus.jsonl"},
    ],
)
def test_whatever_matters_makes_another_entry(path, home, tmp_path, change):
    """A text read in another way is another text, though its bytes are the same."""
    (tmp_path / "corpus.txt").write_text('{"text": "some text"}\n' * 30)
    encode(path)
    place = tmp_path / change.pop("file", "corpus.txt")
    place.write_text(change.pop("text", path.read_text()))
    before = len(list((home / "cache" / "corpora").iterdir()))
    encoded = encode(place, **change)
    assert len(list((home / "cache" / "corpora").iterdir())) == before + 1
    if place.suffix == ".jsonl":
        assert text_of(encoded, "train")[0] == "some text"


def test_the_file_that_an_encoding_is_for_matters(tmp_path):
    met = []
    for names in (("a.txt", "b.txt"), ("b.txt", "a.txt")):
        for number, name in enumerate(names):
            (tmp_path / name).write_bytes(f"It\x92s line {number}.\n".encode("latin-1") * 20)
        encoded = encode(*(tmp_path / name for name in names), encoding="cp1252;a.txt=mac-roman")
        met.append(["".join(text)[2] for text in text_of(encoded, "train")])
    assert met == [["í", "’"], ["’", "í"]]


@pytest.mark.slow
@pytest.mark.parametrize("damage", [b"", b"{}", b"\x00\xff"])
def test_a_damaged_entry_is_made_again(path, home, damage):
    whole = encode(path)
    for file in [p for p in home.rglob("*") if p.is_file()]:
        file.write_bytes(damage)
        again = encode(path)
        assert (again.train.tokens == whole.train.tokens).all()
        assert (again.val.tokens == whole.val.tokens).all()
        assert again.tokenizer_json == whole.tokenizer_json
    for file in [p for p in home.rglob("*") if p.is_file()]:
        file.unlink()
        assert encode(path).tokenizer_json == whole.tokenizer_json


@pytest.mark.slow
def test_whatever_bit_of_an_entry_is_flipped_it_is_noticed(path, home):
    whole, draw = encode(path, task="lines"), random.Random(1)
    for _ in range(150):
        file = draw.choice([p for p in sorted(home.rglob("*")) if p.is_file()])
        content = bytearray(file.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        file.write_bytes(content)
        again = encode(path, task="lines")
        assert (again.train.tokens == whole.train.tokens).all()
        assert (again.val.tokens == whole.val.tokens).all()
        assert (again.tokenizer_json, again.record) == (whole.tokenizer_json, whole.record)
        assert (again.train.tally == whole.train.tally).all()
        assert again.surveyed == whole.surveyed


def test_a_record_that_names_a_file_elsewhere_deletes_nothing(path, home, tmp_path):
    encode(path)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for header in home.rglob("store.json"):
        record = json.loads(header.read_text()) | {"files": [str(victim), "../../../victim"]}
        record.pop("sha256")
        write_sealed(header, record)
    encode(path)
    assert victim.read_text() == "precious"


def test_an_entry_is_made_once_where_two_want_it_at_once(path, home, monkeypatch):
    made, learn = [], CharTokenizer.train.__func__

    def slow(cls, *given):
        made.append(1)
        time.sleep(0.5)
        return learn(cls, *given)

    monkeypatch.setattr(CharTokenizer, "train", classmethod(slow))
    with ThreadPoolExecutor() as pool:
        one, other = pool.map(lambda _: encode(path).tokenizer_json, range(2))
    assert one == other
    assert made == [1]
    assert [p for p in home.rglob(".*") if p.is_file()] == []


def test_an_interrupted_entry_is_made_again(path, home, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(CharTokenizer, "to_json", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            encode(path)
    assert "".join(text_of(encode(path), "train") + text_of(encode(path), "val")) == TEXT


def test_a_tokenizer_that_is_given_is_not_learnt(path, tmp_path, monkeypatch):
    learnt = encode(path)
    (tmp_path / "other.txt").write_text("quite other characters: xyz" * 20)
    monkeypatch.setattr(CharTokenizer, "train", None)
    taken = encode(tmp_path / "other.txt", tokenizer_json=learnt.tokenizer_json)
    assert taken.tokenizer_json == learnt.tokenizer_json
    assert taken.record.own_vocabulary is False
    assert learnt.record.own_vocabulary is True


# ── finding it again ───────────────────────────────────────────────────────────────────────────────────────


def test_a_recorded_text_is_found_again(path):
    encoded, task = encode(path, encoding="latin-1"), parts()["task"]
    texts = CorpusFiles.recorded(Registry(), task, encoded.record)
    found = texts.train_split(texts.recorded_split(encoded.record))
    assert "".join(chunk.text for chunk in found) == "".join(text_of(encoded, "train"))
    assert texts.reader_options == {"encoding": "latin-1"}


def test_a_text_behind_a_link_is_found_again_by_the_name_that_it_was_given(tmp_path):
    blob, link = tmp_path / "blobs" / "f00d", tmp_path / "train.jsonl"
    blob.parent.mkdir()
    blob.write_text("".join(json.dumps({"text": f"document {i}"}) + "\n" for i in range(40)))
    link.symlink_to(blob)
    record, task = encode(link).record, parts()["task"]
    assert record.paths == (str(link),)
    found = CorpusFiles.recorded(Registry(), task, record)
    assert next(found.examples()).text == "document 0"
    elsewhere = replace(record, paths=(str(blob),))  # as an earlier version recorded it
    with pytest.raises(
        CorpusError, match=r"f00d: read by rnngen/text, and by rnngen/jsonl when .*; name the file"
    ):
        CorpusFiles.recorded(Registry(), task, elsewhere)


def test_encodings_by_pattern_hold_in_any_folder(tmp_path, monkeypatch):
    for name in ("letters/here/a.txt", "letters/b.txt", "letters/old/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(
            ("It’s calm.\n" * 60).encode("utf-8" if name.endswith("a.txt") else "cp1252")
        )
    monkeypatch.chdir(tmp_path / "letters" / "here")
    encoding = "utf-8;../*.txt=cp1252;../old=cp1252"
    record = encode("a.txt", "../b.txt", "../old", encoding=encoding, task="lines").record
    monkeypatch.chdir("/")
    texts = CorpusFiles.recorded(Registry(), parts("lines")["task"], record)
    assert {chunk.text for chunk in texts.examples()} == {"It’s calm."}


def test_a_recorded_text_that_has_changed_or_gone_is_named(path, tmp_path):
    (tmp_path / "val.txt").write_text("held out")
    record, task = encode(path, val=str(tmp_path / "val.txt")).record, parts()["task"]
    (tmp_path / "val.txt").write_text("held 0ut")
    with pytest.raises(CorpusError, match=r"val\.txt: not the text"):
        CorpusFiles.recorded(Registry(), task, record)
    path.unlink()
    with pytest.raises(CorpusError, match=r"corpus\.txt.*not there"):
        CorpusFiles.recorded(Registry(), task, record)


def test_a_closed_standard_input_is_told(session, ask, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(CorpusError, match="standard input is closed"):
        session.plan(ask("-"))


def test_standard_input_is_kept_for_as_long_as_it_is_needed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    encoded = encode("-")
    assert "".join(text_of(encoded, "train") + text_of(encoded, "val")) == TEXT
    CorpusFiles.recorded(Registry(), parts()["task"], encoded.record)


def test_a_corpus_that_is_not_there_is_told(tmp_path):
    with pytest.raises(NotFoundError, match="no such file"):
        encode(tmp_path / "nothing.txt")


def test_documents_of_a_file_format_stay_apart(tmp_path):
    rows = [{"body": {"text": f"document {i}"}} for i in range(20)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    encoded = encode(tmp_path / "t.jsonl", field="body.text", val_fraction=0.5)
    found = text_of(encoded, "train") + text_of(encoded, "val")
    assert sorted(found) == sorted(row["body"]["text"] for row in rows)
    assert encoded.record.reader_options == {"field": "body.text"}

"""What people get wrong: one line that says what, where and what to do; the right status; nothing lost."""

import errno
import json
import os
import re
import resource
import shutil
import stat
import subprocess
import sys
from itertools import dropwhile
from pathlib import Path

import pytest
from fixtures import SEED

from rnngen.store import checkpoint


def contents(folder):
    """Every file below a folder with what is in it, the cache of what can be made again left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and "cache" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def texts(trained, place):
    """A folder with a good corpus and several bad ones."""
    shutil.copy(trained / "tale.txt", place / "good.txt")
    (place / "empty.txt").touch()
    (place / "blank.txt").write_text("\n \n\n")
    (place / "short.txt").write_text("hello")
    (place / "bytes.txt").write_bytes(b"abc" * 1000 + b"\xff" + b"def" * 1000)
    (place / "broken.jsonl").write_text('{"text": "one"}\n{"text": \n')
    (place / "other.jsonl").write_text('{"txet": "one"}\n')
    (place / "cut.txt.gz").write_bytes(b"\x1f\x8b\x08\x00")
    (place / "folder").mkdir()
    return place


PREPARING = re.compile("rnngen: (reading|encoding|learning|loading|timing) ")
"""What is told before the first step."""


@pytest.fixture
def refused(run, home):
    """Runs the program, which must refuse in one line and change nothing; gives the line."""

    def go(*args, status, stdin=""):
        before = contents(home)
        done = run(*args, status=status, stdin=stdin)
        assert done.out == ""
        lines = [line for line in done.err.splitlines() if ": warning: the plugin" not in line]
        complaint, *rest = dropwhile(PREPARING.match, lines)
        assert complaint.startswith("rnngen: error: ")
        assert all(line.endswith("--help' shows what there is") for line in rest), rest
        assert "this is a bug" not in complaint
        assert contents(home) == before
        return complaint.removeprefix("rnngen: error: ")

    return go


def said(complaint, *words):
    missing = [word for word in words if word not in complaint]
    assert not missing, f"{complaint!r} does not say {missing}"


# ── Corpora ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("flags", "status", "words"),
    [
        ("empty.txt", 1, ["empty"]),
        ("blank.txt --task lines", 1, ["empty"]),
        ("short.txt", 1, ["too small", "--seq"]),
        ("short.txt --task lines", 1, ["too small", "--val"]),
        ("missing.txt", 3, ["missing.txt", "no such file"]),
        ("god.txt", 3, ["god.txt", "did you mean 'good.txt'"]),
        ("*.xyz", 3, ["*.xyz", "no file matches"]),
        ("folder", 3, ["folder", "no corpus in this folder"]),
        (
            "bytes.txt",
            1,
            ["bytes.txt", "line 1", "0xff", "offset 3000", "--encoding cp1252", "abcabcÿdef"],
        ),
        ("good.txt --encoding utf-99", 2, ["utf-99", "cp1252"]),
        ("good.txt --encoding =cp1252", 2, ["no pattern before '=cp1252'", "give cp1252 alone"]),
        ("broken.jsonl", 1, ["broken.jsonl", "line 2", "JSON"]),
        ("other.jsonl", 1, ["other.jsonl", "line 1", "'text'", "'txet'"]),
        ("cut.txt.gz", 1, ["cut.txt.gz", "damaged"]),
        ("good.txt --val missing.txt", 3, ["missing.txt"]),
        ("good.txt --val empty.txt", 1, ["validate"]),
        ("good.txt --seq 100000", 1, ["too small", "--seq"]),
    ],
)
def test_a_corpus_that_cannot_be_trained_on_is_refused(refused, texts, flags, status, words):
    said(refused("train", *flags.split(), "--name", "new", "--steps", "1", status=status), *words)


def test_an_unreadable_corpus_is_named(refused, texts, monkeypatch):
    opened = Path.open

    def refusing(path, *args, **options):  # as a user who may read everything cannot see it otherwise
        if path.name == "good.txt":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", refusing)
    said(refused("train", "good.txt", status=1), "good.txt", "cannot be read", "permissions")


def test_nothing_on_stdin_is_an_empty_corpus(refused):
    said(refused("train", "-", "--steps", "1", status=1), "standard input is empty")


@pytest.mark.parametrize(
    ("text", "flags", "told"),
    [
        ("abc " * 5, ["--task", "lines"], ["1 example of 20 characters", "two are needed"]),
        ("abc\tdef", ["--task", "pairs"], ["1 pair of ", "two are needed"]),
        (
            "hello world",
            ["--seq", "4", "--val-fraction", "0.05"],
            ["1 token to validate on", "two in a row"],
        ),
        ("ab", ["--seq", "4"], ["1 token to train on", "one sequence of 4"]),
        ("hello " * 20, ["--val", "empty.txt"], ["empty.txt is empty", "to validate on"]),
    ],
)
def test_too_little_text_is_told_by_what_there_is_and_what_is_needed(refused, place, text, flags, told):
    (place / "few.txt").write_text(text)
    (place / "empty.txt").write_text("")
    said(refused("train", "few.txt", *flags, "--steps", "1", status=1), *told)


def test_nine_pairs_are_enough(run, place):
    (place / "nine.tsv").write_text("".join(f"a{n}\tb{n}\n" for n in range(9)))
    ran = run("train", "nine.tsv", "--task", "pairs", "--hidden", "8", "--steps", "2", "--device", "cpu")
    assert "1 held out" in ran.err
    assert "nan" not in ran.err


@pytest.mark.parametrize("text", [b"caf\xe9\n", b"a\tb\nc\n", b"", b"a\tb\n"])
def test_an_error_in_a_piped_corpus_names_standard_input(run, place, text):
    told = run("train", "-", "--task", "pairs", "--steps", "1", stdin=text, status=1).err
    assert "standard input" in told
    assert "cache" not in told


# ── Names and values ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--cell lsmt", ["cell 'lsmt'", "'lstm'"]),
        ("--tokenizer bep", ["tokenizer 'bep'", "'bpe'"]),
        ("--task line", ["task 'line'", "'lines'"]),
        ("-o forget_bais=2", ["option 'forget_bais'", "'forget_bias'"]),
        ("-o forget_bias=much", ["forget_bias=much", "a number"]),
        ("-o forget_bias", ["KEY=VALUE"]),
        ("--cell rnn -o activation=tahn", ["'tahn'", "'tanh'"]),
        ("--tokenizer byte --vocab-size 300", ["byte", "vocab_size"]),
        ("--tokenizer bpe --vocab-size 3", ["bpe", "vocab_size=3", "257"]),
        ("--steps 3 --minutes 2", ["steps and minutes", "give one"]),
        ("--steps 3 --epochs 2", ["epochs and steps", "give one"]),
        ("--resume --force", ["--resume", "--force"]),
        ("--hidden 0", ["--hidden 0", "at least 1"]),
        ("--hidden wide", ["--hidden", "'wide'"]),
        ("--hiden 3", ["--hiden", "--hidden"]),
        ("--dropout 1", ["--dropout 1"]),
        ("--lr 0", ["--lr 0"]),
        ("--lr nan", ["--lr nan"]),
        ("--val-fraction 1", ["--val-fraction 1"]),
        ("--optimizer adm", ["--optimizer", "adam"]),
        ("--seed -1", ["--seed -1"]),
        ("--name a/b", ["'a/b'", "slash"]),
        ("--device nonsense", ["'nonsense'", "auto, cpu, cuda"]),
        ("--listener spy", ["listener 'spy'"]),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(refused, texts, flags, words):
    said(refused("train", "good.txt", *flags.split(), status=2), *words)


@pytest.mark.parametrize(
    ("command", "mend"),
    [
        (["sample", "hello", "-n", "3", "wide", "world"], "rnngen sample 'hello wide world'"),
        (["next", "a", "b"], "rnngen next 'a b'"),
        (["fill", "a", "___"], "rnngen fill 'a ___'"),
        (["models", "list", "x"], "unexpected argument 'x'"),
    ],
)
def test_a_text_of_several_words_needs_quotes(refused, command, mend):
    said(refused(*command, status=2), mend)


@pytest.mark.usefixtures("texts")
@pytest.mark.parametrize("device", ["cuda", "cuda:7", "mps"])
@pytest.mark.parametrize("command", ["train good.txt --name new", "sample -m tale x", "eval -m tale"])
def test_a_device_that_is_not_there_is_refused(run, shelf, monkeypatch, device, command):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    before = contents(shelf)
    done = run(*command.split(), "--device", device, status=1)
    said(done.err, f"device '{device}' is not here", "there is cpu", "rnngen devices")
    assert contents(shelf) == before


def test_training_needs_a_corpus_or_a_name(refused):
    said(refused("train", status=2), "no corpus", "standard input")
    said(refused("train", "--resume", status=2), "--resume", "--name")
    said(refused("train", "--resume", "--name", "new", status=3), "'new'", "no corpus to start it with")


@pytest.mark.slow
@pytest.mark.usefixtures("shelf", "texts")
@pytest.mark.parametrize(
    ("flags", "status", "words"),
    [
        ("-n -2", 2, ["--length -2", "-1 for ever"]),
        ("-n some", 2, ["'some'"]),
        ("--temp -1", 2, ["--temp -1: 0 or more"]),
        ("--temp nan", 2, ["--temp nan"]),
        ("--top-p 2", 2, ["--top-p 2", "up to 1"]),
        ("--top-p 0", 2, ["--top-p 0", "above 0"]),
        ("--top-k 0", 2, ["--top-k 0", "at least 1"]),
        ("--min-p 2", 2, ["--min-p 2", "0 to 1"]),
        ("--repetition-penalty 0", 2, ["--repetition-penalty 0", "above 0"]),
        ("--filters topk=3", 2, ["filter 'topk'", "'top_k'"]),
        ("--filters top_k=some", 2, ["k=some", "a whole number"]),
        ("--filters top_k=3 --temp 1", 2, ["--filters", "--temp"]),
        ("--beam 3 -n -1", 2, ["beam", "come to an end"]),
        ("--beam 3 --count 4 -n 2", 2, ["--count 4", "--beam 3"]),
        ("--beam -1", 2, ["--beam -1"]),
        ("--count 0", 2, ["--count"]),
        ("--seed -1", 2, ["--seed -1"]),
        ("--seed 99999999999999999999", 2, ["--seed 9999"]),
        ("--stop= x", 2, ["--stop", "empty"]),
        ("--json -n -1 --seed 1", 2, ["--json", "-n -1", "--stop"]),
        ("--prompt-file good.txt hello", 2, ["PROMPT", "--prompt-file", "leave one of them out"]),
        ("--prompt-file missing.txt", 3, ["missing.txt", "no such file"]),
        ("--prompt-file folder", 1, ["folder", "directory"]),
        ("--prompt-file bytes.txt", 2, ["bytes.txt", "0xff", "offset 3000", "iconv"]),
        ("--device nonsense x", 2, ["'nonsense'"]),
    ],
)
def test_generation_refuses_what_makes_no_sense(refused, flags, status, words):
    said(refused("sample", "-m", "tale", *flags.split(), status=status), *words)


def test_a_prompt_that_is_not_utf8_is_refused(refused, shelf):
    said(refused("sample", "-m", "tale", stdin=b"ab\xff", status=2), "standard input", "0xff", "offset 2")
    said(refused("sample", "-m", "tale", "ab\udcff", status=2), "the prompt", "0xff", "offset 2")


def test_a_missing_model_is_found_before_stdin_is_read(spawn):
    process = spawn("sample", "-m", "nowhere", stdin=subprocess.PIPE)
    assert process.wait(timeout=30) == 3  # while stdin is still open
    assert b"nowhere" in process.stderr.read()


@pytest.mark.parametrize(
    "command",
    [
        "sample -m tael x",
        "eval -m tael",
        "score -m tael",
        "models show tael",
        "models path tael",
        "models rm -y tael",
        "models cp tael new",
        "export tael -o new.safetensors",
        "train good.txt --name new --init-from tael",
    ],
)
def test_an_unknown_model_brings_the_closest(refused, shelf, texts, command):
    said(refused(*command.split(), status=3), "model 'tael'", "did you mean 'tale'")


@pytest.mark.parametrize("command", ["sample", "eval", "score"])
def test_without_any_model_it_says_how_to_make_one(refused, command):
    said(refused(command, status=3), "no model yet", "rnngen train CORPUS")


@pytest.mark.parametrize("command", ["sample -m ./here x", "score -m a/b"])
def test_a_path_that_leads_nowhere_is_told(refused, shelf, command):
    said(refused(*command.split(), status=3), "no such file or folder")


@pytest.mark.usefixtures("shelf", "texts")
@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("eval -m tale missing.txt", 3, ["missing.txt"]),
        ("eval -m tale empty.txt", 1, ["empty"]),
        ("eval -m tale bytes.txt", 1, ["bytes.txt", "0xff", "offset 3000"]),
        ("score -m tale missing.txt", 3, ["missing.txt"]),
        ("score -m tale folder", 1, ["folder", "directory"]),
        ("export tale -o nowhere/there", 2, [".safetensors"]),
        ("sampel", 2, ["'sampel'", "'sample'"]),
        ("models lst", 2, ["lst"]),
    ],
)
def test_other_commands_refuse_likewise(refused, command, status, words):
    said(refused(*command.split(), status=status), *words)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("[sample]\ntmep = 1\n", ["rnngen.toml", "[sample]", "'tmep'", "'temp'"]),
        ("[sampel]\ntemp = 1\n", ["rnngen.toml", "'sampel'", "'sample'"]),
        ("[sample]\ntemp = warm\n", ["rnngen.toml", "TOML"]),
        ("[sample]\nlength = 1.5\n", ["rnngen.toml", "length", "a whole number"]),
    ],
)
def test_a_settings_file_that_makes_no_sense_is_named(refused, shelf, place, settings, words):
    (place / "rnngen.toml").write_text(settings)
    said(refused("sample", "-m", "tale", status=2), *words)


# ── Models on disk ─────────────────────────────────────────────────────────────────────────────────────────


def cut(file):
    return lambda folder: os.truncate(folder / file, (folder / file).stat().st_size // 2)


def gone(file):
    return lambda folder: (folder / file).unlink()


def put(file, data):
    return lambda folder: (folder / file).write_bytes(data)


def turned(file):
    """One bit of the file, in its middle."""

    def damage(folder):
        data = bytearray((folder / file).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / file).write_bytes(data)

    return damage


def changed(**values):
    def damage(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **values}))

    return damage


DAMAGES = {
    "no config": (gone("config.json"), ["config.json is missing"]),
    "half a config": (cut("config.json"), ["config.json is damaged"]),
    "config no object": (put("config.json", b"3"), ["config.json is damaged"]),
    "config not text": (put("config.json", b"\xff\xfe"), ["config.json is damaged"]),
    "config of another": (changed(vocabulary=999), ["config.json does not belong"]),
    "unknown key": (changed(colour="red"), ["config.json is damaged"]),
    "newer format": (changed(format=2, rnngen="9.1"), ["format 2", "rnngen 9.1", "upgrade"]),
    "no weights": (gone("model.safetensors"), ["model.safetensors is missing"]),
    "half the weights": (cut("model.safetensors"), ["model.safetensors is damaged"]),
    "a bit turned": (turned("model.safetensors"), ["model.safetensors"]),
    "no weights at all": (put("model.safetensors", b""), ["model.safetensors is damaged"]),
    "no tokenizer": (gone("tokenizer.json"), ["tokenizer.json is missing"]),
    "half a tokenizer": (cut("tokenizer.json"), ["tokenizer.json"]),
    "tokenizer not text": (put("tokenizer.json", b"\xff\xfe"), ["tokenizer.json is damaged"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", ["sample -m tale x", "score -m tale", "export tale -o tale.safetensors"])
def test_a_damaged_model_is_named_by_its_file(refused, shelf, damage, command):
    do, words = DAMAGES[damage]
    do(shelf / "tale")
    said(refused(*command.split(), status=1), "tale", *words)


@pytest.mark.parametrize("damage", [cut, gone, turned])
def test_a_damaged_checkpoint_is_not_resumed_but_the_model_still_writes(refused, run, shelf, damage):
    damage("last/training.safetensors")(shelf / "tale")
    said(refused("train", "--resume", "--name", "tale", status=1), "training.safetensors")
    assert len(run("sample", "-m", "tale", "-n", "5", "-s", "1").out) == 5


def test_a_file_that_is_no_model_is_told(refused, place):
    (place / "notes.safetensors").write_text("dear diary")
    said(refused("sample", "-m", "notes.safetensors", "x", status=1), "notes.safetensors", "damaged")


@pytest.mark.parametrize("kind", ["cell", "tokenizer", "task"])
@pytest.mark.parametrize("command", ["sample -m tale x", "train --resume --name tale", "eval -m tale"])
def test_a_model_whose_plugin_is_not_installed_names_the_package(refused, shelf, kind, command):
    config = json.loads((shelf / "tale" / "config.json").read_text())
    part = {**config[kind], "distribution": "rnngen-of-tomorrow", "version": "3.1", "name": "swish"}
    changed(**{kind: part})(shelf / "tale")
    reseal(shelf / "tale")
    complaint = refused(*command.split(), status=4)
    said(complaint, f"{kind} 'swish'", "rnngen-of-tomorrow 3.1", "if you trust that")


def reseal(folder):
    """Let the weights belong to what config.json says now."""
    from rnngen.store.model_folder import read_config, read_tokenizer, write_weights

    tensors, _ = checkpoint.read_tensors(folder / "model.safetensors")
    write_weights(folder, tensors, read_config(folder), read_tokenizer(folder))


# ── Going on with something else ───────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("shelf", "texts")
@pytest.mark.parametrize(
    ("flags", "status", "words"),
    [
        ("good.txt --hidden 32", 2, ["--hidden 32", "16", "--resume cannot change"]),
        ("good.txt --lr 0.5", 2, ["--lr 0.5", "0.01"]),
        ("good.txt --cell gru", 2, ["--cell gru", "lstm"]),
        ("good.txt --seed 9", 2, ["--seed 9", str(SEED)]),
        ("good.txt --tokenizer byte", 2, ["--tokenizer byte", "char"]),
        ("good.txt -o forget_bias=3", 2, ["forget_bias=3", "1.0"]),
        ("bytes.txt", 1, ["bytes.txt", "not the text"]),
        ("short.txt", 1, ["short.txt", "not the text", "--init-from"]),
        ("missing.txt", 3, ["missing.txt"]),
    ],
)
def test_a_run_goes_on_with_its_own_text_and_options_alone(refused, flags, status, words):
    said(refused("train", *flags.split(), "--resume", "--name", "tale", status=status), *words)


def test_a_run_whose_text_has_changed_or_gone_says_so(refused, run, texts, tiny):
    run("train", "good.txt", "-q", *tiny, "--steps", "2")
    (texts / "good.txt").write_text((texts / "good.txt").read_text() + "one more line\n")
    said(refused("train", "--resume", "--name", "good", status=1), "good.txt", "not the text")
    (texts / "good.txt").unlink()
    said(refused("train", "--resume", "--name", "good", status=1), "good.txt", "not there any more")
    assert len(run("sample", "-m", "good", "-n", "5", "-s", "1").out) == 5


# ── Full disks and closed streams ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def full_disk(monkeypatch):
    """After so many files, the disk is full, until what is returned is cleared."""
    fsync = os.fsync

    def after(files):
        left = [True] * files
        full = [True]

        def sync(handle):
            if stat.S_ISREG(os.fstat(handle).st_mode) and full and not (left and left.pop()):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(handle)

        monkeypatch.setattr(checkpoint.os, "fsync", sync)
        return full

    return after


@pytest.fixture
def retrain(run, trained, tiny):
    """Trains on the tale, whose encoded text is in the cache already."""
    run("train", trained / "tale.txt", "--name", "warm", "-q", *tiny, "--steps", "1")
    run("models", "rm", "-y", "warm")

    def go(*flags, status):
        return run("train", trained / "tale.txt", "--name", "tale", "-q", *tiny, *flags, status=status)

    return go


@pytest.mark.slow
@pytest.mark.parametrize("files", range(9))
def test_a_disk_that_fills_up_while_a_model_is_replaced_leaves_the_old_one_or_the_new(
    run, shelf, retrain, full_disk, files
):
    before = contents(shelf / "tale")
    disk = full_disk(files)
    done = retrain("--force", "--hidden", "9", status=1)
    said(done.err, "rnngen: error: ", "No space left on device")
    disk.clear()
    assert {path.name for path in shelf.iterdir()} == {"tale", "names"}
    assert len(run("sample", "-m", "tale", "-n", "5", "-s", "1").out) == 5
    run("train", "--resume", "--name", "tale", "-q")
    if files < 5:  # before the new one is whole
        assert contents(shelf / "tale") == before


@pytest.mark.slow
@pytest.mark.parametrize("files", range(7))
def test_a_disk_that_fills_up_while_a_run_goes_on_costs_nothing_that_was_there(run, shelf, full_disk, files):
    disk = full_disk(files)
    run("train", "--resume", "--name", "tale", "--steps", "60", "-q", status=1)
    disk.clear()
    assert len(run("sample", "-m", "tale", "-n", "5", "-s", "1").out) == 5
    run("train", "--resume", "--name", "tale", "--steps", "60", "-q")
    rows = (shelf / "tale" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [20, 40, 60]


def test_a_disk_that_fills_up_leaves_no_half_export(run, shelf, place, full_disk):
    (place / "tale.safetensors").write_text("precious")
    full_disk(0)
    done = run("export", "tale", "-o", "tale.safetensors", "--force", status=1)
    said(done.err, "tale.safetensors: No space left on device")
    assert contents(place) == {"tale.safetensors": b"precious"}


@pytest.mark.slow
def test_a_limit_on_file_sizes_is_one_line_too(spawn, texts, tiny, home):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    process = spawn("train", "good.txt", *tiny, "-q", preexec_fn=limit, text=True)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err.startswith("rnngen: error: ")
    assert "File too large" in err
    assert len(err.splitlines()) == 1
    assert list((home / "models").iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")  # noqa: PTH110
@pytest.mark.parametrize("command", ["sample -m tale -s 1 the", "score -m tale", "models list"])
def test_a_full_disk_behind_stdout_is_one_line(spawn, shelf, command):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        process = spawn(*command.split(), stdout=full, stdin=subprocess.PIPE)
        _, err = process.communicate(b"the cat\n")
    assert process.returncode == 1
    assert err == b"rnngen: error: standard output: No space left on device\n"


@pytest.mark.slow
@pytest.mark.parametrize("command", ["sample -m tale -s 1 the", "score -m tale"])
def test_a_closed_stdout_is_told(shelf, command):
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m rnngen {command} >&-', sys.executable],
        input=b"the cat\n",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "rnngen: error: standard output is closed; redirect it to a file, a pipe or /dev/null\n"
    )


@pytest.mark.slow
def test_a_closed_stdin_is_told(shelf):
    for command in ("sample -m tale -", "score -m tale"):
        done = subprocess.run(
            ["sh", "-c", f'"$0" -m rnngen {command} <&-', sys.executable], capture_output=True, check=False
        )
        assert done.returncode == 2
        assert done.stderr.startswith(b"rnngen: error: standard input is closed")

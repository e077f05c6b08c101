"""Bytes in, bytes out: a model that learnt bytes reads and writes them raw, whatever they are."""

import json
import os
import subprocess
import sys

import pytest
from fixtures import PRECISION, SEED

from rnngen import encodings
from rnngen.api import load

PERIOD = b"MThd\0\0\r\n\xff\xfe\n\r\x80\x92\xc3\xa9PK\x03\x04\xef\xbb\xbf"
"""NULs, line ends of all kinds, byte order marks, and bytes of no encoding."""
FLAGS = ["--hidden=48", "--steps=250", "--batch=8", "--seq=48", "--lr=0.01", f"--seed={SEED}", "--device=cpu"]


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A folder with a model that knows the bytes by heart; only to be read."""
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "tune.mid").write_bytes(PERIOD * 120)
    train = ["train", "tune.mid", "--encoding", "bytes", "-q", f"--precision={PRECISION}", *FLAGS]
    assert raw(folder, *train).returncode == 0
    return folder


def raw(folder, *arguments, stdin=b""):
    """Run the program in a process of its own, with bytes for standard input and output."""
    return subprocess.run(
        [sys.executable, "-m", "rnngen", *arguments],
        input=stdin,
        capture_output=True,
        cwd=folder,
        env={**os.environ, "RNNGEN_HOME": str(folder / "home")},
        check=False,
    )


@pytest.mark.slow
def test_a_greedy_continuation_is_byte_identical(learnt):
    begun = (PERIOD * 3)[:50]
    (learnt / "begun").write_bytes(begun)
    wanted = (PERIOD * 9)[: 50 + 100]
    greedy = ["sample", "-m", "tune", "-q", "--temp", "0", "-n", "100"]
    assert raw(learnt, *greedy, stdin=begun).stdout == wanted
    assert raw(learnt, *greedy, "--prompt-file", "begun").stdout == wanted
    assert raw(learnt, *greedy, "--no-prompt", stdin=begun).stdout == wanted[50:]
    argument = raw(learnt, *greedy, b"\xff\xfe\n\r").stdout
    assert argument == (PERIOD * 9)[PERIOD.index(b"\xff") :][:104]
    stopped = raw(learnt, *greedy, "--stop", b"\x80", stdin=begun).stdout
    assert stopped == wanted[: wanted.index(b"\x80", 50)]


@pytest.mark.slow
def test_other_commands_read_bytes_too(learnt):
    record = json.loads(
        raw(learnt, "sample", "-m", "tune", "-q", "--temp", "0", "--json", stdin=PERIOD).stdout
    )
    assert encodings.to_bytes(record["prompt"]) == PERIOD
    assert encodings.to_bytes(record["text"])[:20] == PERIOD[:20]
    scored = raw(learnt, "score", "-m", "tune", stdin=PERIOD * 2)
    assert len(scored.stdout.splitlines()) == (PERIOD * 2).count(b"\n") + 1
    evaluated = json.loads(raw(learnt, "eval", "-m", "tune", "tune.mid", "--json").stdout)
    assert evaluated["chars"] == 120 * len(PERIOD)
    assert evaluated["stream"]["nats_per_char"] < 0.1
    assert raw(learnt, "next", "-m", "tune", stdin=PERIOD).returncode == 0


@pytest.mark.slow
def test_signs_labels_and_texts_on_the_command_line_are_bytes_too(learnt):
    rows = [
        (label, text) for _ in range(60) for label, text in (("été".encode(), b"\xff\xfeo"), (b"b", b"cd"))
    ]
    (learnt / "named.txt").write_bytes(b"".join(b"%s\t%s\n" % row for row in rows))
    train = ["train", "named.txt", "--task", "labelled", "--encoding", "bytes", "-q", *FLAGS]
    assert raw(learnt, *train).returncode == 0
    drawn = raw(learnt, "sample", "-m", "named", "-q", "--label", "été".encode(), "--strategy", "greedy")
    assert drawn.stdout == b"\xff\xfeo\n"
    asked = ["classify", "-m", "named", "-q"]
    assert raw(learnt, *asked, "--text", b"\xff\xfeo").stdout == "été\n".encode()
    assert raw(learnt, *asked, stdin=b"\xff\xfeo\n").stdout == "été\n".encode()
    filled = raw(learnt, "fill", "-m", "tune", "-q", "--gap", b"\x81", b"MThd\x81\n\r\x80\x92")
    assert filled.stdout.startswith(b"MThd")
    assert filled.returncode == 0


@pytest.mark.slow
def test_a_model_of_bytes_is_resumed_and_tuned_on_bytes_alone(learnt, monkeypatch):
    monkeypatch.setenv("RNNGEN_HOME", str(learnt / "home"))
    assert load("tune").generator.encoding == "bytes"
    refused = raw(learnt, "train", "tune.mid", "--init-from", "tune", "--name", "x", "--encoding", "utf-8")
    assert (refused.returncode, b"trained on bytes" in refused.stderr) == (2, True)
    refused = raw(learnt, "eval", "-m", "tune", "tune.mid", "--encoding", "utf-8")
    assert (refused.returncode, b"trained on bytes" in refused.stderr) == (2, True)
    tuned = raw(learnt, "train", "tune.mid", "--init-from", "tune", "--name", "y", "--steps", "1", "-q")
    assert (tuned.returncode, load("y").generator.encoding) == (0, "bytes")
    resumed = raw(learnt, "train", "--resume", "--name", "y", "--steps", "2", "-q")
    assert resumed.returncode == 0


def test_bytes_have_no_normal_form(run, place):
    (place / "a.txt").write_text("a" * 99)
    done = run("train", "a.txt", "--encoding", "bytes", "--normalize", "nfc", status=2)
    assert "--normalize and --encoding bytes cannot stand together" in done.err


@pytest.mark.slow
def test_attention_is_shown_of_bytes(learnt):
    (learnt / "pairs.tsv").write_bytes(b"".join(b"\xff%d\t\xfe%d\n" % (n, n) for n in range(200)))
    train = ["train", "pairs.tsv", "--task", "pairs", "--encoding", "bytes", "-q", *FLAGS]
    assert raw(learnt, *train).returncode == 0
    for asked in ({"args": [b"\xff12"]}, {"args": [], "stdin": b"\xff12\n"}):
        shown = raw(learnt, "look", "attention", "-m", "pairs", "-q", "--json", *asked.pop("args"), **asked)
        assert shown.returncode == 0, shown.stderr
        assert len(json.loads(shown.stdout)["source"]) == 4

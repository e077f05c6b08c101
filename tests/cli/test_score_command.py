"""``rnngen score``: a number for each line, in order, as it comes."""

import json
import math
import os
import select
import subprocess

import pytest

pytestmark = pytest.mark.usefixtures("shelf")


def scores(run, text, model="names", **options):
    return [float(line) for line in run("score", "-m", model, stdin=text, **options).out.splitlines()]


def test_one_number_a_line_in_order_and_one_for_an_empty_line_too(run):
    one, two, empty = (scores(run, line + "\n")[0] for line in ("Anna", "Zzzz", ""))
    assert scores(run, "Anna\n\nZzzz\nAnna\n") == [one, empty, two, one]
    assert two < one < 0


def test_the_last_line_needs_no_end_and_line_ends_do_not_count(run):
    expected = scores(run, "Anna\nBela\n")
    assert scores(run, "Anna\nBela") == expected
    assert scores(run, "Anna\r\nBela\r\n") == expected


@pytest.mark.slow
@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("command", "text"),
    [("score", "abc\tCBA\n"), ("attend", "abc\n"), ("eval", ""), ("next", "a"), ("fill", "a___b")],
)
def test_which_model_is_taken_is_told_and_with_quiet_it_is_not(run, command, text):
    run("models", "default", "pairs" if "\t" in text or command == "attend" else "tale")
    assert "rnngen: model " in run(command, stdin=text).err
    assert "rnngen: model " not in run(command, "-q", stdin=text).err


def test_nothing_gives_nothing(run):
    assert scores(run, "") == []
    assert scores(run, "", model="tale") == []


def test_an_empty_line_is_certain_for_free_text_and_an_empty_example_is_not(run):
    assert scores(run, "\n", model="tale") == [0]
    assert scores(run, "\n", model="names")[0] < 0


def test_a_longer_text_is_less_probable_for_free_text(run):
    texts = ["the cat sees the sea"[:length] for length in range(1, 20)]
    found = scores(run, "\n".join(texts), model="tale")
    assert found == sorted(found, reverse=True)


def test_json_tells_the_same_with_the_text(run):
    text = "Anna\n\nMüller 漢\n"
    done = run("score", "-m", "names", "--json", stdin=text)
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [record["text"] for record in records] == ["Anna", "", "Müller 漢"]
    assert [record["chars"] for record in records] == [4, 0, 8]
    # what it has never seen goes by its bytes, 2 of ü and 3 of 漢; the end counts too
    assert [record["tokens"] for record in records] == [5, 1, 6 + 2 + 3 + 1]
    plain = scores(run, text)
    assert [record["log_probability"] for record in records] == pytest.approx(plain, abs=1e-6)
    assert all(math.isfinite(number) for number in plain)


def test_per_token_the_numbers_sum_to_that_of_the_line(run):
    text = "Anna\n\nB la\n"
    totals = scores(run, text)
    blocks = run("score", "-m", "names", "--per-token", stdin=text).out.removesuffix("\n").split("\n\n")
    told = [[line.split("\t") for line in block.splitlines()] for block in blocks]
    assert [[token for token, _ in block] for block in told] == [
        ["A", "n", "n", "a", "<end>"],
        ["<end>"],
        ["B", "␣", "l", "a", "<end>"],
    ]
    assert [sum(float(nats) for _, nats in block) for block in told] == pytest.approx(totals, abs=1e-5)


def test_per_token_in_json_is_beside_the_rest(run):
    plain = json.loads(run("score", "-m", "tale", "--json", stdin="a \tdog\n").out)
    told = json.loads(run("score", "-m", "tale", "--json", "--per-token", stdin="a \tdog\n").out)
    tokens = told.pop("per_token")
    assert told == plain
    assert [one["token"] for one in tokens] == ["a", "␣", "\\t", "d", "o", "g"]
    assert sum(one["log_probability"] for one in tokens) == pytest.approx(plain["log_probability"])


def test_a_file_or_a_pipe_may_stand_for_stdin(run, place):
    (place / "names.list").write_text("Anna\nBela\n")
    expected = scores(run, "Anna\nBela\n")
    assert [float(line) for line in run("score", "-m", "names", "names.list").out.split()] == expected
    os.mkfifo(place / "pipe")
    writer = subprocess.Popen(["sh", "-c", "cat names.list > pipe"])
    assert [float(line) for line in run("score", "-m", "names", "pipe").out.split()] == expected
    assert writer.wait() == 0


@pytest.mark.slow
def test_each_line_is_answered_before_the_next_one_comes(spawn, run):
    expected = scores(run, "Anna\nBela\n")
    process = spawn("score", "-m", "names", stdin=subprocess.PIPE)
    for name, score in zip(("Anna", "Bela"), expected, strict=True):
        process.stdin.write(name.encode() + b"\n")
        process.stdin.flush()
        assert float(process.stdout.readline()) == score
    process.stdin.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == b""


@pytest.mark.slow
def test_with_null_each_text_is_answered_before_the_next_one_comes(spawn, run):
    expected = scores(run, "Anna\nBela\n")
    process = spawn("score", "-m", "names", "-0", stdin=subprocess.PIPE)
    for name, score in zip(("Anna", "Bela"), expected, strict=True):
        process.stdin.write(name.encode() + b"\0")
        process.stdin.flush()
        assert select.select([process.stdout], [], [], 30)[0]
        assert float(process.stdout.readline()) == score
    process.stdin.close()
    assert process.wait(timeout=30) == 0


def test_a_line_that_is_not_utf8_is_named_and_those_before_it_are_answered(run):
    done = run("score", "-m", "names", stdin=b"Anna\nB\xffla\nCleo\n", status=1)
    assert len(done.out.splitlines()) == 1
    assert "standard input: line 2: " in done.err


@pytest.mark.slow
def test_a_reader_that_leaves_ends_it_in_silence(spawn):
    process = spawn("score", "-m", "names", stdin=subprocess.PIPE)
    process.stdin.write(b"Anna\n")
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write(b"Bela\n" * 50)
    process.stdin.close()
    assert process.wait(timeout=30) == 141
    assert process.stderr.read() == b""

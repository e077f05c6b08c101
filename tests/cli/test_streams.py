"""Lines as they arrive, arguments and lines that are not UTF-8, interrupts, and JSON."""

import io
import json
import signal
import sys

import pytest

from rnngen.cli import streams
from rnngen.errors import CorpusError, NotFoundError, RnngenError, UsageError


def taken(path, most):
    """All lines of a file, and the error at its end."""
    lines, found = streams.Lines(str(path)), []
    try:
        while some := lines.take(most):
            assert len(some) <= most
            found += some
    except RnngenError as error:
        return found, error
    return found, None


@pytest.mark.parametrize("most", [1, 3, 100])
@pytest.mark.parametrize(
    ("data", "lines"),
    [(b"", []), (b"a\nb\n", ["a", "b"]), (b"a\r\n\nb", ["a", "", "b"]), (b"x\n" * 9000, ["x"] * 9000)],
)
def test_lines_come_whole_and_in_order(tmp_path, data, lines, most):
    (tmp_path / "file").write_bytes(data)
    assert taken(tmp_path / "file", most) == (lines, None)


@pytest.mark.parametrize("most", [1, 2, 100])
def test_lines_before_one_that_is_not_utf8_come_first(tmp_path, most):
    (tmp_path / "file").write_bytes(b"a\nb\n\xff\nc\n")
    found, error = taken(tmp_path / "file", most)
    assert found == ["a", "b"]
    assert isinstance(error, CorpusError)
    assert "file: line 3: byte 0xff at offset 4 is not UTF-8" in str(error)


def test_a_file_that_is_missing_and_a_closed_stdin_are_named(tmp_path, monkeypatch):
    assert isinstance(taken(tmp_path / "none", 1)[1], NotFoundError)
    monkeypatch.setattr(sys, "stdin", None)
    assert isinstance(taken("-", 1)[1], UsageError)


def test_an_argument_that_is_not_utf8_is_refused():
    assert streams.require_utf8("愛", "the prompt") == "愛"
    with pytest.raises(UsageError, match=r"the prompt: line 1: byte 0xff at offset 1 is not UTF-8.*iconv"):
        streams.require_utf8("a\udcff", "the prompt")


def test_an_interrupt_waits_for_a_write_under_way_and_a_second_one_does_not(monkeypatch):
    class Slow(io.StringIO):
        interrupts = 1

        def write(self, text):
            for _ in range(self.interrupts):
                signal.raise_signal(signal.SIGINT)
            return super().write(text)

    monkeypatch.setattr(sys, "stdout", out := Slow())
    with pytest.raises(KeyboardInterrupt), streams.Output() as output:
        output.write("whole")
    assert out.getvalue() == "whole"
    monkeypatch.setattr(sys, "stdout", out := Slow())
    out.interrupts = 2
    with pytest.raises(KeyboardInterrupt), streams.Output() as output:
        output.write("torn")
    assert out.getvalue() == ""


@pytest.mark.parametrize("form", [streams.json_line, streams.json_document])
def test_json_has_null_for_what_is_not_finite(form):
    value = {"a": [1.5, float("nan"), (float("-inf"), "愛\n")]}
    text = form(value)
    assert json.loads(text, parse_constant=pytest.fail) == {"a": [1.5, None, [None, "愛\n"]]}
    assert "愛" in text

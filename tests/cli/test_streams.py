"""Lines as they arrive, arguments and lines that are not UTF-8, interrupts, and JSON."""

import io
import json
import signal
import sys

import pytest

from rnngen.cli import streams
from rnngen.cli.render import console
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


# ── Control characters ─────────────────────────────────────────────────────────────────────────────────────


class Terminal(io.StringIO):
    def isatty(self):
        return True


HOSTILE = "a\x1b[31mb\x1b]52;c;QQ==\x07\x9b2J\x7f\b\0\r\tc\r\nd\n"
SHOWN = "a␛[31mb␛]52;c;QQ==␇\\x9b2J␡␈␀␍\tc\r\nd\n"


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("encoding", ["utf-8", "bytes"])
def test_a_terminal_obeys_nothing_that_a_model_writes(monkeypatch, encoding, size):
    text = HOSTILE + "天\xa0ü\n"
    if encoding == "bytes":
        text = text.encode().decode("latin-1") + "\x9b"
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    out = streams.Output(encoding)
    for place in range(0, len(text), size):
        out.write(text[place : place + size])
    out.write("", flush=True)
    assert terminal.getvalue() == SHOWN + "天\xa0ü\n" + "\\x9b" * (encoding == "bytes")


def test_a_pipe_and_a_terminal_that_is_asked_to_get_the_characters(monkeypatch):
    monkeypatch.setattr(sys, "stdout", pipe := io.StringIO())
    streams.Output().write(HOSTILE)
    assert pipe.getvalue() == HOSTILE
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    streams.Output(raw=True).write(HOSTILE)
    assert terminal.getvalue() == HOSTILE


def test_what_waits_for_its_other_half_is_shown_at_the_end(monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    out = streams.Output("bytes")
    out.write("x\xe5\xa4")
    out.write("\r")
    out.write("", flush=True)
    assert terminal.getvalue().encode("utf-8", "surrogateescape") == b"x\xe5\xa4\xe2\x90\x8d"


def test_json_holds_no_character_that_a_terminal_obeys():
    record = {"text": HOSTILE}
    for form in (streams.json_document, streams.json_line):
        assert not any(ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0 for sign in form(record))
        assert json.loads(form(record)) == record


def test_messages_quote_files_and_models_without_their_control_characters(capsys):
    for say in (console.note, console.warn, console.fail):
        say(f"model {HOSTILE} is not there")
    said = capsys.readouterr().err
    assert said.count("\n") == 3
    assert not {"\x1b", "\x9b", "\x07", "\r"} & {*said}

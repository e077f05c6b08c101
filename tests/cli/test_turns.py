"""``rnngen sample -i`` command by command; tests of a terminal and its keys stand in ``test_talk.py``."""

import io
import sys

import pytest

from rnngen.cli import interactive, streams
from rnngen.decoding.sampler import Sampler
from rnngen.errors import RnngenError


@pytest.fixture
def talk(run, models, monkeypatch):
    """What a conversation shows for lines: ``talk("--beam", "3", lines=["abc", "/retry"])``."""

    def go(*args, lines=(), model="pairs", **options):
        keys = iter(lines)

        def read(_):
            if (line := next(keys, None)) is None:
                raise EOFError
            return line

        monkeypatch.setattr(interactive, "check", lambda: None)
        monkeypatch.setattr("builtins.input", read)
        return run("sample", "-i", "-m", model, *args, **options)

    return go


WHOLE = [("--beam", "3"), ("--mbr", "3"), ("--best-of", "3"), ("--strategy", "contrastive")]


@pytest.mark.parametrize("flag", ["temp 1.5", "top-k 3", "repetition-penalty 2"])
def test_a_filter_that_asks_for_draws_is_refused_where_nothing_is_drawn(talk, flag):
    ran = talk(lines=[f"/{flag}", "abc"])
    assert f"/{flag.split()[0]}: greedy has no use for it; begin again with --{flag.split()[0]}" in ran.err
    assert "filters" not in ran.err
    assert ran.out == talk(lines=["abc"]).out
    name, value = flag.split()
    begun = talk(f"--{name}", value, "-s", "1", lines=[f"/{name} 2"])
    assert "filters" in begun.err
    assert "no use" not in begun.err


def test_a_filter_that_contradicts_the_strategy_asked_for_is_refused(talk):
    ran = talk("--strategy", "greedy", lines=["/temp 1.5", "/top-k 3"])
    assert "/temp: greedy has no use for it" in ran.err
    assert "filters top_k=3" in ran.err


@pytest.mark.parametrize("strategy", WHOLE, ids=" ".join)
def test_commands_that_mean_nothing_to_whole_texts_are_refused(talk, strategy):
    name = strategy[1] if strategy[0] == "--strategy" else strategy[0].removeprefix("--")
    typed = ["/seed 3", "/length 2", "/retry", "/undo", "/text", "/save x", "/load x"]
    ran = talk(*strategy, "-s", "1", lines=["abc", *typed, "/help"])
    for command in typed:
        assert f"{command.split()[0]}: {name} generates whole texts, which have no state" in ran.err
    assert ran.out == talk(*strategy, "-s", "1", lines=["abc", "/help"]).out


@pytest.mark.parametrize("strategy", [(), *WHOLE], ids=" ".join)
def test_a_blank_source_to_begin_with_is_refused(talk, strategy):
    assert "the source is blank" in talk(*strategy, " ", status=2).err


def test_a_byte_that_is_not_utf8_is_a_fault_of_its_line_alone(monkeypatch, capsys):
    typed = io.TextIOWrapper(io.BytesIO(b"the \xe9\nthe\n/save caf\xe9\n"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", typed)
    taken = []
    interactive.read_lines(lambda line: taken.append(streams.given(line, "the line", "utf-8")))
    assert taken == ["the"]
    assert capsys.readouterr().err.count("byte 0xe9 at offset") == 2


def test_a_whole_text_is_held_to_its_constraints(talk):
    ran = talk("--beam", "3", "-n", "2", "--filters", "min_length=5", lines=["abc"])
    assert "filter 'min_length': the text ended after 2 of 5 tokens" in ran.err


def test_a_filter_shown_or_set_as_it_was_costs_no_memory(talk):
    chain = ("-s", "3", "-n", "40", "--temp", "1.2", "--xtc", "0.5")
    plain = talk(*chain, lines=["the ", ""], model="tale").out
    assert talk(*chain, lines=["the ", "/temp", ""], model="tale").out == plain
    assert talk(*chain, lines=["the ", "/temp 1.2", ""], model="tale").out == plain


def test_a_turn_that_cannot_be_drawn_anew_stays(talk, monkeypatch):
    stream, failing = Sampler.stream, []

    def faulty(*arguments):
        if failing:
            raise RnngenError("nothing can be drawn")
        return stream(*arguments)

    def typed():
        yield "the "
        failing.append(True)
        yield "/retry"
        failing.clear()
        yield "/text"

    monkeypatch.setattr(Sampler, "stream", faulty)
    ran = talk("-s", "3", "-n", "9", lines=typed(), model="tale")
    assert "nothing can be drawn" in ran.err
    kept = talk("-s", "3", "-n", "9", lines=["the ", "/text"], model="tale").out
    assert ran.out.split() == kept.split()

"""A study's journal stays readable: what is cut short at its end is cut off, what is damaged is named."""

import errno
import os
import random

import pytest

pytest.importorskip("optuna", reason="the extra 'tune' is not installed")

from rnngen.errors import ModelError, RnngenError
from rnngen.tuning.studies import find_best, open_study


@pytest.fixture
def journal(tmp_path):
    """A study of two complete trials."""
    path = tmp_path / "verse.journal"
    add_trial(path)
    add_trial(path)
    return path


def add_trial(path):
    study = open_study("verse", str(path), "none", 4)
    trial = study.ask()
    trial.suggest_float("lr", 0.1, 1.0)
    trial.set_user_attr("settings", {"training": {"lr": 0.1}})
    study.tell(trial, 1.0)


def trials(path):
    study = open_study("verse", str(path), "none", 4)
    return [trial.state.name for trial in study.trials]


def test_a_line_that_was_cut_short_is_cut_off_and_the_study_goes_on(journal):
    whole = journal.read_bytes()
    begin = whole.rindex(b"\n", 0, -1) + 1
    for length in (begin, begin + 1, (begin + len(whole)) // 2, len(whole) - 1):
        journal.write_bytes(whole[:length])
        assert trials(journal) == ["COMPLETE", "RUNNING"]
        add_trial(journal)
        assert trials(journal) == ["COMPLETE", "RUNNING", "COMPLETE"]
        assert find_best("verse", str(journal)).nats_per_char == 1.0


def test_a_first_line_that_was_cut_short_is_no_study(journal):
    journal.write_bytes(journal.read_bytes()[:20])
    add_trial(journal)
    assert trials(journal) == ["COMPLETE"]


def test_a_full_disk_leaves_whole_lines(journal, monkeypatch):
    before = journal.read_bytes()

    def fail(_):
        with journal.open("ab") as file:
            file.write(b'{"op_code": 4, "wor')
        raise OSError(errno.ENOSPC, "No space left on device")

    study = open_study("verse", str(journal), "none", 4)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        study.ask()
    assert caught.value.filename == str(journal)
    monkeypatch.undo()
    assert journal.read_bytes().startswith(before)
    assert journal.read_bytes().endswith(b"\n")
    add_trial(journal)


def test_a_damaged_journal_is_named_and_nothing_is_a_bug(journal):
    whole, draw, refused = journal.read_bytes(), random.Random(1), 0
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(draw.choice([1, 5])):
            content[draw.randrange(len(content))] = draw.randrange(256)
        journal.write_bytes(content)
        try:
            find_best("verse", str(journal))
            open_study("verse", str(journal), "none", 4)
        except RnngenError as error:
            refused += isinstance(error, ModelError) and str(journal) in str(error)
    assert refused > 30

"""Notes are collected by whoever asks, once each, and cost nothing where nobody does."""

from rnngen.contracts import collected_notes, note


def reading():
    note("columns separated by tabs", "a.tsv")
    yield 1
    note("columns separated by tabs", "b.tsv")
    note("{rows:,} rows are left out", rows=1_000)
    note("a brace { is no figure")
    yield 2
    note("{rows:,} rows are left out", rows=34)


def test_the_same_note_is_reported_once_and_its_figures_are_added_up():
    with collected_notes() as notes:
        assert list(reading()) == [1, 2]
        assert notes == []
    assert notes == [
        "a.tsv and 1 more: columns separated by tabs",
        "1,034 rows are left out",
        "a brace { is no figure",
    ]


def test_an_inner_collection_takes_what_is_noted_in_it():
    with collected_notes() as outer:
        note("one")
        with collected_notes() as inner:
            note("two")
        note("three")
    assert (outer, inner) == (["one", "three"], ["two"])


def test_what_nobody_collects_is_gone():
    assert list(reading()) == [1, 2]
    with collected_notes() as notes:
        pass
    assert notes == []

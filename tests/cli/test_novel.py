"""``sample --novel`` and the copy figures, as a shell sees them."""

import json
import unicodedata

import pytest

WORDS = [a + b + c for a in ("ka", "mo", "ti") for b in ("ra", "lu", "ne") for c in ("", "n", "s")]


@pytest.fixture
def at(run, place, tiny):
    """A model of lines that knows nearly all words of its kind."""
    (place / "words.txt").write_text("".join(f"{word}\n" for word in WORDS if word != "tines"))
    run("train", "words.txt", "--task", "lines", "-q", *tiny, "--steps", "150", "--force")
    return run


def test_only_new_texts_are_written_and_none_twice(at, place):
    known = set((place / "words.txt").read_text().splitlines())
    asked = ("sample", "-m", "words", "--count", "30", "--seed", "1", "--temp", "1.3")
    assert known & set(at(*asked).out.splitlines())
    found = at(*asked, "--novel").out.splitlines()
    assert len(found) == len(set(found)) == 30
    assert not known & set(found)
    assert at(*asked, "--novel").out.splitlines() == found
    records = [json.loads(line) for line in at(*asked, "--novel", "--json").out.splitlines()]
    assert [one["text"] for one in records] == found
    assert [one["number"] for one in records] == list(range(30))


def test_the_prompt_is_a_part_of_the_example(at, place):
    known = set((place / "words.txt").read_text().splitlines())
    found = at("sample", "-m", "words", "--novel", "--count", "5", "--seed", "1", "--temp", "1.5", "kar")
    lines = found.out.splitlines()
    assert len(set(lines)) == 5
    assert all(line.startswith("kar") for line in lines)
    assert not known & set(lines)


@pytest.mark.slow
def test_a_prompt_in_another_normal_form_is_a_part_of_it_too(run, place, tiny):
    known = {f"é{word}" for word in WORDS}
    (place / "accents.txt").write_text("".join(f"{word}\n" for word in sorted(known)))
    run("train", "accents.txt", "--task", "lines", "--normalize", "nfc", "-q", *tiny, "--steps", "150")
    asked = ("sample", "-m", "accents", "--count", "5", "--seed", "1", "--temp", "1.3", "e\u0301")
    assert known & {unicodedata.normalize("NFC", line) for line in run(*asked).out.splitlines()}
    found = {unicodedata.normalize("NFC", line) for line in run(*asked, "--novel").out.splitlines()}
    assert len(found) == 5
    assert not known & found


def test_an_error_ends_it_where_there_are_no_more(at):
    ran = at("sample", "-m", "words", "--novel", "--count", "4000", "--seed", "1", "--temp", "0", status=1)
    written = ran.out.splitlines()
    assert f"no more than {len(written)} of 4,000 are novel" in ran.err
    assert "temperature" in ran.err


def test_what_keeps_no_examples_is_refused(run, shelf):
    assert "--novel" in run("sample", "-m", "tale", "--novel", status=2).err
    assert "--novel" in run("sample", "-m", "names", "--novel", "--save-state", "x", status=2).err


@pytest.mark.slow
def test_training_and_eval_report_how_much_is_copied(at, place):
    said = at("train", "words.txt", "--task", "lines", "--name", "w2", "--steps", "150", "--hidden", "16").err
    assert "generated examples stand in the training text" in said
    assert "generated examples stand in the training text" in at("eval", "-m", "words").err
    found = json.loads(at("eval", "-m", "words", "--json").out)["novelty"]
    assert set(found) == {"generated", "copied", "repeated", "longest", "has_eos"}


def test_a_novel_text_keeps_what_its_strategy_knows_of_it(at):
    ran = at("sample", "-m", "words", "--novel", "--mbr", "3", "--temp", "1.5", "--seed", "1", "--json")
    assert {"log_probability", "score"} < set(json.loads(ran.out))


def test_a_novel_text_is_held_to_its_constraints(at):
    asked = ("sample", "-m", "words", "--seed", "1", "-n", "3", "--filters", "temp=1.5,min_length=9")
    assert "3 of 9 tokens" in at(*asked, "--novel", status=1).err


def test_a_search_gives_those_of_its_texts_that_are_novel(at, place):
    known = set((place / "words.txt").read_text().splitlines())
    asked = ("sample", "-m", "words", "--beam", "30", "--count", "30")
    whole = at(*asked).out.splitlines()
    ran = at(*asked, "--novel", status=1)
    assert ran.out.splitlines() == [one for one in whole if one not in known]
    assert "the strategy sample draws others" in ran.err
    few = at("sample", "-m", "words", "--beam", "30", "--count", "2", "--novel").out.splitlines()
    assert few == ran.out.splitlines()[:2]  # however many better ones are known
    drawn = at(*asked, "--novel", "--stochastic-beam", "--seed", "1").out.splitlines()
    assert len({*drawn} - known) == 30

"""Models of pairs at the command line: a line in, a line out, in order, whatever the lines are."""

import json
import os
import random
import re
import select
import subprocess
import time

import numpy as np
import pytest
from fixtures.commands import SEQ2SEQ, reversals

from rnngen.builtins.strategies.selection import chrf

SOURCES = ["abc", "f", "fedc", "bb", "cafe", "dead"]
FREE = ("bleu", "chrf", "rouge1", "rouge2", "rougeL", "token_accuracy", "sequence_accuracy", "perplexity")


@pytest.fixture
def answer(run, models):
    """What ``rnngen sample -m pairs`` writes."""

    def go(*args, **options):
        return run("sample", "-m", "pairs", *args, **options)

    return go


@pytest.fixture
def alone(answer):
    """The greedy answer to a source."""
    return lambda source: answer(source).out.removesuffix("\n")


# ── a line in, a line out ──────────────────────────────────────────────────────────────────────────────────


def test_every_line_is_answered_by_one_line_in_order(answer, alone):
    expected = [alone(source) for source in SOURCES]
    assert len(set(expected)) > 3
    told = answer(stdin="\n".join(SOURCES) + "\n")
    assert told.out.split("\n") == [*expected, ""]
    assert told.err == ""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n", "\r\n"])
def test_line_ends_are_no_part_of_a_source(answer, end, last):
    given = ["abc", "", "fedc", " ", "", "bb"]
    told = answer(stdin=end.join(given) + last).out.split("\n")
    expected = answer(stdin="abc\nfedc\nbb\n").out.split("\n")
    assert told == [expected[0], "", expected[1], "", "", expected[2], ""]


def test_no_lines_have_no_answers(answer):
    assert answer(stdin="").out == ""
    assert answer(stdin="\n\n").out == "\n\n"
    assert answer("").out == "\n"


def test_a_file_of_sources_is_read_like_standard_input(answer, place):
    (place / "sources.txt").write_text("\n".join(SOURCES))
    assert answer("--prompt-file", "sources.txt").out == answer("-", stdin="\n".join(SOURCES)).out
    assert "nowhere.txt" in answer("--prompt-file", "nowhere.txt", status=3).err
    refused = answer("abc", "--prompt-file", "sources.txt", status=2)
    assert "PROMPT and --prompt-file cannot stand together" in refused.err


def test_an_argument_of_several_lines_is_several_sources(answer):
    assert answer("abc\n\nbb").out == answer(stdin="abc\n\nbb").out


def test_more_lines_than_are_answered_together_keep_their_order(answer, monkeypatch):
    from rnngen.cli import prompts
    from rnngen.generation import generator

    rng = random.Random(4)
    lines = [rng.choice([*SOURCES, "", "abcdef"]) for _ in range(60)]
    whole = answer(stdin="\n".join(lines)).out
    monkeypatch.setattr(prompts, "POOL", 7)
    monkeypatch.setattr(generator, "BATCH_SOURCES", 3)
    assert answer(stdin="\n".join(lines)).out == whole
    assert whole.count("\n") == 60


def test_lines_before_one_that_is_not_utf8_are_answered_and_it_is_named(answer, alone):
    expected = "".join(alone(source) + "\n" for source in ("abc", "bb"))
    told = answer(stdin=b"abc\nbb\n\xff\xfe\nfedc\n", status=1)
    assert told.out == expected
    assert "standard input: line 3" in told.err
    assert told.err.count("\n") == 1


@pytest.mark.slow
def test_an_argument_that_is_not_utf8_is_refused(spawn, models):
    process = spawn("sample", "-m", "pairs", os.fsdecode(b"a\xff"))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, b"")
    assert b"UTF-8" in err


def test_a_source_longer_than_any_in_training_is_told_once_and_answered(answer):
    long = "abcdef" * 4
    told = answer(stdin=f"abc\n{long}\n\n{long}\n{'a' * 20}\n")
    assert told.out.count("\n") == 5
    assert told.out.split("\n")[1]
    assert re.findall(r"source (\d+) has more than 20 tokens", told.err) == ["2", "4"]


# ── as it comes ────────────────────────────────────────────────────────────────────────────────────────────


def read_line(stream, seconds=60):
    ready, _, _ = select.select([stream], [], [], seconds)
    assert ready, "no answer came"
    return stream.readline().decode()


@pytest.mark.slow
def test_a_line_is_answered_before_the_next_one_is_sent(spawn, models, alone):
    process = spawn("sample", "-m", "pairs", stdin=subprocess.PIPE, bufsize=0)
    for source in ("abc", "", "fedc"):
        process.stdin.write(f"{source}\n".encode())
        assert read_line(process.stdout) == (alone(source) if source else "") + "\n"
    process.stdin.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == b""


@pytest.mark.slow
def test_a_reader_that_leaves_ends_it_in_silence_though_more_may_come(spawn, models):
    process = spawn("sample", "-m", "pairs", stdin=subprocess.PIPE, bufsize=0)
    process.stdin.write(b"abc\n")
    read_line(process.stdout)
    process.stdout.close()
    process.stdin.write(b"bb\n")
    assert process.wait(60) == 141
    assert process.stderr.read() == b""


@pytest.mark.slow
def test_an_error_ends_it_though_more_may_come(spawn, models):
    process = spawn("sample", "-m", "pairs", stdin=subprocess.PIPE, bufsize=0)
    process.stdin.write(b"abc\n\xff\n")
    read_line(process.stdout)
    assert process.wait(60) == 1
    said = process.stderr.read().decode()
    assert "line 2" in said
    assert "Fatal" not in said


@pytest.mark.slow
def test_an_interrupt_ends_it_though_more_may_come(spawn, models):
    import signal

    process = spawn("sample", "-m", "pairs", stdin=subprocess.PIPE, bufsize=0)
    process.stdin.write(b"abc\n")
    read_line(process.stdout)
    time.sleep(0.2)  # it waits for a line again
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert process.stderr.read() == b""


# ── searching and drawing ──────────────────────────────────────────────────────────────────────────────────


def test_the_best_answers_come_best_first(answer):
    best = answer("abc", "--beam", "4").out
    several = answer("abc", "--beam", "4", "--nbest", "3").out
    assert several.count("\n") == 3
    assert several.startswith(best)
    assert len(set(several.split("\n"))) == 4


def test_json_tells_hypotheses_scores_and_alignments(answer):
    told = answer("--beam", "4", "--nbest", "3", "--json", stdin="abc\n\nfedc\n")
    records = [json.loads(line) for line in told.out.splitlines()]
    assert [record["source"] for record in records] == ["abc", "", "fedc"]
    assert records[1] == {"source": "", "text": "", "hypotheses": []}
    plain = answer("--beam", "4", stdin="abc\n\nfedc\n").out.split("\n")
    assert [record["text"] for record in records] == plain[:3]
    for record in (records[0], records[2]):
        hypotheses = record["hypotheses"]
        assert len(hypotheses) == 3
        assert record["text"] == hypotheses[0]["text"]
        scores = [one["score"] for one in hypotheses]
        assert scores == sorted(scores, reverse=True)
        assert all(one["log_probability"] < 0 for one in hypotheses)
        for one in hypotheses:
            assert set(one) == {"text", "score", "log_probability", "alignment"}
            assert [row for _, row in one["alignment"]] == list(range(len(one["text"])))
            assert all(0 <= column <= len(record["source"]) for column, _ in one["alignment"])


def test_attention_is_in_the_json_where_it_is_asked_for(answer):
    record = json.loads(answer("--json", "--attention", "abc").out)
    (hypothesis,) = record["hypotheses"]
    shown = hypothesis["attention"]
    assert shown["source"] == ["a", "b", "c", ""]
    assert "".join(shown["target"]) == record["text"]
    assert len(shown["weights"]) == len(shown["target"])
    assert all(sum(row) == pytest.approx(1, abs=1e-3) for row in shown["weights"])
    assert "--json" in answer("--attention", "abc", status=2).err


@pytest.mark.parametrize(
    "flags",
    [["--temp", "1"], ["--mbr", "3"], ["--best-of", "3"], ["--count", "2"], ["--strategy", "contrastive"]],
)
def test_attention_is_there_whatever_the_strategy(answer, flags):
    record = json.loads(answer(*flags, "-s", "1", "--json", "--attention", "abc").out)
    for one in record["hypotheses"]:
        assert "".join(one["attention"]["target"]) == one["text"]
        assert [row for _, row in one["alignment"]] == list(range(len(one["text"])))
    plain = json.loads(answer(*flags, "-s", "1", "--json", "abc").out)
    assert "alignment" not in plain["hypotheses"][0]


def test_what_is_read_along_is_what_a_search_notes(answer):
    noted, read = (
        json.loads(answer(*flags, "--json", "--attention", "abc").out)["hypotheses"][0]
        for flags in ([], ["--strategy", "greedy", "--count", "2"])
    )
    assert read["text"] == noted["text"]
    assert read["alignment"] == noted["alignment"]
    np.testing.assert_allclose(read["attention"]["weights"], noted["attention"]["weights"], atol=2e-4)


@pytest.mark.parametrize("flags", [["--beam", "3"], ["--temp", "1", "-s", "1"]])
def test_alignments_fit_a_text_with_its_prefix_and_without(answer, flags):
    for more in ([], ["--no-prompt"]):
        asked = [*flags, "--prefix", "FED", *more, "--json", "--attention", "abcdef"]
        (one,) = json.loads(answer(*asked).out)["hypotheses"]
        assert one["text"].startswith("FED") is not bool(more)
        assert "".join(one["attention"]["target"]) == one["text"]
        assert [row for _, row in one["alignment"]] == list(range(len(one["text"])))


def test_attention_of_the_rest_of_a_text_is_refused(answer):
    answer("--save-state", "s", "-n", "2", "abc")
    told = answer("--from-state", "s", "--json", "--attention", status=2)
    assert "--attention shows the weights of a whole text" in told.err


def test_a_model_without_attention_answers_without_alignments(run, models):
    record = json.loads(run("sample", "-m", "plain", "--json", "abc").out)
    assert set(record["hypotheses"][0]) == {"text", "score", "log_probability"}


def test_a_prefix_begins_every_answer(answer):
    told = answer("--prefix", "CB", stdin="\n".join(SOURCES)).out.splitlines()
    assert len(told) == len(SOURCES)
    assert all(line.startswith("CB") for line in told)
    record = json.loads(answer("--prefix", "CB", "--json", "--attention", "--beam", "2", "abc").out)
    assert record["text"].startswith("CB")


@pytest.mark.parametrize("flags", [["--temp", "0.9"], ["--count", "2"], ["--top-k", "5", "--count", "3"]])
def test_the_same_seed_draws_the_same_bytes_however_the_lines_come(answer, monkeypatch, flags):
    from rnngen.cli import prompts

    lines = "abc\n\nfedc\n\n\nbb\ncafe\n"
    whole = answer(*flags, "--seed", "3", stdin=lines)
    assert whole.err == ""
    assert answer(*flags, "--seed", "3", stdin=lines).out == whole.out
    assert answer(*flags, "--seed", "4", stdin=lines).out != whole.out
    monkeypatch.setattr(prompts, "POOL", 1)
    assert answer(*flags, "--seed", "3", stdin=lines).out == whole.out


def test_a_seed_that_was_chosen_is_told_and_gives_the_same_again(answer):
    first = answer("--temp", "1.2", "--count", "4", "abc")
    seed = re.search(r"seed (\d+)", first.err)[1]
    assert first.out.count("\n") == 4
    assert answer("--temp", "1.2", "--count", "4", "--seed", seed, "abc").out == first.out
    assert answer("--temp", "1.2", "-q", "abc").err == ""


def test_a_temperature_of_nought_is_greedy(answer, alone):
    assert answer("--temp", "0", "--seed", "1", "fedc").out == alone("fedc") + "\n"


def test_filters_hold_under_the_beam(answer):
    letter = answer("--beam", "3", stdin="\n".join(SOURCES)).out[0]
    told = answer("--beam", "3", "--filters", f"ban={letter}", stdin="\n".join(SOURCES)).out
    assert told.count("\n") == len(SOURCES)
    assert letter not in told


def test_a_stop_ends_an_answer_before_it(answer):
    plain = answer("abc").out.strip()
    assert answer("--stop", plain[-1], "abc").out == plain[: plain.index(plain[-1])] + "\n"


def test_several_models_write_together(run, models, alone):
    assert run("sample", "-m", "pairs", "-m", "pairs", "fedc").out == alone("fedc") + "\n"
    assert run("sample", "-m", "pairs", "-m", "other", "--beam", "2", "fedc").out.count("\n") == 1
    assert "cannot generate together" in run("sample", "-m", "pairs", "-m", "tale", "a", status=2).err
    assert "cannot generate together" in run("sample", "-m", "tale", "-m", "pairs", "a", status=2).err


# ── what is refused ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--nbest", "3", "abc"], "able: beam"),
        (["--nbest", "3", "--beam", "2", "abc"], "--nbest 3 of --beam 2"),
        (["--nbest", "3", "--temp", "1", "abc"], "able: beam"),
        (["--count", "3", "--beam", "2", "abc"], "--count 3 of --beam 2"),
        (["--count", "3", "--nbest", "2", "abc"], "--count and --nbest"),
        (["--blend", "a", "0.5", "abc"], "--blend"),
        (["--dynamic", "abc"], "--dynamic"),
        (["--save-state", "state", "abc\nfed"], "2 sources"),
        (["--coverage-penalty", "0.2", "abc"], "--beam"),
        (["--attention", "abc"], "--json"),
        (["a\udcff"], "UTF-8"),
        (["--prefix", "a\udcff", "abc"], "--prefix"),
    ],
)
def test_what_makes_no_sense_for_answers_is_refused(answer, flags, said):
    told = answer(*flags, status=2)
    assert said in told.err
    assert told.out == ""


@pytest.mark.parametrize("flags", [["--prefix", "x"], ["--attention", "--json"]])
@pytest.mark.parametrize("model", ["tale", "names"])
def test_what_needs_a_source_is_refused_for_text(run, models, flags, model):
    told = run("sample", "-m", model, *flags, "x", status=2)
    assert flags[0] in told.err
    assert "reads no source" in told.err
    assert told.out == ""


@pytest.mark.parametrize("model", ["tale", "names"])
def test_attention_needs_json_and_a_rank_needs_a_beam_for_text_too(run, models, model):
    assert "--attention needs --json" in run("sample", "-m", model, "--attention", "x", status=2).err
    assert "able: beam" in run("sample", "-m", model, "--nbest", "2", "x", status=2).err


def test_weights_of_a_model_that_attends_to_nothing_are_refused(run, models):
    refused = run("sample", "-m", "plain", "--json", "--attention", "abc", status=2)
    assert "--attention" in refused.err
    assert "attends to nothing" in refused.err


# ── what texts have, outputs have too ──────────────────────────────────────────────────────────────────────


def test_the_best_texts_come_best_first_without_a_source_too(run, models):
    best = run("sample", "-m", "names", "--beam", "3", "A").out
    several = run("sample", "-m", "names", "--beam", "3", "--nbest", "2", "A").out
    assert several.startswith(best)
    assert several == run("sample", "-m", "names", "--beam", "3", "--count", "2", "A").out


def test_a_prefix_can_be_left_out(answer):
    whole = answer("--prefix", "CB", stdin="\n".join(SOURCES)).out.splitlines()
    rest = answer("--prefix", "CB", "--no-prompt", stdin="\n".join(SOURCES)).out.splitlines()
    assert ["CB" + line for line in rest] == whole
    assert answer("--no-prompt", "abc").out == answer("abc").out


def test_outputs_may_have_no_limit_since_they_end(answer):
    assert answer("-n", "-1", stdin="\n".join(SOURCES)).out == answer(stdin="\n".join(SOURCES)).out


def test_several_of_a_beam_are_the_best(answer):
    assert (
        answer("--beam", "4", "--count", "3", "abc").out == answer("--beam", "4", "--nbest", "3", "abc").out
    )


@pytest.mark.parametrize("how", [[], ["--strategy", "sample", "--seed", "3"], ["--temp", "1", "--seed", "9"]])
def test_an_output_is_kept_and_gone_on_with(answer, how):
    whole = answer(*how, "fedcab").out
    assert len(whole) > 3
    first = answer(*how, "-n", "2", "--save-state", "state", "fedcab").out
    assert first == whole[:2]
    assert first + answer("--from-state", "state").out == whole


def test_a_kept_output_is_json_of_the_same_form(answer):
    answer("-n", "2", "--save-state", "state", "fedcab")
    record = json.loads(answer("--from-state", "state", "--json").out)
    assert (record["source"], set(record)) == ("fedcab", {"source", "text", "hypotheses"})
    assert record["hypotheses"] == [{"text": record["text"]}]


def test_a_state_of_an_output_belongs_to_its_model_and_strategy(run, answer):
    answer("-n", "2", "--save-state", "state", "fedcab")
    assert "another model" in run("sample", "-m", "other", "--from-state", "state", status=2).err
    refused = answer("--from-state", "state", "--strategy", "sample", status=2)
    assert "saved with the strategy greedy" in refused.err


def test_the_next_token_is_that_of_an_output(run, models, alone):
    told = json.loads(run("next", "-m", "pairs", "--source", "fedc", "--json").out)
    assert told["next"][0]["token"] == alone("fedc")[0]
    assert "reads a source" in run("next", "-m", "pairs", status=2).err
    assert "reads no source" in run("next", "-m", "tale", "--source", "fedc", "a", status=2).err


def test_a_gap_in_an_output_is_filled(run, models):
    told = run("fill", "-m", "pairs", "--source", "fedc", "--length", "3", "--beam", "4", "C___F").out
    assert re.fullmatch("C.*F\n", told)
    assert "reads a source" in run("fill", "-m", "pairs", "C___F", status=2).err


@pytest.mark.slow
def test_a_number_of_parameters_takes_a_width_that_the_heads_can_share(run, place):
    (place / "words.tsv").write_text(reversals(200))
    flags = ["--task", "pairs", "-o", "attention=multihead", "--params", "30k", "--steps", "2", "--plan"]
    hidden = re.search(r"hidden (\d+): the width", run("train", "words.tsv", *flags).out)
    assert int(hidden[1]) % 4 == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["pairs.tsv", "--cell", "seq2seq"], "--task pairs"),
        (["pairs.tsv", "--task", "pairs", "--cell", "lstm"], "-o encoder=lstm"),
        (["pairs.tsv", "--task", "pairs", "--cell", "rnngen/gru"], "encoder=rnngen/gru"),
        (["pairs.tsv", "--source", "pairs.tsv"], "--task pairs"),
        (["pairs.tsv", "--shared-vocabulary"], "--task pairs"),
        (["pairs.tsv", "--source-tokenizer", "char"], "--task pairs"),
        (["pairs.tsv", "--task", "pairs", "--learn-state"], "--learn-state"),
        (
            ["pairs.tsv", "--task", "pairs", "--shared-vocabulary", "--source-tokenizer", "bpe"],
            "one tokenizer",
        ),
        (["pairs.tsv", "--task", "pairs", "--target", "pairs.tsv"], "--target"),
        (["pairs.tsv", "--task", "pairs", "--val-source", "pairs.tsv"], "--val"),
        (["pairs.tsv", "--task", "pairs", "--max-length", "0"], "max-length"),
        (["pairs.tsv", "--task", "pairs", "--average", "1"], "average"),
        (["pairs.tsv", "--task", "pairs", "-o", "copying=true"], "--shared-vocabulary"),
        (["pairs.tsv", "--task", "pairs", "-o", "encoder=seq2seq"], "whole network"),
        (["pairs.tsv", "--task", "pairs", "-o", "attention=dot"], "bidirectional=false"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_nothing(run, models, flags, said):
    before = sorted(models.iterdir())
    assert said in run("train", *flags, "--name", "new", "-q", *SEQ2SEQ, status=2).err
    assert sorted(models.iterdir()) == before


@pytest.mark.parametrize(
    ("files", "flags", "said"),
    [
        ({"p.tsv": "a\tb\nc\n"}, ["p.tsv"], "p.tsv: line 2 has one column"),
        ({"p.tsv": "a\tb\nc\td\te\n"}, ["p.tsv"], "p.tsv: line 2 has 3 columns"),
        ({"p.tsv": "a\tb\n\td\n"}, ["p.tsv"], "p.tsv: line 2: column 1 is empty"),
        ({"s": "a\nb\n", "t": "c\n"}, ["--source", "s", "--target", "t"], "s: line 2 has no line beside it"),
        ({"s": "a\n\n", "t": "c\nd\n"}, ["--source", "s", "--target", "t"], "s: line 2 is empty"),
        ({"p.tsv": "\n\n"}, ["p.tsv"], "p.tsv is empty"),
        ({"p.tsv": "a\tb\n"}, ["p.tsv"], "p.tsv is too small"),
    ],
)
def test_pairs_that_cannot_be_read_are_named(run, place, files, flags, said):
    for name, text in files.items():
        (place / name).write_text(text)
    told = run("train", *flags, "--task", "pairs", "--name", "new", "-q", *SEQ2SEQ, status=1)
    assert said in told.err


@pytest.mark.slow
def test_two_files_are_trained_on(run, home, place):
    sides = list(zip(*(line.split("\t") for line in reversals(80).splitlines()), strict=True))
    for name, side in zip(("s", "t"), sides, strict=True):
        (place / name).write_text("\n".join(side))
        (place / f"v{name}").write_text("\n".join(side[:5]))
    flags = ["--source", "s", "--target", "t", "--val-source", "vs", "--val-target", "vt"]
    run("train", *flags, "--task", "pairs", "--name", "new", "-q", *SEQ2SEQ)
    assert json.loads(run("eval", "-m", "new", "--json").out)["pairs"] == 5
    assert json.loads(run("eval", "-m", "new", "t", "--source", "s", "--json").out)["pairs"] == 80


# ── eval ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], ["--beam", "3"], ["--beam", "3", "--length-penalty", "0.2"]])
def test_eval_tells_what_was_promised(run, models, place, flags):
    (place / "test.tsv").write_text(reversals(30, seed=7))
    told = json.loads(run("eval", "-m", "pairs", "test.tsv", "--json", *flags).out)
    assert {*FREE, "signature"} <= set(told)
    assert all(isinstance(told[key], float) for key in FREE)
    assert (told["pairs"], told["beam"]) == (30, 3 if flags else 1)
    assert "version" in json.dumps(told["signature"])
    table = run("eval", "-m", "pairs", "test.tsv", *flags).out
    assert all(name in table for name in ("BLEU", "chrF", "ROUGE-L", "perplexity"))


def test_without_a_text_the_pairs_held_out_are_judged(run, models, learnt):
    count = len((learnt / "pairs.tsv").read_text().splitlines())
    told = json.loads(run("eval", "-m", "pairs", "--json").out)
    assert told["pairs"] == pytest.approx(0.1 * count, abs=1)


def test_eval_refuses_what_goes_with_the_other_kind(run, models, place):
    assert "--beam" in run("eval", "-m", "tale", "--beam", "2", status=2).err
    assert "--source" in run("eval", "-m", "tale", "pairs.tsv", "--source", "pairs.tsv", status=2).err
    assert "--source" in run("eval", "-m", "pairs", "--source", "pairs.tsv", status=2).err
    (place / "bad.tsv").write_text("a\tb\nc\n")
    assert "line 2" in run("eval", "-m", "pairs", "bad.tsv", status=1).err


# ── attend ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("flags", [["--beam", "3"], ["--length-penalty", "2"]])
def test_a_text_that_is_given_is_not_searched_for(run, models, flags):
    told = run("attend", "-m", "pairs", "--text", "CBA", *flags, "abc", status=2).err
    assert f"--text and {flags[0]} cannot stand together" in told


def test_the_map_is_drawn_in_text(run, models):
    told = run("attend", "-m", "pairs", "abc")
    assert "\x1b" not in told.out
    assert all(char in told.out for char in "abc")
    coloured = run("attend", "-m", "pairs", "abc", "--json")
    shown = json.loads(coloured.out)
    assert shown["source"] == ["a", "b", "c", ""]


def test_the_map_is_of_the_answer_or_of_a_text_that_is_given(run, models, alone):
    shown = json.loads(run("attend", "-m", "pairs", "fedc", "--json").out)
    assert "".join(shown["target"]) == alone("fedc")
    shown = json.loads(run("attend", "-m", "pairs", "fedc", "--json", "--text", "CDEF").out)
    assert "".join(shown["target"]) == "CDEF"


@pytest.mark.parametrize(("name", "begins"), [("m.svg", b"<"), ("m.html", b"<!"), ("m.png", b"\x89PNG")])
def test_pictures_are_written_into_files(run, models, place, name, begins):
    told = run("attend", "-m", "pairs", "-o", name, stdin="abc\n\nfedc\n")
    assert told.out == ""
    assert (place / name).read_bytes().startswith(begins)
    assert b"http://" not in (place / name).read_bytes().replace(b"http://www.w3.org", b"")


def test_every_line_is_drawn(run, models):
    told = run("attend", "-m", "pairs", "--json", stdin="abc\n\nfedc\n")
    assert ["".join(json.loads(line)["source"]) for line in told.out.splitlines()] == ["abc", "fedc"]


@pytest.mark.parametrize(
    ("args", "stdin", "ended"),
    [
        (["-m", "plain", "abc"], "", (2, "attention=none")),
        (["-m", "tale", "abc"], "", (2, "--task pairs")),
        (["-m", "pairs", "abc", "-o", "map.gif"], "", (2, ".png")),
        (["-m", "pairs"], "", (2, "no source")),
        (["-m", "pairs"], "\n \n", (2, "no source")),
        (["-m", "pairs"], "a\n" * 65, (2, "65 sources")),
        (["-m", "pairs"], b"a\n\xff\n", (1, "line 2")),
        (["-m", "nobody", "abc"], "", (3, "nobody")),
        (["-m", "pairs", "a\udcff"], "", (2, "UTF-8")),
        (["-m", "pairs", "abc", "--text", "a\udcff"], "", (2, "--text")),
    ],
)
def test_what_cannot_be_drawn_is_refused(run, models, args, stdin, ended):
    status, said = ended
    told = run("attend", *args, stdin=stdin, status=status)
    assert said in told.err
    assert told.out == ""


def test_score_takes_a_source_a_tab_and_a_text(run, models):
    done = run("score", "-m", "pairs", "--per-token", "--json", stdin="ab\tba\n")
    told = json.loads(done.out)
    assert [one["token"] for one in told["per_token"]][:2] == ["b", "a"]
    assert told["log_probability"] == pytest.approx(sum(one["log_probability"] for one in told["per_token"]))
    refused = run("score", "-m", "pairs", stdin="ab\tba\nab\n", status=1)
    assert "line 2 is no pair" in refused.err


def test_of_several_answers_that_are_drawn_the_likeliest_per_token_is_written(run, models, answer):
    drawing = ("--seed", "3", "--temp", "1", "--json", "abc")
    listed = [one["text"] for one in json.loads(answer("--count", "8", *drawing).out)["hypotheses"]]
    scores = run("score", "-m", "pairs", "--json", stdin="".join(f"abc\t{text}\n" for text in listed))
    told = [json.loads(line) for line in scores.out.splitlines()]
    means = [one["log_probability"] / one["tokens"] for one in told]
    expected = [max(range(at, at + 4), key=means.__getitem__) for at in (0, 4)]
    found = json.loads(answer("--count", "2", "--best-of", "4", *drawing).out)["hypotheses"]
    assert [one["text"] for one in found] == [listed[number] for number in expected]
    assert [one["score"] for one in found] == pytest.approx([means[n] for n in expected], rel=1e-4)
    assert len(set(listed)) > 2


def test_of_several_answers_that_are_drawn_the_one_that_the_others_are_like_is_written(answer):
    drawing = ("--seed", "3", "--temp", "1.3", "--json", "cafe")
    listed = [one["text"] for one in json.loads(answer("--count", "9", *drawing).out)["hypotheses"]]
    worth = [sum(chrf(text, other) for other in listed) - chrf(text, text) for text in listed]
    told = json.loads(answer("--mbr", "9", *drawing).out)
    assert told["text"] == listed[worth.index(max(worth))]
    assert told["hypotheses"][0]["score"] == pytest.approx(max(worth) / 8)


@pytest.mark.parametrize("flag", ["--best-of", "--mbr"])
def test_choosing_among_draws_and_ranking_by_a_beam_exclude_each_other(answer, flag):
    assert (
        f"{flag} and --nbest cannot stand together" in answer(flag, "4", "--nbest", "2", "abc", status=2).err
    )
    assert f"--beam and {flag} cannot stand together" in answer(flag, "4", "--beam", "3", "abc", status=2).err

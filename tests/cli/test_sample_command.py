"""``rnngen sample`` as a shell sees it: where prompts come from, what stdout gets, how to get it again."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter

import pytest

from rnngen.decoding.text_stream import first_sentences

pytestmark = pytest.mark.usefixtures("shelf")

TALE = ("sample", "-m", "tale", "--seed", "7")


class Terminal(io.StringIO):
    """Somebody's terminal, who types nothing."""

    def isatty(self):
        return True

    @property
    def buffer(self):
        raise AssertionError("the terminal was read")


# ── What stdout gets ───────────────────────────────────────────────────────────────────────────────────────


def test_stdout_gets_the_prompt_and_the_text_and_nothing_else(run):
    done = run(*TALE, "-n", "40", "the cat")
    assert done.out.startswith("the cat")
    assert len(done.out) == len("the cat") + 40
    assert done.err == ""


def test_the_prompt_can_be_left_out(run):
    whole = run(*TALE, "-n", "40", "the cat").out
    assert run(*TALE, "-n", "40", "--no-prompt", "the cat").out == whole.removeprefix("the cat")


def test_a_stop_from_the_environment_is_one_text(run, shelf, monkeypatch):
    asked = ("sample", "-m", "tale", "-s", "1", "-n", "200", "the")
    stop = run(*asked).out[20:28]
    monkeypatch.setenv("RNNGEN_SAMPLE_STOP", stop)
    assert run(*asked).out == run(*asked, "--stop", stop).out


@pytest.mark.parametrize("length", [0, 1, 5])
def test_length_counts_the_tokens_that_are_made(run, length):
    assert len(run(*TALE, "-n", length, "--no-prompt", "the cat").out) == length


def test_free_text_is_500_tokens_long_if_nobody_says(run):
    assert len(run(*TALE).out) == 500


def test_json_is_one_object_a_line(run):
    done = run(*TALE, "-n", "30", "--count", "3", "--json", "the")
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [set(record) for record in records] == [{"prompt", "text", "seed", "number"}] * 3
    assert [record["number"] for record in records] == [0, 1, 2]
    assert {(record["prompt"], record["seed"]) for record in records} == {("the", 7)}
    plain = run(*TALE, "-n", "30", "--count", "3", "-0", "--no-prompt", "the").out.split("\0")
    assert [record["text"] for record in records] == plain[:3]


@pytest.mark.slow
def test_json_is_valid_utf8_though_the_text_is_cut_within_a_character(spawn, run, place):
    (place / "odes.txt").write_text("愛は星のように遠く\n" * 60, encoding="utf-8")
    run("train", "odes.txt", "--tokenizer", "byte", "--hidden", "8", "--steps", "3", "--seed", "1", "-q")
    out, _ = spawn("sample", "-m", "odes", "-s", "1", "-n", "7", "--count", "5", "--json", "愛").communicate()
    records = [json.loads(line) for line in out.decode("utf-8").splitlines()]
    assert [record["prompt"] for record in records] == ["愛"] * 5


def test_the_model_and_the_seed_are_named_on_stderr_and_the_seed_repeats_the_text(run):
    done = run("sample", "-n", "50", "the")
    assert "rnngen: model names\n" in done.err
    seed = re.search(r"seed (\d+)", done.err)[1]
    assert run("sample", "-n", "50", "--seed", seed, "the").out == done.out
    assert run("sample", "-q", "-n", "50", "the").err.count("rnngen") <= 1  # the warning of unseen letters


def test_two_runs_without_a_seed_differ(run):
    one, other = (run("sample", "-m", "tale", "-n", "200", "-q").out for _ in range(2))
    assert one != other


# ── Where prompts come from ────────────────────────────────────────────────────────────────────────────────


def test_a_prompt_is_the_same_from_everywhere(run, place):
    (place / "prompt.txt").write_text("a dog")
    expected = run(*TALE, "-n", "30", "a dog").out
    assert run(*TALE, "-n", "30", stdin="a dog").out == expected
    assert run(*TALE, "-n", "30", "-", stdin="a dog").out == expected
    assert run(*TALE, "-n", "30", "--prompt-file", "prompt.txt").out == expected
    assert run(*TALE, "-n", "30", "--prompt-file", "-", stdin="a dog").out == expected


def test_a_prompt_file_may_be_a_pipe(run, place):
    os.mkfifo(place / "pipe")
    writer = subprocess.Popen(["sh", "-c", "printf 'a dog' > pipe"])
    assert run(*TALE, "-n", "30", "--prompt-file", "pipe").out == run(*TALE, "-n", "30", "a dog").out
    assert writer.wait() == 0


@pytest.mark.parametrize("prompt", ["the\n", "the\r\ncat", "\n\n", " ", "\ttab"])
def test_a_prompt_is_taken_byte_for_byte(run, prompt):
    assert run(*TALE, "-n", "0", stdin=prompt).out == prompt


def test_an_argument_leaves_stdin_alone(run, monkeypatch):
    expected = run(*TALE, "-n", "5", "the").out
    assert run(*TALE, "-n", "5", "the", stdin="something else").out == expected
    assert run(*TALE, "-n", "5", "", stdin="something else").out == run(*TALE, "-n", "5").out


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_terminal_is_not_waited_for(capsys, monkeypatch, term):
    from rnngen.__main__ import main

    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert main([*TALE, "-n", "5"]) == 0
    assert len(capsys.readouterr().out) == 5


def test_stdin_may_be_closed(capsys, monkeypatch):
    from rnngen.__main__ import main

    monkeypatch.setattr(sys, "stdin", None)
    assert main([*TALE, "-n", "5"]) == 0
    assert len(capsys.readouterr().out) == 5
    assert main([*TALE, "-"]) == 2
    assert "standard input is closed" in capsys.readouterr().err


def test_a_prompt_with_characters_never_seen_works_and_warns_of_them(run):
    done = run(*TALE, "-n", "10", "漢字 and the ñ")
    assert done.out.startswith("漢字 and the ñ")
    assert done.err.splitlines() == [
        "rnngen: warning: the prompt holds what the model has never seen, and makes little of: "
        "漢 字 ñ (3 of 12 characters)"
    ]


@pytest.mark.slow
def test_a_warning_repeats_no_whole_book(run):
    done = run(*TALE, "-n", "0", stdin="漢" * 5000)
    assert len(done.err) < 200


# ── The same again ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("null", [[], ["-0"]])
@pytest.mark.parametrize("model", ["tale", "names"])
def test_a_text_does_not_depend_on_how_many_there_are(run, model, null):
    def texts(count):
        done = run("sample", "-m", model, "-s", "3", "-n", "25", "--count", count, "--no-prompt", *null)
        return done.out

    assert texts(5) == texts(5)
    assert texts(5).startswith(texts(2))
    assert texts(2).startswith(texts(1))
    assert texts(2) != texts(1)


def test_texts_end_in_nul_where_asked_and_in_a_line_end_otherwise(run):
    nul = run(*TALE, "-n", "9", "--count", "3", "-0").out
    lines = run(*TALE, "-n", "9", "--count", "3").out
    assert nul.count("\0") == 3
    assert nul.endswith("\0")
    assert nul.removesuffix("\0").replace("\0", "\n---\n") + "\n" == lines
    assert "---" not in run("sample", "-m", "names", "-s", "4", "--count", "3").out


def test_temperature_0_needs_no_seed(run):
    one, other = (run("sample", "-m", "tale", "--temp", "0", "-n", "60", "the").out for _ in range(2))
    assert one == other == run(*TALE, "--top-k", "1", "-n", "60", "the").out


def test_the_default_is_a_temperature_of_08(run):
    assert run(*TALE, "-n", "60").out == run(*TALE, "-n", "60", "--temp", "0.8").out


def test_a_chain_of_filters_is_what_the_flags_are(run):
    plain = (
        "--temp",
        "1.3",
        "--top-k",
        "9",
        "--top-p",
        "0.9",
        "--min-p",
        "0.01",
        "--repetition-penalty",
        "1.2",
    )
    chain = ("--filters", "repetition=1.2, temp=1.3,top_k=9,top_p=0.9,min_p=0.01")
    assert run(*TALE, *plain).out == run(*TALE, *chain).out
    assert run(*TALE, *plain).out != run(*TALE).out


FLAGS = {
    "repetition": ("--repetition-penalty", "1.2"),
    "frequency": ("--frequency-penalty", "0.4"),
    "presence": ("--presence-penalty", "0.3"),
    "dry": ("--dry", "0.8"),
    "temp": ("--temp", "1.7"),
    "top_k": ("--top-k", "9"),
    "top_p": ("--top-p", "0.9"),
    "min_p": ("--min-p", "0.02"),
    "typical": ("--typical", "0.8"),
    "top_nsigma": ("--top-nsigma", "1.5"),
    "xtc": ("--xtc", "0.4"),
    "mirostat": ("--mirostat", "2"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("order", "names"),
    [
        (
            "hf",
            "repetition frequency presence dry temp top_k top_p min_p typical top_nsigma xtc mirostat",
        ),
        (
            "llama",
            "repetition frequency presence dry top_nsigma top_k typical top_p min_p xtc temp mirostat",
        ),
    ],
)
def test_an_order_is_that_of_the_program_it_is_named_for(run, order, names):
    plain = [text for pair in FLAGS.values() for text in pair]
    chain = ",".join(f"{name}={FLAGS[name][1]}" for name in names.split())
    assert run(*TALE, *plain, "--order", order).out == run(*TALE, "--filters", chain).out


def test_temperature_before_or_after_the_cuts_makes_a_difference_and_before_is_usual(run):
    hot = (*TALE, "--temp", "3", "--top-p", "0.7")
    assert run(*hot).out == run(*hot, "--order", "hf").out != run(*hot, "--order", "llama").out


@pytest.mark.slow
@pytest.mark.parametrize(
    "filters",
    [
        "dynatemp=0.5;high=2",
        "typical=0.9",
        "epsilon=0.01",
        "eta=0.01",
        "top_nsigma=1",
        "xtc=0.5;threshold=0.2",
        "frequency=0.5,presence=0.5;window=9",
        r"dry=0.8;base=2;allowed=1;breakers=\n\,",
        "no_repeat_ngram=4",
        "logit_bias=e:-3|a:2",
        r"ban=the|\n|\=|\,|\;",
        "min_length=5",
        "mirostat=1;tau=2;eta=0.5",
        "mirostat=2;tau=2",
    ],
)
def test_every_filter_is_at_hand_and_repeatable_under_both_strategies(run, filters):
    for strategy in ([*TALE[:3], "-s", "2"], [*TALE[:3], "--beam", "3"]):
        model = ("-n", "80", "an")
        shaped = run(*strategy, "--filters", filters, *model).out
        assert shaped == run(*strategy, "--filters", filters, *model).out
        assert len(shaped) == 82


@pytest.mark.parametrize("how", [[], ["--beam", "3"]])
def test_nothing_but_what_is_forced_is_written(run, how):
    chain = ["-n", "60", "--no-prompt", "--filters", r"force=a cat|\n|\,"]
    written = run(*TALE, *chain, *how, "the").out
    assert set(written) <= set("a ct\n,")
    assert len(set(written)) > 1


def test_a_banned_text_is_not_written(run):
    written = run(*TALE, "-n", "2000").out
    words = Counter(word for word in written.split() if word.isalpha() and len(word) > 1)
    (often, _), *_ = words.most_common(1)
    assert often not in run(*TALE, "-n", "2000", "--filters", f"temp=0.8,ban={often}|the cat").out


def test_a_text_does_not_end_before_its_least_length(run):
    texts = run(
        "sample", "-m", "names", "-s", "4", "--count", "30", "--filters", "min_length=9"
    ).out.splitlines()
    assert min(len(text) for text in texts) == 9


def test_filters_with_memory_depend_on_no_other_text(run):
    chain = ("sample", "-m", "tale", "-s", "5", "-n", "60", "-0", "--filters", "xtc=0.5,mirostat=2;tau=2")
    assert run(*chain, "--count", "4").out.startswith(run(*chain, "--count", "2").out)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--filters", "typcal=0.9"], "unknown filter 'typcal'; did you mean 'typical'?"),
        (
            ["--filters", "mirostat=2;tua=3"],
            "unknown option of filter 'mirostat': 'tua'; did you mean 'tau'?",
        ),
        (["--filters", "logit_bias=the"], "TEXT:BIAS expected"),
        (["--filters", "logit_bias=the:1"], "no single token is 'the'; to this model it is 't' 'h' 'e'"),
        (["--filters", "ban"], "at least one text expected"),
        (["--filters", "force"], "force=TEXT|TEXT"),
        (["--filters", "top_nsigma=nan"], "n=nan: 0 or more expected"),
        (["--filters", "xtc=2"], "probability=2: a number from 0 to 1 expected"),
        (["--filters", "temp=1", "--order", "hf"], "--filters is the whole chain"),
        (["--typical", "0"], "--typical 0: a number above 0 and up to 1 expected"),
        (["--mirostat", "3"], "--mirostat 3: 1 or 2 expected"),
        (["--dry", "-1"], "--dry -1: a number from 0 to 1000000 expected"),
        (["--frequency-penalty", "inf"], "--frequency-penalty inf"),
        (["--order", "lama"], "'lama'"),
    ],
)
def test_what_makes_no_chain_is_refused_before_anything_is_written(run, arguments, says):
    done = run(*TALE, *arguments, status=2)
    assert done.out == ""
    assert says in done.err


def test_an_order_of_a_settings_file_gives_way_to_a_chain(run, place):
    (place / "rnngen.toml").write_text('[sample]\norder = "llama"\n')
    assert run(*TALE, "--filters", "temp=1.5").out == run(*TALE, "--temp", "1.5").out


def test_an_empty_chain_is_the_model_as_it_is(run):
    assert run(*TALE, "--filters", "").out == run(*TALE, "--temp", "1").out


@pytest.mark.slow
@pytest.mark.parametrize("extreme", ["1e-320", "1e-40", "1e-9", "1e40", "1e300"])
def test_extreme_temperatures_give_text_and_no_warning(spawn, extreme):
    process = spawn(*TALE, "-n", "20", "--temp", extreme)
    out, err = process.communicate()
    assert (process.returncode, len(out), err) == (0, 20, b"")


# ── Stopping ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stop_ends_the_text_before_it(run):
    whole = run(*TALE, "the").out
    stop = whole[100:104]
    stopped = run(*TALE, "--stop", stop, "the").out
    assert whole.startswith(stopped)
    assert stopped == "the" + whole[3:].partition(stop)[0]


def test_of_several_stops_the_first_in_the_text_counts(run):
    whole = run(*TALE).out
    stopped = run(*TALE, "--stop", whole[200:205], "--stop", whole[90:95]).out
    assert stopped == whole[: min(whole.index(whole[200:205]), whole.index(whole[90:95]))]


def test_a_stop_in_the_prompt_does_not_count(run):
    assert len(run(*TALE, "--stop", "Q", "-n", "20", "QQQ").out) == 23


# ── Examples that end ──────────────────────────────────────────────────────────────────────────────────────


def test_a_model_of_lines_writes_one_line_a_text(run):
    done = run("sample", "-m", "names", "-s", "4", "--count", "20")
    texts = done.out.splitlines()
    assert len(texts) == 20
    assert len({len(text) for text in texts}) > 2
    assert done.out.endswith("\n")


def test_a_model_of_lines_completes_a_beginning(run):
    done = run("sample", "-m", "names", "-s", "4", "--count", "5", "An")
    assert all(line.startswith("An") for line in done.out.splitlines())


# ── Beam search ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("model", ["tale", "names"])
def test_a_beam_of_one_without_length_penalty_is_temperature_0(run, model):
    greedy = run("sample", "-m", model, "--temp", "0", "-n", "40", "A").out
    assert run("sample", "-m", model, "--beam", "1", "--length-penalty", "0", "-n", "40", "A").out == greedy


def test_beam_search_finds_several_texts_best_first_without_a_seed(run):
    def search(count):
        return run("sample", "-m", "names", "--beam", "6", "--count", count, "--json")

    found = [json.loads(line)["text"] for line in search(6).out.splitlines()]
    assert len(set(found)) == 6
    assert [json.loads(line)["text"] for line in search(2).out.splitlines()] == found[:2]
    assert search(1).err == ""


def test_a_wider_beam_finds_no_less_probable_a_text(run):
    def score(width):
        text = run("sample", "-m", "tale", "--beam", width, "--length-penalty", "0", "-n", "12").out
        return float(run("score", "-m", "tale", stdin=text.replace("\n", " ")).out.splitlines()[0])

    assert score(40) >= score(1) - 1e-4


def test_stops_hold_for_beam_search(run):
    whole = run("sample", "-m", "tale", "--beam", "2", "-n", "30").out
    assert (
        run("sample", "-m", "tale", "--beam", "2", "-n", "30", "--stop", whole[9:12]).out
        == (whole[: whole.index(whole[9:12])])
    )


# ── Where settings come from ───────────────────────────────────────────────────────────────────────────────


def test_flag_over_environment_over_folder_over_user(run, home, place, monkeypatch):
    def length():
        return len(run(*TALE, "--no-prompt").out)

    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text("[sample]\nlength = 4\n")
    assert length() == 4
    (place / "rnngen.toml").write_text("[sample]\nlength = 5\n")
    assert length() == 5
    monkeypatch.setenv("RNNGEN_SAMPLE_LENGTH", "6")
    assert length() == 6
    assert len(run(*TALE, "--length", "7").out) == 7


def test_every_flag_has_its_own_name_in_the_environment(run, monkeypatch):
    whole = run(*TALE, "-n", "200").out
    monkeypatch.setenv("RNNGEN_SAMPLE_STOP", "e")
    assert run(*TALE, "-n", "200").out == whole.partition("e")[0]


@pytest.mark.slow
def test_a_chain_overrules_the_flags_of_a_settings_file_and_the_other_way_round(run, place):
    (place / "rnngen.toml").write_text("[sample]\ntemp = 0\n")
    assert run(*TALE, "--filters", "temp=1.5").out == run(*TALE, "--temp", "1.5").out
    (place / "rnngen.toml").write_text('[sample]\nfilters = "temp=0"\n')
    assert run(*TALE, "--top-k", "2").out != run(*TALE).out
    assert run(*TALE).out == run(*TALE, "--temp", "0").out


def test_a_prompt_overrules_a_prompt_file_of_a_settings_file(run, place):
    (place / "rnngen.toml").write_text('[sample]\nprompt-file = "nowhere.txt"\n')
    assert run(*TALE, "-n", "0", "the").out == "the"


# ── In a pipeline ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_reader_that_leaves_ends_it_in_silence(spawn):
    process = spawn(*TALE, "-n", "-1", "the cat")
    taken = process.stdout.read(300)
    process.stdout.close()
    assert process.wait(timeout=30) == 141
    assert process.stderr.read() == b""
    assert taken.startswith(b"the cat")
    assert len(taken) == 300


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/bin/bash"), reason="needs PIPESTATUS")  # noqa: PTH110
def test_the_pipeline_of_the_readme_is_clean(spawn, run):
    command = f'printf "the cat" | "{sys.executable}" -m rnngen sample -m tale --seed 7 | head -c 300; '
    command += 'echo "${PIPESTATUS[1]}" >&2'
    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, check=True)
    assert done.stdout.decode() == run(*TALE, "the cat").out[:300]
    assert done.stderr in (b"0\n", b"141\n")  # 0 where all 500 tokens fitted into the pipe


@pytest.mark.slow
def test_an_interrupt_ends_an_endless_text_and_keeps_what_was_written(spawn, run):
    process = spawn(*TALE, "-n", "-1")
    start = process.stdout.read(50)
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()  # communicate() would pass over what read(50) left in the buffer
    assert (process.wait(timeout=30), process.stderr.read()) == (130, b"")
    assert (start + rest).decode()[:500] == run(*TALE, "-n", "500").out[: len(start + rest)]


@pytest.mark.slow
def test_text_without_end_flows_for_a_hundred_thousand_characters(spawn):
    process = spawn(*TALE, "-n", "-1")
    text = b""
    while len(text) < 100_000:
        text += process.stdout.read(1 << 14)
    process.stdout.close()
    assert process.wait(timeout=30) == 141
    assert process.stderr.read() == b""


@pytest.mark.slow
def test_generation_needs_neither_torch_nor_tokenizers_nor_rich():
    check = (
        "import sys; from rnngen.__main__ import main; "
        "main(['sample', '-m', 'names', '-n', '3', 'An']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'tokenizers', 'rich')))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


# ── where a text ends ──────────────────────────────────────────────────────────────────────────────────────


def test_a_stop_is_kept_where_that_is_asked_for(run, shelf):
    whole = run("sample", "-m", "tale", "-s", "5", "-n", "80", "--no-prompt").out
    stop = whole[20:22]
    cut = whole[: whole.index(stop)]
    asked = ("sample", "-m", "tale", "-s", "5", "-n", "80", "--no-prompt", "--stop", stop)
    assert run(*asked).out == cut
    assert run(*asked, "--keep-stop").out == cut + stop
    asked = [word for word in asked if word != "--no-prompt"]
    assert json.loads(run(*asked, "--keep-stop", "--json").out)["text"] == cut + stop
    assert "--stop" in run("sample", "-m", "tale", "--keep-stop", status=2).err


def test_sentences_are_counted_in_every_text(run, shelf):
    run("sample", "-m", "tale", "--sentences", "0", status=2)
    run("sample", "-m", "tale", "--sentences", "1", "--save-state", "x", status=2)
    plain = run("sample", "-m", "tale", "-s", "5", "-n", "80", "--count", "2", "-0").out
    cut = run("sample", "-m", "tale", "-s", "5", "-n", "80", "--count", "2", "-0", "--sentences", "1").out
    for whole, first in zip(plain.split("\0"), cut.split("\0"), strict=True):
        assert first == "".join(first_sentences([whole], 1))


def test_loops_are_left_by_a_flag_that_holds_for_greedy_text(run, shelf):
    looping = run("sample", "-m", "tale", "--temp", "0", "-n", "400", "--no-prompt").out
    left = run("sample", "-m", "tale", "--temp", "0", "-n", "400", "--no-prompt", "--escape-loops", "3").out
    assert left.startswith(looping[:19])
    run("sample", "-m", "tale", "--escape-loops", "1", status=2)


# ── On a terminal ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("terminal", "term", "dim"), [(True, "xterm", True), (True, "dumb", False), (False, "xterm", False)]
)
def test_the_prompt_is_dim_on_a_terminal_alone(run, monkeypatch, terminal, term, dim):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("FORCE_COLOR", "" if terminal else "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    assert run(*TALE, "-n", "3", "the").out.startswith("\x1b[2mthe\x1b[0m" if dim else "the")

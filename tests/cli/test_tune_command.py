"""``rnngen tune`` as a shell sees it, and ``rnngen train --from-study`` after it."""

import io
import json
import shlex
import signal
import subprocess
import sys

import pytest

pytest.importorskip("optuna", reason="the extra 'tune' is not installed")

from rnngen.cli.commands import tune as trials
from rnngen.cli.render import console
from rnngen.requests.train import TrainRequest
from rnngen.tuning import Best, Opened, Searched, Tried, Trying
from rnngen.tuning.trials import tune

FIXED = ["--hidden=8", "--layers=1", "--embed=8", "--batch=8", "--seq=16", "--weight-decay=0.01"]
FAST = ["--optimizer=adamw", "--evaluations=2", "--steps=6", "--precision=fp32", "--device=cpu", "--seed=1"]
FLAGS = ["--trials=2", "--prune=none", *FIXED, *FAST]
MACHINE = ["--precision=fp32", "--device=cpu", "--steps=6", "--evaluations=2"]


@pytest.fixture
def tale(trained, place):
    """The text in the folder that one works in."""
    path = place / "tale.txt"
    path.write_bytes((trained / "tale.txt").read_bytes())
    return path


@pytest.fixture
def models(home):
    return home / "models"


def best_loss(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return min(row["val_nats_per_char"] for row in rows)


def record(ran):
    return json.loads(ran.out.splitlines()[-1])


# ── Searching ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_the_result_is_a_command_that_trains_to_the_same_loss_as_the_study_does(run, tale, models, home):
    done = run("tune", "tale.txt", *FLAGS)
    assert (home / "studies" / "tale.journal").is_file()
    assert not models.exists()
    words = shlex.split(done.out)
    assert words[:3] == ["rnngen", "train", "tale.txt"]
    run(*words[1:], "--steps", "6", "-q", "--name", "flags")
    run("train", "tale.txt", "--from-study", "tale", "-q", "--steps", "6", "--name", "study")
    found = record(run("tune", "tale.txt", *FLAGS[1:], "--trials", "1", "--minutes", "1e-9", "--json"))
    assert best_loss(models / "flags") == best_loss(models / "study") == found["best"]["nats_per_char"]
    weights = [(models / name / "model.safetensors").read_bytes() for name in ("flags", "study")]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_off_a_terminal_there_is_a_line_a_trial(run, tale):
    lines = run("tune", "tale.txt", *FLAGS).err.splitlines()
    assert "study tale in" in lines[0]
    assert "searching dropout 0.0..0.7, lr 0.0003..0.03:log, lstm." in lines[0]
    assert "lstm.mogrifier 0|2|5, lstm.forget_bias 0.0..3.0" in lines[0]
    assert [line.split()[:3] for line in lines[1:3]] == [["rnngen:", "trial", str(n)] for n in (0, 1)]
    assert "best of 2 trials" in lines[3]
    assert len(lines) == 4


@pytest.mark.slow
def test_json_is_an_object_a_trial_and_one_for_the_best(run, tale):
    done = run("tune", "tale.txt", *FLAGS, "--json")
    *ended, last = [json.loads(line) for line in done.out.splitlines()]
    assert [(one["event"], one["trial"], one["outcome"]) for one in ended] == [
        ("tried", 0, "complete"),
        ("tried", 1, "complete"),
    ]
    assert last["best"]["nats_per_char"] == min(one["nats_per_char"] for one in ended)
    assert last["best"]["settings"]["training"]["seed"] == 1
    assert last["best"]["command"].startswith("rnngen train tale.txt --hidden 8 --layers 1 --embed 8 ")
    assert done.err == ""


@pytest.mark.slow
def test_the_same_command_goes_on_with_the_study(run, tale):
    run("tune", "tale.txt", *FLAGS, "-q")
    done = run("tune", "tale.txt", *FLAGS, "--json")
    assert [json.loads(line)["trial"] for line in done.out.splitlines()[:-1]] == [2, 3]
    assert record(done)["trials"] == 4


@pytest.mark.slow
def test_a_text_may_come_through_a_pipe(run, tale):
    done = run("tune", "-", "--name", "piped", *FLAGS, "--json", stdin=tale.read_text())
    assert record(done)["trials"] == 2


@pytest.mark.slow
def test_an_interrupt_ends_the_search_and_says_how_to_go_on(run, tale, monkeypatch):

    def interrupted(*arguments, **named):
        for event in tune(*arguments, **named):
            if isinstance(event, Trying) and event.trial == 1:
                signal.raise_signal(signal.SIGINT)
            yield event

    monkeypatch.setattr("rnngen.tuning.trials.tune", interrupted)
    done = run("tune", "tale.txt", *FLAGS, "--trials=9", status=130)
    command = done.err.splitlines()[-1].partition("go on with: ")[2]
    assert shlex.split(command) == ["rnngen", "tune", "tale.txt", *FLAGS, "--trials=9"]
    monkeypatch.setattr("rnngen.tuning.trials.tune", tune)
    assert record(run("tune", "tale.txt", *FLAGS, "--json"))["best"] is not None


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--search", "lr"], "--search 'lr' is not of the form KEY=LOW..HIGH"),
        (["--search", "lr=1..0"], "option lr: 1.0..0.0"),
        (["--search", "rate=1..2"], "unknown option to search 'rate'"),
        (["--minutes", "0"], "--minutes 0: a number above 0 expected"),
        (
            ["--trial-minutes", "1"],
            "--steps and --trial-minutes cannot stand together: they are different budgets",
        ),
        (["--hidden", "0"], "--hidden 0: at least 1 expected"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_no_study(run, tale, home, flags, message):
    done = run("tune", "tale.txt", *FLAGS, *flags, status=2)
    assert message in done.err
    assert done.out == ""
    assert not (home / "studies").exists()


def test_help_imports_nothing_heavy():
    look = "import sys; from rnngen.__main__ import main; main(['tune', '--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    modules = set(done.stdout.splitlines()[-1].split())
    assert "rnngen.cli.commands.tune" in modules
    assert not modules & {"torch", "tokenizers", "numpy", "rich", "safetensors", "optuna"}


def test_without_a_corpus_it_says_so(run):
    assert "no corpus; give a file" in run("tune", *FLAGS, status=2).err


def test_without_optuna_it_says_what_to_install(run, tale, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    for command in (["tune", "tale.txt"], ["train", "tale.txt", "--from-study", "tale"]):
        assert "pip install 'rnngen[tune]'" in run(*command, status=4).err


# ── Training the best ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_flags_count_above_the_study(run, tale, models):
    run("tune", "tale.txt", *FLAGS, "-q")
    run(
        "train",
        "tale.txt",
        "--from-study",
        "tale",
        "-q",
        *MACHINE,
        "--hidden",
        "12",
        "--lr",
        "0.5",
        "--cell",
        "gru",
    )
    config = json.loads((models / "tale" / "config.json").read_text())
    assert (config["network"]["hidden"], config["network"]["embed"]) == (12, 8)
    assert (config["training"]["lr"], config["training"]["batch"]) == (0.5, 8)
    assert (config["cell"]["name"], config["cell"]["options"]) == (
        "gru",
        {"zoneout_h": 0.0, "layer_norm": None},
    )


@pytest.mark.slow
def test_a_study_counts_above_settings_files(run, tale, models):
    run("tune", "tale.txt", *FLAGS, "-q")
    (tale.parent / "rnngen.toml").write_text("[train]\nhidden = 12\nlr = 0.5\nclip = 0.7\n")
    run("train", "tale.txt", "--from-study", "tale", "-q", *MACHINE, "--lr", "0.4")
    config = json.loads((models / "tale" / "config.json").read_text())
    assert config["network"]["hidden"] == 8
    assert (config["training"]["lr"], config["training"]["clip"]) == (0.4, 0.7)


@pytest.mark.slow
def test_to_name_the_cell_that_a_study_had_by_default_keeps_its_options(run, tale, models):
    run("tune", "tale.txt", *FLAGS, "-q", "--search", "forget_bias=1.5..2.5", "--trials", "3", "--seed", "2")
    for name, flags in (("plain", []), ("named", ["--cell", "lstm"])):
        run("train", "tale.txt", "--from-study", "tale", "--name", name, "-q", *MACHINE, *flags)
    one, other = (json.loads((models / name / "config.json").read_text()) for name in ("plain", "named"))
    assert one["cell"]["options"] == other["cell"]["options"]
    assert one["cell"]["options"]["forget_bias"] >= 1.5


@pytest.mark.slow
def test_a_study_in_another_place_is_found_there(run, tale, models, tmp_path):
    place = str(tmp_path / "shared.journal")
    run("tune", "tale.txt", *FLAGS, "-q", "--storage", place, "--name", "mine")
    run("train", "tale.txt", "--from-study", "mine", "--storage", place, "-q", *MACHINE)
    assert json.loads((models / "tale" / "config.json").read_text())["training"]["batch"] == 8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--from-study", "tael"], 2, "unknown study 'tael'; did you mean 'tale'?"),
        (
            ["--from-study", "tale", "--resume"],
            2,
            "--from-study and --resume cannot stand together: it is for new models",
        ),
        (
            ["--from-study", "tale", "--init-from", "x"],
            2,
            "--from-study and --init-from cannot stand together",
        ),
        (["--storage", "x.journal"], 2, "--storage needs --from-study"),
        (["--from-study", "tale", "--storage", "none.journal"], 3, "none.journal: no such file"),
        (["--from-study", "../tale"], 2, "study name '../tale'"),
    ],
)
@pytest.mark.usefixtures("tale")
def test_a_study_that_cannot_be_meant_is_refused(run, models, flags, status, message):
    run("tune", "tale.txt", *FLAGS, "-q")
    assert message in run("train", "tale.txt", *flags, status=status).err
    assert not models.exists()


def test_a_study_without_a_complete_trial_says_so(run, tale):
    run("tune", "tale.txt", *FLAGS, "--minutes", "1e-9", "-q")
    assert "has no complete trial yet" in run("train", "tale.txt", "--from-study", "tale", status=3).err


# ── How it looks ───────────────────────────────────────────────────────────────────────────────────────────


def made_up():
    """Twenty trials, of which the second is the best, and one on its way."""
    yield Opened("s", "s.journal", 0, 1, {"lr": "1..2"}, {"steps": 6})
    for number in range(20):
        yield Trying(number, {"lr": 0.1}, 0.5, None)
        loss = 1.0 if number == 1 else 2.0
        yield Tried(number, "complete", {"lr": 0.1234567}, loss, 1_234_567, 61.0, number < 2)
    yield Trying(20, {"lr": 0.1, "tied": True}, 0.25, 1.75)


def test_the_listing_holds_the_best_trial_the_latest_and_the_one_on_its_way():
    state = trials.Trials()
    for event in made_up():
        state.take(event)
    rows = state.rows()
    assert [row[0] for row in rows] == [1, *range(8, 21)]
    assert rows[0] == [1, "1.0000", "best", "1.23M", "1:01", "lr=0.123"]
    assert rows[-1] == [20, "1.7500", "25%", None, None, "lr=0.1 tied=True"]


def test_on_a_terminal_the_listing_is_drawn_in_place(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    state = trials.Trials()
    console.live_table(trials.listings(state.follow(made_up()), state))
    shown = sys.stderr.getvalue()
    assert "nats/char" in shown
    assert "1.0000" in shown
    assert "\x1b[1A" in shown  # the cursor goes up, to draw over what was there


def test_a_command_quotes_what_a_shell_would_read_otherwise():
    settings = TrainRequest.of(
        cell="a/b",
        shared_vocabulary=False,
        dropout=None,
        learn_state=True,
        lr=1e-05,
        settings={"cell.x": "a b"},
    )
    assert trials.command(settings, ["my text.txt"]) == (
        "rnngen train 'my text.txt' --cell a/b --no-shared-vocabulary --dropout none --learn-state "
        "--lr 1e-05 -o 'cell.x=a b'"
    )


def test_what_is_no_number_is_null_in_json():
    searched = Searched("s", "budget", 1, Best(0, float("inf"), {"lr": 0.1}, TrainRequest.of(seed=1)))
    line = json.loads(trials.json_line(searched, ["c"]))
    assert line["best"]["nats_per_char"] is None
    nothing = {name: {} for name in ("parts", "text", "network", "settings")}
    assert line["best"]["settings"] == {**nothing, "training": {"seed": 1}}

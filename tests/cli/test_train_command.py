"""``rnngen train`` as a shell sees it: what it leaves, how it is interrupted, and how it goes on."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from rnngen import hookimpl
from rnngen.api import Session
from rnngen.cli.commands.train import make_listener
from rnngen.cli.render import console
from rnngen.contracts import ListenerSpec
from rnngen.errors import UsageError
from rnngen.events import Step
from rnngen.registry import Distribution, Registry


@pytest.fixture
def tale(trained, place):
    """The text in a file that a test may change."""
    path = place / "tale.txt"
    path.write_bytes((trained / "tale.txt").read_bytes())
    return path


@pytest.fixture
def models(home):
    return home / "models"


PLAN = ("--plan", "--steps", "20", "--seed", "1")


@pytest.mark.slow
def test_a_plan_is_a_result_whatever_is_quiet_and_whatever_models_there_are(run, tale, shelf):
    before = (shelf / "tale" / "config.json").read_bytes()
    ran = run("train", "tale.txt", *PLAN)
    assert ran.out.startswith("text: ")
    assert re.search(r"^lstm, char tokens, hidden \d+, .* parameters$", ran.out, re.MULTILINE)
    quiet = run("train", "tale.txt", *PLAN, "-q")
    assert quiet.out.count("\n") == ran.out.count("\n")
    assert quiet.err == ""
    assert json.loads(run("train", "tale.txt", *PLAN, "--json").out)["model"] == "tale"
    assert (shelf / "tale" / "config.json").read_bytes() == before


@pytest.fixture
def signalled(monkeypatch):
    """Sends this process signals, one right after the other, when a training has made so many steps."""
    render = console.render

    def at(step, *signals):
        def sending(events):
            for event in events:
                for which in signals if isinstance(event, Step) and event.step == step else ():
                    signal.raise_signal(which)
                yield event

        monkeypatch.setattr(console, "render", lambda events, *rest: render(sending(events), *rest))

    yield at
    monkeypatch.setattr(console, "render", render)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def listed(folder):
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


# ── What it leaves ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_model_is_a_folder_of_these_files(run, tale, models, tiny):
    run("train", "tale.txt", "-q", *tiny)
    assert set(contents(models)) == {
        "tale/config.json",
        "tale/model.safetensors",
        "tale/tokenizer.json",
        "tale/metrics.jsonl",
        "tale/README.md",
        "tale/last/training.safetensors",
        "tale/last/corpus.json",
        "tale/last/speed.jsonl",
    }
    assert "# tale\n" in (models / "tale" / "README.md").read_text()
    rows = (models / "tale" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [20, 40]


@pytest.mark.slow
def test_quiet_says_nothing_but_warnings(run, tale, tiny, monkeypatch):
    done = run("train", "tale.txt", "-q", *tiny, "--ngram", "none")
    assert done.out == ""
    assert "worse than a 5-gram" in done.err
    assert len(done.err.splitlines()) == 1
    monkeypatch.setattr("rnngen.training.evaluating.CHEAP", 0)  # nothing to warn of
    done = run("train", "tale.txt", "-q", "--force", *tiny)
    assert (done.out, done.err) == ("", "")


@pytest.mark.slow
def test_progress_goes_to_stderr(run, tale, tiny):
    done = run("train", "tale.txt", *tiny)
    assert done.out == ""
    assert done.err.splitlines()[:2] == ["rnngen: reading tale.txt", "rnngen: encoding tale.txt"]
    assert "\nrnngen: tale: " in done.err
    assert "\nrnngen: done: 40 steps in 0:" in done.err
    assert "\nrnngen: saved as tale in " in done.err
    assert done.err.endswith("\nrnngen: try: rnngen sample -m tale\n")


@pytest.mark.parametrize(
    ("task", "text", "tried"),
    [
        ("lines", "Ann\nBea\nCleo\nDora\n" * 40, "rnngen sample -m x --count 10"),
        ("labelled", "it\tAnna\nfr\tBeatrice\nit\tClara\n" * 40, "rnngen sample -m x --label fr --count 5"),
        ("pairs", "it is\tIT IS\n" * 60, "rnngen sample -m x 'it is'"),
    ],
)
@pytest.mark.usefixtures("place")
def test_the_end_shows_several_samples_and_what_to_try(run, tiny, task, text, tried):
    Path("x.txt").write_text(text)
    done = run("train", "x.txt", "--task", task, *tiny, "--steps", "2")
    assert done.err.splitlines()[-1] == f"rnngen: try: {tried}"
    assert sum(line.startswith("  | ") for line in done.err.splitlines()) > 2


@pytest.mark.slow
def test_json_is_an_event_a_line_from_started_to_finished(run, tale, tiny):
    done = run("train", "tale.txt", "--json", *tiny)
    events = [json.loads(line) for line in done.out.splitlines()]
    kinds = [event["event"] for event in events if event["event"] != "preparing"]
    assert (kinds[0], kinds[-1]) == ("started", "finished")
    assert kinds.count("step") == 40
    assert kinds.count("evaluated") == 2
    assert {"saved", "sampled", "judged"} < set(kinds)
    assert done.err == ""


@pytest.mark.slow
def test_the_same_seed_trains_the_same_bytes(run, tale, models, tiny):
    run("train", "tale.txt", "-q", "--name", "one", *tiny)
    run("train", "tale.txt", "-q", "--name", "two", *tiny)
    run("train", "tale.txt", "-q", "--name", "three", *tiny, "--seed", "2")
    assert weights(models / "one") == weights(models / "two") != weights(models / "three")


@pytest.mark.slow
def test_a_seed_is_chosen_recorded_and_enough_to_train_again(run, tale, models, tiny):
    unseeded = [flag for flag in tiny if not flag.startswith("--seed")]
    run("train", "tale.txt", "-q", "--name", "one", *unseeded)
    seed = json.loads((models / "one" / "config.json").read_text())["training"]["seed"]
    run("train", "tale.txt", "-q", "--name", "two", *unseeded, "--seed", seed)
    assert weights(models / "one") == weights(models / "two")


# ── What it trains on ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_text_from_a_pipe_trains_and_the_run_can_be_resumed(run, tale, models, tiny):
    run("train", "-", "--name", "piped", "-q", *tiny, stdin=tale.read_text())
    run("train", "tale.txt", "--name", "filed", "-q", *tiny)
    assert weights(models / "piped") == weights(models / "filed")
    run("train", "--resume", "--name", "piped", "--steps", "50", "-q")
    assert run("sample", "-m", "piped", "-s", "1", "-n", "9", "the").out.startswith("the")


@pytest.mark.slow
def test_sizes_are_chosen_for_a_text_from_a_pipe_which_can_be_read_once(run, tale, models, tiny):
    sized = ["--params", "20k", *(flag for flag in tiny if "--hidden" not in flag)]
    run("train", "-", "--name", "piped", "-q", *sized, stdin=tale.read_text())
    run("train", "tale.txt", "--name", "filed", "-q", *sized)
    assert weights(models / "piped") == weights(models / "filed")


def test_standard_input_is_one_text(run, tale, tiny):
    done = run("train", "-", "--val", "-", *tiny, stdin=tale.read_text(), status=2)
    assert "standard input is one text" in done.err


def test_lines_are_examples(run, trained, tiny):
    run("train", trained / "names.txt", "--task", "lines", "-q", *tiny)
    texts = run("sample", "-m", "names", "-s", "1", "--count", "30").out.splitlines()
    assert len(texts) == 30
    assert max(map(len, texts)) < 40


@pytest.mark.slow
@pytest.mark.parametrize("tokenizer", ["char", "byte", "bpe"])
def test_chinese_text_trains_and_is_written(run, place, tiny, tokenizer):
    poem = "床前明月光，疑是地上霜。\n舉頭望明月，低頭思故鄉。\n"
    (place / "靜夜思.txt").write_text(poem * 40, encoding="utf-8")
    vocabulary = ["--vocab-size", "300"] if tokenizer == "bpe" else []
    run("train", "靜夜思.txt", "--tokenizer", tokenizer, *vocabulary, "-q", *tiny)
    done = run("sample", "-m", "靜夜思", "-s", "1", "-n", "60", "明月")
    assert done.out.startswith("明月")
    assert len(done.out) > 10
    if tokenizer == "char":  # bytes can be put together to other characters
        assert set(done.out) <= set(poem)
        assert done.err == ""


@pytest.mark.slow
def test_a_model_begins_with_another_ones_weights(run, shelf, trained, place, tiny):
    (place / "more.txt").write_text((trained / "tale.txt").read_text().replace("cat", "dog"))
    tiny = [*tiny, "--steps", "1", "--lr", "1e-9", "--ngram", "none"]  # which would know the text at once
    sizes = [flag for flag in tiny if not flag.startswith("--hidden")]
    done = run("train", "more.txt", "--init-from", "tale", "--json", *sizes)
    tuned = next(json.loads(line)["loss"] for line in done.out.splitlines() if '"evaluated"' in line)
    afresh = run("train", "more.txt", "--force", "--json", *tiny)
    fresh = next(json.loads(line)["loss"] for line in afresh.out.splitlines() if '"evaluated"' in line)
    assert tuned < fresh - 0.25  # the fixture trains for seconds; it was 0.3 with other random numbers


# ── Names ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_model_that_is_there_is_not_replaced_by_accident(run, shelf, tale, tiny):
    before = contents(shelf)
    done = run("train", "tale.txt", *tiny, status=2)
    assert all(mend in done.err for mend in ("--resume", "--force", "--name"))
    assert contents(shelf) == before


@pytest.mark.slow
def test_force_replaces_it(run, shelf, tale, tiny):
    run("train", "tale.txt", "-q", "--force", *tiny, "--hidden", "12")
    assert json.loads((shelf / "tale" / "config.json").read_text())["network"]["hidden"] == 12
    assert listed(shelf) == {"tale", "names"}


@pytest.mark.slow
def test_resume_starts_a_run_where_there_is_none(run, tale, models, tiny):
    run("train", "tale.txt", "--resume", "-q", *tiny)
    run("train", "tale.txt", "--name", "plain", "-q", *tiny)
    assert weights(models / "tale") == weights(models / "plain")


# ── Interrupted ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.usefixtures("tale")
@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_says_how_to_go_on_and_going_on_gives_what_an_unbroken_run_gives(
    run, models, tiny, signalled, which
):
    run("train", "tale.txt", "--name", "whole", "-q", *tiny)
    signalled(27, which)
    done = run("train", "tale.txt", "--name", "broken", *tiny, status=130)
    assert done.out == ""
    assert done.err.splitlines()[-1] == (
        "rnngen: saved at step 27; go on with: rnngen train --resume --name broken"
    )
    run("train", "--resume", "--name", "broken", "-q")
    broken, whole = contents(models / "broken"), contents(models / "whole")
    for file in ("model.safetensors", "metrics.jsonl", "tokenizer.json", "config.json"):
        assert broken[file] == whole[file], file


def test_what_resumes_is_a_command_whatever_the_name(run, tale, tiny, signalled):
    signalled(3, signal.SIGINT)
    done = run("train", "tale.txt", "--name", "my diary", *tiny, status=130)
    assert done.err.endswith("go on with: rnngen train --resume --name 'my diary'\n")


@pytest.mark.slow
def test_a_run_interrupted_before_its_first_evaluation_can_be_sampled_and_resumed(
    run, tale, models, tiny, signalled
):
    signalled(1, signal.SIGINT)
    done = run("train", "tale.txt", *tiny, "--ngram", "none", status=130)
    assert "the held-out text not tried yet" in done.err
    assert "inf" not in done.err
    assert len(run("sample", "-m", "tale", "-s", "1", "-n", "5").out) == 5
    run("train", "--resume", "--name", "tale", "-q")
    assert "step 40 of 40" in (models / "tale" / "README.md").read_text()


def test_the_second_interrupt_stops_at_once_and_loses_nothing_saved(run, shelf, tale, signalled, models):
    before = contents(shelf / "tale")
    signalled(41, signal.SIGINT, signal.SIGINT)
    done = run("train", "--resume", "--name", "tale", "--steps", "90", "--json", status=130)
    steps = [json.loads(line) for line in done.out.splitlines() if '"step"' in line[:20]]
    assert len(steps) == 0
    after = contents(shelf / "tale")
    assert after["model.safetensors"] == before["model.safetensors"]
    assert after["last/training.safetensors"] == before["last/training.safetensors"]
    assert listed(models) == {"tale", "names"}


def test_a_new_run_interrupted_twice_at_once_leaves_nothing_half_done(run, tale, models, tiny, signalled):
    signalled(1, signal.SIGINT, signal.SIGINT)
    run("train", "tale.txt", "-q", *tiny, status=130)
    assert listed(models) == set()


@pytest.mark.slow
def test_an_interrupt_from_the_terminal_saves_and_the_command_that_it_prints_goes_on(spawn, tale, tiny, run):
    process = spawn("train", "tale.txt", *tiny, "--steps", "100000", text=True)
    while not (line := process.stderr.readline()).startswith("step"):
        assert line, "it ended before its first step"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    command = err.splitlines()[-1].partition("go on with: rnngen ")[2]
    assert command == "train --resume --name tale"
    run(*command.split(), "--steps", "60", "-q", status=0)


@pytest.mark.slow
def test_two_interrupts_from_the_terminal_end_it_without_a_traceback(spawn, tale, tiny):
    process = spawn("train", "tale.txt", *tiny, "--steps", "100000", "--seq", "500", text=True)
    while not (line := process.stderr.readline()).startswith("step"):
        assert line, "it ended before its first step"
    process.send_signal(signal.SIGINT)
    time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.0007, 0.002, 0.01])
def test_interrupts_without_end_end_it_without_a_traceback(spawn, tale, tiny, pause):
    process = spawn("train", "tale.txt", *tiny, "--steps", "100000", text=True)
    while not (line := process.stderr.readline()).startswith("step"):
        assert line, "it ended before its first step"
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(pause)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err


@pytest.mark.slow
def test_events_into_a_pipe_that_closes_end_it_in_silence(spawn, tale, tiny):
    process = spawn("train", "tale.txt", *tiny, "--steps", "100000", "--json", text=True)
    told = iter(process.stdout.readline, "")
    assert any(json.loads(line)["event"] == "started" for line in told)
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == ""


# ── Going on ───────────────────────────────────────────────────────────────────────────────────────────────


def test_settings_for_new_models_give_way_to_a_run_that_goes_on(run, shelf, home, monkeypatch):
    (home / "config.toml").write_text("[train]\nforce = true\n")
    monkeypatch.setenv("RNNGEN_TRAIN_STORAGE", "a.journal")
    before = contents(home / "models" / "tale")
    run("train", "--resume", "--name", "tale", "-q")
    assert contents(home / "models" / "tale")["config.json"] == before["config.json"]


@pytest.mark.slow
def test_a_larger_budget_goes_on_from_where_it_stood(run, shelf):
    done = run("train", "--resume", "--name", "tale", "--steps", "60", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert next(event for event in events if event["event"] == "started")["step"] == 40
    assert [event["step"] for event in events if event["event"] == "step"] == list(range(41, 61))


def test_a_run_that_is_complete_changes_nothing_when_resumed(run, shelf):
    before = contents(shelf / "tale")
    run("train", "--resume", "--name", "tale", "-q")
    assert contents(shelf / "tale") == before


def test_the_corpus_may_be_named_again_and_may_have_moved(run, shelf, tale):
    run("train", tale, "--resume", "-q", "--steps", "45")
    assert json.loads((shelf / "tale" / "config.json").read_text())["training"]["steps"] == 45


# ── Settings ───────────────────────────────────────────────────────────────────────────────────────────────


def test_settings_files_and_environment_give_flags(run, tale, models, monkeypatch, tiny):
    (tale.parent / "rnngen.toml").write_text(
        "[train]\nhidden = 5\nseq = 16\n[train.option]\nforget-bias = 2\n"
    )
    monkeypatch.setenv("RNNGEN_TRAIN_SEQ", "8")
    flags = [flag for flag in tiny if not flag.startswith(("--hidden", "--seq"))]
    run("train", "tale.txt", "-q", *flags, "--steps", "2")
    config = json.loads((models / "tale" / "config.json").read_text())
    assert (config["network"]["hidden"], config["training"]["seq"]) == (5, 8)
    assert config["cell"]["options"]["forget_bias"] == 2.0


@pytest.mark.parametrize("setting", ["mogrifier = 2", "'cell.mogrifier' = 2", "min_count = 2"])
def test_an_option_of_another_part_in_a_settings_file_gives_way(run, tale, models, tiny, setting):
    (tale.parent / "rnngen.toml").write_text(f"[train.option]\n{setting}\nlayer_norm = true\n")
    parts = ("--cell", "gru", "--tokenizer", "byte")
    run("train", "tale.txt", "-q", *tiny, "--steps", "1", *parts)
    config = json.loads((models / "tale" / "config.json").read_text())
    assert config["cell"]["options"] == {"zoneout_h": 0.0, "layer_norm": True}


def test_an_option_of_another_part_in_the_environment_gives_way(run, tale, monkeypatch, tiny):
    monkeypatch.setenv("RNNGEN_TRAIN_OPTION", "mogrifier=2")
    run("train", "tale.txt", "-q", *tiny, "--steps", "1", "--cell", "gru")


def test_an_option_of_another_part_that_is_typed_and_one_of_no_part_are_refused(run, tale):
    settings, gru = tale.parent / "rnngen.toml", ("train", "tale.txt", "--steps", "1", "--cell", "gru")
    settings.write_text("[train.option]\nmogrifier = 2\n")
    assert "unknown option 'mogrifier'" in run(*gru, "-o", "mogrifier=2", status=2).err
    settings.write_text("[train.option]\nlayr_norm = true\n")
    assert "did you mean 'layer_norm'" in run(*gru, status=2).err


def test_options_in_a_settings_file_give_way_to_a_run_that_goes_on_beside_typed_ones(run, shelf, place):
    (place / "rnngen.toml").write_text("[train.option]\nlayer_norm = true\n")
    told = run("train", "--resume", "--name", "tale", "-o", "forget_bias=0.5", status=2).err
    assert "forget_bias" in told


def test_a_budget_on_the_command_line_overrules_another_budget_in_a_settings_file(
    run, tale, models, monkeypatch, tiny
):
    (tale.parent / "rnngen.toml").write_text("[train]\nminutes = 60\n")
    monkeypatch.setenv("RNNGEN_TRAIN_EPOCHS", "900")
    run("train", "tale.txt", "-q", *tiny, "--steps", "2")
    training = json.loads((models / "tale" / "config.json").read_text())["training"]
    assert (training["steps"], training["epochs"], training["minutes"]) == (2, None, None)


def test_two_trainings_side_by_side_do_not_starve_each_other(run, tale, tiny, monkeypatch):
    """Threads that wait must give way: see ``rnngen.cli.context.SPINS``."""
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    run("train", "tale.txt", "-q", *tiny, "--steps", "1")
    assert int(os.environ["GOMP_SPINCOUNT"]) <= 1000


def test_help_names_every_option_without_importing_torch():
    check = (
        "import sys; from rnngen.__main__ import main; status = main(['train', '--help']); "
        "sys.exit(status or 'torch' in sys.modules or 'tokenizers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--hidden" in done.stdout
    assert "--resume" in done.stdout


# ── Listeners ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class SpyOptions:
    """Of the listener below."""

    path: str = "log"
    """A word."""
    every: int = 1
    """A number."""


def spy(options):
    return lambda event: options


class Spies:
    """A plugin with one listener."""

    @staticmethod
    @hookimpl
    def rnngen_listeners():
        return [ListenerSpec(name="spy", summary="x", load=f"{__name__}:spy", options=SpyOptions)]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("spy", SpyOptions()),
        ("spy;every=3;path=a:b,c", SpyOptions("a:b,c", 3)),
        ("spy:every=3,path=x", SpyOptions("x", 3)),  # of earlier versions
    ],
)
def test_a_listener_takes_options_in_the_one_grammar(monkeypatch, text, options):
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or SimpleNamespace(spy=spy))
    registry = Registry(plugins=[(Distribution("rnngen-spy", "1"), Spies)])
    listener = make_listener(Session(registry, None), text)
    assert listener(None) == options
    with pytest.raises(UsageError, match="KEY=VALUE"):
        make_listener(Session(registry, None), "spy;every")


# ── Settings files ─────────────────────────────────────────────────────────────────────────────────────────


def configuration(folder):
    return json.loads((folder / "config.json").read_text())


@pytest.fixture
def sizes(tiny):
    """Small sizes without a budget."""
    return [flag for flag in tiny if not flag.startswith("--steps")]


def test_the_nearest_file_stands_above_the_users_where_options_exclude_one_another(run, tale, home, sizes):
    place, models = tale.parent, home / "models"
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text("[train]\nminutes = 10\n[sample]\ntemp = 0.8\n")
    (place / "rnngen.toml").write_text("[train]\nsteps = 3\n[sample]\nstrategy = 'greedy'\n")
    run("train", "tale.txt", "-q", *sizes)
    budget = configuration(models / "tale")["training"]
    assert (budget["minutes"], budget["steps"]) == (None, 3)
    assert run("sample", "-n", 5, "the").out.startswith("the")
    (home / "config.toml").write_text("[sample]\nstrategy = 'greedy'\n")
    (place / "rnngen.toml").write_text("[sample]\ntemp = 0.8\n")
    assert (
        run("sample", "-n", 5, "-s", 1, "the").out
        == run("sample", "-n", 5, "-s", 1, "--temp", 0.8, "the").out
    )


@pytest.mark.slow
def test_options_of_the_cell_in_files_and_on_the_command_line_count_key_by_key(run, tale, home, tiny):
    place, models = tale.parent, home / "models"
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text("[train.option]\nzoneout_h = 0.1\nforget_bias = 2.0\n")
    (place / "rnngen.toml").write_text("[train.option]\nlayer_norm = false\nforget_bias = 0.5\n")
    run("train", "tale.txt", "-q", *tiny, "-o", "zoneout_c=0.2")
    found = configuration(models / "tale")["cell"]["options"]
    assert (found["zoneout_h"], found["zoneout_c"]) == (0.1, 0.2)
    assert (found["forget_bias"], found["layer_norm"]) == (0.5, False)


@pytest.mark.slow
def test_what_a_file_says_of_new_models_changes_no_run_that_goes_on(run, tale, place, models, tiny):
    run("train", "tale.txt", "-q", *tiny, "--patience", "0", "--precision", "fp32")
    (place / "rnngen.toml").write_text("[train]\nmax-epochs = 30\npatience = 3\nprecision = 'bf16'\n")
    run("train", "--resume", "--name", "tale", "--steps", "45", "-q")
    found = configuration(models / "tale")["training"]
    assert (found["patience"], found["precision"], found["max_epochs"]) == (0, "fp32", None)


def test_to_resume_what_has_not_begun_begins_it_whatever_a_file_says_of_other_tasks(
    run, trained, place, models, sizes
):
    (place / "rnngen.toml").write_text("[train]\nvary-seq = 0.07\n")
    lines = ["train", trained / "names.txt", "--task", "lines", "--name", "new", "--steps", "3", "-q", *sizes]
    run(*lines, "--resume")
    assert configuration(models / "new")["task"]["name"] == "lines"


@pytest.mark.slow
def test_a_pattern_is_named_after_its_folder(run, place, models, tiny):
    (place / "my poems").mkdir()
    for name in "ab":
        (place / "my poems" / f"{name}.txt").write_text(f"the rose {name} is red. " * 80)
    run("train", "my poems/*.txt", "-q", *tiny)
    assert listed(models) == {"my-poems"}

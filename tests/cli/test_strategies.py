"""``rnngen sample --strategy``: each name is what its flags are, and what contradicts it is refused."""

import json
import re

import pytest
from fixtures import PRECISION, SEED

from rnngen.__main__ import main
from rnngen.cli import interactive

pytestmark = pytest.mark.usefixtures("shelf")

TALE = ("sample", "-m", "tale", "--seed", "7", "-n", "40")
SAME = {
    "greedy": ("--temp", "0"),
    "sample": ("--temp", "0.8"),
    "beam": ("--beam", "5"),
    "diverse-beam": ("--beam", "5", "--beam-groups", "5", "--diversity-penalty", "0.5"),
    "stochastic-beam": ("--beam", "5", "--stochastic-beam"),
    "mbr": ("--mbr", "16"),
    "best-of": ("--best-of", "16"),
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """What asks a model of pairs that has learnt next to nothing."""
    folder = tmp_path_factory.mktemp("pairs")
    lines = [
        f"{a} {b}\t{b} {a}" for a in ("red", "blue", "old", "new") for b in ("hat", "sea", "door", "song")
    ]
    (folder / "swap.tsv").write_text("\n".join(lines * 8) + "\n")
    sizes = ("--hidden", "8", "--steps", "4", "--batch", "8", "--device", "cpu", "--precision", PRECISION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNNGEN_HOME", str(folder / "home"))
        corpus = ("train", str(folder / "swap.tsv"), "--task", "pairs", "--tokenizer", "char")
        assert main([*corpus, "--seed", str(SEED), "-q", *sizes]) == 0
    return ("sample", "-m", str(folder / "home" / "models" / "swap"), "--seed", "7", "-n", "12")


# ── Names for flags ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME)
def test_a_strategy_is_what_its_flags_are(run, name):
    assert run(*TALE, "--strategy", name, "the").out == run(*TALE, *SAME[name], "the").out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "given", "same"),
    [
        ("beam", ("--beam", "2"), ("--beam", "2")),
        ("beam", ("--beam", "4", "--beam-groups", "2"), ("--beam", "4", "--beam-groups", "2")),
        (
            "diverse-beam",
            ("--beam", "3", "--diversity-penalty", "2"),
            ("--beam", "3", "--beam-groups", "3", "--diversity-penalty", "2"),
        ),
        ("stochastic-beam", ("--beam", "3"), ("--beam", "3", "--stochastic-beam")),
        ("mbr", ("--mbr", "3", "--temp", "1"), ("--mbr", "3", "--temp", "1")),
        ("best-of", ("--best-of", "3"), ("--best-of", "3")),
        ("sample", ("--temp", "1.5", "--top-k", "9"), ("--temp", "1.5", "--top-k", "9")),
        ("greedy", ("--temp", "0", "--dry", "1"), ("--temp", "0", "--dry", "1")),
        ("greedy", ("--filters", "dry=2"), ("--filters", "dry=2,temp=0")),
        ("greedy", ("--filters", " "), ("--temp", "0")),
        ("sample", ("--filters", "temp=2"), ("--filters", "temp=2")),
        ("mbr", ("--mbr", "3", "--filters", "temp=2"), ("--mbr", "3", "--filters", "temp=2")),
    ],
)
def test_what_is_given_besides_counts(run, name, given, same):
    assert run(*TALE, "--strategy", name, *given, "the").out == run(*TALE, *same, "the").out


@pytest.mark.parametrize("name", SAME)
def test_answers_to_pairs_are_chosen_by_the_same_names(run, pairs, name):
    assert run(*pairs, "--strategy", name, "red hat").out == run(*pairs, *SAME[name], "red hat").out


def test_a_model_of_pairs_can_be_asked_to_draw(run, pairs):
    drawn = {run(*pairs, "-s", seed, "--strategy", "sample", "red hat").out for seed in range(8)}
    assert len(drawn) > 1


# ── Contradictions ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("greedy", "--temp 0.8"),
        ("greedy", "--filters top_k=9,temp=2"),
        ("greedy", "--beam 4"),
        ("sample", "--beam 4"),
        ("sample", "--temp 0.0"),
        ("beam", "--mbr 4"),
        ("beam", "--beam 0"),
        ("beam", "--blend x 0.5"),
        ("diverse-beam", "--best-of 4"),
        ("mbr", "--best-of 3"),
        ("mbr", "--save-state x"),
        ("best-of", "--mbr 3"),
        ("best-of", "--beam 3"),
        ("contrastive", "--beam 3"),
        ("contrastive", "--mbr 3"),
        ("contrastive", "--count 2"),
        ("contrastive", "--blend x 0.5"),
        ("contrastive", "--save-state x"),
        ("contrastive", "--interactive"),
    ],
)
def test_a_contradiction_is_an_error_that_names_both(run, monkeypatch, name, flags):
    monkeypatch.setattr(interactive, "check", lambda: None)
    done = run(*TALE, "--strategy", name, *flags.split(), "the", status=2)
    assert f"--strategy {name} and {flags.split()[0]} cannot stand together" in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("diverse-beam", "--beam-groups 1"),
        ("diverse-beam", "--stochastic-beam"),
        ("stochastic-beam", "--no-stochastic-beam"),
    ],
)
def test_a_value_that_a_strategy_refuses_is_an_error_that_repeats_what_was_typed(run, name, flag):
    done = run(*TALE, "--strategy", name, *flag.split(), "the", status=2)
    assert f"error: {flag}: " in done.err
    assert done.out == ""


def test_a_flag_overrules_a_settings_file_and_no_less_the_other_way(run, place, monkeypatch):
    (place / "rnngen.toml").write_text("[sample]\ntemp = 0.8\nmbr = 2\n")
    assert run(*TALE, "--strategy", "greedy").out == run(*TALE, "--temp", "0").out
    (place / "rnngen.toml").write_text('[sample]\nstrategy = "greedy"\n')
    assert run(*TALE).out == run(*TALE, "--temp", "0").out
    assert run(*TALE, "--temp", "1.5").out != run(*TALE).out
    assert run(*TALE, "--filters", "temp=1.5").out == run(*TALE, "--temp", "1.5").out
    monkeypatch.setenv("RNNGEN_SAMPLE_STRATEGY", "beam")
    assert run(*TALE).out == run(*TALE, "--beam", "5").out


def test_what_a_settings_file_says_of_a_strategy_that_is_not_chosen_is_left_aside(run, place, monkeypatch):
    plain, beam = run(*TALE).out, run(*TALE, "--beam", "3", "--length-penalty", "2").out
    (place / "rnngen.toml").write_text("[sample]\nlength-penalty = 2\npenalty-alpha = 0.3\n")
    assert run(*TALE).out == plain
    assert run(*TALE, "--beam", "3").out == beam
    assert run(*TALE, "--mbr", "none").out == plain
    monkeypatch.setenv("RNNGEN_SAMPLE_BEAM_GROUPS", "3")
    assert run(*TALE).out == plain
    assert "--beam-groups needs --beam" in run(*TALE, "--beam-groups", "3", status=2).err


def test_an_unknown_strategy_is_told_what_there_is(run):
    assert "did you mean 'stochastic-beam'?" in run(*TALE, "--strategy", "stochastic", status=2).err
    assert "stochastic-beam" in run(*TALE, "--strategy", "xyz", status=2).err


def test_drawing_goes_on_from_a_state_by_the_chain_that_it_was_kept_with(run):
    run(*TALE, "--top-k", "2", "--save-state", "verse.state", "the")
    rest = ("sample", "-m", "tale", "-n", "40", "--from-state", "verse.state")
    assert run(*rest, "--strategy", "sample").out == run(*rest).out
    assert "saved with the strategy sample" in run(*rest, "--strategy", "greedy", status=2).err


# ── Contrastive search ─────────────────────────────────────────────────────────────────────────────────────

CONTRAST = ("sample", "-m", "tale", "--strategy", "contrastive", "-n", "60")


def test_contrastive_search_needs_no_seed_and_is_the_same_every_time(run):
    done = run(*CONTRAST, "the")
    assert len(done.out) == len("the") + 60
    assert done.err == ""
    assert run(*CONTRAST, "--seed", "9", "the").out == done.out


def test_a_count_in_a_settings_file_does_not_stand_against_it(run, place):
    alone = run(*CONTRAST, "the").out
    (place / "rnngen.toml").write_text("[sample]\ncount = 3\n")
    assert run(*CONTRAST, "the").out == alone
    assert run(*TALE, "-0", "the").out.count("\0") == 3


def test_without_a_penalty_it_is_greedy(run):
    greedy = run(*TALE, "-n", "60", "--temp", "0", "the").out
    assert run(*CONTRAST, "--penalty-alpha", "0", "the").out == greedy
    assert run(*CONTRAST, "--top-k", "1", "the").out == greedy
    assert run(*CONTRAST, "--penalty-alpha", "1", "the").out != greedy


def test_the_number_of_candidates_the_window_and_filters_count(run):
    others = [("--top-k", "9"), ("--contrast-window", "1"), ("--temp", "3"), ("--filters", "ban=a")]
    texts = [run(*CONTRAST, "--penalty-alpha", "0.8", *flags, "the").out for flags in [(), *others]]
    assert len(set(texts)) == len(texts)
    assert "a" not in texts[-1]


def test_candidates_are_not_a_filter(run):
    """With ``--top-k 2`` as a filter, p would be that of two tokens."""
    flags = ("--penalty-alpha", "0.7", "the")
    filtered = run(*CONTRAST, "--top-k", "2", "--filters", "top_k=2", *flags).out
    assert run(*CONTRAST, "--top-k", "2", *flags).out != filtered


@pytest.mark.slow
def test_it_streams_and_never_ends_if_so_asked(spawn):
    process = spawn("sample", "-m", "tale", "--strategy", "contrastive", "-n", "-1", "the")
    assert len(process.stdout.read(2000)) == 2000
    assert process.poll() is None


def test_it_ends_before_a_stop(run):
    whole = run(*CONTRAST, "--no-prompt", "the").out
    stop = whole[20:23]
    assert run(*CONTRAST, "--no-prompt", "--stop", stop, "the").out == whole[: whole.index(stop)]


def test_an_example_ends_by_itself(run):
    name = run("sample", "-m", "names", "--strategy", "contrastive", "--penalty-alpha", "0.2", "An").out
    assert re.fullmatch(r"An\w*\n", name)
    assert len(name) < 40


def test_json_tells_the_prompt_and_the_text(run):
    record = json.loads(run(*CONTRAST, "--json", "the").out)
    assert record == {"prompt": "the", "text": run(*CONTRAST, "--no-prompt", "the").out}


def test_outputs_are_searched_contrastively_too(run, pairs):
    greedy = run(*pairs, "red hat").out
    assert run(*pairs, "--strategy", "contrastive", "--penalty-alpha", "0", "red hat").out == greedy
    both = run(*pairs, "--strategy", "contrastive", stdin="red hat\nold sea\n").out
    alone = [run(*pairs, "--strategy", "contrastive", source).out for source in ("red hat", "old sea")]
    assert both == "".join(alone)


def test_several_models_show_no_features_and_are_refused(run):
    several = run("sample", "-m", "tale", "-m", "tale", "--strategy", "contrastive", "the", status=2)
    assert "several models have none in common" in several.err
    assert several.out == ""


@pytest.mark.parametrize("flags", ["--penalty-alpha 0.5", "--contrast-window 9"])
def test_its_flags_are_for_it_alone(run, flags):
    needs = f"{flags.split()[0]} needs --strategy contrastive"
    assert needs in run(*TALE, *flags.split(), status=2).err


def test_a_value_out_of_range_names_the_flag(run):
    assert "--penalty-alpha 1.5: " in run(*CONTRAST, "--penalty-alpha", "1.5", status=2).err
    assert "--top-k 0: " in run(*CONTRAST, "--top-k", "0", status=2).err


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--diversity-penalty", "0.5"], "--diversity-penalty needs --beam-groups"),
        (["--length-offset", "2"], "--length-offset needs --length-norm power"),
        (["--stochastic-beam", "--length-penalty", "2"], "--length-penalty needs --no-stochastic-beam"),
    ],
)
def test_a_flag_that_another_makes_idle_is_refused_and_one_of_a_settings_file_gives_way(
    run, place, flags, told
):
    assert told in run(*TALE, "--beam", "4", *flags, "the", status=2).err
    *others, name, value = flags
    setting = f'"{value}"' if not value[0].isdigit() else value
    (place / "rnngen.toml").write_text(f"[sample]\n{name.removeprefix('--')} = {setting}\n")
    assert run(*TALE, "--beam", "4", *others, "the").out


@pytest.mark.parametrize(
    ("chosen", "draws"),
    [
        (("--beam", "3"), False),
        (("--strategy", "greedy"), False),
        (("--beam", "3", "--stochastic-beam"), True),
        (("--strategy", "beam;stochastic=true"), True),
        (("--strategy", "stochastic-beam"), True),
        (("--beam", "3", "--xtc", "0.5"), True),
        (("--strategy", "greedy", "--xtc", "0.5"), True),
        (("--strategy", "greedy", "--mirostat", "2"), False),
    ],
    ids=str,
)
def test_a_seed_is_chosen_and_reported_where_chance_has_a_part(run, chosen, draws):
    asked = ("sample", "-m", "tale", "-n", "9", "--json", *chosen, "the")
    ran = run(*asked)
    assert ("seed " in ran.err) is draws
    record = json.loads(ran.out)
    assert ("seed" in record) is draws
    if draws:
        assert json.loads(run(*asked, "--seed", record["seed"]).out) == record

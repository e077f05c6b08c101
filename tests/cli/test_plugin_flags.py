"""A plugin's filter and strategy have flags as a built-in's: help, environment, files, shell, man, API."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import click
import numpy as np
import pytest

from rnngen import hookimpl
from rnngen.__main__ import main
from rnngen.api import Session
from rnngen.cli.app import app
from rnngen.cli.commands import man
from rnngen.cli.commands.sample import sample
from rnngen.cli.context import Program
from rnngen.contracts import DecodingJob, FilterSpec, Flag, Generated, StrategySpec
from rnngen.decoding.sampler import Sampler
from rnngen.errors import UsageError
from rnngen.registry import Distribution, Registry
from rnngen.store.model_folder import ModelStore

OWN = Distribution("rnngen-toys", "1.0")


@dataclass(frozen=True)
class FavourOptions:
    """One token is favoured."""

    token: int = 0
    """Add to the logit of this token."""
    bias: float = 3.0
    """How much."""


def favour(options):
    """Adds to one logit."""

    def add(logits, history):
        changed = logits.copy()
        changed[:, options.token] += options.bias
        return changed

    return add


@dataclass(frozen=True)
class NthOptions:
    """Which token is taken."""

    rank: int = 1
    """Take the token of this rank, 1 for the most probable."""
    rank_step: int = 0
    """Take this much lower a rank at every second token."""

    def __post_init__(self):
        if self.rank < 1:
            raise ValueError(f"rank={self.rank}: 1 or more expected")


class Nth:
    """Takes the n-th most probable token."""

    def __init__(self, options: NthOptions) -> None:
        self.options = options

    def generate(self, job: DecodingJob) -> Iterator[Generated]:
        """One text."""
        yield Generated(0, self._tokens(job))

    def _tokens(self, job):
        def keep(logits, history):
            rank = self.options.rank - 1 + self.options.rank_step * (len(history[0]) % 2)
            token = np.argsort(-logits[0], kind="stable")[rank]
            kept = np.full_like(logits, -np.inf)
            kept[:, token] = logits[:, token]
            return kept

        sampler = Sampler(job.model, [*job.filters, keep], forbidden=job.forbidden)
        state = sampler.start(job.prefill(), [np.random.default_rng(0)])
        for token, _ in islice(sampler.stream(state), job.max_tokens[0]):
            if token == job.eos_id:
                return
            yield token


class Plugin:
    @hookimpl
    def rnngen_filters(self):
        return [
            FilterSpec(
                name="favour",
                summary="favour a token",
                load=f"{__name__}:favour",
                options=FavourOptions,
                flag=Flag(name="favour", metavar="ID"),
                rank=5,
            )
        ]

    @hookimpl
    def rnngen_strategies(self):
        return [
            StrategySpec(
                name="nth",
                summary="take the n-th best",
                load=f"{__name__}:Nth",
                options=NthOptions,
                flag=Flag(name="nth", metavar="N"),
                flags=(Flag(name="nth-step", option="rank_step", help="Alternate by this much."),),
                draws=False,
                can=frozenset({"endless"}),
            )
        ]


@pytest.fixture
def registry(monkeypatch):
    """What is installed: the toys."""
    found = Registry([(OWN, Plugin())])
    monkeypatch.setattr(Program, "registry", found)
    return found


pytestmark = pytest.mark.usefixtures("shelf", "registry")
TALE = ("sample", "-m", "tale", "--seed", "7", "-n", "40")


def test_the_flags_are_in_the_long_help_under_their_headings(run):
    shown = run("sample", "--help-all").out
    filters, strategies = shown.index("Filters of the next-token"), shown.index("Decoding strategies")
    assert "--favour ID" in shown[min(filters, strategies) :]
    assert "--nth N" in shown
    assert "Add to the logit of this token." in shown
    assert "Take the token of this rank" in shown
    assert "Alternate by this much." in shown
    assert "--favour" not in run("sample", "--help").out
    assert "--favour" in run("next", "--help-all").out
    assert "--nth" not in run("next", "--help-all").out


def test_a_filter_of_a_plugin_shapes_the_text_by_flag_environment_and_file(run, place, monkeypatch):
    rows = json.loads(run("next", "-m", "tale", "--json", "the").out)["next"]
    one, other = rows[2]["id"], rows[4]["id"]
    favoured = run(*TALE, "--favour", one, "the").out
    assert favoured != run(*TALE, "the").out
    assert favoured == run(*TALE, "--filters", f"favour={one},temp=0.8", "the").out
    monkeypatch.setenv("RNNGEN_SAMPLE_FAVOUR", str(one))
    assert run(*TALE, "the").out == favoured
    assert run(*TALE, "--favour", other, "the").out != favoured
    monkeypatch.delenv("RNNGEN_SAMPLE_FAVOUR")
    (place / "rnngen.toml").write_text(f"[sample]\nfavour = {one}\n")
    assert run(*TALE, "the").out == favoured
    (place / "rnngen.toml").write_text("[sample]\nfavour = 'much'\n")
    assert "[sample] favour = much: a whole number expected" in run(*TALE, status=2).err
    (place / "rnngen.toml").write_text("[sample]\nfavuor = 3\n")
    assert "did you mean 'favour'" in run(*TALE, status=2).err


def test_a_strategy_of_a_plugin_is_chosen_by_flag_environment_file_and_name(run, place, monkeypatch):
    second = run(*TALE, "--nth", "2", "the").out
    assert run(*TALE, "--nth", "1", "the").out == run(*TALE, "--strategy", "greedy", "the").out != second
    assert run(*TALE, "--strategy", "nth", "--nth", "2", "the").out == second
    assert run(*TALE, "--strategy", "nth;rank=2", "the").out == second
    assert run(*TALE, "--strategy", "rnngen-toys/nth;rank=2", "the").out == second
    assert run(*TALE, "--nth", "2", "--nth-step", "1", "the").out != second
    for off in ("none", "0"):
        assert run(*TALE, "--nth", off, "the").out == run(*TALE, "the").out
    monkeypatch.setenv("RNNGEN_SAMPLE_NTH", "2")
    assert run(*TALE, "the").out == second
    assert run(*TALE, "--strategy", "sample", "the").out != second
    monkeypatch.delenv("RNNGEN_SAMPLE_NTH")
    (place / "rnngen.toml").write_text("[sample]\nnth = 2\n")
    assert run(*TALE, "the").out == second
    assert run(*TALE, "--beam", "2", "the").out != second
    assert run(*TALE, "--nth", "none", "the").out == run(*TALE, "--strategy", "sample", "the").out


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--nth-step", "1"], "--nth-step needs --nth: it is an option of the strategy nth"),
        (
            ["--nth-step", "1", "--beam", "2"],
            "--beam and --nth-step cannot stand together: it is an option of nth",
        ),
        (["--nth", "2", "--beam", "2"], "--beam and --nth cannot stand together"),
        (["--nth", "2", "--count", "2"], "--nth and --count cannot stand together"),
        (["--nth", "-1"], "--nth -1: 1 or more expected"),
        (["--strategy", "nth;rnak=1"], "did you mean 'rank'"),
        (["--strategy", "nth;rank"], "not of the form KEY=VALUE"),
        (["--filters", "favour=1;bais=3"], "did you mean 'bias'"),
    ],
    ids=str,
)
def test_what_does_not_belong_together_is_refused_by_flags(run, flags, says):
    refused = run(*TALE, *flags, "the", status=2)
    assert says in refused.err
    assert refused.out == ""


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("rnngen sample --favo", ["--favour"]),
        ("rnngen sample --nth-", ["--nth-step"]),
        ("rnngen sample --strategy nt", ["nth"]),
        ("rnngen next --favo", ["--favour"]),
    ],
)
def test_the_shell_completes_the_flags(monkeypatch, capsys, typed, completed):
    monkeypatch.setenv("_RNNGEN_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split(" ")) - 1))
    assert main([]) == 0
    assert [line.partition(",")[2] for line in capsys.readouterr().out.splitlines()] == completed


def test_the_manual_page_has_the_flags_of_what_is_installed():
    root = click.Context(app, info_name="rnngen", obj=Program(), **app.context_settings)
    page = man.command_page(sample, "sample", "Generate text.", root, [])
    assert "\\-\\-favour\\fR \\fIID\\fR" in page
    assert "\\-\\-nth\\fR \\fIN\\fR" in page
    assert "RNNGEN_SAMPLE_NTH_STEP" in page


def test_the_flags_are_arguments_of_the_python_interface(run, shelf, registry):
    model = Session(registry, ModelStore(shelf)).load("tale")
    assert model.generate("the", favour=101, seed=7, length=40) == run(*TALE, "--favour", "101", "the").out
    assert model.generate("the", nth=2, length=40) == run(*TALE, "--nth", "2", "the").out
    assert "".join(model.stream("the", nth=2, nth_step=1, length=40)) == (
        run(*TALE, "--nth", "2", "--nth-step", "1", "the").out
    )
    with pytest.raises(UsageError, match="nth_step needs nth: it is an option of the strategy nth"):
        model.generate("the", nth_step=1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["--strategy", "beam;width=3"], ["--beam", "3"]),
        (["--strategy", "beam;width=3;alpha=1"], ["--beam", "3", "--length-penalty", "1"]),
        (["--strategy", "beam;width=3", "--length-penalty", "1"], ["--beam", "3", "--length-penalty", "1"]),
        (["--strategy", "contrastive;top_k=3"], ["--strategy", "contrastive", "--top-k", "3"]),
        (["--filters", "xtc;probability=0.5;threshold=0.1"], ["--filters", "xtc=0.5;threshold=0.1"]),
        (["--filters", "xtc;probability=0.5"], ["--filters", "xtc=0.5"]),
    ],
    ids=str,
)
def test_one_grammar_for_a_name_with_options(run, one, other):
    assert run(*TALE, *one, "the").out == run(*TALE, *other, "the").out

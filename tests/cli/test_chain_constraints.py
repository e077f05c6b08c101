"""The flags of constraints: first in the chain, whole on the way to a filter, or what to install."""

import json
from dataclasses import dataclass

import pytest

import rnngen
from rnngen import hookimpl
from rnngen.cli.commands.sample import given_of, sample
from rnngen.cli.context import Program, session
from rnngen.cli.flags import flag_of
from rnngen.cli.settings import resolve
from rnngen.contracts import FilterSpec, Flag
from rnngen.errors import ConstraintError, OptionError, UsageError
from rnngen.generation.decoding_choice import ORDERS
from rnngen.registry import Distribution, Registry
from rnngen.registry.components import choose_filters

OWN = Distribution("rnngen-constrain", "0")
CONSTRAINTS = ("regex", "choices", "json_schema", "grammar", "must_include")
WHOLE = CONSTRAINTS[:4]
FILES = ("choices", "json_schema", "grammar")


@dataclass(frozen=True)
class Said:
    text: str = ""
    """What was said."""


def only_end(options, tokenizer):
    """Forbids every token but that of the text."""

    def keep(logits, history):
        kept = logits.copy()
        kept[:, [i for i, piece in enumerate(tokenizer.pieces) if piece != options.text.encode()]] = -float(
            "inf"
        )
        return kept

    return keep


class Plugin:
    def __init__(self, *names):
        self.names = names

    @hookimpl
    def rnngen_filters(self):
        return [
            FilterSpec(
                name=name,
                summary="fake",
                load=f"{__name__}:only_end",
                options=Said,
                needs_text=True,
                flag=Flag(name=name.replace("_", "-"), names_file=name in FILES),
                rank=CONSTRAINTS.index(name),
                constraint=True,
                excludes=WHOLE if name in WHOLE else (),
            )
            for name in self.names
        ]


@pytest.fixture
def plugins(monkeypatch):
    """What is installed: filters of these names."""

    def use(*names):
        monkeypatch.setattr(Program, "registry", Registry([(OWN, Plugin(*names))]))

    return use


@pytest.fixture
def installed(plugins):
    plugins(*CONSTRAINTS)


def chained(*args):
    """The chain that flags make, for a model of free text."""
    with sample.make_context("sample", [*args], obj=Program()) as ctx:
        here = session(ctx)
        try:
            given = given_of(ctx, ctx.params)
            request = resolve(ctx, given, lambda found: here.sample_request(**found))
        except OptionError as error:
            raise UsageError(error.message(flag_of)) from error
        return list(here.decoding.resolve(request.decoding, "sample").filters)


def heard(*args):
    """What the first filter of the chain is told."""
    return choose_filters(Program.registry, chained(*args))[0].options.text


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.usefixtures("installed")
def test_constraints_come_before_all_cuts(order):
    flags = ["--top-k", "5", "--temp", "0.7", "--must-include", "rose", "--dry", "0.8", "--regex", "r+"]
    names = [name for name, _ in chained(*flags, "--order", order)]
    assert names[:2] == ["regex", "must_include"]
    assert set(names[2:]) == {"top_k", "temp", "dry"}


@pytest.mark.usefixtures("installed")
def test_temperature_is_the_usual_one_beside_a_constraint():
    assert chained("--regex", "a") == [("regex", "a"), ("temp", "0.8")]
    assert chained("--regex", "a", "--beam", "3") == [("regex", "a")]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("flag", ["choices", "json-schema", "grammar"])
def test_files_are_handed_on_by_name(flag):
    assert heard(f"--{flag}", "some file.txt") == "@some file.txt"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("[0-9]{1,3}", "[0-9]{1,3}"),
        (r"\d+\.\;", r"\d+\.\;"),
        ("a;b=c", r"a\;b\=c"),
        ("=a", r"\=a"),
        (r"\\;", r"\\\;"),
    ],
)
def test_signs_that_divide_a_chain_reach_a_pattern_escaped_once(pattern, told):
    assert heard("--regex", pattern) == told


@pytest.mark.usefixtures("installed")
def test_a_pattern_that_begins_with_an_at_sign_names_no_file():
    assert heard("--regex", "@home") == r"\@home"


@pytest.mark.usefixtures("installed")
def test_two_forms_of_one_text_are_refused():
    with pytest.raises(UsageError, match=r"--regex and --grammar cannot stand together: one is enough"):
        chained("--regex", "a", "--grammar", "g.lark")


@pytest.mark.usefixtures("installed")
def test_constraints_do_not_stand_beside_a_chain_of_ones_own():
    with pytest.raises(
        UsageError, match="--filters and --regex cannot stand together: --filters is the whole"
    ):
        chained("--regex", "a", "--filters", "temp=1")


@pytest.mark.parametrize("flag", [flag.replace("_", "-") for flag in CONSTRAINTS])
def test_without_the_plugin_the_way_to_it_is_told(plugins, flag):
    plugins()
    with pytest.raises(UsageError, match=f"(?i)no such option '?--{flag}.*'rnngen help sampling'") as refused:
        chained(f"--{flag}", "x")
    assert refused.value.exit_status == 2


def test_one_filter_of_the_package_is_not_taken_for_another(plugins):
    plugins("regex")
    assert chained("--regex", "a")[0] == ("regex", "a")
    with pytest.raises(UsageError, match=r"(?i)no such option '?--choices.*plugin"):
        chained("--choices", "x")


@pytest.mark.usefixtures("shelf", "installed")
@pytest.mark.parametrize("how", [["--seed", "1"], ["--beam", "2"]])
def test_the_program_writes_what_the_constraint_lets_through(run, how):
    done = run("sample", "-m", "tale", "-n", "4", *how, "--regex", "e", "the cat")
    assert done.out == "the cateeee"


@pytest.mark.usefixtures("shelf")
def test_the_program_ends_with_the_status_of_a_wrong_use(run, plugins):
    plugins()
    said = run("sample", "-m", "tale", "--choices", "names.txt", status=2).err
    assert "'rnngen help sampling'" in said


# ── Texts that end too early ───────────────────────────────────────────────────────────────────────────────

LONG = ("--filters", "min_length=9")


@pytest.mark.parametrize(("model", "prompt"), [("tale", "the"), ("names", ""), ("pairs", "abc")])
@pytest.mark.parametrize("how", [["--seed", "1"], ["--beam", "2"], ["--seed", "1", "--json"]])
def test_a_text_that_is_cut_short_is_written_and_then_an_error(run, models, model, prompt, how):
    ran = run("sample", "-m", model, "-n", "4", *LONG, *how, prompt, status=1)
    text = json.loads(ran.out)["text"] if "--json" in how else ran.out.rstrip("\n").removeprefix(prompt)
    assert len(text) == 4
    assert "filter 'min_length': the text ended after 4 of 9 tokens; give a larger length" in ran.err
    assert run("sample", "-m", model, "-n", "9", *LONG, *how, prompt).out


def test_of_several_texts_all_are_written_and_the_short_ones_counted(run, models):
    ran = run(
        "sample",
        "-m",
        "pairs",
        "-n",
        "4",
        *LONG,
        "--count",
        "2",
        "--seed",
        "1",
        stdin="abc\n\nfed\n",
        status=1,
    )
    assert [len(line) for line in ran.out.split("\n")] == [4, 4, 0, 0, 4, 4, 0]
    assert "4 of 4 texts ended too early" in ran.err


def test_a_stop_that_ends_a_text_too_early_is_an_error_too(run, models):
    ran = run("sample", "-m", "names", "--filters", "force=A,min_length=9", "--stop", "AA", "", status=1)
    assert ran.out == "\n"
    assert "ended after 0 of 9 tokens" in ran.err  # what is written counts, and the stop is not


def test_a_state_is_saved_in_the_middle_of_a_form_and_the_last_part_completes_it(run, models):
    flags = ("sample", "-m", "tale", "-n", "4", "--save-state", "s")
    half = run(*flags, "--seed", "1", *LONG, "the")
    more = run("sample", "-m", "tale", "-n", "4", "--from-state", "s", status=1)
    assert "ended after 8 of 9 tokens" in more.err
    assert len(half.out + more.out) == len("the") + 8
    run("sample", "-m", "tale", "-n", "5", "--from-state", "s")


@pytest.mark.usefixtures("models")
def test_python_raises_an_error_that_holds_the_texts():
    filters = {"filters": "min_length=9", "length": 4, "seed": 1}
    with pytest.raises(ConstraintError, match="ended after 4 of 9") as short:
        rnngen.load("tale").generate("the", count=2, **filters)
    assert [len(text) for text in short.value.texts] == [4, 4]
    pieces = []
    with pytest.raises(ConstraintError):
        pieces.extend(rnngen.load("tale").stream("the", **filters))
    with pytest.raises(ConstraintError):
        rnngen.load("pairs").translate(["abc"], **filters, strategy="sample")

"""The Python interface writes the bytes of the command line, with its seed, and imports nothing heavy."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import rnngen
import rnngen.api
from rnngen.errors import NotFoundError, UnknownName, UsageError

TALE = ("sample", "-m", "tale", "-q")


@pytest.fixture
def tale(shelf):
    return rnngen.load("tale")


@pytest.fixture
def pairs(models):
    return rnngen.load("pairs")


@pytest.mark.parametrize("module", [rnngen, rnngen.api])
def test_the_example_of_a_docstring_runs(models, module, capsys):
    (models / "tale").rename(models / "corpus")
    (models / "pairs").rename(models / "en-zh")
    block = module.__doc__.partition("::\n")[2]
    lines = [line for line in block.split("\n") if line.startswith("    ") or not line]
    exec(textwrap.dedent("\n".join(lines)), {})
    assert "ROMEO:" in capsys.readouterr().out


def test_importing_rnngen_imports_neither_torch_nor_numpy_nor_tokenizers_nor_click():
    code = "import sys, rnngen; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not set(found) & {"torch", "numpy", "tokenizers", "click", "pluggy", "rich", "safetensors"}
    assert {name for name in found if name.startswith("rnngen")} == {"rnngen", "rnngen.version"}


def test_what_is_exported_is_there_and_nothing_else():
    from rnngen import api, hookspecs

    assert rnngen.load is api.load
    assert rnngen.Session is api.Session
    assert rnngen.hookimpl is hookspecs.hookimpl
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        rnngen.lode  # noqa: B018


@pytest.mark.usefixtures("shelf")
def test_a_loaded_model_generates_without_torch():
    code = (
        "import sys, rnngen; rnngen.load('tale').generate('the', length=9, seed=1); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'tokenizers', 'click', 'rich')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


GENERATED = [
    ({}, []),
    ({"temperature": 1.3, "top_p": 0.9}, ["--temp", "1.3", "--top-p", "0.9"]),
    ({"temp": 0}, ["--temp", "0"]),
    ({"dry": 0.8, "xtc": 0.5, "order": "llama"}, ["--dry", "0.8", "--xtc", "0.5", "--order", "llama"]),
    ({"filters": "typical=0.9,temp=2"}, ["--filters", "typical=0.9,temp=2"]),
    ({"beam": 3, "length_penalty": 1}, ["--beam", "3", "--length-penalty", "1"]),
    ({"strategy": "beam;width=3"}, ["--strategy", "beam;width=3"]),
    ({"strategy": "contrastive", "top_k": 3}, ["--strategy", "contrastive", "--top-k", "3"]),
    ({"best_of": 3}, ["--best-of", "3"]),
    ({"mbr": 3}, ["--mbr", "3"]),
    ({"draft": "lookup"}, ["--draft", "lookup"]),
    ({"stop": "a"}, ["--stop", "a"]),
    ({"stop": ("a", "e")}, ["--stop", "a", "--stop", "e"]),
    ({"blend": ("a red", 0.4)}, ["--blend", "a red", "0.4"]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("options", "flags"), GENERATED, ids=str)
def test_a_text_is_that_of_the_command_line(run, tale, options, flags):
    expected = run(*TALE, "-s", "7", "-n", "30", *flags, "the cat").out
    assert tale.generate("the cat", seed=7, length=30, **options) == expected
    assert "".join(tale.stream("the cat", seed=7, length=30, **options)) == expected
    alone = tale.generate("the cat", seed=7, length=30, include_prompt=False, **options)
    assert "the cat" + alone == expected


def test_several_texts_are_a_list(run, tale):
    expected = run(*TALE, "-s", "7", "-n", "30", "--count", "3", "-0", "the").out.split("\0")[:3]
    assert tale.generate("the", seed=7, length=30, count=3) == expected
    best = run(*TALE, "--beam", "3", "-n", "9", "--nbest", "2", "-0", "the").out.split("\0")[:2]
    assert tale.generate("the", beam=3, length=9, nbest=2) == best


def test_a_text_streams_as_it_is_drawn(tale):
    pieces = tale.stream("the", seed=7, length=-1)
    assert next(pieces) == "the"
    assert len([next(pieces) for _ in range(50)]) == 50


def test_several_models_generate_together(run, shelf):
    expected = run(*TALE, "-m", "tale", "-s", "7", "-n", "30", "the").out
    assert rnngen.load(["tale", "tale"]).generate("the", seed=7, length=30) == expected


def test_the_model_trained_last_is_loaded_without_a_name(shelf):
    assert rnngen.load().name == "names"
    assert rnngen.load(str(shelf / "tale")).name == "tale"
    with pytest.raises(NotFoundError, match="did you mean 'tale'"):
        rnngen.load("tael")


def test_a_path_is_a_path_wherever_a_name_may_stand(shelf, place, monkeypatch):
    monkeypatch.chdir(place)
    (place / "corpus.txt").write_text("a tale of two towns. " * 60, encoding="utf-8")
    sizes = {"hidden": 8, "batch": 2, "seq": 8, "steps": 2, "ngram": "none"}
    made = rnngen.train(Path("corpus.txt"), name="towns", **sizes)
    again = rnngen.load(shelf / "towns")
    assert again.generate("a", seed=1, length=5) == made.generate("a", seed=1, length=5)
    assert made.evaluate([Path("corpus.txt")]).as_json() == made.evaluate("corpus.txt").as_json()
    with pytest.raises(NotFoundError, match=r"\./towns"):
        rnngen.load(Path("towns"))


def test_a_text_is_scored_as_by_the_command_line(run, tale, pairs):
    assert tale.score("the cat") == pytest.approx(
        float(run("score", "-m", "tale", stdin="the cat").out), abs=1e-6
    )
    told = float(run("score", "-m", "pairs", stdin="abc\tCBA").out)
    assert pairs.score("CBA", "abc") == pytest.approx(told, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "flags"), [({}, []), ({"top_k": 3, "temperature": 0.5}, ["--top-k", "3", "--temp", "0.5"])]
)
def test_the_next_token_is_that_of_the_command_line(run, tale, options, flags):
    rows = json.loads(run("next", "-m", "tale", "--json", "--top", "3", *flags, "the c").out)["next"]
    found = tale.next("the c", 3, **options)
    assert [token for token, _ in found] == [row["token"].replace("␣", " ") for row in rows]
    assert [chance for _, chance in found] == pytest.approx([row["probability"] for row in rows])


def test_the_next_token_of_an_output_needs_its_source(run, pairs):
    rows = json.loads(run("next", "-m", "pairs", "--json", "--source", "abc", "--top", "2").out)["next"]
    assert [token for token, _ in pairs.next(source="abc", top=2)] == [row["token"] for row in rows]
    with pytest.raises(UsageError, match="this model reads a source; give one"):
        pairs.next()


def test_a_gap_is_filled_as_by_the_command_line(run, tale, pairs):
    flags = ("--length", "6", "--beam", "4")
    told = run("fill", "-m", "tale", *flags, "--nbest", "3", "--json", "the ___ sees").out.splitlines()
    found = tale.fill("the ", " sees", length=6, beam=4)[:3]
    assert [text for text, _ in found] == [json.loads(line)["fill"] for line in told]
    (text, _), *_ = pairs.fill("C", "F", source="fedc", length=3, beam=4)
    assert (
        f"C{text}F\n"
        == run("fill", "-m", "pairs", "--source", "fedc", *flags[:1], "3", *flags[2:], "C___F").out
    )


def test_sources_are_translated_as_by_the_command_line(run, pairs):
    sources = ["abc", "f", "fedc", "bb"]
    told = run("sample", "-m", "pairs", stdin="\n".join(sources)).out.splitlines()
    assert pairs.translate(sources) == told
    assert [pairs.generate(source=source) for source in sources] == told
    beam = run("sample", "-m", "pairs", "--beam", "3", stdin="\n".join(sources)).out.splitlines()
    assert pairs.translate(sources, beam=3) == beam
    drawn = run("sample", "-m", "pairs", "--temp", "1", "-s", "3", stdin="\n".join(sources)).out.splitlines()
    assert pairs.translate(sources, temperature=1, seed=3) == drawn


def test_a_blank_source_has_no_output_and_nothing_is_made_of_it(pairs):
    assert pairs.translate(["abc", " ", "bb", ""])[1::2] == ["", ""]
    assert pairs.translate(["abc", " "])[0] == pairs.generate(source="abc")
    for made in (
        lambda: pairs.generate(source=""),
        lambda: list(pairs.stream(source=" ")),
        lambda: pairs.attention(["abc", ""]),
        lambda: pairs.attention([""], text="C"),
        lambda: pairs.score("CBA", ""),
        lambda: pairs.next("C", source=""),
    ):
        with pytest.raises(UsageError, match="blank"):
            made()


def test_attention_is_that_of_the_command_line(run, pairs):
    told = json.loads(run("attend", "-m", "pairs", "fedc", "--json").out)
    (found,) = pairs.attention(["fedc"])
    assert found.as_json() == told
    (along,) = pairs.attention(["fedc"], text="CDEF")
    assert "".join(along.target) == "CDEF"


def test_a_model_that_attends_to_nothing_shows_no_attention(tale):
    with pytest.raises(UsageError, match="attends to nothing"):
        tale.attention(["x"])


def test_a_model_is_evaluated_as_by_the_command_line(run, tale, place):
    (place / "test.txt").write_text("the cat sees the sea.\n" * 20)
    told = json.loads(run("eval", "-m", "tale", "test.txt", "--json").out)
    assert tale.evaluate("test.txt").as_json() == told


@pytest.mark.parametrize("option", ["save_state", "json", "interactive", "prompt_file", "device", "cache"])
def test_what_only_the_command_line_does_is_refused_and_not_passed_over(tale, option):
    with pytest.raises(UsageError, match=option):
        tale.generate("the", **{option: True})


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda tale, _: list(tale.stream("the", count=2)), "room for one"),
        (lambda _, pairs: pairs.translate(["abc"], beam=3, nbest=2), "room for one"),
        (lambda _, pairs: pairs.attention(["abc"], beam=3, nbest=2), "room for one"),
        (lambda _, pairs: pairs.attention(["abc"], temperature=1), "strategy sample keeps no attention"),
        (lambda tale, _: tale.next("the", beam=3), "beam says how texts are chosen"),
        (lambda tale, _: tale.evaluate(model="names"), "model is an option of the command line"),
        (lambda *_: rnngen.load(["tale", "tale"]).evaluate(), "evaluated one by one"),
        (lambda *_: rnngen.load([]), "no model is named"),
        (lambda tale, _: tale.fill("a", "b", nbest=3), "unknown option 'nbest'"),
        (lambda tale, _: tale.fill("a", "b", beam=0), "beam=0"),
    ],
)
def test_what_a_method_could_not_heed_is_refused(tale, pairs, call, said):
    with pytest.raises(UsageError, match=said):
        call(tale, pairs)


@pytest.mark.parametrize("option", ["plan", "nproc", "listener", "from_study", "storage"])
def test_a_training_refuses_it_too(place, option):
    (place / "a.txt").write_text("abc " * 100)
    with pytest.raises(UsageError, match=f"{option} is an option of the command line"):
        rnngen.train("a.txt", steps=1, **{option: 2})


def test_errors_name_options_and_no_flags(tale, pairs):
    with pytest.raises(UnknownName, match="unknown option 'temprature'; did you mean 'temperature'"):
        tale.generate("the", temprature=1)
    with pytest.raises(UsageError, match="this model reads no source; leave it out"):
        tale.generate("the", source="abc")
    with pytest.raises(UsageError, match="this model reads a source; give one"):
        pairs.generate("C")
    with pytest.raises(UsageError, match="beam and mbr cannot stand together"):
        tale.generate("the", beam=3, mbr=3)

"""Memory that follows the longest source alone: batches, shared memories, stretches, and lines read ahead."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fixtures.generators import generator_of

from rnngen.builtins.options import CharOptions
from rnngen.builtins.seq2seq import numpy as seq2seq
from rnngen.builtins.strategies.beam import search
from rnngen.builtins.strategies.beam.search import BeamSearch
from rnngen.builtins.strategies.options import BeamOptions
from rnngen.builtins.tokenizers.char import CharTokenizer
from rnngen.cli import streams
from rnngen.contracts import NO_TOKEN, Chunk
from rnngen.decoding.prefill import select_rows
from rnngen.generation import generator as generating
from rnngen.generation.generator import batches
from rnngen.generation.prompts import GenerationSettings, Prompt


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(generating, "BATCH_TOKENS", 300)


@pytest.mark.parametrize(
    "lengths",
    [
        [10] * 520 + [100_000] + [10] * 63,
        [1, 299, 300, 301, 2],
        [100_000] * 3,
        [*range(1, 200)],
        [0, 0, 5],
        [],
    ],
)
def test_a_batch_has_few_rows_or_one(small, lengths):
    made = list(batches(lengths))
    assert sorted(number for batch in made for number in batch) == list(range(len(lengths)))
    for batch in made:
        assert len(batch) == 1 or len(batch) * max(lengths[number] for number in batch) <= 300
        assert len(batch) <= generating.BATCH_SOURCES


@pytest.fixture
def writes(attentive):
    """Outputs for sources over a to d; each row is computed by itself."""
    tokenizer = CharTokenizer.train([Chunk("abcd", True)], CharOptions())
    made = generator_of(attentive(len(tokenizer.pieces)), tokenizer, source_tokenizer=tokenizer, has_eos=True)

    def go(sources, width=3, **settings):
        given = GenerationSettings(length=6, count=width, **settings)
        prompts = [Prompt("", source) for source in sources]
        outputs = made.generate(prompts, BeamSearch(BeamOptions(width=width)), given)
        return [(output.text, output.hypothesis) for output in outputs]

    return go


SOURCES = ["abc", "d" * 40, "a", "bcd", "cab" * 30, "dd"]


def test_what_is_written_does_not_depend_on_how_sources_are_batched(writes, monkeypatch):
    whole = writes(SOURCES)
    monkeypatch.setattr(search, "CELLS", 50)
    assert writes(SOURCES) == whole
    monkeypatch.setattr(generating, "BATCH_TOKENS", 10)
    assert writes(SOURCES) == whole


def test_attention_weights_that_are_too_many_are_not_kept_and_nothing_else_changes(writes, monkeypatch):
    whole = writes(SOURCES, attention=True)
    assert all(found.attention is not None for _, found in whole)
    monkeypatch.setattr(search, "WEIGHTS", 200)
    bounded = writes(SOURCES, attention=True)
    assert bounded == whole
    kept = [found.attention is not None for _, found in bounded]
    assert not all(kept)


def test_streams_that_are_one_share_their_memory():
    memory, last = np.arange(24.0).reshape(2, 3, 4), np.arange(6.0).reshape(2, 3)
    shared = select_rows((memory, last), [1] * 64)
    assert np.shares_memory(shared[0], memory)
    assert all((one == array[[1] * 64]).all() for one, array in zip(shared, (memory, last), strict=True))
    fewer = select_rows(shared, [True] * 5 + [False] * 59)
    assert fewer[0].shape == (5, 3, 4)
    assert np.shares_memory(fewer[0], memory)
    assert select_rows(shared, [])[0].shape == (0, 3, 4)
    mixed = select_rows((memory,), [1, 0, 1])
    assert (mixed[0] == memory[[1, 0, 1]]).all()
    assert not np.shares_memory(mixed[0], memory)


def test_an_encoder_reads_in_stretches_of_any_length(monkeypatch, run, models):
    import rnngen

    step = rnngen.load("pairs").generator.model
    source = np.array([[1, 2, 3, 4, 5], [2, 2, NO_TOKEN, NO_TOKEN, NO_TOKEN], [3, 1, 2, NO_TOKEN, NO_TOKEN]])
    whole = step.start(source)
    for tokens in (1, 4, 7):
        monkeypatch.setattr(seq2seq, "READ_AHEAD", tokens)
        for one, other in zip(step.start(source), whole, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_loss_of_pairs_does_not_depend_on_how_many_weights_are_there_at_once(monkeypatch, run, models):
    from rnngen.nn import loss

    whole = run("eval", "-m", "pairs", "--json").out
    monkeypatch.setattr(loss, "ATTENDED", 100)

    assert json.loads(run("eval", "-m", "pairs", "--json").out)["nats_per_token"] == pytest.approx(
        json.loads(whole)["nats_per_token"], abs=1e-5
    )


def test_lines_are_read_ahead_and_taken_by_their_size(tmp_path):
    lines = ["x" * 300_000] * 12 + ["short"] * 20
    (tmp_path / "lines").write_text("\n".join(lines))
    reader, found, most = streams.Lines(str(tmp_path / "lines")), [], 0
    while some := reader.take(512):
        found += some
        most = max(most, sum(map(len, some)))
    assert found == lines
    assert most < streams.Lines.AHEAD + 300_000


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("flags", [(), ("--beam", "5"), ("--count", "32", "--temp", "1"), ("--json",)])
def test_a_very_long_line_among_short_ones_takes_little_memory(run, home, place, flags):
    (place / "pairs.tsv").write_text("".join(f"source {n}\ttarget {n}\n" for n in range(60)))
    run(
        "train",
        "pairs.tsv",
        "-q",
        "--task",
        "pairs",
        "--tokenizer",
        "char",
        "--steps",
        "1",
        "--batch",
        "8",
        "--hidden",
        "128",
    )
    long = [*(["source 1"] * 90), "source " * 14_000, *(["number 2"] * 63)]
    (place / "sources").write_text("\n".join(long))
    code = (  # not getrusage, whose figure is at least that of the process that started this one
        "import sys; from rnngen.__main__ import main; status = main(sys.argv[1:]);"
        "peak = [line for line in open('/proc/self/status') if line.startswith('VmHWM')];"
        "print(int(peak[0].split()[1]) // 1024, file=sys.stderr); sys.exit(status)"
    )
    command = ["sample", "-m", "pairs", "-q", "-n", "4", "--prompt-file", "sources", *flags]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == len(long) * (32 if "--count" in flags else 1)
    assert int(done.stderr.strip().split("\n")[-1]) < 500

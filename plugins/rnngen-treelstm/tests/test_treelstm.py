"""What the package promises: the contracts, the paper's equations for any tree, errors that name the line."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rnngen
import torch
from rnngen import builtins
from rnngen.builtins.attention import rnngen_attentions
from rnngen.contracts import Chunk, NetworkSpec
from rnngen.errors import OptionError
from rnngen.testing import check_light, check_network, check_task, check_tokenizer

from rnngen_treelstm import rnngen_cells, rnngen_tasks, rnngen_tokenizers, trees
from rnngen_treelstm.numpy import ChildSumStep
from rnngen_treelstm.task import Trees
from rnngen_treelstm.tokenizer import Brackets
from rnngen_treelstm.torch import ChildSum

SPEC = next(one for one in rnngen_cells() if isinstance(one, NetworkSpec))
(TASK,), (TOKENIZER,) = rnngen_tasks(), rnngen_tokenizers()
PARTS = [*(one for one in builtins.rnngen_cells() if not isinstance(one, NetworkSpec)), *rnngen_attentions()]
SENTENCE = "(S (NP the dog) (VP barks))"
INPUT, HIDDEN = 5, 6


@pytest.mark.parametrize(
    ("options", "shared", "tied"),
    [
        ({}, False, True),
        ({"decoder": "gru", "attention": "none", "ordered": "false"}, True, True),
        ({"decoder": "rnn", "attention": "coverage"}, False, False),
    ],
)
def test_network(options: dict[str, str], shared: bool, tied: bool) -> None:
    check_network(SPEC, *PARTS, shared=shared, tied=tied, **options)


def test_task_and_tokenizer_and_listing() -> None:
    check_task(TASK)
    check_tokenizer(TOKENIZER)
    check_light("rnngen_treelstm")


def parents(source: str) -> dict[str, str]:
    """Each node of a source and its parent, as their tokens are written; the root is empty."""
    tokenizer: Any = Brackets.train([Chunk(source + source, True)], TOKENIZER.options())
    tokens = [*tokenizer.encode(source), tokenizer.eos_id]
    pieces = [tokenizer.pieces[token] for token in tokens]
    found = trees.parents_of(trees.kinds(pieces))
    return {
        pieces[place].decode(): pieces[parent].decode()
        for place, parent in enumerate(found)
        if parent != trees.NO_NODE
    }


def test_a_brackets_node_is_its_label() -> None:
    assert parents(SENTENCE) == {
        "S": "",
        "NP": "S",
        " the": "NP",
        " dog": "NP",
        "VP": "S",
        " barks": "VP",
    }


def test_a_bracket_without_a_label_is_a_node_itself() -> None:
    assert parents("((a b) {}) c") == {"(": "(", "a": "(", " b": "a", " {": "(", " c": ""} | {"(": ""}


def by_the_paper(cell: ChildSum, x: torch.Tensor, parents: list[int], node: int) -> tuple[Any, Any]:
    """State and output of a node, from those of its children (equations 2 to 8)."""
    below = [by_the_paper(cell, x, parents, k) for k, parent in enumerate(parents) if parent == node]
    zero = x.new_zeros(HIDDEN)
    total = sum((h for h, _ in below), zero)
    w = cell.inputs(x[node])
    i, o, u = (w[: 3 * HIDDEN] + cell.below(total)).chunk(3)
    kept = sum(((w[3 * HIDDEN :] + cell.forget(h)).sigmoid() * c for h, c in below), zero)
    c = i.sigmoid() * u.tanh() + kept
    return o.sigmoid() * c.tanh(), c


def test_encoders_compute_the_papers_equations_for_all_trees_of_a_batch() -> None:
    torch.manual_seed(0)
    cell = ChildSum(INPUT, HIDDEN)
    tokens = [trees.NODE, trees.OPEN, trees.CLOSE, trees.BLANK]
    leaf, opened, closed, blank = tokens
    rows = [
        [opened, leaf, blank, opened, leaf, leaf, leaf, closed, leaf, closed, leaf],
        [leaf, opened, opened, opened, leaf, closed, closed, closed, leaf, blank, blank],
    ]
    where, heights, _ = trees.forest(rows, [11, 9])
    x = torch.randn(22, INPUT)
    with torch.no_grad():
        found = cell(x, torch.tensor(where), torch.tensor(heights))
        for node in (node for node, height in enumerate(heights) if height >= 0):
            expected, _ = by_the_paper(cell, x, where, node)
            torch.testing.assert_close(found[node], expected)
    weights = {f"encoder.{name}": array.numpy() for name, array in cell.state_dict().items()}
    step = ChildSumStep(weights)(x.numpy(), torch.tensor(where).numpy(), torch.tensor(heights).numpy())
    torch.testing.assert_close(torch.from_numpy(step), found, rtol=1e-5, atol=1e-6)
    assert not found[[one < 0 for one in heights]].any()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("(a (b c)", "the '(' at character 1 is never closed; add ')'"),
        ("a) b", "the ')' at character 2 closes no bracket; remove it, or open one"),
        ("(a [b) c]", "the ')' at character 6 does not close the '[' at character 4; write ']'"),
    ],
)
def test_unbalanced_brackets_are_named_with_line_place_and_mend(source: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^line 3: ") as error:
        list(Trees(TASK.options()).examples([Chunk(f"{SENTENCE}\tx\n\n{source}\ty\n", True)]))
    assert str(error.value) == f"line 3: {reason}"


def test_tokens_that_are_more_than_a_bracket_are_refused() -> None:
    with pytest.raises(ValueError, match=r"source_tokenizer=brackets"):
        trees.kinds([b"", b"a", b"))"])
    with pytest.raises(OptionError, match="task=trees"):
        trees.forest([[trees.OPEN, trees.NODE]], [2])


def test_it_trains_and_answers_and_names_the_line_of_what_is_no_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNNGEN_HOME", str(tmp_path))
    lines = [
        f"(MAX {a} (MIN {b} {c}))\t{max(a, min(b, c))}\n"
        for a in range(4)
        for b in range(4)
        for c in range(4)
    ]
    text = tmp_path / "trees.txt"
    text.write_text("".join(lines))
    options: dict[str, Any] = {"task": "trees", "source_tokenizer": "brackets", "ngram": "none"}
    model = rnngen.train(str(text), name="max", hidden=16, steps=10, **options)
    assert len(model.translate(["(MAX 1 (MIN 2 3))", "(MIN 2 2)"], beam=2)) == 2
    command = [sys.executable, "-m", "rnngen", "sample", "-m", "max"]
    failed = subprocess.run(
        command, input="(MAX 1 2)\n(MAX 1\n", check=False, capture_output=True, encoding="utf-8"
    )
    assert failed.returncode == 2
    assert "source 2: the '(' at character 1 is never closed; add ')'" in failed.stderr

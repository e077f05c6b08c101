"""The tree of a search holds every text that it found, and looking changes nothing."""

import pytest

from rnngen.api import load
from rnngen.generation.prompts import Prompt
from rnngen.observation.search import search


@pytest.mark.parametrize(
    ("name", "prompt"), [("tale", Prompt("the ")), ("pairs", Prompt("", "abc")), ("names", Prompt("A"))]
)
def test_every_text_is_a_path_of_the_tree(models, name, prompt):
    decoder = load(name).decoder(beam=3, length=6, nbest=3)
    tree = search(decoder, prompt)
    plain = [
        one.hypothesis for one in decoder.strategy.generate(decoder.generator.job([prompt], decoder.settings))
    ]
    assert [one.hypothesis for one in tree.found] == plain
    for hypothesis in plain:
        parent = None
        for token in hypothesis.tokens:
            parent = next(at for at in tree.children[parent] if tree.nodes[at].token == token)
    fates = [node.fate for node in tree.nodes]
    assert {"kept", "finished", "pruned"} <= set(fates)
    assert all(node.why for node in tree.nodes if node.fate == "pruned")
    assert len([*tree.branches()]) == len(tree.nodes)
    assert [branch.node for branch in tree.branches() if branch.best][-1].fate == "finished"


def test_no_more_are_kept_of_a_step_than_the_beam_is_wide(models):
    tree = search(load("tale").decoder(beam=4, length=5), Prompt("the "))
    depths = {}
    for number, node in enumerate(tree.nodes):
        depths[number] = 0 if node.parent is None else depths[node.parent] + 1
    for depth in set(depths.values()):
        alive = [n for n, node in enumerate(tree.nodes) if depths[n] == depth and node.fate != "pruned"]
        assert 0 < len(alive) <= 4

"""``rnngen models card``: the facts that training found, and samples that its commands write again."""

import re
import shlex

import pytest

pytestmark = pytest.mark.usefixtures("shelf")


@pytest.mark.parametrize(("model", "prompt"), [("tale", "the ``` cat"), ("names", "")])
def test_a_card_has_the_facts_of_training_and_samples_that_come_again(run, shelf, model, prompt):
    run("models", "mv", model, "a friend's")
    text = run("models", "card", "a friend's", *(["--prompt", prompt] if prompt else [])).out
    assert text.startswith("# a friend's\n")
    facts = (shelf / "a friend's" / "README.md").read_text()
    for line in facts.splitlines()[5:]:
        assert line in text
    assert str(shelf) not in text
    sessions = re.findall(r"^(`{3,})console\n\$ (.*?)\n(.*?)\n\1$", text, re.DOTALL | re.MULTILINE)
    assert len(sessions) == (2 if model == "tale" else 1)
    for _, command, written in sessions:
        words = shlex.split(command)
        assert words[:2] == ["rnngen", "sample"]
        assert run(*words[1:]).out.rstrip("\n") == written.rstrip("\n")


def test_a_card_goes_to_a_file_and_replaces_none_unasked(run, place):
    run("export", "tale", "-o", "tale.safetensors")
    run("models", "card", "tale.safetensors", "-o", "card.md")
    text = (place / "card.md").read_text()
    assert "-m ./tale.safetensors" in text
    assert "held out" in text
    assert "--force" in run("models", "card", "tale", "-o", "card.md", status=2).err
    assert run("models", "card", "tale", "-o", "-").out == run("models", "card", "tale").out
    run("models", "card", "tale", "-o", "card.md", "--force")
    assert "nats per character" in (place / "card.md").read_text()

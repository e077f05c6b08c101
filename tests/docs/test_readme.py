"""README: short, and what it shows exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_readme_is_read_in_three_minutes():
    assert len(README.split()) <= 700


def test_readme_has_the_two_commands_that_are_run_from_it():
    for marker in ("run", "test"):
        assert re.search(rf"^<!-- {marker} -->\n```sh\n[^\n]+\n```$", README, re.MULTILINE)


def test_every_command_in_the_readme_exists():
    from rnngen.cli.app import COMMANDS

    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", README, re.DOTALL)
    used = set(re.findall(r"(?<![\w-])rnngen ([a-z]+)\b", "\n".join(blocks)))
    assert used
    assert used <= set(COMMANDS)


def test_every_guide_is_named_in_the_readme():
    from rnngen.cli.commands.help import TOPICS

    assert [topic for topic in TOPICS if f"man/guides/{topic}.md" not in README] == []

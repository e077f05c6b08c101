"""``rnngen plugins new``: the example of the guide under another name, as a file or as a package."""

import ast
import keyword
import re
import sys
from pathlib import Path

import click

from rnngen import discovery, paths
from rnngen.cli import flags
from rnngen.cli.commands.help import guide
from rnngen.cli.render import console
from rnngen.errors import UsageError

EXAMPLES = {
    "cell": "mgu",
    "attention": "evenly",
    "tokenizer": "digraph",
    "task": "sentences",
    "reader": "srt",
    "filter": "lipogram",
    "strategy": "cooling",
    "listener": "csvlog",
    "command": "riddle",
}
"""The example of each kind in the guide, by its file."""
PYPROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "0.1.0"
description = "A {kind} for rnngen."
readme = "README.md"
license = "MIT"
license-files = ["LICENSE"]
requires-python = ">=3.11"
dependencies = ["rnngen"]

[project.optional-dependencies]
test = ["pytest"]

[project.entry-points.rnngen]
{module} = "{module}"
"""
README = """# {name}

The {kind} `{name}` for [rnngen](https://pypi.org/project/rnngen/).

```sh
pip install -e '.[test]'
pytest
rnngen plugins show {name}
```
"""
TEST = """from rnngen.testing.suites import check

import {module}


def test_it_keeps_its_promises():
    for spec in {module}.{hook}():
        check(spec)
"""
WORKFLOW = """on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.12"}
      - run: pip install -e '.[test]'
      - run: pytest
      - run: rnngen plugins check
"""


@flags.examples("rnngen plugins new cell my-cell", "rnngen plugins new filter no-e --file")
@click.command("new", cls=flags.Command)
@click.argument("kind", type=click.Choice(list(EXAMPLES)))
@click.argument("name")
@click.option("--file", "as_file", is_flag=True, help="Write one file, into the user's folder of plugins.")
def new(kind: str, name: str, as_file: bool) -> None:
    """Write a plugin of KIND that works as it stands: the example of 'rnngen help plugins', called NAME.

    It is a package in the current folder, with code, test, README, CI and licence, or one file.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(f"{name!r} is no name for a plugin; words of lower case, joined by hyphens")
    module, source = name.replace("-", "_"), example(kind, name)
    if not as_file and (module in sys.stdlib_module_names or keyword.iskeyword(module)):
        raise UsageError(f"a package called {module} would hide behind Python's own; take another name")
    place = discovery.user_folder() / f"{module}.py" if as_file else Path(name)
    if place.exists():
        raise UsageError(f"{place} is there already; take another name, or remove it")
    if not as_file:
        _write_package(place, kind, name, module, source)
        console.note(f"written: {place}; install it with: rnngen plugins install -e ./{place}")
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(source, encoding="utf-8")
    click.echo(str(place))
    console.note(f"edit it, then: rnngen plugins check {name}")


def example(kind: str, name: str | None = None) -> str:
    """Return the source of the guide's example of a kind, under its own name or another."""
    own = EXAMPLES[kind]
    found = re.search(rf"^```python\n# {own}\.py\n(.*?)^```", guide("plugins")[1], re.DOTALL | re.MULTILINE)
    assert found, f"the guide has no example {own}.py"
    return found[1].replace(f'name="{own}"', f'name="{name}"') if name else found[1]


def _write_package(folder: Path, kind: str, name: str, module: str, source: str) -> None:
    light, rest = divided(source)
    code = folder / module
    code.mkdir(parents=True)
    (folder / "tests").mkdir()
    (folder / ".github" / "workflows").mkdir(parents=True)
    hook = re.findall(r"def (rnngen_\w+)", light)[0]
    values = {"kind": kind, "name": name, "module": module, "hook": hook}
    light = light.replace('f"{__name__}:', 'f"{__name__}.code:')
    for path, text in {
        code / "__init__.py": f'"""The {kind} {name}; listings import this, and no torch."""\n\n{light}',
        code / "code.py": f'"""What the {kind} does."""\n\n{rest}',
        folder / "pyproject.toml": PYPROJECT.format(**values),
        folder / "README.md": README.format(**values),
        folder / "LICENSE": _license(name),
        folder / "tests" / f"test_{module}.py": TEST.format(**values),
        folder / ".github" / "workflows" / "test.yml": WORKFLOW,
    }.items():
        path.write_text(text, encoding="utf-8")


def divided(source: str) -> tuple[str, str]:
    """Divide a plugin of one file: options and hooks, which are light, and what does the work."""
    lines, body = source.splitlines(), ast.parse(source).body
    imports = [one for one in body if isinstance(one, ast.Import | ast.ImportFrom)]
    parts: tuple[list[str], list[str]] = ([], [])
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            marks = [ast.unparse(one).partition("(")[0] for one in node.decorator_list]
            first = min([one.lineno for one in node.decorator_list] + [node.lineno]) - 1
            is_light = bool({"dataclass", "hookimpl"} & set(marks))
            parts[not is_light].append("\n".join(lines[first : node.end_lineno]))
    return _with_imports(imports, parts[0]), _with_imports(imports, parts[1])


def _with_imports(imports: list[ast.Import | ast.ImportFrom], parts: list[str]) -> str:
    """Put those of some imports before source that uses them."""
    text, head = "\n\n\n".join(parts), []
    for node in imports:
        used = [one for one in node.names if re.search(rf"\b{one.asname or one.name}\b", text)]
        if used:
            again = ast.Import(used) if isinstance(node, ast.Import) else ast.ImportFrom(node.module, used, 0)
            head.append(ast.unparse(again))
    return "\n".join(head) + "\n\n\n" + text + "\n"


def _license(name: str) -> str:
    """Return the text of the MIT licence for the authors of a package."""
    own = paths.shipped("LICENSE").read_text(encoding="utf-8")
    return own.replace("The rnngen authors", f"The authors of {name}")

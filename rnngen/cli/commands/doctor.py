"""``rnngen doctor``: what this installation is made of, and what to mend; for bug reports."""

import os
import platform
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from rnngen.cli import flags
from rnngen.cli.context import THREADS, registry
from rnngen.cli.render import console
from rnngen.cli.render.progress import disk_size
from rnngen.errors import RnngenError
from rnngen.version import __version__

PACKAGES = ("torch", "numpy", "tokenizers", "safetensors", "click", "pluggy", "rich", "sacrebleu")
"""Packages that are always there."""
OPTIONAL = {
    "numba": "compiled kernels and --quantize; pip install 'rnngen[fast]'",
    "pillow": "pictures as PNG; pip install 'rnngen[plot]'",
    "onnxscript": "export --onnx; pip install 'rnngen[onnx]'",
    "optuna": "rnngen tune; pip install 'rnngen[tune]'",
}
"""Packages that may be missing, with what they are for."""

OPEN = {"RNNGEN_HOME", "RNNGEN_DEBUG", "RNNGEN_PLUGINS", "RNNGEN_PLUGINS_STRICT"}
"""Variables whose values are shown; others may hold passwords, prompts or names of models."""


@dataclass
class Findings:
    """Facts by section, and what to mend."""

    sections: dict[str, dict[str, str]] = field(default_factory=dict)
    mend: list[str] = field(default_factory=list)

    def add(self, section: str, name: str, value: object) -> None:
        """Note a fact."""
        self.sections.setdefault(section, {})[name] = str(value)


@flags.examples("rnngen doctor", "rnngen doctor --json > report.json")
@click.command(cls=flags.Command)
@flags.json_flag
@click.pass_context
def doctor(ctx: click.Context, json: bool) -> None:
    """Show versions, plugins, devices, threads, kernels, settings and models, and what to mend.

    It is made to be pasted into a bug report: the home folder is written as ~, and no text, prompt or name
    of a model is in it. It reads, and changes nothing.
    """
    found = Findings()
    for look in (_program, _packages, _plugins, _devices, _threads, _settings, _store):
        try:
            look(ctx, found)
        except Exception as error:  # what is broken must not hide the rest
            what = look.__name__.removeprefix("_")
            found.mend.append(f"{what}: {type(error).__name__}: {_home(error)}")
    if json:
        console.write_json({**found.sections, "mend": found.mend})
        return
    for section, facts in found.sections.items():
        console.table(list(facts.items()), (section, ""))
        click.echo()
    click.echo("Nothing to mend." if not found.mend else "To mend:")
    for line in found.mend:
        click.echo(f"- {line}")


def _program(_: click.Context, found: Findings) -> None:
    found.add("program", "rnngen", __version__)
    found.add("program", "Python", f"{platform.python_version()} ({sys.implementation.name})")
    found.add("program", "system", platform.platform())
    found.add("program", "processor", f"{platform.machine()}, {os.cpu_count()} cores")


def _packages(_: click.Context, found: Findings) -> None:
    for name in PACKAGES:
        found.add("packages", name, _version(name) or "missing")
        if not _version(name):
            found.mend.append(f"{name} is missing, which rnngen needs; pip install --force-reinstall rnngen")
    for name, purpose in OPTIONAL.items():
        found.add("packages", name, _version(name) or f"not installed; it is for {purpose}")


def _version(name: str) -> str | None:
    with suppress(PackageNotFoundError):
        return version(name)
    return None


def _plugins(ctx: click.Context, found: Findings) -> None:
    from rnngen.registry import KINDS

    here = registry(ctx)
    counts: dict[tuple[str, str], int] = {}
    for one in (one for kind in KINDS for one in here.all(kind)):
        key = (one.distribution.name, one.distribution.version)
        counts[key] = counts.get(key, 0) + 1
    for (name, number), count in sorted(counts.items()):
        found.add("plugins", name, f"{number}, {count} names")
    for failure in here.failures:
        reason = _home(failure.reason)
        found.add("plugins", failure.plugin, f"does not work: {reason}")
        found.mend.append(
            f"plugin {failure.plugin} does not work: {reason}; mend or upgrade it, or: rnngen plugins "
            f"uninstall {failure.plugin}"
        )


def _devices(_: click.Context, found: Findings) -> None:
    from rnngen.nn.devices import choose_device, devices

    automatic = str(choose_device("auto"))
    for device in devices():
        memory = "" if device.memory_total is None else f", {device.memory_total / 2**30:.1f} GiB"
        chosen = ", taken by auto" if device.name == automatic else ""
        driver = f", {device.driver}" if device.driver else ""
        trains = "bf16" if device.bf16 else "fp32"
        found.add("devices", device.name, f"{device.description}{memory}{driver}, trains in {trains}{chosen}")
        if not device.kernels:
            found.mend.append(f"{device.name} trains slowly without Numba; pip install 'rnngen[fast]'")


def _threads(_: click.Context, found: Findings) -> None:
    import torch

    from rnngen.matrices import has_numba

    found.add("threads", "torch", torch.get_num_threads())
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    found.add("threads", "cores that may be used", usable)
    for name in THREADS:
        if name in os.environ:
            found.add("threads", name, os.environ[name])
    found.add(
        "threads", "kernels", "compiled by Numba" if has_numba() else "of torch; Numba is not installed"
    )
    if torch.get_num_threads() > usable:
        found.mend.append(
            f"torch has more threads than the {usable} cores it may use; set OMP_NUM_THREADS={usable}"
        )


def _settings(ctx: click.Context, found: Findings) -> None:
    from rnngen.cli.app import COMMANDS
    from rnngen.cli.commands.config import commands_of
    from rnngen.cli.settings import checked, local_file, user_file

    for path in (user_file(), local_file()):
        if not path.is_file():
            found.add("settings", _home(path), "not there")
            continue
        try:
            checked(path, commands_of(ctx), COMMANDS)
            found.add("settings", _home(path), "sound")
        except RnngenError as error:
            found.add("settings", _home(path), "broken")
            found.mend.append(_home(str(error)))
    for name in sorted(name for name in os.environ if name.startswith("RNNGEN_")):
        found.add("settings", name, _home(os.environ[name]) if name in OPEN else "set")


def _store(_: click.Context, found: Findings) -> None:
    from rnngen import api, paths
    from rnngen.store.caches import entries
    from rnngen.store.model_folder import read_model

    store = api.models()
    found.add("store", "home", _home(paths.home()))
    found.add("store", "models", len(store.names()))
    for number, name in enumerate(store.names(), start=1):
        try:
            read_model(store.path(name))
        except RnngenError as error:
            message = str(error).replace(str(store.path(name)), f"model {number}")
            message = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", f"model {number}", message)
            found.mend.append(_home(message))
    found.add("store", "cache", f"{disk_size(sum(one.size for one in entries()))} in {_home(paths.cache())}")
    folder = next((one for one in (paths.home(), *paths.home().parents) if one.exists()), Path("/"))
    if not os.access(folder, os.W_OK):
        found.mend.append(f"{_home(folder)} cannot be written to; set RNNGEN_HOME to a folder of yours")


def _home(path: object) -> str:
    """Write a path without the name of the user."""
    return str(path).replace(str(Path("~").expanduser()), "~")

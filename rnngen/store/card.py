"""The model card: what a model is, in Markdown, for people who are given it."""

import shlex
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from rnngen.events import FinalEvaluation, Finished
from rnngen.options import describe
from rnngen.registry.components import ComponentRecord
from rnngen.store.config import ModelConfig

PARTS = "## Made of\n"
"""The heading before which other sections can be put (``with_sections``)."""


def model_card(
    name: str,
    config: ModelConfig,
    result: FinalEvaluation | None = None,
    finished: Finished | None = None,
    copied: str = "",
) -> str:
    """Return the card in Markdown; nothing in it differs between two runs of the same training.

    Args:
        name: of the model.
        config: its parts and options.
        result: the losses of its weights, where they are known…
        finished: …and the end of its training.
        copied: how much of what it generates stands in its training text, in words.
    """
    corpus = config.corpus
    files = ", ".join(Path(path).name for path in corpus.paths[:5]) + (" …" if len(corpus.paths) > 5 else "")
    held_out = ", ".join(Path(path).name for path in corpus.val_paths)
    held_out = held_out or f"{100 * corpus.val_fraction:.3g}%"
    facts = (
        f"Trained on {files}: {corpus.chars:,} characters (SHA-256 `{corpus.sha256[:16]}…`), {held_out}\n"
        "held out."
    )
    if result and finished:
        facts += f" The weights are those of step {result.step:,} of {finished.step:,}."
    parts = [_part("cell", config.cell), _part("tokenizer", config.tokenizer), _part("task", config.task)]
    parts += [f"- learnt from `{one.name}` (SHA-256 `{one.sha256[:16]}…`)" for one in config.teachers]
    sections = [
        _title(name),
        f"A recurrent text generator, made with rnngen {config.rnngen}.",
        _use(name),
        _losses(result) if result else "",
        facts,
        f"Novelty: {copied}." if copied else "",
        f"{PARTS}\n" + "\n".join(parts),
        f"## Network\n\n{_table(config.network)}",
        f"## Training\n\n{_table(config.training)}",
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def with_sections(card: str, name: str, sections: Iterable[str]) -> str:
    """Return a card under the name that the model has now, with sections before those of its options."""
    first, _, rest = card.partition("\n")
    former = first.removeprefix("# ")
    rest = rest.replace(f"{_use(former)}\n\n", "", 1)
    about, mark, parts = rest.partition(PARTS)
    added = "".join(f"{one.strip()}\n\n" for one in sections)
    return f"{_title(name)}\n{about.rstrip()}\n\n{added}{mark}{parts}".rstrip() + "\n"


def _use(name: str) -> str:
    return f"    rnngen sample -m {shlex.quote(name)}"


def _title(name: str) -> str:
    return f"# {name}"


def _losses(result: FinalEvaluation) -> str:
    rows = {
        "held-out text, state carried through (`stream`)": result.stream,
        "held-out text, windows of 256 tokens (`window`)": result.window,
        "its network alone (`stream`)": result.network,
        "its n-gram alone (`stream`)": result.ngram,
    }
    lines = [f"| {what} | {nats:.4f} |" for what, nats in rows.items() if nats is not None]
    return "\n".join(["|  | nats per character |", "|---|---|", *lines])


def _part(kind: str, component: ComponentRecord) -> str:
    options = "".join(f", {key}={value}" for key, value in component.options.items())
    return f"- {kind} `{component.name}` ({component.distribution} {component.version}){options}"


def _table(options: Any) -> str:
    """An options dataclass as a table, with the documentation of each field."""
    helps = {option.name: option.help for option in describe(type(options))}
    rows = [f"| {f.name} | {getattr(options, f.name)} | {helps[f.name]} |" for f in fields(options)]
    return "\n".join(["| option | value | what it is |", "|---|---|---|", *rows])

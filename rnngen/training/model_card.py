"""The model card, for the person who finds a model's folder."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from rnngen.events import FinalEvaluation, Finished
from rnngen.options import describe
from rnngen.registry.components import ComponentRecord
from rnngen.store.config import ModelConfig


def model_card(name: str, config: ModelConfig, result: FinalEvaluation, finished: Finished) -> str:
    """Return the card in Markdown; nothing in it differs between two runs of the same training."""
    corpus = config.corpus
    files = ", ".join(Path(path).name for path in corpus.paths[:5]) + (" …" if len(corpus.paths) > 5 else "")
    parts = [_part("cell", config.cell), _part("tokenizer", config.tokenizer), _part("task", config.task)]
    return f"""# {name}

A recurrent text generator, made with rnngen {config.rnngen}.

    rnngen sample -m {name}

|  | nats per character |
|---|---|
| held-out text, state carried through (`stream`) | {result.stream:.4f} |
| held-out text, windows of 256 tokens (`window`) | {result.window:.4f} |

Trained on {files}: {corpus.chars:,} characters (SHA-256 `{corpus.sha256[:16]}…`), {_held_out(config)}
held out. The weights are those of step {result.step:,} of {finished.step:,}.

## Made of

{chr(10).join(parts)}

## Network

{_table(config.network)}

## Training

{_table(config.training)}
"""


def _held_out(config: ModelConfig) -> str:
    if config.corpus.val_paths:
        return ", ".join(Path(path).name for path in config.corpus.val_paths)
    return f"the last {100 * config.corpus.val_fraction:.3g}%"


def _part(kind: str, component: ComponentRecord) -> str:
    options = "".join(f", {key}={value}" for key, value in component.options.items())
    return f"- {kind} `{component.name}` ({component.distribution} {component.version}){options}"


def _table(options: Any) -> str:
    """An options dataclass as a table, with the documentation of each field."""
    helps = {option.name: option.help for option in describe(type(options))}
    rows = [f"| {f.name} | {getattr(options, f.name)} | {helps[f.name]} |" for f in fields(options)]
    return "\n".join(["| option | value | what it is |", "|---|---|---|", *rows])

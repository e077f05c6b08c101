"""From what a person asked for to a plan of training: a new model, one that goes on, or one tuned further.

Nothing here imports torch, and nothing is written but the cache: a request that cannot work fails here.
"""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rnngen import __version__
from rnngen.contracts import NetworkSpec, TaskSpec
from rnngen.data.dataset import READER_OPTIONS, TOKENIZERS, CorpusFiles, EncodedDataset, choose_tokenizers
from rnngen.errors import ModelError, NotFoundError, UsageError
from rnngen.options.corpus import CorpusOptions, PartsOptions
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.registry import Registry
from rnngen.registry.components import Component, choose, restore
from rnngen.store.config import ModelConfig
from rnngen.store.model_folder import ModelStore, StoredModel, read_config, read_tokenizer

KINDS = ("cell", "tokenizer", "source_tokenizer", "task")
BUDGETS = {"epochs", "steps", "minutes"}
PLACES = {"val", "source", "val_source"}
"""Where the text lies, which may be elsewhere by now."""
CHANGEABLE = {*BUDGETS, "patience", "device", "precision", "accumulate"}
"""Training options that a resumed run may change; with any other it would be another run."""


@dataclass(frozen=True)
class Request:
    """What the person asked for; ``None`` and empty mean that they did not say."""

    corpus: Sequence[str] = ()
    name: str | None = None
    parts: dict[str, Any] = field(default_factory=dict)
    """What was given of ``PartsOptions``…"""
    text: dict[str, Any] = field(default_factory=dict)
    """…of ``CorpusOptions``…"""
    network: dict[str, Any] = field(default_factory=dict)
    """…of ``NetworkOptions``…"""
    training: dict[str, Any] = field(default_factory=dict)
    """…and of ``TrainingOptions``."""
    settings: dict[str, str] = field(default_factory=dict)
    """``-o key=value``."""
    resume: bool = False
    force: bool = False
    init_from: str | None = None


@dataclass(frozen=True)
class Plan:
    """Everything that a run needs, before torch is imported."""

    name: str
    path: Path
    config: ModelConfig
    parts: dict[str, Component]
    encoded: EncodedDataset
    resumed: bool
    start_from: StoredModel | None = None
    """The model whose weights a new one begins with."""

    def with_device_defaults(self, device: str) -> "Plan":
        """With what the cell of a new model leaves open decided for a kind of device."""
        if self.resumed or self.start_from:
            return self
        cell = self.parts["cell"].with_device_defaults(device)
        config = self.config.replace(cell=cell.component)
        return replace(self, config=config, parts={**self.parts, "cell": cell})


def plan(registry: Registry, models: ModelStore, request: Request) -> Plan:
    """Check a request and read its text.

    Raises:
        RnngenError: of every kind, before anything is written.
    """
    name = request.name or _name_after(request.corpus)
    path = models.path(name)
    if request.resume and path.is_dir():
        return _resumed(registry, name, path, request)
    if not request.corpus:
        raise NotFoundError(f"there is no model {name!r} to resume, and no corpus to start it with")
    if path.exists() and not request.force:
        raise UsageError(
            f"there is a model {name!r} already: --resume goes on with it, --force replaces it, "
            "--name NAME keeps it and makes another"
        )
    return _new(registry, models, name, path, request)


def _name_after(corpus: Sequence[str]) -> str:
    if not corpus:
        raise UsageError("no corpus; give a file, a folder, or - for standard input")
    if corpus[0] == "-":
        return "stdin"
    stem = Path(corpus[0]).resolve().name.lstrip(".").split(".")[0]
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in stem) or "model"


def _new(registry: Registry, models: ModelStore, name: str, path: Path, request: Request) -> Plan:
    if request.init_from:
        return _tuned(registry, models, name, path, request)
    options, text = PartsOptions(**request.parts), CorpusOptions(**request.text)
    task = registry.find("task", options.task).spec
    names = {"task": options.task, "cell": options.cell or task.cell}
    _check_sides(registry, task, names["cell"], options, text)
    if task.pairs and request.network.get("learn_state"):
        raise UsageError("--learn-state is for free text and lines: an answer begins in what its source left")
    _check_head(task, request.network.get("head", "full"), request)
    only_task = choose(registry, {"task": options.task}, {})["task"]
    texts = CorpusFiles.find(registry, only_task, request.corpus, text)
    names |= choose_tokenizers(options, texts, text.val_fraction)
    settings = dict(request.settings)
    if options.vocab_size is not None:
        settings |= {f"{kind}.vocab_size": str(options.vocab_size) for kind in TOKENIZERS if kind in names}
    parts = choose(registry, names, settings)
    encoded = replace(texts, task_part=parts["task"]).encode(parts, text.val_fraction)
    config = _config(parts, NetworkOptions(**request.network), encoded, request)
    return Plan(name, path, config, parts, encoded, resumed=False)


def _check_sides(
    registry: Registry, task: TaskSpec, cell: str, options: PartsOptions, text: CorpusOptions
) -> None:
    """Refuse what goes with pairs alone where there are none, and the reverse.

    Raises:
        UsageError: naming the flag.
    """
    reads = isinstance(registry.find("cell", cell).spec, NetworkSpec)
    if task.pairs and not reads:
        raise UsageError(
            f"--task {task.name} needs a cell that reads a source: leave --cell out and say "
            f"-o encoder={cell} -o decoder={cell}"
        )
    if reads and not task.pairs:
        raise UsageError(
            f"--cell {cell} writes about a source, and --task {task.name} has none; say --task pairs"
        )
    given = {
        "--source": text.source,
        "--source-field": text.source_field,
        "--source-tokenizer": options.source_tokenizer,
        "--shared-vocabulary": options.shared_vocabulary or None,
    }
    for flag, value in given.items():
        if value is not None and not task.pairs:
            raise UsageError(f"{flag} is for pairs, and --task {task.name} has no sources; say --task pairs")
    if options.shared_vocabulary and options.source_tokenizer is not None:
        raise UsageError(
            "--shared-vocabulary takes one tokenizer for both sides; leave --source-tokenizer out"
        )


def _check_head(task: TaskSpec, head: str, request: Request) -> None:
    """Refuse an output layer where it cannot be had.

    Raises:
        UsageError: naming the flag.
    """
    if task.pairs and head != "full":
        raise UsageError(f"--head {head} is for models of text without a source; leave it out")
    if head == "adaptive" and request.training.get("label_smoothing"):
        raise UsageError("--label-smoothing spreads over all tokens, which --head adaptive never computes")


def _tuned(registry: Registry, models: ModelStore, name: str, path: Path, request: Request) -> Plan:
    """A new model with the parts, the vocabulary and the weights of another."""
    base = models.open(request.init_from)
    fixed = {**request.parts, **request.network, **request.settings}
    if fixed:
        raise UsageError(f"--init-from takes {', '.join(sorted(fixed))} from the other model; leave it out")
    parts = _restored(registry, base.config)
    options = CorpusOptions(**request.text)
    task, cell = (parts[kind].registered for kind in ("task", "cell"))
    _check_sides(registry, task.spec, cell.qualified, PartsOptions(), options)
    _check_head(task.spec, base.config.network.head, request)
    texts = CorpusFiles.find(registry, parts["task"], request.corpus, options)
    encoded = texts.encode(parts, options.val_fraction, base.tokenizer_json)
    config = _config(parts, base.config.network, encoded, request)
    config = config.replace(opening=base.config.opening)
    return Plan(name, path, config, parts, encoded, resumed=False, start_from=base)


def _resumed(registry: Registry, name: str, path: Path, request: Request) -> Plan:
    config = read_config(path)
    parts = _restored(registry, config)
    _refuse_changes(registry, parts, config, request)
    record = config.corpus
    if request.corpus:
        reader = {**record.reader_options, "val_fraction": record.val_fraction}
        options = CorpusOptions(**{**reader, **request.text})
        texts = CorpusFiles.find(registry, parts["task"], request.corpus, options)
        if not options.val:
            val, val_sources = record.val_paths, record.val_source_paths
            texts = replace(texts, val_paths=[*map(Path, val)], val_sources=[*map(Path, val_sources)])
        texts.check_unchanged(record)
    else:
        texts = CorpusFiles.recorded(registry, parts["task"], record)
    tokenizer_json = read_tokenizer(path)
    given = None if record.own_vocabulary else tokenizer_json
    encoded = texts.encode(parts, record.val_fraction, given)
    if encoded.tokenizer_json != tokenizer_json:
        raise ModelError(f"{path}: tokenizer.json is not the one that this corpus gives; restore it")
    training = _changed(config.training, request.training)
    config = config.replace(training=training, corpus=encoded.record)  # which may lie elsewhere by now
    return Plan(name, path, config, parts, encoded, resumed=True)


def _changed(options: TrainingOptions, given: dict[str, Any]) -> TrainingOptions:
    """The options with what a resumed run may change; a new budget replaces the old, whatever its unit."""
    changes = {key: value for key, value in given.items() if key in CHANGEABLE}
    if BUDGETS & changes.keys():
        changes = {**dict.fromkeys(BUDGETS), **changes}
    return replace(options, **changes)


def _refuse_changes(
    registry: Registry, parts: dict[str, Component], config: ModelConfig, request: Request
) -> None:
    """What was given again must be what it was.

    Raises:
        UsageError: naming the first flag that differs.
    """
    fixed = {key: value for key, value in request.training.items() if key not in CHANGEABLE}
    said = {**request.parts, **request.network, **fixed, **request.text}
    was = {
        "vocab_size": config.tokenizer.options.get("vocab_size"),
        **asdict(config.network),
        **asdict(config.training),
        **dict.fromkeys(READER_OPTIONS),
        **config.corpus.reader_options,
        "shared_vocabulary": config.source_vocabulary is not None and config.source_tokenizer is None,
        "val_fraction": config.corpus.val_fraction,
    }
    for kind, part in parts.items():
        qualified = said.get(kind) == part.registered.qualified
        was[kind] = part.registered.qualified if qualified else part.registered.spec.name
    for key, value in said.items():
        if key not in PLACES:  # the text itself is compared later
            _refuse_change(f"--{key.replace('_', '-')} {value}", value, was.get(key))
    _refuse_changed_settings(registry, parts, request.settings)


def _refuse_changed_settings(
    registry: Registry, parts: dict[str, Component], settings: dict[str, str]
) -> None:
    was = {kind: asdict(part.options) for kind, part in parts.items()}
    recorded = {
        f"{kind}.{key}": "none" if value is None else str(value)
        for kind, options in was.items()
        for key, value in options.items()
    }
    names = {kind: part.registered.qualified for kind, part in parts.items()}
    for kind, part in choose(registry, names, {**recorded, **settings}).items():
        for key, value in asdict(part.options).items():
            _refuse_change(f"-o {key}={value}", value, was[kind][key])


def _refuse_change(flag: str, value: Any, was: Any) -> None:
    if value != was:
        raise UsageError(
            f"{flag}: the run was made with {was}, which --resume cannot change; "
            "leave it out, or train a new model under another --name"
        )


def _restored(registry: Registry, config: ModelConfig) -> dict[str, Component]:
    made = {kind: getattr(config, kind) for kind in KINDS}
    return {kind: restore(registry, kind, one) for kind, one in made.items() if one is not None}


def _config(
    parts: dict[str, Component], network: NetworkOptions, encoded: EncodedDataset, request: Request
) -> ModelConfig:
    training = TrainingOptions(**request.training)
    if training.seed is None:
        training = replace(training, seed=secrets.randbelow(2**31))
    return ModelConfig(
        cell=parts["cell"].component,
        tokenizer=parts["tokenizer"].component,
        task=parts["task"].component,
        network=network.with_data_defaults(len(encoded.train)),
        training=training,
        corpus=encoded.record,
        vocabulary=len(encoded.tokenizer.pieces),
        opening=encoded.opening,
        rnngen=__version__,
        source_tokenizer=parts["source_tokenizer"].component if "source_tokenizer" in parts else None,
        source_vocabulary=len(encoded.source_tokenizer.pieces) if encoded.train.source else None,
    )

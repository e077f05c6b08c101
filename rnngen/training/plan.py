"""From a request to a plan of training: of a new model, of one that goes on, or of one that is tuned further.

Nothing here imports torch, and nothing is written but the cache: a request that cannot work fails here.
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import NetworkSpec, TaskSpec
from rnngen.data.dataset import READER_OPTIONS, TOKENIZERS, CorpusFiles, EncodedDataset
from rnngen.data.default_tokenizers import choose_tokenizers
from rnngen.data.shipped_corpora import task_of
from rnngen.encodings import BYTES
from rnngen.errors import ModelError, NotFoundError, OptionError, UsageError
from rnngen.options import PENALTY, UNSMOOTHED, describe, marked
from rnngen.options.corpus import CorpusOptions
from rnngen.options.given import Given
from rnngen.options.model import BUDGETS, NetworkOptions, TrainingOptions
from rnngen.registry import Registry
from rnngen.registry.components import Component, choose, make_task, restore
from rnngen.requests.conflicts import Capability, Conflict, ConflictError, check_requirements
from rnngen.requests.train import CHANGEABLE, OF_LAYERS, REQUIREMENTS, TrainRequest
from rnngen.store import folders
from rnngen.store.config import ModelConfig
from rnngen.store.model_folder import (
    OCTAVES,
    TARGET_LENGTHS,
    ModelStore,
    StoredModel,
    located,
    located_teachers,
    read_config,
    read_model,
    read_tokenizer,
    staged,
)
from rnngen.training.budget import share_of
from rnngen.training.launching import first
from rnngen.training.overfitting import LEAST_DECAY, TrainingText, with_data_defaults
from rnngen.training.teachers import Teacher, open_teachers, place_of, reopen_teachers
from rnngen.version import __version__

KINDS = ("cell", "tokenizer", "source_tokenizer", "task")
PLACES = {"val", "source", "val_source"}
"""Options of the text's place, which may change."""


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
    teachers: tuple[Teacher, ...] = ()
    """The models that it learns from beside the text."""
    begun: bool = False
    """True for an ensemble some of whose members have begun, and whose model has not."""
    force: bool = False
    """True if it may replace a model of its name."""

    @cached_property
    def target_lengths(self) -> NDArray[np.int32] | None:
        """(32,) the longest targets by the length of their sources (``TARGET_LENGTHS``).

        Those of another model are among them where weights are. None for a text without sources, and where
        the other model, or an earlier version that began the run, does not know its own.
        """
        store, longest = self.encoded.train, np.zeros(OCTAVES, np.int32)
        if store.source is None:
            return None
        if self.resumed:
            return read_model(self.path).weights.get(TARGET_LENGTHS)
        if self.start_from:
            if TARGET_LENGTHS not in self.start_from.weights:
                return None
            longest[:] = self.start_from.weights[TARGET_LENGTHS]
        read, written = np.diff(store.source.starts), np.diff(store.starts)  # the end of each included
        kept = np.maximum(read, written) <= self.config.training.max_length + 1
        np.maximum.at(longest, np.frexp(read[kept])[1] - 1, written[kept])
        return longest

    def check_free(self) -> None:
        """Raise ``OptionError`` if a new model would replace one unasked."""
        if not (self.resumed or self.begun or self.force):
            _check_free(self.name, self.path)

    def with_device_defaults(self, device: str) -> "Plan":
        """Return the plan with the cell's open options decided for a kind of device, if the model is new."""
        if self.resumed or self.start_from:
            return self
        cell = self.parts["cell"].with_device_defaults(device)
        config = self.config.replace(cell=cell.component)
        return replace(self, config=config, parts={**self.parts, "cell": cell})


def plan(registry: Registry, models: ModelStore, request: TrainRequest) -> Plan:
    """Check a request and read its text.

    Raises:
        RnngenError: of every kind, before anything is written.
    """
    name = request.name or _name_after(request.files)
    path = models.path(name)
    if first() and not request.plan:
        folders.check_free(path)
    if has_run(models, request):
        if (early := staged(path)).is_dir():
            run = _resumed(registry, models, name, early, request)
            return replace(run, path=path, resumed=False, begun=True)
        return _resumed(registry, models, name, path, request)
    if not request.files:
        raise NotFoundError(f"there is no model {name!r} to resume, and no corpus to start it with")
    request = _with_task(request)
    if not (request.force or request.plan):
        _check_free(name, path)
    check_capabilities(registry, models, request)
    if request.init_from:
        made = _tuned(registry, name, path, request, models.open(request.init_from))
    elif request.teacher:
        made = _taught(registry, name, path, request, open_teachers(registry, models, request.teacher))
    else:
        made = _new(registry, name, path, request)
    return replace(made, force=request.force)


def _check_free(name: str, path: Path) -> None:
    if path.exists() or staged(path).exists():
        raise OptionError(
            f"there is a model {name!r} already: `resume` goes on with it, `force` replaces it, "
            "`name=NAME` keeps it and makes another"
        )


def _with_task(request: TrainRequest) -> TrainRequest:
    """The request for a new model with the task of the corpora that ship, where it names some and no task."""
    if request.init_from or request.target or request.teacher or "task" in request.parts:
        return request
    task = task_of(request.files)
    return replace(request, parts=request.parts.adding({"task": task})) if task else request


def has_run(models: ModelStore, request: TrainRequest) -> bool:
    """Return whether a request resumes a run that is there."""
    if not request.resume:
        return False
    path = models.path(request.name or _name_after(request.files))
    return path.is_dir() or staged(path).is_dir()


def _name_after(corpus: tuple[str, ...]) -> str:
    if not corpus:
        raise UsageError("no corpus; give a file, a folder, or - for standard input")
    if corpus[0] == "-":
        return "stdin"
    first = Path(corpus[0]).resolve()
    for name in (first.name, first.parent.name):  # of a pattern, as 'diary/*.txt', the folder's
        stem = name.lstrip(".").split(".")[0]
        if any(c.isalnum() for c in stem):
            return "".join(c if c.isalnum() or c in "-_" else "-" for c in stem)
    return "model"


# ── new models ─────────────────────────────────────────────────────────────────────────────────────────────


def _new(registry: Registry, name: str, path: Path, request: TrainRequest) -> Plan:
    options, text = request.parts.options, _text(request)
    task = registry.find("task", options.task).spec
    names = {"task": options.task, "cell": options.cell or task.cell}
    only_task = choose(registry, {"task": options.task}, _task_settings(request))["task"]
    texts = CorpusFiles.find(registry, only_task, request.files, text)
    names |= choose_tokenizers(options, texts)
    settings = dict(request.settings)
    if options.vocab_size is not None:
        settings |= {f"{kind}.vocab_size": str(options.vocab_size) for kind in TOKENIZERS if kind in names}
    parts = choose(registry, names, settings | _task_settings(request))
    if request.training.options.ensemble:
        _refuse_penalties(parts["cell"].options, "ensemble")
    limit = request.training.options.max_length
    texts, fresh = replace(texts, task_part=parts["task"]), request.no_cache
    encoded = texts.encode(parts, text.val_fraction, limit=limit, fresh=fresh)
    config = _config(parts, request.network.options, encoded, request.training.options, request.given)
    return Plan(name, path, config, parts, encoded, resumed=False)


def _task_settings(request: TrainRequest) -> dict[str, str]:
    """The options of the task that have flags of their own."""
    separator = request.parts.options.separator
    return {"task.separator": separator or "none"} if "separator" in request.parts else {}


def _tuned(registry: Registry, name: str, path: Path, request: TrainRequest, base: StoredModel) -> Plan:
    """A new model with the parts, the vocabulary and the weights of another."""
    parts, network = _restored(registry, base.config), base.config.network
    encoded = _encoded_like(registry, base, parts, request, extend=True)
    training = request.training.options
    if training.weight_decay is None:  # a strong one would undo what the weights know
        training = replace(training, weight_decay=LEAST_DECAY)
    config = _config(parts, network, encoded, training, {*request.given, "hidden"})
    config = config.replace(default_prompt=base.config.default_prompt, **_growth(base.config, config))
    return Plan(name, path, config, parts, encoded, resumed=False, start_from=base)


def _taught(
    registry: Registry, name: str, path: Path, request: TrainRequest, teachers: tuple[Teacher, ...]
) -> Plan:
    """A new network that learns from others, with their task and their vocabulary."""
    base = teachers[0].model
    parts = _restored(registry, base.config)
    cell = request.parts.options.cell or parts["task"].registered.spec.cell
    parts |= choose(registry, {"cell": cell}, request.settings)
    _refuse_penalties(parts["cell"].options, "teacher")
    encoded = _encoded_like(registry, base, parts, request, extend=False)
    training, given = request.training.options, request.given
    config = _config(parts, request.network.options, encoded, training, given, taught=True)
    config = config.replace(teachers=tuple(teacher.record for teacher in teachers))
    return Plan(name, path, config, parts, encoded, resumed=False, teachers=teachers)


def _refuse_penalties(options: Any, taught: str) -> None:
    """Refuse an option of a cell that adds to a loss which teachers replace."""
    for name, value in marked(options, PENALTY).items():
        raise OptionError(f"`{name}={value}` adds to a loss that `{taught}` replaces; leave one of them out")


def _encoded_like(
    registry: Registry, base: StoredModel, parts: dict[str, Component], request: TrainRequest, *, extend: bool
) -> EncodedDataset:
    """Read a text as another model's was, in its vocabulary, which may grow."""
    text, limit = _text_like(base, _text(request)), request.training.options.max_length
    texts = CorpusFiles.find(registry, parts["task"], request.files, text)
    how: dict[str, Any] = {"limit": limit, "extend": extend, "fresh": request.no_cache}
    return texts.encode(parts, text.val_fraction, base.tokenizer_json, **how)


def _text_like(base: StoredModel, text: CorpusOptions) -> CorpusOptions:
    """The options of a text for a model that begins as another: it is read as that one's was."""
    was = base.config.corpus.normalize
    if text.normalize not in (None, was):
        raise OptionError(
            f"`normalize={text.normalize}`: {base.path.name} was trained with {was or 'none'}, its "
            "vocabulary too; leave it out"
        )
    encoding = text.encoding or base.config.encoding
    if (encoding == BYTES) != (base.config.encoding == BYTES):
        raise OptionError(
            f"`encoding={encoding}`: {base.path.name} was trained on {base.config.encoding}, and bytes and "
            "text have nothing in common; leave it out, or train a model from the start"
        )
    return replace(text, normalize=was, encoding=BYTES if encoding == BYTES else text.encoding)


def _growth(base: ModelConfig, tuned: ModelConfig) -> dict[str, tuple[int, ...]]:
    """The sizes of vocabularies before tokens were appended."""
    written, read = (base.vocabulary,), (base.source_vocabulary or 0,)
    return {
        "grown": base.grown + (written if written != (tuned.vocabulary,) else ()),
        "source_grown": base.source_grown + (read if read != (tuned.source_vocabulary or 0,) else ()),
    }


def _text(request: TrainRequest, below: CorpusOptions | None = None) -> CorpusOptions:
    """The options of the text, with the validation text whichever way it was given."""
    return replace(request.text.over(below or CorpusOptions()), val=request.validation)


def check_capabilities(registry: Registry, models: ModelStore, request: TrainRequest) -> None:
    """Refuse options that mean nothing to the task: those of sources where it has none, and the like.

    Raises:
        ConflictError: naming the first such option.
        OptionError: if the task and the cell do not go together.
    """
    request = _with_task(replace(request, resume=False))  # there is no run whose options are meant
    if request.init_from:
        base = models.open(request.init_from).config
        _refuse_another_network(registry, base, request)
        # the rows about its head hold
        replace(request, init_from=None, network=Given.of(NetworkOptions, head=base.network.head))
        _check_task(restore(registry, "task", base.task), request)
        return
    if request.teacher:
        task = restore(registry, "task", models.open(request.teacher[0]).config.task)
    else:
        task = choose(registry, {"task": request.parts.options.task}, {})["task"]
    spec: TaskSpec = task.registered.spec
    cell = request.parts.options.cell or spec.cell
    found = registry.find("cell", cell).spec
    reads = isinstance(found, NetworkSpec) and found.reads_source
    if spec.has_source and not reads:
        raise OptionError(
            f"`task={spec.name}` needs a cell that reads a source: leave `cell` out and set the options "
            f"`encoder={cell}` and `decoder={cell}`"
        )
    if reads and not spec.has_source:
        raise OptionError(f"`cell={cell}` reads a source, and `task={spec.name}` has none; give `task=pairs`")
    if isinstance(found, NetworkSpec) and not reads:
        check_requirements(request, OF_LAYERS, (), f"`cell={cell}`")
    _check_task(task, request)


def _refuse_another_network(registry: Registry, base: ModelConfig, request: TrainRequest) -> None:
    """Refuse options of parts and network that are not those of the model whose weights are taken."""
    given = {**request.parts.values, **request.network.values}
    was = _made_with(_restored(registry, base), base, given)
    for option, value in given.items():
        if value != was.get(option):
            reason = f"it comes from the other model, where it is {was.get(option)}"
            raise ConflictError(Conflict("init_from", option, reason))


def _check_task(task: Component, request: TrainRequest) -> None:
    spec: TaskSpec = task.registered.spec
    has: list[Capability] = ["source" if spec.has_source else "no source"]
    has += ["labels"] * spec.has_labels
    has += ["separator"] * ("separator" in {one.name for one in describe(spec.options)})
    has.append("end" if make_task(task).has_eos else "free text")
    check_requirements(request, REQUIREMENTS, has, f"`task={spec.name}`")


def _config(
    parts: dict[str, Component],
    network: NetworkOptions,
    encoded: EncodedDataset,
    training: TrainingOptions,
    given: Collection[str],
    *,
    taught: bool = False,
) -> ModelConfig:
    if training.seed is None:
        training = replace(training, seed=secrets.randbelow(2**31))
    text, cell = TrainingText.of(encoded), parts["cell"].options
    own_loss = training.label_smoothing and not taught
    for name, value in marked(cell, UNSMOOTHED).items() if own_loss else ():
        raise OptionError(f"`label_smoothing` has no effect with `{name}={value}`; leave one of them out")
    network, shared = with_data_defaults(network, share_of(training), text, given=given, cell=cell)
    budget = {name: getattr(training, name) for name in BUDGETS}  # of all networks of an ensemble together
    training = replace(shared, **budget)
    return ModelConfig(
        cell=parts["cell"].component,
        tokenizer=parts["tokenizer"].component,
        task=parts["task"].component,
        network=network,
        training=training,
        corpus=encoded.record,
        vocabulary=len(encoded.tokenizer.pieces),
        default_prompt=encoded.default_prompt,
        rnngen=__version__,
        source_tokenizer=parts["source_tokenizer"].component if "source_tokenizer" in parts else None,
        source_vocabulary=len(encoded.source_tokenizer.pieces) if encoded.train.source else None,
    )


# ── going on ───────────────────────────────────────────────────────────────────────────────────────────────


def _resumed(registry: Registry, models: ModelStore, name: str, path: Path, request: TrainRequest) -> Plan:
    config = read_config(path)
    taught = path != staged(models.path(name))  # an ensemble's model learns from networks that come first
    config = config.replace(teachers=located_teachers(path, config) if taught else ())
    parts = _restored(registry, config)
    if (cell := parts["cell"]).made_with is not None:
        package, before = cell.registered.distribution, cell.made_with.version
        raise ModelError(
            f"{path} was begun with {package.name} {before}, and {package.version} makes other weights: "
            f"install {before} to go on, or train another with init_from"
        )
    _refuse_other_teachers(models, config, request)
    _refuse_changes(registry, parts, config, request)
    record = located(path, config.corpus)
    if request.files:
        was = CorpusOptions(
            **record.reader_options, val_fraction=record.val_fraction, normalize=record.normalize
        )
        text = _text(request, was)
        texts = CorpusFiles.find(registry, parts["task"], request.files, text)
        if "encoding" in request.text:  # patterns are recorded so that they hold from any folder
            read = texts.reader_options.get("encoding")
            _refuse_change("encoding", read, record.reader_options.get("encoding"))
        if not text.val:
            val, val_sources = record.val_paths, record.val_source_paths
            texts = replace(texts, val_paths=[*map(Path, val)], val_sources=[*map(Path, val_sources)])
        texts = replace(texts, earlier=not record.readers)
        texts.check_unchanged(record)
    else:
        texts = CorpusFiles.recorded(registry, parts["task"], record)
    tokenizer_json = read_tokenizer(path)
    given = None if record.own_vocabulary else tokenizer_json
    limit = config.training.max_length if record.split else None  # earlier versions left pairs out later
    how: dict[str, Any] = {"limit": limit, "record": record, "fresh": request.no_cache}
    encoded = texts.encode(parts, record.val_fraction, given, **how)
    if encoded.tokenizer_json != tokenizer_json:
        raise ModelError(f"{path}: tokenizer.json is not the one that this corpus gives; restore it")
    training = _changed(config.training, request.training)
    config = config.replace(training=training, corpus=encoded.record)  # which may lie elsewhere by now
    teachers = reopen_teachers(registry, models, path, config.teachers)
    return Plan(name, path, config, parts, encoded, resumed=True, teachers=teachers)


def _changed(options: TrainingOptions, given: Given[TrainingOptions]) -> TrainingOptions:
    """The options with what a resumed run may change; a new budget replaces the old, whatever its unit."""
    changes = given.without(given.names - CHANGEABLE)
    budget = next((name for name in ("epochs", "steps") if getattr(options, name)), None)
    if budget and "max_epochs" in changes.names and not changes.names & {*BUDGETS}:
        raise OptionError(
            f"`max_epochs`: the run has a budget of {budget}, and makes it to the last step; give `{budget}`"
        )
    if any(getattr(options, name) != value for name, value in changes.values.items() if name in BUDGETS):
        options = replace(options, epochs=None, steps=None, minutes=None, max_epochs=None)
    return changes.over(options)


def _refuse_changes(
    registry: Registry, parts: dict[str, Component], config: ModelConfig, request: TrainRequest
) -> None:
    """Refuse what is given again and is not what it was, by the first option that differs."""
    given = {
        **request.parts.values,
        **request.network.values,
        **request.training.without(CHANGEABLE).values,
        **request.text.without({*PLACES, "encoding"} if request.files else PLACES).values,  # compared later
    }
    was = _made_with(parts, config, given)
    for key, value in given.items():
        _refuse_change(key, value, was.get(key))
    _refuse_changed_settings(registry, parts, request.settings)


def _refuse_other_teachers(models: ModelStore, config: ModelConfig, request: TrainRequest) -> None:
    given = [place_of(models, models.find(name)) for name in request.teacher]
    was = [teacher.model for teacher in config.teachers]
    if given:
        _refuse_change("teacher", " ".join(given), " ".join(was) or None)


def _made_with(parts: dict[str, Component], config: ModelConfig, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a model was made with, by name; its parts are named as they were given."""
    was = {
        "vocab_size": config.tokenizer.options.get("vocab_size"),
        "separator": config.task.options.get("separator"),
        **asdict(config.network),
        **asdict(config.training),
        **dict.fromkeys(READER_OPTIONS),
        **{key: str(value) for key, value in config.corpus.reader_options.items()},
        "shared_vocabulary": config.reads_source and config.source_tokenizer is None,
        "val_fraction": config.corpus.val_fraction,
        "normalize": config.corpus.normalize,
    }
    for kind, part in parts.items():
        qualified = given.get(kind) == part.registered.qualified
        was[kind] = part.registered.qualified if qualified else part.registered.spec.name
    return was


def _refuse_changed_settings(
    registry: Registry, parts: dict[str, Component], settings: Mapping[str, str]
) -> None:
    was = {kind: asdict(part.options) for kind, part in parts.items()}
    every = [(f"{kind}.{key}", value) for kind, options in was.items() for key, value in options.items()]
    recorded = {key: "none" if value is None else str(value) for key, value in every}
    names = {kind: part.registered.qualified for kind, part in parts.items()}
    for kind, part in choose(registry, names, {**recorded, **settings}).items():
        for key, value in asdict(part.options).items():
            _refuse_change(key, value, was[kind][key])


def _refuse_change(option: str, value: Any, was: Any) -> None:
    if value != was:
        raise OptionError(
            f"`{option}={value}`: the run was made with {was}, which `resume` cannot change; "
            "leave it out, or train a new model under another `name`"
        )


def _restored(registry: Registry, config: ModelConfig) -> dict[str, Component]:
    made = {kind: getattr(config, kind) for kind in KINDS}
    return {kind: restore(registry, kind, one) for kind, one in made.items() if one is not None}

"""Targets that take models, saved states and studies."""

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from mutation import bytes_changed, tensors_changed, values_changed

ROOT = Path(__file__).resolve().parents[3]
MODELS = [*(ROOT / "tests/fixtures/models-0.2").glob("*/config.json")]


class Models:
    """The models of an earlier version, and one place for those that are made of them."""

    def __init__(self, folder: Path) -> None:
        from rnngen.api import Session, models
        from rnngen.registry import Registry
        from rnngen.store.model_folder import read_model

        self.session = Session(Registry(), models())
        self.known = [read_model(path.parent) for path in MODELS]
        self.values = [(one.config.as_json(), one.tokenizer_json, dict(one.weights)) for one in self.known]
        self.file = folder / "model.safetensors"

    def write(self, config: Any, tokenizer: str, weights: dict[str, Any], extra: dict[str, Any]) -> None:
        """Write a model in one file whose digests are right, as far as a digest can be made."""
        from safetensors.numpy import save

        from rnngen.store import checkpoint
        from rnngen.store.config import ModelConfig

        try:
            identity = ModelConfig.from_json(json.loads(json.dumps(config)), "x").identity
            sealed = {"config_sha256": checkpoint.fingerprint(identity)}
        except Exception:  # it will be refused
            sealed = {}
        with suppress(UnicodeEncodeError):
            sealed["tokenizer_sha256"] = checkpoint.fingerprint(tokenizer)
        record = json.loads(json.dumps({"config": config, "tokenizer": tokenizer, **sealed, **extra}))
        whole = json.dumps({**record, "sha256": checkpoint._digest(weights, record)}, sort_keys=True)
        whole = {name: np.asarray(array, order="C") for name, array in weights.items()}, whole
        self.file.write_bytes(save(whole[0], metadata={checkpoint.RECORD: whole[1]}))

    def use(self) -> None:
        """Generate with it, and score."""
        model = self.session.load(str(self.file))
        source = {"source": "12 a"} if model.generator.reads_source else {}
        model.generate("a", length=4, seed=1, **source)
        model.score("ab", **source)
        model.next("a", 3, **source)
        model.unseen("a", **source)


def model_targets(models: Models) -> dict[str, Any]:
    """Models in one file, changed in one of their parts, or as bytes."""

    def parts(rng: random.Random) -> tuple[Any, str, dict[str, Any]]:
        return rng.choice(models.values)

    def config(rng: random.Random) -> Any:
        values, tokenizer, weights = parts(rng)
        values = values_changed(rng, json.loads(json.dumps(values)))
        models.write(values, tokenizer, weights, {})
        yield models.file
        models.use()

    def tokenizer(rng: random.Random) -> Any:
        values, text, weights = parts(rng)
        if rng.random() < 0.8:
            text = json.dumps(values_changed(rng, json.loads(text)), ensure_ascii=rng.random() < 0.5)
        else:
            text = bytes_changed(rng, text.encode()).decode(errors="replace")
        models.write(values, text, weights, {})
        yield models.file
        models.use()

    def tensors(rng: random.Random) -> Any:
        values, text, weights = parts(rng)
        models.write(values, text, tensors_changed(rng, weights), {})
        yield models.file
        models.use()

    def torch(rng: random.Random) -> Any:
        from rnngen.nn.build import load_network
        from rnngen.registry.components import restore

        values, text, weights = parts(rng)
        if rng.random() < 0.5:
            values = values_changed(rng, json.loads(json.dumps(values)))
        else:
            weights = tensors_changed(rng, weights)
        models.write(values, text, weights, {})
        yield models.file
        stored = models.session.read(str(models.file))
        load_network(restore(models.session.registry, "cell", stored.config.cell), stored, "cpu")

    sealed = (ROOT / "tests/fixtures/models-0.2/almanac-lstm.safetensors").read_bytes()

    def header(rng: random.Random) -> Any:
        size = int.from_bytes(sealed[:8], "little")
        values = values_changed(rng, json.loads(sealed[8 : 8 + size]))
        text = json.dumps(values).encode() if rng.random() < 0.7 else bytes_changed(rng, sealed[8 : 8 + size])
        length = len(text) if rng.random() < 0.8 else rng.choice((0, 1, 2**20, 2**31, 2**63, 2**64 - 1))
        models.file.write_bytes(length.to_bytes(8, "little") + text + sealed[8 + size :])
        yield models.file
        models.use()

    def whole(rng: random.Random) -> Any:
        models.file.write_bytes(bytes_changed(rng, sealed))
        yield models.file
        models.use()

    return {one.__name__: one for one in (config, tokenizer, tensors, torch, header, whole)}


def saved_targets(folder: Path, models: Models) -> dict[str, Any]:
    """Saved states and studies."""
    from safetensors.numpy import save

    from rnngen.generation.saved_state import SavedState, save_state
    from rnngen.store import checkpoint

    file, session = folder / "x.state", models.session
    made = []
    for name, options in (("almanac-lstm", {"temp": 0.7, "dry": 0.8}), ("qinghe-gru", {"mirostat": 2})):
        model = session.load(str(ROOT / "tests/fixtures/models-0.2" / name))
        request = session.sample_request(length=5, seed=1, **options)
        decoder = session.decoder(model.generator, request)
        from rnngen.generation.prompts import Prompt

        begun = decoder.begin(Prompt("The"))
        deque_of(begun.write(5))
        save_state(file, begun, session.fingerprint(model), decoder.filters)
        made.append((model, SavedState.read(file)))

    def state(rng: random.Random) -> Any:
        model, kept = rng.choice(made)
        arrays, record = dict(kept.arrays), dict(kept.record)
        if rng.random() < 0.5:
            arrays = tensors_changed(rng, arrays)
        if rng.random() < 0.6:
            record = values_changed(rng, record)
        if rng.random() < 0.8:
            record["model"] = kept.record["model"]
        record = json.loads(json.dumps(record))
        sealed = json.dumps({**record, "sha256": checkpoint._digest(arrays, record)}, sort_keys=True)
        arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
        file.write_bytes(save(arrays, metadata={checkpoint.RECORD: sealed}))
        yield file
        saved = SavedState.read(file)
        request = session.sample_request(length=4, from_state=str(file))
        decoder = session.decoder(model.generator, request, saved)
        text = decoder.resume(saved, session.fingerprint(model))
        deque_of(text.write(4))

    journal = folder / "s.journal"
    journal_seed = _journal(folder)

    def study(rng: random.Random) -> Any:
        from rnngen.tuning.studies import find_best

        lines = journal_seed.split(b"\n")
        if rng.random() < 0.5:
            place = rng.randrange(len(lines) - 1)
            lines[place] = json.dumps(values_changed(rng, json.loads(lines[place]))).encode()
        data = b"\n".join(lines)
        journal.write_bytes(bytes_changed(rng, data) if rng.random() < 0.6 else data)
        yield journal
        find_best("s", str(journal))

    return {"state": state, **({"study": study} if journal_seed else {})}


def _journal(folder: Path) -> bytes:
    """The journal of a small study; nothing where Optuna is not installed."""
    try:
        import optuna
    except ImportError:
        return b""
    from rnngen.tuning import studies

    place = folder / "seed.journal"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = studies.open_study("s", str(place), "none", 5)
    for value in (2.0, 1.5):
        trial = study.ask()
        trial.suggest_int("hidden", 16, 64)
        trial.set_user_attr(studies.SETTINGS, {"training": {"steps": 3}, "network": {"hidden": 16}})
        study.tell(trial, value)
    return place.read_bytes()


def deque_of(pieces: Iterator[str]) -> None:
    """Take all of a text."""
    for _ in pieces:
        pass

"""Hostile input, by random mutation: whatever a file holds, rnngen refuses it in a line or takes it, at once.

    python tests/bench/fuzz.py [TARGET …] [--count 1000] [--seed 0] [--keep FOLDER]

A target takes what stands in files (``TARGETS``): folders and one-file models whose hashes are made valid again,
so that only the comparison of what they say is between them and the program; saved states; settings; tables,
JSON lines and other texts; regular expressions, grammars and chains of filters.

A fault is an exception that the program would call a bug, a warning of NumPy's, more than ``SECONDS`` of processor
time or more than ``MEMORY`` beyond what is held at the start. Each kind is named once, with the seed of its
execution, and its input is kept.
"""

import argparse
import copy
import io
import json
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
MODELS = [*(ROOT / "tests/fixtures/models-0.2").glob("*/config.json")]
SECONDS, MEMORY = 2.0, 2 << 30
JUNK: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        7,
        63,
        255,
        256,
        257,
        65536,
        200000,
        2**31,
        2**32,
        2**53,
        2**63,
        2**64,
        10**30,
    ),
    *(
        0.5,
        -0.0,
        1e-30,
        1e300,
        -1e300,
        float("nan"),
        float("inf"),
        float("-inf"),
        "",
        " ",
        "\n",
        "none",
        "0",
        "nan",
    ),
    *(
        "lstm",
        "rnn",
        "gru",
        "os:system",
        "../../etc/passwd",
        "/etc/passwd",
        "a" * 5000,
        "\ud800",
        "\0",
        "\x1b]0;x\x07",
    ),
    *([], {}, [[]], [1, 2], {"": 1}, [None], {"name": "lstm"}, [0] * 300, "天", "\U0010ffff"),
]
SIGNS = [
    b"\0",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n",
    b"\r\n",
    b"\t",
    b",",
    b'"',
    b"{",
    b"[",
    b"]",
    b"}",
]
SIGNS += [
    b"\\",
    b"\\ud800",
    b"\x1b",
    b"\x9b",
    b"999999999999999999999",
    b"-1",
    b"1e999",
    b"NaN",
    b"[" * 600,
    b"{" * 600,
]
SIGNS += [
    "‮".encode(),
    "é".encode(),
    "é".encode(),
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"(" * 300,
    b"|",
    b"*",
    b"{9999}",
]


class TooLong(BaseException):
    """An execution that took more than ``SECONDS``; no ``except Exception`` takes it."""


# ── Mutation ───────────────────────────────────────────────────────────────────────────────────────────────────────


def bytes_changed(rng: random.Random, data: bytes) -> bytes:
    """Cut, flip, repeat or insert, once or several times."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        place = rng.randrange(len(found) + 1)
        end = min(len(found), place + rng.choice((1, 1, 2, 8, 64, 1000)))
        match rng.randrange(6):
            case 0:
                del found[place:end]
            case 1:
                found[place:place] = rng.choice(SIGNS)
            case 2:
                found[place:place] = found[place:end] * rng.choice((1, 2, 50))
            case 3 if place < len(found):
                found[place] ^= 1 << rng.randrange(8)
            case 4:
                found[place:end] = rng.randbytes(end - place)
            case 5 if rng.random() < 0.2:
                del found[place:]
    return bytes(found[:1_000_000])


def values_changed(rng: random.Random, value: Any) -> Any:
    """Replace, drop, add, swap or nest parts of a JSON value."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = [*_places(value)]
        if not places:
            return rng.choice(JUNK)
        holder, key = rng.choice(places)
        match rng.randrange(7):
            case 0 | 1:
                holder[key] = copy.deepcopy(rng.choice(JUNK))
            case 2:
                del holder[key]
            case 3 if isinstance(holder[key], int | float):
                holder[key] = rng.choice(
                    (holder[key] + 1, -holder[key], holder[key] * 1000, str(holder[key]))
                )
            case 4:
                other, place = rng.choice(places)
                try:
                    holder[key], other[place] = other[place], holder[key]
                except (KeyError, IndexError):
                    pass
            case 5:
                for _ in range(rng.choice((1, 3, 900))):
                    holder[key] = [holder[key]] if rng.random() < 0.5 else {"a": holder[key]}
            case 6 if isinstance(holder, dict):
                holder[str(rng.choice(JUNK))] = rng.choice(JUNK)
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    waiting = [value]
    while waiting and (one := waiting.pop()) is not None:
        items = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        for key, inner in [*items][:400]:
            yield one, key
            if isinstance(inner, dict | list):
                waiting.append(inner)


def tensors_changed(rng: random.Random, tensors: dict[str, Any]) -> dict[str, Any]:
    """Change shapes, types, values and names."""
    found = dict(tensors)
    for _ in range(rng.choice((1, 1, 2, 3))):
        name = rng.choice([*found])
        array = np.array(found[name])
        match rng.randrange(9):
            case 0:
                del found[name]
                if not found:
                    return {"x": np.zeros(1, np.float32)}
            case 1:
                found[name] = array.astype(
                    rng.choice("float16 float64 int64 uint8 int32 bool uint64 complex64".split())
                )
            case 2:
                found[name] = array.T.copy()
            case 3:
                found[name] = array.reshape(rng.choice(((-1,), (1, -1), (-1, 1))))
            case 4:
                found[name] = array[: rng.randrange(len(array) + 1)] if array.ndim else array
            case 5:
                found[name] = np.concatenate([array] * 2) if array.ndim else array
            case 6 if array.size:
                flat = array.reshape(-1)
                values = (
                    (np.nan, np.inf, -np.inf, 3e38, 1e-40) if array.dtype.kind == "f" else (0, 1, 2, 200, 255)
                )
                flat[rng.randrange(flat.size) if rng.random() < 0.5 else slice(None)] = rng.choice(values)
                found[name] = flat.reshape(array.shape)
            case 7:
                found[
                    rng.choice((name + "x", rng.choice([*found]), "layers.9.weight", "seen", "ngram.shape"))
                ] = array
            case 8:
                found[name] = rng.choice((np.zeros((0,), array.dtype), np.zeros((), array.dtype), array * 0))
    return found


# ── Targets ────────────────────────────────────────────────────────────────────────────────────────────────────────


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
        try:
            sealed["tokenizer_sha256"] = checkpoint.fingerprint(tokenizer)
        except UnicodeEncodeError:
            pass
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


def targets(folder: Path) -> dict[str, Callable[[random.Random], Any]]:
    """Return for each target a function that makes an input, takes it, and returns it for the record."""
    models = Models(folder)

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

    return {
        **{one.__name__: one for one in (config, tokenizer, tensors, torch, header, whole)},
        **text_targets(folder),
        **saved_targets(folder, models),
        **chain_targets(models),
    }


def text_targets(folder: Path) -> dict[str, Any]:
    """Settings and texts."""
    from rnngen import encodings
    from rnngen.cli import settings
    from rnngen.cli.app import COMMANDS
    from rnngen.cli.commands.sample import sample
    from rnngen.cli.commands.train import train
    from rnngen.registry import Registry
    from rnngen.registry.components import reader_for

    file = folder / "rnngen.toml"
    tables = [
        b'[sample]\ntemp = 0.7\nstop = ["a", "b"]\nfilters = "top_k=4,temp=1"\n[train]\nhidden = 5\n[train.option]\na=1\n',
        b'[models.rm]\nyes = true\n[sample]\nblend = ["x", 0.5]\nn = -1\n[train]\nname = """x\ny"""\nminutes = 1e3\n',
        b'sample.temp = 1.0\ntrain = { hidden = 64, tied = true }\n# comment\n[tune]\nsearch = "hidden=1..9"\n',
    ]

    def toml(rng: random.Random) -> Any:
        file.write_bytes(bytes_changed(rng, rng.choice(tables)))
        yield file
        settings.local_file = lambda: file  # type: ignore[assignment]
        settings.defaults(*rng.choice(((sample, "sample"), (train, "train"))), COMMANDS)

    seeds = {
        ".txt": "Ein Text.\r\nZwei – Zeilen\n\nund “mehr” 天\n".encode(),
        ".jsonl": b'{"text": "a b", "n": 1}\n{"text": "c\\u00e9", "n": [1, {"x": null}]}\n{"text": "d"}\n',
        ".json": b'[{"text": "a b", "n": 1}, {"text": "c", "n": 2}]',
        ".csv": b'name,text\n"A, B","x ""y"" z"\nC,d\nE,"f\ng"\n',
        ".tsv": "a\tb\tc\n1\t2\t3\nx\ty\tz\n".encode(),
    }
    make = reader_for(Registry(), {})

    def reader(rng: random.Random) -> Any:
        suffix = rng.choice([*seeds])
        data = bytes_changed(rng, seeds[suffix] * rng.choice((1, 1, 20)))
        (folder / f"text{suffix}").write_bytes(data)
        yield folder / f"text{suffix}"
        for chunk in make(suffix)(io.BytesIO(data), f"text{suffix}"):
            chunk.text.encode()

    def text(rng: random.Random) -> Any:
        data = bytes_changed(rng, rng.choice([*seeds.values()]))
        (folder / "text").write_bytes(data)
        yield folder / "text"
        encoding = rng.choice(("utf-8", "bytes", "cp1252", "utf-16", "gb18030"))
        for _ in encodings.read(io.BytesIO(data), "text", encoding):
            pass
        for _ in encodings.lines(io.BytesIO(data), "text"):
            pass

    return {one.__name__: one for one in (toml, reader, text)}


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


def chain_targets(models: Models) -> dict[str, Any]:
    """Chains of filters, strategies, and the languages of rnngen-constrain."""
    session = models.session
    sys.path.append(str(ROOT / "plugins/rnngen-constrain"))
    generator = session.load(str(MODELS[0].parent)).generator
    chains = [
        b"top_k=40,top_p=0.9,temp=0.8",
        b"repetition=1.2;window=9,dry=1;base=2,xtc=0.5;threshold=0.1",
        b"mirostat=2;tau=3",
    ]
    chains += [
        b"ban=the|a,logit_bias=a:2|b:-1,temp=0",
        b"typical=0.5,eta=0.1,epsilon=0.2,top_nsigma=1,no_repeat_ngram=2",
    ]
    chains += [b"dynatemp=0.1;high=2,frequency=1,presence=-1,min_p=0.1,escape_loops=2,force=a|b,min_length=3"]

    def chain(rng: random.Random) -> Any:
        text = bytes_changed(rng, rng.choice(chains)).decode(
            errors=rng.choice(("replace", "surrogateescape"))
        )
        yield text
        decoder = session.decoder(generator, session.sample_request(filters=text, length=4, seed=1))
        from rnngen.generation.prompts import Prompt

        for output in decoder.outputs([Prompt("The")]):
            assert output.text is not None

    strategies = [
        b"beam;beams=3;length_penalty=1",
        b"best-of;n=3",
        b"mbr;n=3",
        b"contrastive;alpha=0.5",
        b"diverse-beam;groups=2",
    ]

    def strategy(rng: random.Random) -> Any:
        text = bytes_changed(rng, rng.choice(strategies)).decode(errors="replace")
        yield text
        decoder = session.decoder(generator, session.sample_request(strategy=text, length=3, seed=1))
        from rnngen.generation.prompts import Prompt

        for output in decoder.outputs([Prompt("The")]):
            assert output.text is not None

    found = {"chain": chain, "strategy": strategy}
    try:
        import rnngen_constrain
    except ImportError:
        return found
    from rnngen.registry import Distribution, Registry
    from rnngen.registry.components import choose_filters, make_filters

    registry = Registry([(Distribution("rnngen-constrain", "0"), rnngen_constrain)])
    patterns = [b"[a-z]+( [A-Z]{1,3})*", rb"(?i:\d+|\w{2,5})\s?[^x-z]", b"(a|b)*c?", rb"\p{L}+[\u0041-\x5a]"]
    grammars = [
        b'start: "(" item ")"\nitem: DIGITS | start\nDIGITS: /[0-9]+/\n',
        b'start: a b?\na: "x" | "y"\nb: %json {"type": "object"}\n',
    ]
    schemas = [
        b'{"type": "object", "properties": {"a": {"type": "integer", "minimum": 0}}, "required": ["a"]}'
    ]

    def language(name: str, seeds: list[bytes]) -> Any:
        def take(rng: random.Random) -> Any:
            text = bytes_changed(rng, rng.choice(seeds)).decode(errors="replace")
            yield text
            made = make_filters(choose_filters(registry, [(name, text)]), generator.tokenizers.target)
            decoder_logits = np.zeros((1, len(generator.tokenizers.target.pieces)), np.float32)
            for one in made:
                one(decoder_logits, [[1]], one.initial(np.zeros(1, np.int64)))  # type: ignore[call-arg,union-attr]

        return take

    return {
        **found,
        "regex": language("regex", patterns),
        "grammar": language("grammar", grammars),
        "json_schema": language("json_schema", schemas),
    }


def deque_of(pieces: Iterator[str]) -> None:
    """Take all of a text."""
    for _ in pieces:
        pass


# ── Executions ─────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def watched() -> Iterator[None]:
    """Raise ``TooLong`` after a while of processor time."""

    def stop(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def execute(make: Callable[[random.Random], Any], seed: str) -> tuple[str, Any]:
    """Run one execution → how it ended (``taken``, ``refused`` or a fault), and its input."""
    from rnngen.errors import RnngenError

    given: Any = None
    try:
        with watched(), warnings.catch_warnings():
            sane = make.__name__ in ("chain", "strategy")  # weights are no numbers that overflow
            warnings.simplefilter("error" if sane else "ignore", RuntimeWarning)
            steps = make(random.Random(seed))
            given = next(steps)
            next(steps, None)
    except RnngenError as error:
        return (
            "refused"
            if "\n" not in str(error) or len(str(error)) < 2000
            else f"a long message: {error!r:.80}"
        ), given
    except OSError as error:
        return ("refused" if error.filename is not None else f"OSError without a file: {error}"), given
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        if given is None:  # too deep to be written
            return "not made", None
        frames = [
            f
            for f in traceback.extract_tb(error.__traceback__)
            if "rnngen" in f.filename and "fuzz" not in f.filename
        ]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "?"
        return f"{type(error).__name__} in {place}", given
    return "taken", given


def main() -> int:
    """Run targets by name, all of them by default."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        known = targets(Path(place))
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, resource.RLIM_INFINITY))
        faults = 0
        for name in asked.targets or known:
            began, ends, first = time.monotonic(), Counter[str](), dict[str, int]()
            for number in range(asked.count):
                end, given = execute(known[name], f"{asked.seed}/{name}/{number}")
                ends[end] += 1
                if end not in ("taken", "refused", "not made") and end not in first:
                    first[end] = number
                    print(f"{name}: {end} (seed {asked.seed}/{name}/{number})", flush=True)
                    if asked.keep:
                        asked.keep.mkdir(parents=True, exist_ok=True)
                        data = (
                            given.read_bytes()
                            if isinstance(given, Path)
                            else str(given).encode(errors="replace")
                        )
                        (asked.keep / f"{name}-{number}").write_bytes(data)
            faults += len(first)
            seconds = time.monotonic() - began
            print(
                f"{name}: {asked.count} executions in {seconds:.0f} s: {dict(ends.most_common(2))}, {len(first)} kinds of faults",
                flush=True,
            )
    print(
        f"{faults} kinds of faults; {(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) // 1024} MiB more than at the start"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

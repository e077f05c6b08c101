"""Targets that take settings, texts, chains of filters and languages."""

import io
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
from files import MODELS, ROOT, Models
from mutation import bytes_changed


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
        b'[sample]\ntemp = 0.7\nstop = ["a", "b"]\nfilters = "top_k=4,temp=1"\n[train.option]\na=1\n',
        b'[models.rm]\nyes = true\n[sample]\nblend = ["x", 0.5]\nn = -1\n[train]\nname = """x\ny"""\n',
        b'sample.temp = 1.0\ntrain = { hidden = 64, tied = true }\n# a\n[tune]\nsearch = "hidden=1..9"\n',
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
        ".tsv": b"a\tb\tc\n1\t2\t3\nx\ty\tz\n",
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

"""A model's step in ONNX: ONNX Runtime computes with it what the NumPy implementation does."""

import base64
import json

import numpy as np
import pytest

from rnngen import api
from rnngen.inference.unwrapped import unwrapped

STREAMS, STEPS = 3, 12


def needed(name):
    return pytest.importorskip(name, reason=f"{name} is not installed (rnngen[onnx])")


@pytest.mark.slow
def test_a_step_in_onnx_is_that_of_numpy(run, shelf, trained, tiny, place):
    needed("onnxscript")
    runtime = needed("onnxruntime")
    sizes = [*tiny, "--steps", "2", "--layers", "2", "--learn-state", "-o", "zoneout_h=0.1"]
    run("train", trained / "tale.txt", "--name", "gru", "--cell", "gru", "-q", *sizes)
    for name in ("tale", "gru"):
        run("export", name, "--onnx")
        session = runtime.InferenceSession(place / f"{name}.onnx", providers=["CPUExecutionProvider"])
        generator = api.load(name).generator
        step, _ = unwrapped(generator.model)
        record = json.loads(session.get_modelmeta().custom_metadata_map["rnngen"])
        pieces = generator.tokenizers.target.pieces
        assert [base64.b64decode(piece) for piece in record["pieces"]] == list(pieces)
        state = step.start(STREAMS)
        for values, array in zip(record["initial"].values(), state, strict=True):
            assert np.allclose(np.broadcast_to(values, array.shape), array)
        feed = dict(zip(record["initial"], state, strict=True))
        for tokens in np.random.default_rng(0).integers(0, len(pieces), (STEPS, STREAMS)):
            expected, state = step(tokens, state)
            logits, *after = session.run(None, {"token": tokens, **feed})
            feed = dict(zip(feed, after, strict=True))
            for found, wanted in zip((logits, *after), (expected, *state), strict=True):
                np.testing.assert_allclose(found, wanted, atol=2e-4, rtol=1e-4)


def test_what_makes_no_graph_is_refused(run, models, monkeypatch):
    assert "reads sources" in run("export", "pairs", "--onnx", status=2).err
    assert "--web and --onnx" in run("export", "tale", "--web", "--onnx", status=2).err
    assert ".onnx" in run("export", "tale", "--onnx", "-o", "tale.bin", status=2).err
    monkeypatch.setattr("rnngen.generation.onnx.find_spec", lambda _: None)
    assert "pip install 'rnngen[onnx]'" in run("export", "tale", "--onnx", status=4).err

"""A device is one that is there, and a number format one that it computes fast."""

import pytest
import torch

from rnngen.errors import DeviceError, UsageError
from rnngen.nn.devices import Device, choose_device, choose_precision, devices

CPU = Device("cpu", "x86", None, None, bf16=False)
MPS = Device("mps", "Apple GPU", None, None, bf16=False)


def gpu(index, free):
    return Device(f"cuda:{index}", "GPU", free, 100, bf16=True)


@pytest.fixture
def there(monkeypatch):
    def put(*found):
        monkeypatch.setattr("rnngen.nn.devices.devices", lambda: list(found))

    return put


def test_the_processor_is_always_there_and_first():
    assert devices()[0].name == "cpu"
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("found", "name", "chosen"),
    [
        ([CPU], "auto", "cpu"),
        ([CPU, MPS], "auto", "mps"),
        ([CPU, gpu(0, 10), gpu(1, 90)], "auto", "cuda:1"),
        ([CPU, gpu(0, 90), gpu(1, 10)], "cuda", "cuda:0"),
        ([CPU, gpu(0, 10), gpu(1, 90)], "cuda:0", "cuda:0"),
        ([CPU, gpu(0, 10)], "cpu", "cpu"),
        ([CPU, MPS], "mps", "mps"),
    ],
)
def test_auto_takes_the_gpu_with_most_room(there, found, name, chosen):
    there(*found)
    assert choose_device(name) == torch.device(chosen)


def test_no_gpu_is_looked_at_where_the_processor_is_wanted(monkeypatch):
    def broken():
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: broken())
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7", "mps", "meta"])
def test_a_device_that_is_not_there_is_told_with_those_that_are(there, name):
    there(CPU)
    with pytest.raises(DeviceError, match=rf"device '{name}' is not here; there is cpu"):
        choose_device(name)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:x", "cuda:-1", "tpu:0", "cuda:99999999999999999999"])
def test_a_name_that_means_nothing_is_a_usage_error(there, name):
    there(CPU)
    with pytest.raises((UsageError, DeviceError), match="device"):
        choose_device(name)


@pytest.mark.parametrize(("fast", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_auto_precision_is_bf16_only_where_that_is_fast(monkeypatch, fast, chosen):
    monkeypatch.setattr("rnngen.nn.devices._fast_bf16", lambda device: fast)
    assert choose_precision("auto", torch.device("cpu")) == chosen
    for said in ("fp32", "bf16"):
        assert choose_precision(said, torch.device("cpu")) == said


def test_nothing_unknown_is_said_to_multiply_bf16_fast():
    assert choose_precision("auto", torch.device("mps")) == "fp32"


@pytest.mark.cuda
def test_a_gpu_tells_its_memory():
    found = devices()[1]
    assert found.name == "cuda:0"
    assert 0 < found.memory_free <= found.memory_total

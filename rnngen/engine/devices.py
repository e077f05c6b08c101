"""Where to compute, and in which number format."""

from dataclasses import dataclass

import torch

from rnngen.engine.options import PrecisionName
from rnngen.errors import DeviceError, UsageError


@dataclass(frozen=True)
class Device:
    """One place to compute."""

    name: str
    """As ``--device`` takes it: cpu, cuda:0, mps."""
    description: str
    """What the hardware calls itself."""
    memory_free: int | None
    """Bytes, where it can be told."""
    memory_total: int | None
    """Bytes, where it can be told."""
    bf16: bool
    """Whether it multiplies bf16 matrices faster than fp32."""


def devices() -> list[Device]:
    """All that there are, the processor first."""
    found = [Device("cpu", _processor(), None, None, _fast_bf16(torch.device("cpu")))]
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        device = torch.device("cuda", index)
        found.append(Device(str(device), torch.cuda.get_device_name(index), free, total, _fast_bf16(device)))
    if torch.backends.mps.is_available():
        found.append(Device("mps", "Apple GPU", None, None, bf16=False))
    return found


def choose_device(name: str) -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` into a device that is there.

    ``auto`` takes the GPU with most free memory, else the processor; so does ``cuda`` among the GPUs.

    Raises:
        DeviceError: if it is not there; what is there is named.
        UsageError: if the name means nothing.
    """
    there = devices()
    gpus = sorted((d for d in there if d.name.startswith("cuda")), key=lambda d: -(d.memory_free or 0))
    if name == "auto":
        return torch.device(next((d.name for d in (*gpus, *reversed(there))), "cpu"))
    try:
        wanted = torch.device(name)
    except RuntimeError:
        raise UsageError(f"device {name!r}: auto, cpu, cuda, cuda:N or mps expected") from None
    if name == "cuda" and gpus:
        return torch.device(gpus[0].name)
    if str(wanted) not in [device.name for device in there]:
        names = ", ".join(device.name for device in there)
        raise DeviceError(f"device {name!r} is not here; there is {names} (see rnngen devices)")
    return wanted


def choose_precision(name: PrecisionName, device: torch.device) -> str:
    """Turn ``auto`` into ``bf16`` where the hardware multiplies it fast, else ``fp32``."""
    if name == "auto":
        return "bf16" if _fast_bf16(device) else "fp32"
    return name


def _fast_bf16(device: torch.device) -> bool:
    """Emulated bf16 is slower than fp32, so only hardware that multiplies it counts."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return False


def _processor() -> str:
    import platform

    return f"{platform.machine()}, {torch.get_num_threads()} threads"

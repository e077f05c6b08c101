"""Devices to compute on, number formats, and settings of the C library's allocator."""

import ctypes
import os
import platform
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from rnngen.errors import DeviceError, UsageError
from rnngen.matrices import has_numba
from rnngen.options.model import PrecisionName


@dataclass(frozen=True)
class Device:
    """One place to compute."""

    name: str
    """A value of ``--device``: cpu, cuda:0, mps."""
    description: str
    """The hardware's own name."""
    memory_free: int | None
    memory_total: int | None
    """Bytes, where the system reports them."""
    bf16: bool
    """True if it multiplies bf16 matrices faster than fp32."""
    driver: str = ""
    """The software between it and torch: CUDA's version and the newest that the driver knows, or Metal."""
    kernels: bool = True
    """True if nothing is missing that makes training on it fast: on the processor Numba, which compiles
    kernels for the cells."""


def devices() -> list[Device]:
    """Return all devices of this machine, the processor first."""
    processor = f"{platform.machine()}, {torch.get_num_threads()} threads"
    found = [Device("cpu", processor, *_memory(), _fast_bf16(torch.device("cpu")), kernels=has_numba())]
    for index in range(torch.cuda.device_count()):
        device, name = torch.device("cuda", index), torch.cuda.get_device_name(index)
        memory = torch.cuda.mem_get_info(index)
        found.append(Device(str(device), name, *memory, _fast_bf16(device), _cuda()))
    if torch.backends.mps.is_available():
        free, total = _memory()  # there is one memory for both
        found.append(Device("mps", "Apple GPU", free, total, bf16=False, driver="Metal"))
    return found


def choose_device(name: str) -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` into a device that is there.

    ``auto`` takes the GPU with most free memory, else the processor; so does ``cuda`` among the GPUs.

    Raises:
        DeviceError: if it is not there; what is there is named.
        UsageError: if the name means nothing.
    """
    if name == "cpu" or name in [f"cuda:{index}" for index in range(torch.cuda.device_count())]:
        return torch.device(name)  # to look at all GPUs takes memory on each
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


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Take a denormal for zero, since it slows a recurrence tenfold and more; afterwards as before."""
    before = sys.float_info.min / 2 == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _fast_bf16(device: torch.device) -> bool:
    """Emulated bf16 is slower than fp32, so only hardware that multiplies it counts."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return False


def _memory() -> tuple[int | None, int | None]:
    """Bytes of the machine's memory that are free, and in all, where the system reports them."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total = page * os.sysconf("SC_PHYS_PAGES")
        free = _available() or page * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # no such call, or no such name, on this system
        return None, None
    return free, total


def _available() -> int | None:
    """Return the bytes that Linux could give to programs, its caches included."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return None if found is None else int(found) * 1024


def _cuda() -> str:
    """``CUDA 12.8, driver for 13.0``; builds without CUDA have no such call."""
    ask = getattr(torch._C, "_cuda_getDriverVersion", None)
    newest = ask() if ask else 0
    driver = f", driver for {newest // 1000}.{newest % 1000 // 10}" if newest else ""
    return f"CUDA {torch.version.cuda}{driver}"


TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
"""The names of ``mallopt``'s parameters (mallopt(3))."""
KEPT = {MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1}
"""No block is a mapping of its own, and none is given back."""
USUAL = {MMAP_MAX: 65536, MMAP_THRESHOLD: 1 << 25, TRIM_THRESHOLD: 1 << 26}
"""The values that glibc's dynamic thresholds reach in a program with large blocks; setting one ends that."""

_lock, _users = threading.Lock(), 0


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let this process keep what it frees until the last user of this is done, and give it back then.

    Each step needs the same tens of MiB again. The C library gives large blocks back to the system as soon as
    they are free and then asks for new ones, which come as pages of zeros, one fault a page: on two cores
    that was a third of an LSTM's step. Without glibc nothing happens.
    """
    global _users  # noqa: PLW0603  # the allocator is one for the process, too
    with _lock:
        _users += 1
        if _users == 1:
            _set(KEPT)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _set(USUAL)


def _set(parameters: dict[int, int]) -> None:
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    for parameter, value in parameters.items():
        library.mallopt(parameter, value)
    if parameters is USUAL:
        library.malloc_trim(0)

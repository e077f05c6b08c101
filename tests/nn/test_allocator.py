"""Large blocks are kept while training asks for it, and only then.

Each test runs in a process of its own: what the heap of one that has run others has free is anybody's guess.
"""

import ctypes
import gc
import multiprocessing
import platform
from contextlib import ExitStack

import pytest
import torch

from rnngen.nn.devices import kept_memory

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="needs glibc 2.33 or newer, which tells where its memory lies",
)
BLOCK = 48 << 20
"""More than glibc ever keeps by itself."""
LARGER = 4 * BLOCK
"""More than the holes that blocks leave which were kept, where something was put behind them."""


class Mallinfo(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]


def told():
    tell = ctypes.CDLL(None).mallinfo2
    tell.restype = Mallinfo
    return tell()


def mapped_for_a_block(size=BLOCK):
    """Bytes of mappings of their own that a block adds while it lives, none of which goes beside it."""
    gc.collect()
    gc.disable()  # a collection between the two readings would give back what imports have left
    before = told().hblkhd
    block = torch.ones(size, dtype=torch.uint8)
    return told().hblkhd - before if len(block) else 0


def kept_after_a_block():
    """Bytes of free memory that the process holds after a block is freed."""
    block = torch.ones(BLOCK, dtype=torch.uint8)
    del block
    return told().fordblks


def status_in_fresh_process(check):
    process = multiprocessing.get_context("spawn").Process(target=check)
    process.start()
    process.join()
    return process.exitcode  # not 0 where an assertion failed, which the child prints


def blocks_are_kept_within():
    mapped_for_a_block()  # what torch's first call sets up and gives back is not the block's
    assert mapped_for_a_block() >= BLOCK
    with kept_memory():
        assert mapped_for_a_block() == 0
        assert kept_after_a_block() >= BLOCK
    assert mapped_for_a_block(LARGER) >= LARGER


def the_last_gives_back():
    outer, inner = ExitStack(), ExitStack()
    for stack in (outer, inner):
        stack.enter_context(kept_memory())
    outer.close()
    assert mapped_for_a_block() == 0
    inner.close()
    assert mapped_for_a_block(LARGER) >= LARGER


@pytest.mark.slow
def test_blocks_are_kept_within_and_mapped_alone_before_and_after():
    assert status_in_fresh_process(blocks_are_kept_within) == 0


@pytest.mark.slow
def test_the_last_of_several_gives_back():
    assert status_in_fresh_process(the_last_gives_back) == 0

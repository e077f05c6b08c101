"""Large blocks are kept while training asks for it, and only then."""

import platform
from contextlib import ExitStack

import pytest
import torch

from rnngen.engine.memory import kept_memory

resource = pytest.importorskip("resource")
pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library's allocator")
BLOCK = 48 << 20
"""More than glibc ever keeps by itself."""
PAGES = BLOCK // resource.getpagesize()
"""Faults that one block costs where it is new."""


def faults_of_five_blocks():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.empty(BLOCK, dtype=torch.uint8).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_blocks_are_used_again_within_and_given_back_after():
    with kept_memory():
        torch.empty(BLOCK, dtype=torch.uint8).fill_(1)
        assert faults_of_five_blocks() < PAGES
    assert faults_of_five_blocks() > PAGES


def test_the_last_of_several_gives_back():
    outer, inner = ExitStack(), ExitStack()
    for stack in (outer, inner):
        stack.enter_context(kept_memory())
    outer.close()
    torch.empty(BLOCK, dtype=torch.uint8).fill_(1)
    assert faults_of_five_blocks() < PAGES
    inner.close()
    assert faults_of_five_blocks() > PAGES

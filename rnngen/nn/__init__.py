"""The network and its parts, in torch."""

import os

os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
"""Shapes whose kernels oneDNN keeps, set before torch is there. Of its own 1,024 an adaptive softmax of
20,000 words, whose shapes always differ, holds 1.8 GB in bf16; with this 1.1, at the same speed."""

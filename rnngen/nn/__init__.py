"""The network and its parts, in torch."""

import os

os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
"""Shapes whose kernels oneDNN keeps, set before torch is there. Of its own 1,024 an adaptive softmax of
20,000 words, whose shapes always differ, holds 1.8 GB in bf16; with 64 a sequence-to-sequence network forgets
them before it meets them again, and takes 1.7 times as long."""

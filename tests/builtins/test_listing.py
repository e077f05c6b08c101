"""Listing the built-ins costs no import of torch, NumPy or the tokenizers' library."""

import subprocess
import sys

LIST = """
import sys
from rnngen import builtins

hooks = [getattr(builtins, name) for name in dir(builtins) if name.startswith("rnngen_")]
assert len(hooks) >= 6 and all(list(hook()) for hook in hooks)
sys.exit(" ".join({"torch", "numpy", "tokenizers"} & sys.modules.keys()) or 0)
"""


def test_listing_what_there_is_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", LIST], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

"""The version of rnngen."""

__version__ = "0.1.0"

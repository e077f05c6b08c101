"""The built-in decoding strategies."""

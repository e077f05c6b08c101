"""Tokenizers made with the `tokenizers` library."""

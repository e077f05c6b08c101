"""Tokenizers made with the `tokenizers` library, one a file."""

"""Evaluation: losses by mode, an n-gram baseline, and metrics of a seq2seq model's outputs."""

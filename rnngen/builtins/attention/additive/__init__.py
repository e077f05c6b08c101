"""Attentions that score query and memory with a small network: additive, concat, location, coverage."""

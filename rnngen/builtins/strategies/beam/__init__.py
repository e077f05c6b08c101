"""Beam search, and what shapes it: length penalties, coverage, diverse groups, Gumbel noise."""

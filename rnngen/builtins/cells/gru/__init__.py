"""Gated recurrent unit (Cho et al. 2014), in the form of cuDNN and torch."""

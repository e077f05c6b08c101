"""How well a model predicts a text, and what its outputs score."""

"""What happens inside a model while it reads: surprisal, units, gates, gradients, searches, embeddings.

All of it is taken from real steps of the network through the contracts, so that it is there for any cell; no
cell knows of pictures, and nothing here draws.
"""

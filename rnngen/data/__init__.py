"""Text on its way to the network: files, splits, tokens, batches."""

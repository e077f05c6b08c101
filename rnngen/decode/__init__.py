"""From a network's step to text: filters, sampling, beam search, streaming. Prints nothing."""

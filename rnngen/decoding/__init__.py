"""The public toolkit of decoding strategies: prefill, filter chains, samplers, streams of text."""

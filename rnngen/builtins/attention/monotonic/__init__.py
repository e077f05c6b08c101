"""The attention that only moves forward: monotonic."""

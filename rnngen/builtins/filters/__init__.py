"""The built-in filters of the next-token distribution."""

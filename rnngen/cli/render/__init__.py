"""Output for people; the only package that knows rich."""

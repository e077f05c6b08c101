"""Plugins by kind and name, and components built from their specs."""

from rnngen.registry.plugins import KINDS, Distribution, Failure, Registered, Registry

__all__ = ["KINDS", "Distribution", "Failure", "Registered", "Registry"]

"""The version of rnngen, and of what a plugin may rely on."""

__version__ = "0.1.0"
API = (1, 2)
"""Version of hooks and contracts: the first number changes where a plugin may break, the second where
something is added that an older rnngen lacks. A plugin's module may say which it needs, as
``rnngen_api = "1.2"``.
"""

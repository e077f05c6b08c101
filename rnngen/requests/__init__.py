"""Requests: what a command or a call of the Python API is asked to do, one frozen dataclass each.

A request is made once, from flags, environment and files, or from keyword arguments. What cannot stand
together is a table of ``Conflict`` beside the dataclass, which the command line, the API and the tests read.
"""

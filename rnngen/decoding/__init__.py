"""The public toolkit of decoding strategies: what built-in ones are made of, and what plugins may use.

::

    prefill         read prefixes · select rows of a state · blend two states
    filter_chain    FilterChain: filters with their states
    draws           from logits and random numbers to tokens; UniformDraws
    sampler         SamplerState, Sampler: one token at a time, nothing hidden; TokenHistory
    likelihood      how probable given texts are
    text_stream     tokens to text, never half a character, up to a stop string
"""

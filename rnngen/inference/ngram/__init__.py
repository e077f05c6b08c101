"""The n-gram of the training text that a model has beside its network, and their mixture.

::

    counts    the n-gram: what followed each context in the training text
    recent    what followed each context in the text that was read and written since
    mixture   how much the network and both of them count, by length of context and number of times seen
    step      one step of the whole
    compiled  counts and mixture by Numba, beside a network that is compiled as well
"""

from rnngen.inference.ngram.counts import NGram, Prediction
from rnngen.inference.ngram.mixture import Mixture
from rnngen.inference.ngram.step import mixed_step

__all__ = ["Mixture", "NGram", "Prediction", "mixed_step"]

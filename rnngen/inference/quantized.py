"""Steps whose matrices are quantized, for ``--quantize``: what reads fewer bytes takes less time."""

from rnngen.contracts import FeatureStep, Floats, NetworkStep, State, TokenIds, quantizable
from rnngen.errors import UnknownName
from rnngen.matrices import FORMATS

INT8 = "int8"
"""The format whose states are known by the class alone, as all were once."""


def quantize(part: object, form: str) -> None:
    """Put the matrices of a ``rnngen.contracts.Quantizable`` into one of ``rnngen.matrices.FORMATS``.

    Raises:
        UnknownName: if there is no such format.
        UsageError: if the step, or a layer of it, cannot be quantized.
        PluginError: if a package that the format needs is not installed.
    """
    if form not in FORMATS:
        raise UnknownName("format of weights", form, FORMATS)
    for one in quantizable([part]):
        one.quantize(FORMATS[form])


def quantized_step(step: NetworkStep, form: str = INT8) -> "QuantizedStep":
    """Mark the step of a network whose matrices are in a format, or of several together."""
    return QuantizedFeatureStep(step, form) if isinstance(step, FeatureStep) else QuantizedStep(step, form)


class QuantizedStep:
    """The step of a quantized network, which keeps its states apart from those of other weights."""

    def __init__(self, step: NetworkStep, form: str = INT8) -> None:
        self.step, self.fixed, self.attended = step, step.fixed, step.attended
        self.identity = "QuantizedStep" if form == INT8 else f"QuantizedStep {form}"

    def start(self, about: "int | TokenIds") -> State:
        """Return the state before the first token of ``about`` streams, or of sources (B,S)."""
        return self.step.start(about)

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → logits (B,V), state."""
        return self.step(tokens, state)


class QuantizedFeatureStep(QuantizedStep):
    """The step of a quantized network that is a ``rnngen.contracts.FeatureStep``."""

    def __init__(self, step: FeatureStep, form: str = INT8) -> None:
        super().__init__(step, form)
        self.features, self.logits, self.feature_size = step.features, step.logits, step.feature_size

"""One step of any network in torch."""

from functools import partial
from typing import Any

from rnngen.contracts import FeatureNetwork, Floats, State, TokenIds
from rnngen.inference.cuda_graph import CapturedStep, record_on_cuda


def torch_step(network: Any) -> "TorchStep":
    """Make the step of a network, a ``FeatureStep`` where the network is a ``FeatureNetwork``."""
    return (TorchFeatureStep if isinstance(network, FeatureNetwork) else TorchStep)(network)


class TorchStep:
    """A network in torch, one token at a time; on CUDA as a graph while shapes stay.

    Args:
        network: on its device, a ``rnngen.contracts.Network``.
    """

    identity = "TorchStep"

    def __init__(self, network: Any) -> None:
        self.network: Any = network.eval()
        self.fixed: int = network.fixed
        self.device = next(network.parameters()).device
        on_cuda = self.device.type == "cuda"
        recorder = partial(record_on_cuda, self.device)
        self.captured = CapturedStep(self.network, self.fixed, recorder) if on_cuda else None

    def start(self, about: "int | TokenIds") -> State:
        """Return the state before the first token of ``about`` streams, or of sources (B,S)."""
        import torch

        with torch.inference_mode():
            given = about if isinstance(about, int) else torch.from_numpy(about).to(self.device)
            return tuple(self.network.start(given))

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → logits (B,V), state."""
        import torch

        with torch.inference_mode():
            inputs = torch.from_numpy(tokens)
            if self.captured is not None:
                logits, state = self.captured(inputs, state)
                return logits.cpu().numpy(), state
            logits, state = self.network(inputs.to(self.device)[:, None], state)
            return _to_numpy(logits[:, 0]), state

    def attended(self, state: State) -> "Floats | None":
        """Return the attention weights of the last token (B,S); None where there are none."""
        weights = self.network.attended(state)
        return None if weights is None else _to_numpy(weights)


class TorchFeatureStep(TorchStep):
    """The step of a ``rnngen.contracts.FeatureNetwork``, in two halves."""

    def __init__(self, network: Any) -> None:
        super().__init__(network)
        self.feature_size: int = network.feature_size

    def features(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → the input of the output layer (B,H), state."""
        import torch

        with torch.inference_mode():
            inputs = torch.from_numpy(tokens).to(self.device)[:, None]
            features, state = self.network.hidden(inputs, state)
            return _to_numpy(features[:, 0]), state

    def logits(self, features: Floats) -> Floats:
        """(B,H) → logits (B,V)."""
        import torch

        with torch.inference_mode():
            return _to_numpy(self.network.predict(torch.from_numpy(features).to(self.device)))


def _to_numpy(tensor: Any) -> Floats:
    array: Floats = tensor.float().cpu().numpy()
    return array

"""One step of any network in torch, on CUDA recorded once and replayed."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from rnngen.contracts import FeatureNetwork, Floats, State, TokenIds

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def torch_step(network: Any) -> "TorchStep":
    """Make the step of a network, a ``FeatureStep`` where the network is a ``FeatureNetwork``."""
    return (TorchFeatureStep if isinstance(network, FeatureNetwork) else TorchStep)(network)


class TorchStep:
    """A ``rnngen.contracts.Network`` in torch, one token at a time; on CUDA as a graph while shapes stay."""

    identity = "TorchStep"

    def __init__(self, network: Any) -> None:
        self.network: Any = network.eval()
        self.fixed: int = network.fixed
        self.device = next(network.parameters()).device
        on_cuda = self.device.type == "cuda"
        recorder = partial(record_on_cuda, self.device)
        self.captured = CapturedStep(self.network, recorder) if on_cuda else None

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

    def logits(self, features: Floats, state: State) -> Floats:  # noqa: ARG002
        """Features (B,H) and the state after their tokens → logits (B,V)."""
        import torch

        with torch.inference_mode():
            return _to_numpy(self.network.predict(torch.from_numpy(features).to(self.device)))


def _to_numpy(tensor: Any) -> Floats:
    array: Floats = tensor.float().cpu().numpy()
    return array


PATIENCE = 8
"""Steps of one shape before a recording, which costs as much as a few dozen steps."""
WARM_UPS = 3
"""Calls before a recording, in which libraries choose kernels and allocate memory."""


Work: TypeAlias = "Callable[[], Tensor]"
Recorder: TypeAlias = "Callable[[Work], tuple[Callable[[], object], Tensor]]"
"""Calls its argument → a function that replays it, and the tensor that then holds its result.

It raises RuntimeError if that cannot be recorded.
"""


def record_on_cuda(device: "torch.device", work: Work) -> "tuple[Callable[[], object], Tensor]":
    """Record into a CUDA graph, as a ``Recorder`` for one device."""
    import torch

    with torch.cuda.device(device):
        _warm_up(work)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may go on
            result = work()
    return graph.replay, result


def _warm_up(work: Work) -> None:
    """Call ``work`` a few times on a separate stream, as CUDA requires before a graph."""
    import torch

    here, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(here)
    try:
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                work()
    finally:
        here.wait_stream(side)  # whatever came of it: the buffers are this stream's


class CapturedStep:
    """A network's step for many calls with one shape: launching its kernels takes longer than they run.

    ::

        step 1 … 8    any shapes       called as it is
        step 9        the same again   recorded:  tokens ┐              ┌ logits
                                                  state  ┴─▸ network ─▸─┴ the state's own buffers
        from then on                   tokens in, replay, logits and state out

    There is one recording at a time. It serves smaller batches too, down to half of its own, in its first
    rows: in every network a row does not depend on the others.

    The network is a ``rnngen.contracts.Network`` in evaluation mode.
    """

    def __init__(self, network: Any, recorder: Recorder) -> None:
        self.network, self.recorder = network, recorder
        self.device = next(network.parameters()).device
        self.recording: _Recording | None = None
        self.possible = True
        self._kind: tuple[Any, ...] = ()
        self._met = 0

    def __call__(self, tokens: "Tensor", state: State) -> "tuple[Tensor, State]":
        """``tokens`` (B,) on any device, state → logits (B,V) float32, state; in inference mode.

        The logits are only there until the next call; the state is the caller's.
        """
        recording = self._recording_for(tokens, state)
        if recording:
            return recording.play(tokens, state)
        logits, after = self.network(tokens.to(self.device)[:, None], state)
        return logits[:, 0].float(), tuple(after)

    def _recording_for(self, tokens: "Tensor", state: State) -> "_Recording | None":
        """Return the recording for this shape; make one when the shape has come often enough."""
        rows, kind = len(tokens), _kind(state)
        if self.recording and self.recording.serves(rows, kind):
            return self.recording
        self._met = self._met + 1 if (rows, *kind) == self._kind else 1
        self._kind = (rows, *kind)
        if self._met <= PATIENCE or not self.possible:
            return None
        self.recording = None  # its memory is free before there is another
        try:
            tokens = tokens.to(self.device)
            self.recording = _Recording(self.network, tokens, state, self.recorder)
        except RuntimeError:  # the step synchronises with the device, say, or its state grows
            self.possible = False
        return self.recording


class _Recording:
    """A recorded step and its buffers: the tokens, and the state, which it reads and updates."""

    def __init__(self, network: Any, tokens: "Tensor", state: State, recorder: Recorder) -> None:
        self.network, self.fixed = network, network.fixed
        self.kind, self.rows = _kind(state), len(tokens)
        self.tokens = tokens.clone()
        self.buffers = [array.clone() for array in state]
        self.last: State = ()
        self.replay, self.logits = recorder(self._advance)

    def serves(self, rows: int, kind: tuple[Any, ...]) -> bool:
        """Return whether it can compute ``rows`` of a state of this kind, and would waste fewer than half."""
        return self.rows < 2 * rows <= 2 * self.rows and kind == self.kind

    def play(self, tokens: "Tensor", state: State) -> "tuple[Tensor, State]":
        """``tokens`` (B,), state → logits (B,V), state. The last call's arrays are in the buffers already."""
        rows = len(tokens)
        self.tokens[:rows].copy_(tokens)
        lasts = self.last or (None,) * len(state)
        for buffer, array, last in zip(self.buffers, state, lasts, strict=True):
            if array is not last:
                buffer[:rows].copy_(array)
        self.replay()
        changed = (buffer[:rows].clone() for buffer in self.buffers[self.fixed :])
        self.last = (*state[: self.fixed], *changed)
        return self.logits[:rows], self.last

    def _advance(self) -> "Tensor":
        """Take one step from the buffers to the buffers → logits (B,V).

        Raises:
            RuntimeError: if the next state has other shapes.
        """
        logits, after = self.network(self.tokens[:, None], tuple(self.buffers))
        if _kind(after) != self.kind:
            raise RuntimeError("the state grows")
        fresh = [array.clone() for array in after[self.fixed :]]  # one may be part of another's buffer
        for buffer, array in zip(self.buffers[self.fixed :], fresh, strict=True):
            buffer.copy_(array)
        made: Tensor = logits[:, 0].float()
        return made


def _kind(state: State) -> tuple[Any, ...]:
    """Return the shapes and types of a state's arrays without the batch."""
    return tuple((tuple(array.shape[1:]), array.dtype) for array in state)

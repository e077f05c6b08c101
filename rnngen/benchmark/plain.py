"""The plain PyTorch programs that rnngen is measured against: what one writes in an afternoon, done well."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from rnngen.requests.bench import BenchNetwork


class PlainNetwork(nn.Module):
    """Embedding, ``nn.LSTM`` (or GRU, RNN) and an output layer."""

    def __init__(self, sizes: BenchNetwork) -> None:
        super().__init__()
        self.embedding = nn.Embedding(sizes.vocab, sizes.embedding)
        recurrent = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[sizes.cell]
        self.rnn = recurrent(sizes.embedding, sizes.hidden, sizes.layers, batch_first=True)
        self.head = nn.Linear(sizes.hidden, sizes.vocab)

    def forward(self, tokens: Tensor, state: object = None) -> tuple[Tensor, object]:
        """Tokens (B,T) → logits (B,T,V)."""
        y, state = self.rnn(self.embedding(tokens), state)
        return self.head(y), state


def train(network: PlainNetwork, tokens: Tensor, batch: int, seq: int) -> Iterator[Tensor]:
    """Train in fp32 with AdamW for ever, the state carried; yields the loss of each step.

    The text (N,) is on the network's device, and longer than ``batch * (seq + 1)``.
    """
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    streams = tokens[: len(tokens) // batch * batch].view(batch, -1)
    state, place = None, 0
    while True:
        if place + seq + 1 > streams.shape[1]:
            state, place = None, 0
        window = streams[:, place : place + seq + 1]
        logits, after = network(window[:, :-1], state)
        state = tuple(s.detach() for s in after) if isinstance(after, tuple) else after.detach()
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        place += seq
        yield loss


@torch.inference_mode()
def generate(network: PlainNetwork, count: int, temperature: float) -> list[int]:
    """Draw tokens one at a time, where the network is: forward, softmax, multinomial."""
    network.eval()
    device = network.embedding.weight.device
    token, state, drawn = torch.zeros(1, 1, dtype=torch.long, device=device), None, []
    for _ in range(count):
        logits, state = network(token, state)
        token = torch.multinomial(torch.softmax(logits[0, -1] / temperature, 0), 1)[None]
        drawn.append(int(token))
    return drawn

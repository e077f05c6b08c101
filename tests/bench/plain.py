"""The plain PyTorch programs that rnngen is measured against: what one writes in an afternoon, done well."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn


class PlainNetwork(nn.Module):
    """Embedding, ``nn.LSTM`` (or GRU, RNN) and an output layer."""

    def __init__(self, vocabulary: int, embed: int, hidden: int, layers: int, cell: str = "lstm") -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embed)
        self.rnn = getattr(nn, cell.upper())(embed, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, vocabulary)

    def forward(self, tokens: Tensor, state: object = None) -> tuple[Tensor, object]:
        """Tokens (B,T) → logits (B,T,V)."""
        y, state = self.rnn(self.embedding(tokens), state)
        return self.head(y), state


def train_steps(network: PlainNetwork, tokens: Tensor, batch: int, seq: int) -> Iterator[int]:
    """Train in fp32 with AdamW for ever, the state carried; yields the tokens of each step."""
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    streams = tokens[: len(tokens) // batch * batch].view(batch, -1)
    state, place = None, 0
    while True:
        if place + seq + 1 > streams.shape[1]:
            state, place = None, 0
        window = streams[:, place : place + seq + 1]
        logits, state = network(window[:, :-1], state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        place += seq
        yield batch * seq


@torch.inference_mode()
def generate(network: PlainNetwork, count: int) -> list[int]:
    """Draw tokens one at a time: forward, softmax, multinomial."""
    network.eval()
    token, state, drawn = torch.zeros(1, 1, dtype=torch.long), None, []
    for _ in range(count):
        logits, state = network(token, state)
        token = torch.multinomial(torch.softmax(logits[0, -1] / 0.8, 0), 1)[None]
        drawn.append(int(token))
    return drawn

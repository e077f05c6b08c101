"""Scheduled sampling: in training the network reads some of its own predictions in place of the text.

A network that has only ever read flawless text does not know how to go on after a mistake of its own. The
predictions come from a first pass without gradient, all at once (Mihaylova and Martins 2019), instead of one
after another (Bengio et al. 2015).
"""

from typing import Any

import torch

from rnngen.contracts import State
from rnngen.data.batches import Batch
from rnngen.nn.loss import initial_states


def scheduled_inputs(network: Any, batch: Batch, state: State | None, share: float, precision: str) -> Batch:
    """Return a batch with a share of its inputs, but no row's first, replaced by the most probable tokens."""
    if not share:
        return batch
    device = next(network.parameters()).device
    inputs = torch.from_numpy(batch.inputs).to(device)
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        logits, _ = network(inputs, initial_states(network, batch, state))
    coins = torch.rand(inputs[:, 1:].shape) < share
    predicted = torch.where(coins.to(device), logits[:, :-1].argmax(-1), inputs[:, 1:])
    return batch._replace(inputs=torch.cat([inputs[:, :1], predicted], dim=1).cpu().numpy())

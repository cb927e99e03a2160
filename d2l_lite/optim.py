"""The training recipe that several chapters share."""

from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR


def one_cycle(
    net: nn.Module, lr: float, num_steps: int, *, weight_decay: float = 0.01
) -> dict[str, Any]:
    """Return AdamW and a learning rate that rises and falls once: `fit(…, **one_cycle(…))`.

    Args:
        net: the network, on the device where it is trained.
        lr: the largest learning rate, after a quarter of the steps; it rises from `lr / 25` and
            falls nearly to zero, both in a straight line.
        num_steps: number of batches in the whole training, at least 5.
        weight_decay: decoupled decay of all parameters.

    Returns:
        A dictionary with `optimizer` and `schedule`.

    Raises:
        ValueError: where `num_steps` is below 5.

    Source:
        Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019; Smith and Topin,
        Super-convergence, 2019.
    """
    if num_steps < 5:
        rule = "num_steps must be at least 5, the number of epochs times that of batches"
        raise ValueError(f"{rule}, got {num_steps}")
    betas = (0.9, 0.99)
    optimizer = torch.optim.AdamW(net.parameters(), lr, betas, weight_decay=weight_decay)
    schedule = OneCycleLR(
        optimizer, lr, num_steps, pct_start=0.25, anneal_strategy="linear", cycle_momentum=False
    )
    return {"optimizer": optimizer, "schedule": schedule}

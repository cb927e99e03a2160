"""The shared recipe: its rates against the formula, its optimizer against PyTorch's defaults."""

import numpy as np
import pytest
import torch
from torch import nn

import d2l_lite as d2l


def test_the_rate_rises_for_a_quarter_of_the_steps_and_falls_nearly_to_zero():
    net = nn.Linear(2, 1)
    recipe = d2l.one_cycle(net, 0.4, 41, weight_decay=0.3)
    optimizer, schedule = recipe["optimizer"], recipe["schedule"]
    assert optimizer.param_groups[0]["weight_decay"] == 0.3
    rates = []
    for _ in range(41):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    top = 0.25 * 41 - 1
    start, end = 0.4 / 25, 0.4 / 25 / 1e4
    steps = np.arange(41)
    np.testing.assert_allclose(rates, np.interp(steps, [0, top, 40], [start, 0.4, end]), rtol=1e-6)
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.99)


def test_the_recipe_trains_through_fit():
    generator = d2l.seed_everything(0)
    X = torch.randn(64, 2)
    batches = d2l.Batches(X, (X[:, 0] > X[:, 1]).long(), 16, generator=generator)
    net = nn.Linear(2, 2)
    recipe = d2l.one_cycle(net, 0.1, 10 * len(batches))
    history = d2l.fit(
        net, batches, loss_fn=nn.CrossEntropyLoss(), num_epochs=10, progress=False, **recipe
    )
    assert history.last("train_loss") < 0.25 < history["train_loss"][0]


def test_too_few_steps_are_named():
    with pytest.raises(ValueError, match=r"num_steps must be at least 5, .* got 4"):
        d2l.one_cycle(nn.Linear(1, 1), 0.1, 4)
    assert d2l.one_cycle(nn.Linear(1, 1), 0.1, 5)["schedule"].get_last_lr()[0] > 0

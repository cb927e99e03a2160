"""Networks that several chapters use."""

from torch import nn


def lenet5(num_classes: int = 10) -> nn.Sequential:
    """Return LeNet-5 for images (n, 1, 28, 28): ReLU, max pooling, plain class scores.

    `net[:-1]` gives the features (n, 84) below the scores.

    Args:
        num_classes: number of scores c.

    Returns:
        A network from images to scores (n, c).

    Source:
        LeCun et al., Gradient-based learning applied to document recognition, 1998.
    """
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),  # (n, 6, 14, 14)
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),  # (n, 16, 5, 5)
        nn.Flatten(),  # (n, 400)
        nn.Linear(400, 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, num_classes),
    )  # fmt: skip

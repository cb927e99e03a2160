"""Eight optimizers on four surfaces: what the scene needs, and its picture on paper.

The learning rate and the momentum (β₁ of Adam) are controls. The rest is fixed at PyTorch's
defaults: β₂ = 0.999, ε = 1e-8, α = 0.99 for RMSProp, weight decay 0.01 for AdamW, ρ = 0.9 and
ε = 1e-6 for AdaDelta; AdaGrad has ε = 1e-8, which PyTorch must be told.
"""

from typing import Any

import numpy as np

_VIEW, _FAR, _STEPS, _MAX_STEPS = 2.2, 100.0, 120, 300
OPTIMIZERS = ["SGD", "momentum", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam", "AdamW"]


def _bump(x: Any, y: Any, at: float) -> Any:
    return np.exp(-2 * ((x - at) ** 2 + (y - at) ** 2))


LOSSES: dict[str, Any] = {
    "ravine": lambda x, y: 0.5 * (x * x + 25 * y * y),
    "Rosenbrock": lambda x, y: (1 - x) ** 2 + 100 * (y - x * x) ** 2,
    "saddle": lambda x, y: x * x - y * y + y**4 / 4,
    "two minima": lambda x, y: 1 - _bump(x, y, 1) - 0.5 * _bump(x, y, -1),
}
GRADIENTS: dict[str, Any] = {
    "ravine": lambda x, y: [x, 25 * y],
    "Rosenbrock": lambda x, y: [2 * (x - 1) - 400 * x * (y - x * x), 200 * (y - x * x)],
    "saddle": lambda x, y: [2 * x, y**3 - 2 * y],
    "two minima": lambda x, y: [
        4 * (v - 1) * _bump(x, y, 1) + 2 * (v + 1) * _bump(x, y, -1) for v in (x, y)
    ],
}
MINIMA: dict[str, Any] = {"ravine": [[0, 0]], "Rosenbrock": [[1, 1]]}
MINIMA |= {"saddle": [[0, 2**0.5], [0, -(2**0.5)]], "two minima": [[1, 1], [-1, -1]]}
#: How the levels of the contours spread.
_BEND = {"ravine": 2, "Rosenbrock": 3, "saddle": 1.5, "two minima": 1}


def check(data: dict[str, Any]) -> None:
    """Raise a ValueError unless the data are the number of steps, or nothing."""
    if set(data) - {"steps"} or data.get("steps", 1) not in range(1, _MAX_STEPS + 1):
        rule = f"data of scene 'optimizers' may hold steps, a whole number from 1 to {_MAX_STEPS}"
        raise ValueError(f"{rule}, and nothing else, got {data}")


def controls(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the controls: learning rates evenly spaced on a log axis, and the start."""
    rates = [float(f"{10 ** (k / 8):.3g}") for k in range(-32, 5)]
    places = [round(0.1 * k, 1) for k in range(-20, 21)]
    steps = list(range(data.get("steps", _STEPS) + 1))
    betas = [*(round(0.05 * k, 2) for k in range(20)), 0.97, 0.99]
    return {
        "surface": {"values": list(LOSSES)},
        "optimizer": {"values": OPTIMIZERS, "value": "momentum"},
        "lr": {"values": rates, "value": rates[16], "label": "learning rate"},
        "momentum": {"values": betas, "value": 0.9, "label": "momentum, β₁"},
        "start_x": {"values": places, "value": -2, "label": "start x"},
        "start_y": {"values": places, "value": 1.2, "label": "start y"},
        "step": {"values": steps, "value": steps[-1], "play": True},
    }


def example() -> dict[str, Any]:
    """Return what `explore` needs to show the scene."""
    return {"label": "Eight optimizers on four surfaces"}


def _change(name: str, g: Any, s: dict[str, Any]) -> Any:
    """Return what an optimizer subtracts, before the learning rate and without weight decay."""
    if name in OPTIMIZERS[:3]:
        s["m"] = (0 if name == "SGD" else s["beta"]) * s["m"] + g
        return g + s["beta"] * s["m"] if name == "Nesterov" else s["m"]
    if name == "AdaDelta":
        s["v"] = 0.9 * s["v"] + 0.1 * g * g
        change = g * np.sqrt(s["m"] + 1e-6) / np.sqrt(s["v"] + 1e-6)
        s["m"] = 0.9 * s["m"] + 0.1 * change**2
        return change
    fixed = {"AdaGrad": (1, 1, 0), "RMSProp": (0.99, 0.01, 0)}
    keep, add, beta = fixed.get(name, (0.999, 0.001, s["beta"]))
    s["m"], s["v"] = beta * s["m"] + (1 - beta) * g, keep * s["v"] + add * g * g
    corrected = 1 - 0.999 ** s["t"] if name.startswith("Adam") else 1.0
    return s["m"] / (1 - beta ** s["t"]) / (np.sqrt(s["v"] / corrected) + 1e-8)


def run(values: dict[str, Any], steps: int) -> Any:
    """Return the points visited `(k, 2)`; the first that is far away ends the path."""
    name = values["optimizer"]
    s: dict[str, Any] = {"m": np.zeros(2), "v": np.zeros(2), "beta": values["momentum"]}
    path = [np.array([values["start_x"], values["start_y"]], dtype=float)]
    while len(path) <= steps and np.hypot(*path[-1]) < _FAR:
        w, s["t"] = path[-1], len(path)
        g = np.array(GRADIENTS[values["surface"]](*w))
        decay = 0.01 * w if name == "AdamW" else 0
        path.append(w - values["lr"] * (_change(name, g, s) + decay))
    return np.array(path)


def draw(figure: Any, values: dict[str, Any], data: dict[str, Any]) -> None:
    """Draw the path over contours, and the loss against the step."""
    left, right = figure.subplots(1, 2)
    name, axis = values["surface"], np.linspace(-_VIEW, _VIEW, 120)
    path, f = run(values, data.get("steps", _STEPS)), LOSSES[name]
    lowest = min(f(*p) for p in MINIMA[name])
    z = f(*np.meshgrid(axis, axis)) - lowest
    levels = z.max() * ((np.arange(12) + 1.5) / 13) ** _BEND[name]
    left.contour(axis, axis, z, levels=levels, colors="#777777", linewidths=0.7)
    left.plot(*path[: values["step"] + 1].T, "-o", color="#D55E00", markersize=3)
    left.plot(*np.transpose(MINIMA[name]), "x", color="black", markersize=8)
    left.set(xlabel="$x$", ylabel="$y$", xlim=axis[[0, -1]], ylim=axis[[0, -1]])
    right.semilogy(np.maximum(f(*path.T) - lowest, 1e-30))
    right.set(xlabel="step", ylabel="loss above the lowest", ylim=(1e-6, 3 * z.max()))

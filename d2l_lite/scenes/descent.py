"""Gradient descent on a quadratic loss: what the scene needs, and its picture without a browser."""

from typing import Any

import numpy as np

_KEYS = {"H", "w_star", "w0", "steps"}
_MAX_STEPS = 200


def check(data: dict[str, Any]) -> None:
    """Raise a ValueError unless the data describe a descent in two parameters."""
    missing, unknown = _KEYS - set(data), set(data) - _KEYS - {"names"}
    if missing or unknown:
        got = f"missing {sorted(missing)}, unknown {sorted(unknown)}"
        raise ValueError(f"data of scene 'descent' needs H, w_star, w0, steps (names): {got}")
    H = np.array(data["H"], dtype=float)
    if H.shape != (2, 2) or not np.allclose(H, H.T) or np.linalg.eigvalsh(H)[0] <= 0:
        raise ValueError(f"data['H'] must be a positive definite 2×2 matrix, got {H.tolist()}")
    for name in ("w_star", "w0"):
        if np.shape(data[name]) != (2,):
            raise ValueError(f"data[{name!r}] must be two numbers, got {data[name]}")
    if data["w0"] == data["w_star"]:
        raise ValueError(f"data['w0'] must differ from the minimum w_star, got {data['w0']}")
    if data["steps"] not in range(1, _MAX_STEPS + 1):
        rule = f"data['steps'] must be a whole number from 1 to {_MAX_STEPS}"
        raise ValueError(f"{rule}, got {data['steps']}")


def controls(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the controls: learning rates up to 1.2 times the stable limit, and the step."""
    limit = 2 / float(np.linalg.eigvalsh(data["H"])[-1])
    rates = [float(f"{limit * part / 50:.3g}") for part in range(1, 61)]
    steps = list(range(data["steps"] + 1))
    return {
        "lr": {"values": rates, "value": rates[9], "label": "learning rate"},
        "step": {"values": steps, "value": steps[-1], "play": True},
    }


def example() -> dict[str, Any]:
    """Return label and data of an example: a valley ten times as long as it is wide."""
    data = {"H": [[1.55, 0.78], [0.78, 0.65]], "w_star": [1, -1], "w0": [-1, 0], "steps": 40}
    return {"label": "Gradient descent in a narrow valley", "data": data}


def run(data: dict[str, Any], lr: float) -> tuple[Any, Any]:
    """Return the points visited `(steps + 1, 2)` and the loss above its minimum at each."""
    H, w_star = np.array(data["H"]), np.array(data["w_star"])
    points = [np.array(data["w0"], dtype=float)]
    for _ in range(data["steps"]):
        points.append(points[-1] - lr * H @ (points[-1] - w_star))
    errors = np.array(points) - w_star
    return np.array(points), 0.5 * np.einsum("ki,ij,kj->k", errors, H, errors)


def draw(figure: Any, values: dict[str, Any], data: dict[str, Any]) -> None:
    """Draw contours with the path, and the loss against the step."""
    left, right = figure.subplots(1, 2)
    path, losses = run(data, values["lr"])
    path, center = path[: values["step"] + 1], np.array(data["w_star"])
    reach = 1.3 * np.abs(path[0] - center).max()
    grid = np.linspace(-reach, reach, 80)
    x, y = np.meshgrid(grid, grid)
    (a, b), (_, d) = data["H"]
    z = 0.5 * (a * x * x + 2 * b * x * y + d * y * y)
    levels = losses[0] * np.array([0.25, 0.5, 0.75, 1, 1.4, 1.9, 2.5, 3.2, 4, 5]) ** 2
    left.contour(center[0] + x, center[1] + y, z, levels=levels, colors="#777777", linewidths=0.8)
    left.plot(*path.T, "-o", color="#D55E00", markersize=4)
    left.plot(*center, "x", color="black", markersize=8)
    xlabel, ylabel = data.get("names", ["$w_1$", "$w_2$"])
    left.set(xlim=center[0] + grid[[0, -1]], ylim=center[1] + grid[[0, -1]])
    left.set(xlabel=xlabel, ylabel=ylabel)
    right.semilogy(losses)
    limits = (losses[0] * 1e-6, losses[0] * 1e2)
    right.set(xlabel="step", ylabel="loss above minimum", ylim=limits)

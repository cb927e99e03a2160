"""Bias and variance of polynomial fits: what the scene needs, and its picture without a browser."""

import json
from typing import Any

import numpy as np
from numpy.polynomial.legendre import legvander

_MAX_DEGREE = 12
_KEYS = {"x", "y", "grid", "truth", "test", "noise"}
_PENALTIES = [0, *(float(f"{m}e{e}") for e in range(-6, 1) for m in (1, 3)), 10.0]


def example(num_sets: int = 20, num_points: int = 15, seed: int = 1) -> dict[str, Any]:
    """Return label and data of an example: training sets of a sine with noise."""
    rng, noise = np.random.default_rng(seed), 0.3
    cells = np.arange(num_points) + rng.random((num_sets, num_points))  # one point in each
    x, grid = (2 * cells / num_points - 1).round(3), np.linspace(-1, 1, 101).round(3)
    y, test = (np.sin(np.pi * v) + noise * rng.normal(size=v.shape) for v in (x, grid))
    data = {"x": x, "y": y, "grid": grid, "truth": np.sin(np.pi * grid), "test": test}
    rounded = {name: values.round(3).tolist() for name, values in data.items()}
    label = "Bias and variance of polynomials fitted to noisy samples"
    return {"data": {**rounded, "noise": noise}, "label": label}


def check(data: dict[str, Any]) -> None:
    """Take the example's data for none; raise a ValueError unless they are training sets."""
    data.update({} if data else example()["data"])
    if set(data) != _KEYS:
        got = f"missing {sorted(_KEYS - set(data))}, unknown {sorted(set(data) - _KEYS)}"
        raise ValueError(f"data of scene 'polynomial' needs {', '.join(sorted(_KEYS))}: {got}")
    texts = sorted(name for name, given in data.items() if '"' in json.dumps(given))
    if texts:
        raise ValueError(f"data of scene 'polynomial' must be numbers, got strings in {texts}")
    if isinstance(data["noise"], list) or data["noise"] <= 0:
        raise ValueError(f"data['noise'] must be one positive number, got {data['noise']}")
    grid = data["grid"]
    if np.ndim(grid) != 1 or len(grid) < 2 or not (np.diff(grid) > 0).all():
        raise ValueError(f"data['grid'] must be at least two increasing numbers, got {grid}")
    for name in ("truth", "test"):
        if np.shape(data[name]) != (len(grid),):
            raise ValueError(f"data[{name!r}] must be {len(grid)} numbers, got {data[name]}")
    sizes = [[len(row) if isinstance(row, list) else 0 for row in data[name]] for name in "xy"]
    if len(sizes[0]) < 2 or sizes[0] != sizes[1]:
        rule = "must be at least two training sets, equally long rows"
        raise ValueError(f"data['x'] and data['y'] {rule}, got lengths {sizes}")
    inside = all(grid[0] <= v <= grid[-1] for row in data["x"] for v in row)
    fewest = min(len(set(row)) for row in data["x"])
    if fewest <= _MAX_DEGREE or not inside:
        rule = f"rows of data['x'] need {_MAX_DEGREE + 1} different numbers or more, on the grid"
        raise ValueError(f"{rule} from {grid[0]} to {grid[-1]}, got {fewest}")


def controls(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the controls: degree, ridge penalty and which training set stands out."""
    return {
        "degree": {"values": list(range(_MAX_DEGREE + 1)), "value": 9},
        "penalty": {"values": _PENALTIES, "label": "ridge penalty λ"},
        "training_set": {"values": list(range(1, len(data["x"]) + 1)), "label": "training set"},
    }


def study(data: dict[str, Any], degree: int, penalty: float) -> dict[str, Any]:
    """Return the fits `(sets, grid)` and the errors at one degree, averaged over the sets."""
    low, high = data["grid"][0], data["grid"][-1]
    onto = [(2 * np.array(v) - low - high) / (high - low) for v in (data["grid"], *data["x"])]
    on_grid, *designs = (legvander(v, degree) for v in onto)
    shrink = np.sqrt(penalty) * np.eye(degree + 1)[1:]
    fits, train = [], []
    for design, y in zip(designs, data["y"], strict=True):
        rows = np.vstack([design / np.sqrt(len(y)), shrink])
        target = np.concatenate([np.array(y) / np.sqrt(len(y)), np.zeros(degree)])
        c = np.linalg.lstsq(rows, target, rcond=None)[0]
        fits.append(on_grid @ c)
        train.append(((design @ c - y) ** 2).mean())
    bias = ((np.mean(fits, 0) - data["truth"]) ** 2).mean()
    errors = {"bias": bias, "variance": np.var(fits, 0).mean(), "train": np.mean(train)}
    test = ((np.array(fits) - data["test"]) ** 2).mean()
    return {"fits": np.array(fits), "test": test, **errors}


def draw(figure: Any, values: dict[str, Any], data: dict[str, Any]) -> None:
    """Draw the fits, and the errors against the degree."""
    (left, right), s = figure.subplots(1, 2), values["training_set"] - 1
    studies = [study(data, degree, values["penalty"]) for degree in range(_MAX_DEGREE + 1)]
    fits = studies[values["degree"]]["fits"]
    left.plot(data["grid"], fits.T, "-", color="#cccccc", linewidth=1)
    left.plot(data["grid"], data["truth"], ":", color="black", label="true")
    left.plot(data["grid"], fits.mean(0), color="#0072B2", label=f"mean of {len(fits)}")
    left.plot(data["grid"], fits[s], color="#D55E00", label=f"fit to set {s + 1}")
    left.plot(data["x"][s], data["y"][s], "o", color="#D55E00", markersize=4)
    left.set(xlabel="x", ylabel="y", ylim=(np.min(data["y"]), np.max(data["y"])))
    for name in ("test", "train", "bias", "variance"):
        right.semilogy([one[name] for one in studies], label=name)
    size = np.var(data["truth"]) + data["noise"] ** 2
    right.axvline(values["degree"], color="#777777", linewidth=0.8)
    right.set(xlabel="degree", ylabel="error", ylim=(1e-3 * size, 1e2 * size))
    for ax in (left, right):
        ax.legend(fontsize=7)

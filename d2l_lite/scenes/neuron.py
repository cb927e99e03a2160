"""A threshold unit's line in the plane: what the scene needs, and its picture on paper."""

import math
from typing import Any

import numpy as np

_MAX_POINTS = 40
_CORNERS = [[0, 0], [0, 1], [1, 0], [1, 1]]
_GATES = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}
#: Two groups that one line separates; the script holds the same.
_LOW = [[0.1, 0.2], [0.4, 0.3], [0.6, 0.1], [0.2, 0.7]]
_HIGH = [[0.9, 0.5], [0.7, 0.8], [1.1, 0.7], [0.4, 1]]
_GROUPS: dict[str, Any] = {"points": _LOW + _HIGH, "labels": [0] * 4 + [1] * 4}
_HIDDEN = [(1, 1, -0.5), (1, 1, -1.5)]
_NETWORKS = ["one neuron", "two hidden units, move h₁", "two hidden units, move h₂"]


def check(data: dict[str, Any]) -> None:
    """Raise a ValueError unless the data are points of two classes, or nothing."""
    if not data:
        return
    if set(data) != {"points", "labels"}:
        rule = "data of scene 'neuron' needs points and labels, or nothing for its own points"
        raise ValueError(f"{rule}, got {sorted(data)}")
    points, labels = data["points"], data["labels"]
    shapes = {np.shape(point) for point in points}
    if shapes != {(2,)} or not 2 <= len(points) <= _MAX_POINTS:
        rule = f"data['points'] must be 2 to {_MAX_POINTS} pairs of numbers"
        raise ValueError(f"{rule}, got {len(points)} points of shapes {sorted(shapes)}")
    if len(labels) != len(points) or set(labels) != {0, 1}:
        rule = f"data['labels'] must be {len(points)} labels 0 or 1, both of them present"
        raise ValueError(f"{rule}, got {labels}")


def controls(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the controls; the bias reaches as far as the points need it."""
    reach = math.ceil(np.abs(data.get("points", _CORNERS)).max())
    reach = max(1, reach)
    weights = [round(0.1 * k, 1) for k in range(-20, 21)]
    biases = [round(0.05 * reach * k, 2) for k in range(-60, 61)]
    first = "given points" if data else "two groups"
    return {
        "points": {"values": [first, *_GATES], "value": "XOR"},
        "network": {"values": _NETWORKS},
        "w1": {"values": weights, "value": 1, "label": "w₁"},
        "w2": {"values": weights, "value": 1, "label": "w₂"},
        "b": {"values": biases, "value": -0.5 * reach},
    }


def example() -> dict[str, Any]:
    """Return what `explore` needs to show the scene."""
    return {"label": "One neuron's line, and what two hidden units add"}


def point_set(values: dict[str, Any], data: dict[str, Any]) -> tuple[Any, Any]:
    """Return the points `(n, 2)` and the labels `(n,)` that are shown."""
    own = data or _GROUPS
    labels = _GATES.get(values["points"])
    return (_CORNERS, np.array(labels)) if labels else (own["points"], np.array(own["labels"]))


def outputs(values: dict[str, Any], points: Any) -> tuple[Any, Any]:
    """Return the network's output `(n,)` at each point, and the hidden outputs `(n, 2)` or None."""
    points = np.asarray(points, dtype=float)
    moved = (values["w1"], values["w2"], values["b"])
    at = _NETWORKS.index(values["network"]) - 1
    units = [moved] if at < 0 else [moved if i == at else unit for i, unit in enumerate(_HIDDEN)]
    fired = np.column_stack([points @ (w1, w2) + b > 0 for w1, w2, b in units])
    return (fired[:, 0], None) if at < 0 else (fired[:, 0] & ~fired[:, 1], fired)


def draw(figure: Any, values: dict[str, Any], data: dict[str, Any]) -> None:
    """Draw the plane with the line, and what the output is computed from."""
    (points, labels), (left, right) = point_set(values, data), figure.subplots(1, 2)
    points = np.asarray(points, dtype=float)
    margin = 0.3 * np.ptp([*points.ravel(), 0, 1])
    low, high = min(0, points.min()) - margin, max(1, points.max()) + margin
    axis = np.linspace(low, high, 200)
    x, y = np.meshgrid(axis, axis)
    region = outputs(values, np.column_stack([x.ravel(), y.ravel()]))[0].reshape(x.shape)
    left.contourf(x, y, region, levels=[0.5, 1.5], colors=["#D55E0030"])
    w = np.array([values["w1"], values["w2"]])
    left.contour(x, y, w[0] * x + w[1] * y + values["b"], levels=[0], colors="black")
    hidden = outputs(values, points)[1]
    right_x, right_y = (points @ w + values["b"], labels) if hidden is None else hidden.T
    for label, face in ((0, "none"), (1, "#D55E00")):
        style = {"marker": "o", "linestyle": "", "markerfacecolor": face, "markersize": 6}
        for ax, places in ((left, points), (right, np.column_stack([right_x, right_y]))):
            ax.plot(*places[labels == label].T, color=["#0072B2", "#D55E00"][label], **style)
    left.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal", xlim=(low, high), ylim=(low, high))
    names = ("$w·x + b$", "output and class") if hidden is None else ("$h_1$", "$h_2$")
    right.set(xlabel=names[0], ylabel=names[1])
    if hidden is None:
        low, high = right.get_xlim()
        right.plot([low, 0, 0, high], [0, 0, 1, 1], color="black", zorder=1)

"""Points projected onto a line: what the scene needs, and its picture without a browser."""

from typing import Any

import numpy as np

_MAX_POINTS = 300


def example() -> dict[str, Any]:
    """Return label and data of an example: two lengths measured on 150 iris flowers."""
    from sklearn.datasets import load_iris

    points = load_iris().data[:, [0, 2]].tolist()
    return {
        "data": {"points": points, "names": ["sepal length (cm)", "petal length (cm)"]},
        "label": "What a projection of iris flowers onto a line keeps of their variance",
    }


def check(data: dict[str, Any]) -> None:
    """Take the example's data for none; raise a ValueError unless they are points of the plane."""
    data.update({} if data else example()["data"])
    if not {"points"} <= set(data) <= {"points", "names"}:
        raise ValueError(f"data of scene 'projection' needs points (names), got {sorted(data)}")
    rows = data["points"]
    pairs = isinstance(rows, list) and all(np.shape(row) == (2,) for row in rows)
    if not pairs or any(isinstance(v, str) for row in rows for v in row):
        raise ValueError(f"data['points'] must be rows of two numbers, got {rows}")
    if not 3 <= len(rows) <= _MAX_POINTS:
        raise ValueError(f"data['points'] must be 3 to {_MAX_POINTS} points, got {len(rows)}")
    if not np.ptp(rows, 0).all():
        raise ValueError(f"data['points'] must vary in both features, got ranges {np.ptp(rows, 0)}")
    names = data.get("names", ["", ""])
    if np.shape(names) != (2,) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"data['names'] must be two strings, got {names}")


def controls(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the controls: the angle of the line in degrees, and the scale of the features."""
    return {
        "angle": {"values": list(range(180)), "value": 20, "label": "angle of the line (°)"},
        "features": {"values": ["centered", "standardized"]},
    }


def prepare(values: dict[str, Any], data: dict[str, Any]) -> Any:
    """Return the points `(n, 2)` with mean 0, and if standardized with variance 1."""
    points = np.array(data["points"], dtype=float)
    points -= points.mean(0)
    return points / points.std(0) if values["features"] == "standardized" else points


def split(points: Any, degrees: Any) -> tuple[Any, Any]:
    """Return the variance kept on a line at each angle, and the mean squared distance from it."""
    kept = np.cov(points.T, bias=True)
    u = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    along = np.einsum("i...,ij,j...->...", u, kept, u)
    return along, np.trace(kept) - along


def principal_angle(points: Any) -> float:
    """Return the angle of the first principal direction, in degrees from 0 to 180."""
    first = np.linalg.eigh(np.cov(points.T))[1][:, -1]
    return float(np.degrees(np.arctan2(first[1], first[0])) % 180)


def draw(figure: Any, values: dict[str, Any], data: dict[str, Any]) -> None:
    """Draw points and line, the variance kept against the angle, and the projections."""
    points = prepare(values, data)
    left, top, low = figure.subplot_mosaic([["plane", "kept"], ["plane", "low"]]).values()
    u = np.array([np.cos(np.radians(values["angle"])), np.sin(np.radians(values["angle"]))])
    along, best = points @ u, principal_angle(points)
    feet = np.outer(along, u)
    left.plot(*np.stack([points, feet]).transpose(2, 0, 1), "-", color="#999999", linewidth=0.7)
    left.plot(*points.T, "o", color="black", markersize=2)
    left.plot(*feet.T, "o", color="#0072B2", markersize=2)
    left.axline((0, 0), tuple(u), color="#0072B2")
    slope = np.radians(best)
    left.axline((0, 0), (np.cos(slope), np.sin(slope)), color="#D55E00", linestyle="--")
    names = [f"{name}, {values['features']}" for name in data.get("names", ["$x_1$", "$x_2$"])]
    left.set_aspect("equal", adjustable="datalim")
    left.set(xlabel=names[0], ylabel=names[1])
    total = points.var(0).sum()
    top.plot(np.arange(180), split(points, np.arange(180))[0] / total)
    top.axvline(best, color="#D55E00", linestyle="--")
    top.plot(values["angle"], split(points, values["angle"])[0] / total, "o", color="#0072B2")
    top.set(xlabel="angle in degrees", ylabel="variance kept", ylim=(0, 1))
    low.hist(along, bins=24, color="#0072B2")
    low.set(xlabel="projection", ylabel="points")

"""An activation function and its derivative: the scene's controls, and its picture on paper."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

_REACH, _FLAT = 6.0, 0.01


def _sigmoid(z: Any) -> Any:
    return np.exp(-np.logaddexp(0.0, -z))


def _tanh_slope(z: Any, alpha: float) -> Any:
    return 1 - np.tanh(z) ** 2


def _below(z: Any) -> Any:
    """Return the standard normal distribution function."""
    return 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))


def _density(z: Any) -> Any:
    return np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def _hard_slope(z: Any, alpha: float) -> Any:
    return np.where(z <= -3, 0.0, np.where(z < 3, z / 3 + 0.5, 1.0))


def _rectified(slope: Callable[[float], float]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return (
        lambda z, a: np.where(z > 0, z, slope(a) * z),
        lambda z, a: np.where(z > 0, 1.0, slope(a)),
    )


#: Each function of z and α, and its derivative with respect to z; at a kink the one PyTorch takes.
FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "sigmoid": (lambda z, a: _sigmoid(z), lambda z, a: _sigmoid(z) * _sigmoid(-z)),
    "tanh": (lambda z, a: np.tanh(z), _tanh_slope),
    "ReLU": _rectified(lambda a: 0.0),
    "leaky ReLU": _rectified(lambda a: 0.01),
    "PReLU": _rectified(lambda a: a),
    "ELU": (
        lambda z, a: np.where(z > 0, z, a * np.expm1(np.minimum(z, 0))),
        lambda z, a: np.where(z > 0, 1.0, a * np.exp(np.minimum(z, 0))),
    ),
    "SiLU (swish)": (
        lambda z, a: z * _sigmoid(z),
        lambda z, a: _sigmoid(z) * (1 + z * _sigmoid(-z)),
    ),
    "hard-swish": (lambda z, a: z * np.clip(z + 3, 0, 6) / 6, _hard_slope),
    "GELU": (lambda z, a: z * _below(z), lambda z, a: _below(z) + z * _density(z)),
    "softplus": (lambda z, a: np.logaddexp(0.0, z), lambda z, a: _sigmoid(z)),
}


def check(data: dict[str, Any]) -> None:
    """Raise a ValueError unless there are no data: the functions are known."""
    if data:
        raise ValueError(f"scene 'activations' takes no data, got {sorted(data)}; leave data out")


def controls(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the controls: the function, its α where it has one, and the input."""
    inputs = [round(0.1 * k, 1) for k in range(-60, 61)]
    slopes = [round(0.05 * k, 2) for k in range(41)]
    return {
        "activation": {"values": list(FUNCTIONS), "value": "ELU"},
        "alpha": {"values": slopes, "value": 1, "label": "α (PReLU, ELU)"},
        "z": {"values": inputs, "value": -5, "label": "input z", "play": True},
    }


def example() -> dict[str, Any]:
    """Return what `explore` needs to show the scene."""
    return {"label": "An activation function and its slope"}


def evaluate(values: dict[str, Any], z: Any) -> tuple[Any, Any]:
    """Return value and slope at each input, both of the inputs' shape."""
    z = np.asarray(z, dtype=float)
    value, slope = (f(z, values["alpha"]) for f in FUNCTIONS[values["activation"]])
    return value, slope


def draw(figure: Any, values: dict[str, Any], data: dict[str, Any]) -> None:
    """Draw the function with its tangent, and its derivative."""
    left, right = figure.subplots(1, 2)
    z, at = np.linspace(-_REACH, _REACH, 481), values["z"]
    curve, slopes = evaluate(values, z)
    value, slope = (float(v) for v in evaluate(values, at))
    for ax, y, here, name in ((left, curve, value, "value"), (right, slopes, slope, "slope")):
        jump = np.abs(np.diff(y, prepend=y[0])) > (0.08 if name == "slope" else np.inf)
        ax.plot(z, np.where(jump, np.nan, y), color="#0072B2")
        ax.plot(at, here, "o", color="#D55E00")
        flat = np.abs(slopes) < _FLAT
        ax.fill_between(z, 0, 1, where=flat, transform=ax.get_xaxis_transform(), color="#dddddd")
        ax.set(xlabel="$z$", ylabel=name, ylim=(min(-0.1, y.min() - 0.1), max(1.1, y.max() + 0.1)))
    left.axline((at, value), slope=slope, color="#D55E00", linestyle="--")

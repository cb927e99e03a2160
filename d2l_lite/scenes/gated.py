"""A gated cell with one number as its state: what the scene needs, and a picture of it."""

from typing import Any

import numpy as np

_SHAPES = {"LSTM": (4, 2), "GRU": (3, 2), "RNN": (1,)}
_MAX_INPUTS = 60
_GATES = {"LSTM": ["forget", "input", "output"], "GRU": ["update", "reset"], "RNN": ["factor"]}
# Weights of input and state: LSTM input, forget, cell, output; GRU reset, update, new; RNN.
_WEIGHTS = {
    "LSTM": [[8, 0.1], [0, 0.1], [1.5, 0.1], [0, 0.1]],
    "GRU": [[0, 0.5], [-6, 0.5], [1.5, 0.5]],
    "RNN": [1.5],
}


def example(num_inputs: int = 24, seed: int = 4) -> dict[str, Any]:
    """Return label and data of an example: one pulse to remember, then distractors."""
    distractors = np.random.default_rng(seed).uniform(-0.3, 0.3, num_inputs - 1).round(2)
    return {
        "data": {"inputs": [1.0, *distractors.tolist()], "weights": _WEIGHTS},
        "label": "What an LSTM, a GRU and a plain RNN keep of their first state",
    }


def _shape(rows: Any) -> tuple[int, ...]:
    """Return the shape of an array of numbers, () for anything else."""
    values = np.array(rows, dtype=object)
    return values.shape if all(isinstance(v, int | float) for v in values.flat) else ()


def check(data: dict[str, Any]) -> None:
    """Take the example's data for none; raise a ValueError unless they are inputs and weights."""
    data.update({"weights": _WEIGHTS, **data} if data else example()["data"])
    if set(data) != {"inputs", "weights"} or not isinstance(data["weights"], dict):
        raise ValueError(f"scene 'gated' needs inputs (and weights of cells), got {sorted(data)}")
    inputs = data["inputs"]
    if len(_shape(inputs)) != 1 or not 2 <= len(inputs) <= _MAX_INPUTS:
        rule = f"data['inputs'] must be 2 to {_MAX_INPUTS} numbers"
        raise ValueError(f"{rule}, got {inputs}")
    got = {cell: _shape(rows) for cell, rows in data["weights"].items()}
    if got != _SHAPES:
        raise ValueError(f"data['weights'] must have the shapes {_SHAPES}, got {got}")


def controls(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the controls: cell, biases of its gates, the RNN's weight, and the step."""
    halves = (np.arange(-16, 17) / 2).tolist()
    steps = list(range(len(data["inputs"]) + 1))
    return {
        "forget": {"values": halves, "value": 4, "label": "forget bias (GRU: update)"},
        "input": {"values": halves, "value": -5, "label": "input bias (GRU: reset)"},
        "output": {"values": halves, "value": 2, "label": "output bias (LSTM)"},
        "recurrent": {"values": [u / 10 for u in range(21)], "value": 0.9, "label": "u of the RNN"},
        "cell": {"values": ["LSTM", "GRU", "RNN"]},
        "step": {"values": steps, "value": steps[-1], "label": "inputs read", "play": True},
    }


def _sigmoid(v: Any) -> Any:
    return 1 / (1 + np.exp(-v))


def _next(values: dict[str, Any], weights: Any, given: tuple[Any, Any, Any]) -> list[Any]:
    """Return the next state c, hidden state h and gates."""
    x, c, h = given
    if values["cell"] == "RNN":
        h = np.tanh(weights[0] * x + values["recurrent"] * h)
        return [h, h, values["recurrent"] * (1 - h * h)]
    sums = [w * x + u * h for w, u in weights]
    if values["cell"] == "GRU":
        r, z = _sigmoid(sums[0] + values["input"]), _sigmoid(sums[1] + values["forget"])
        h = (1 - z) * np.tanh(weights[2][0] * x + r * weights[2][1] * h) + z * h
        return [h, h, z, r]
    i, f = _sigmoid(sums[0] + values["input"]), _sigmoid(sums[1] + values["forget"])
    o = _sigmoid(sums[3] + values["output"])
    c = f * c + i * np.tanh(sums[2])
    return [c, o * np.tanh(c), f, i, o]


def run(values: dict[str, Any], data: dict[str, Any]) -> tuple[Any, Any]:
    """Return c, h and gates `(inputs, 2 + gates)`, and the derivatives of c by the first state."""
    tiny = 1e-30j  # an imaginary step differentiates without rounding
    rows = [[tiny, 0.0 if values["cell"] == "LSTM" else tiny]]
    for x in data["inputs"]:
        rows.append(_next(values, data["weights"][values["cell"]], (x, *rows[-1][:2])))
    states = np.array(rows[1:])
    return states.real, states[:, 0].imag / tiny.imag


def draw(figure: Any, values: dict[str, Any], data: dict[str, Any]) -> None:
    """Draw inputs and states, gates, and the derivatives by the first state."""
    top, right, low = figure.subplot_mosaic([["s", "d"], ["g", "d"]]).values()
    (states, slopes), k = run(values, data), values["step"]
    t = np.arange(1, len(states) + 1)
    top.bar(t, data["inputs"], width=0.3, color="black", label="input")
    for i, name in enumerate(["c", "h", *_GATES[values["cell"]]]):
        (top if i < 2 else low).plot(t[:k], states[:k, i], label=name)
    right.semilogy(t[:k], np.abs(slopes[:k]), label=values["cell"])
    plain = run({**values, "cell": "RNN"}, data)[1]
    right.semilogy(t[:k], np.abs(plain[:k]), label="plain RNN")
    right.set(xlabel="inputs read", ylabel="derivative by first state", ylim=(1e-6, 10))
    for ax in (top, low, right):
        ax.legend(fontsize=7)

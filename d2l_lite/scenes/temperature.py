"""Sampling from logits at a temperature: what the scene needs, and its picture with no browser."""

from typing import Any

import numpy as np

_MAX_SYMBOLS, _SAMPLED = 40, 60
_TEXT = """the weather on the coast changed without warning and the fishermen turned their boats to
the harbor there they waited for the wind to rest and told each other stories of whales and storms
the oldest of them knew the names of all the winds he said that the north wind brings rain that the
west wind brings a clear sky and that no one can trust the wind that comes from the south when the
sun went down the women lit the lamps in the windows and the light lay on the wet stones of the
street a child asked why the sea never sleeps and her mother answered that it dreams with its eyes
open in the morning the water was as flat as a table the boats went out again one after another and
the gulls followed them until they were small white points over the deep green water in the evening
the nets were heavy with silver fish and everyone in the village ate well that night
"""


def example(smoothing: float = 0.05) -> dict[str, Any]:
    """Return label and data of an example: which character follows which in an English text."""
    text = " ".join(_TEXT.split()).replace(" ", "␣")
    symbols = sorted(set(text), key=lambda symbol: (symbol == "␣", symbol))
    counts = np.full((len(symbols), len(symbols)), smoothing)
    for one, other in zip(text, text[1:] + "␣", strict=True):
        counts[symbols.index(one), symbols.index(other)] += 1
    return {
        "data": {"symbols": symbols, "logits": np.log(counts).round(3).tolist()},
        "label": "Temperature, top-k and top-p when the next character is sampled",
    }


def check(data: dict[str, Any]) -> None:
    """Take the example's data for none; raise a ValueError unless they are symbols with logits."""
    data.update({} if data else example()["data"])
    if set(data) != {"symbols", "logits"}:
        raise ValueError(f"scene 'temperature' needs symbols and logits, got {sorted(data)}")
    names = data["symbols"]
    fits = isinstance(names, list) and all(isinstance(name, str) and name for name in names)
    if not fits or not 2 <= len(set(names)) == len(names) <= _MAX_SYMBOLS:
        rule = f"data['symbols'] must be 2 to {_MAX_SYMBOLS} different strings"
        raise ValueError(f"{rule}, got {names}")
    shapes, got = [(len(names),), (len(names), len(names))], np.array(data["logits"], dtype=object)
    if got.shape not in shapes or not all(isinstance(v, int | float) for v in got.flat):
        rule = f"must be numbers of shape {shapes[0]}, or a row for each symbol before: {shapes[1]}"
        raise ValueError(f"data['logits'] {rule}, got shape {got.shape}")


def controls(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the controls: how to cut the distribution, what came before it, and the seed."""
    n, rows = len(data["symbols"]), np.ndim(data["logits"]) == 2
    start = "t" if "t" in data["symbols"] else data["symbols"][0]
    return {
        "temperature": {"values": [t / 10 for t in range(1, 31)], "value": 0.7},
        "top_k": {"values": list(range(1, n + 1)), "value": n, "label": "top-k"},
        "top_p": {"values": [p / 20 for p in range(2, 21)], "value": 0.95, "label": "top-p"},
        **({"after": {"values": data["symbols"], "value": start}} if rows else {}),
        "draw": {"values": list(range(1, 31)), "label": "draw again (seed)"},
    }


def chances(values: dict[str, Any], logits: Any) -> Any:
    """Return the probabilities `(n,)` after temperature, top-k and top-p."""
    z = np.array(logits) / values["temperature"]
    p, ranked = np.exp(z - z.max()), np.argsort(-np.array(logits), kind="stable")
    p[ranked[values["top_k"] :]] = 0
    before = np.cumsum(p[ranked] / p.sum()) - p[ranked] / p.sum()
    if values["top_p"] < 1:
        p[ranked[before >= values["top_p"] - 1e-12]] = 0
    return p / p.sum()


def uniform(seed: int) -> Any:
    """Yield uniform numbers in [0, 1) by the generator mulberry32."""
    state, mask = seed, 2**32 - 1
    while True:
        state = (state + 0x6D2B79F5) & mask
        t = ((state ^ state >> 15) * (1 | state)) & mask
        t = (t + (t ^ t >> 7) * (61 | t) & mask) ^ t
        yield ((t ^ t >> 14) & mask) / 2**32


def draw(figure: Any, values: dict[str, Any], data: dict[str, Any]) -> None:
    """Draw the distribution before and after, and the entropy against the temperature."""
    left, right = figure.subplots(1, 2)
    logits = np.atleast_2d(data["logits"])
    logits = logits[data["symbols"].index(values["after"]) if "after" in values else 0]
    whole = {"temperature": 1, "top_k": len(logits), "top_p": 1}
    ranked = np.argsort(-logits, kind="stable")
    names = [data["symbols"][i] for i in ranked]
    left.bar(names, chances(values, logits)[ranked], label="now")
    left.step(names, chances(whole, logits)[ranked], "C1", where="mid", label="T = 1, all symbols")
    left.set(xlabel="next symbol", ylabel="probability", ylim=(0, 1))
    ts = np.linspace(0.05, 3, 60)
    for name, setting in (("top-k and top-p", values), ("all symbols", whole)):
        p = np.array([chances({**setting, "temperature": t}, logits) for t in ts])
        bits = -(p * np.log2(np.where(p > 0, p, 1))).sum(1)
        right.plot(ts, bits, label=name)
    right.axvline(values["temperature"], color="#777777")
    right.set(xlabel="temperature $T$", ylabel="entropy in bits")
    for ax in (left, right):
        ax.legend(fontsize=7)

"""A convolution on a small image: what the scene needs, and its picture without a browser."""

from typing import Any

import numpy as np

_MAX_IMAGE, _MAX_KERNEL = 16, 7


def _matrix(name: str, rows: Any, largest: int) -> None:
    shape = {len(row) if isinstance(row, list) else 0 for row in rows} if rows else set()
    if len(shape) != 1 or not 1 <= max(len(rows), *shape) <= largest or 0 in shape:
        rule = f"must be equally long rows of numbers, at most {largest}×{largest}"
        raise ValueError(f"{name} {rule}, got {rows}")


def check(data: dict[str, Any]) -> None:
    """Raise a ValueError unless the data are an image and named kernels."""
    if set(data) != {"image", "kernels"} or not isinstance(data["kernels"], dict):
        rule = "data of scene 'convolution' needs image (rows) and kernels (name to rows)"
        raise ValueError(f"{rule}, got {sorted(data)}")
    _matrix("data['image']", data["image"], _MAX_IMAGE)
    for name, rows in data["kernels"].items():
        _matrix(f"data['kernels'][{name!r}]", rows, _MAX_KERNEL)


def controls(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the controls; the browser bounds the output cell by the size of the output."""
    padding = [0, 1, 2, 3]
    rows, cols = (n + 2 * padding[-1] for n in np.shape(data["image"]))
    return {
        "kernel": {"values": list(data["kernels"])},
        "stride": {"values": [1, 2, 3]},
        "padding": {"values": padding},
        "dilation": {"values": [1, 2, 3]},
        "position": {"values": list(range(rows * cols)), "label": "output cell", "play": True},
    }


def example() -> dict[str, Any]:
    """Return label and data of an example: a handwritten digit, an edge filter and a mean."""
    from sklearn.datasets import load_digits

    kernels = {"edge": [[1, 0, -1]] * 3, "mean": np.full((3, 3), 1 / 9)}
    data = {"image": load_digits().images[3], "kernels": kernels}
    return {"label": "A kernel on a handwritten digit", "data": data}


def convolve(values: dict[str, Any], data: dict[str, Any]) -> Any:
    """Return the output `(rows, cols)`, empty where the kernel does not fit."""
    padded = np.pad(np.array(data["image"], dtype=float), values["padding"])
    kernel = np.array(data["kernels"][values["kernel"]], dtype=float)
    spans = [values["dilation"] * (k - 1) + 1 for k in kernel.shape]
    if any(span > n for span, n in zip(spans, padded.shape, strict=True)):
        return np.zeros((0, 0))
    windows = np.lib.stride_tricks.sliding_window_view(padded, spans)
    s, d = values["stride"], values["dilation"]
    return np.einsum("ijkl,kl->ij", windows[::s, ::s, ::d, ::d], kernel)


def draw(figure: Any, values: dict[str, Any], data: dict[str, Any]) -> None:
    """Draw the padded input, the kernel and the output."""
    padded = np.pad(np.array(data["image"], dtype=float), values["padding"])
    kernel, output = np.array(data["kernels"][values["kernel"]]), convolve(values, data)
    for ax, name, matrix in zip(
        figure.subplots(1, 3), ("input", "kernel", "output"), (padded, kernel, output), strict=True
    ):
        top = np.abs(matrix).max(initial=1e-9)
        limits = {} if name == "input" else {"vmin": -top, "vmax": top}
        if matrix.size:
            ax.imshow(matrix, cmap="gray" if name == "input" else "RdBu_r", **limits)
        ax.set_title(f"{name} {matrix.shape[0]} × {matrix.shape[1]}")
        ax.set_axis_off()

"""The book's figures: one style, curves, image grids, contours and heat maps.

In a notebook end the call with a semicolon, or the axes that it returns are printed as well.
"""

import io
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:  # Matplotlib is imported by the first figure: `import d2l_lite` stays quick
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from d2l_lite.training import History

#: Colors that stay apart for color-blind readers, in the order of use.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")
#: The second cue beside color, in the same order.
LINE_STYLES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_WIDTHS = {"single": 4.8, "wide": 7.2}  # inches
_MARKERS = "os^Dv"
_MAX_MARKED_POINTS = 15
_IMAGE_DPI = 144
_CSS_DPI = 96


def use_style() -> None:
    """Apply the book's style; in a notebook, figures of lines become SVG and images PNG.

    The bytes of a figure depend on its content alone: SVG carries no date and fixed element ids.
    """
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    plt.style.use("d2l_lite.d2l_lite")
    ipython = sys.modules.get("IPython")  # there already if, and only if, this is a notebook
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        plt.switch_backend(plt.get_backend())  # the inline backend registers its formatters first
        formatters = shell.display_formatter.formatters
        formatters["image/svg+xml"].for_type(Figure, _svg)
        formatters["image/png"].for_type(Figure, _png)


def _svg(figure: "Figure") -> str | None:
    """Return the SVG of a figure of lines, None for a figure that holds images."""
    if any(ax.images for ax in figure.axes) or not figure.axes:
        return None
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _png(figure: "Figure") -> tuple[bytes, dict[str, int]] | None:
    """Return the PNG of a figure that holds images with its width in the page, else None."""
    if not any(ax.images for ax in figure.axes):
        return None
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_IMAGE_DPI, metadata={"Software": None})
    return buffer.getvalue(), {"width": round(figure.get_figwidth() * _CSS_DPI)}


def _array(value: Any) -> np.ndarray[Any, Any]:
    """Return a tensor (on any device, with or without gradient) or a sequence as an array."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def _axes(ax: "Axes | None", height: float, width: str = "single") -> "Axes":
    """Return the axes given, or those of a new figure."""
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(_WIDTHS[width], height))[1] if ax is None else ax


def series_points(label: str, values: Any, x: Any = None) -> tuple[Any, Any]:
    """Return the arrays x and y of a series given as `y` or `(x, y)`, or raise a ValueError."""
    if isinstance(values, tuple):
        if len(values) != 2:
            raise ValueError(f"series {label!r} must be y or (x, y), got {len(values)} items")
        x, values = values
    y = _array(values)
    x = np.arange(y.size) if x is None else _array(x)
    if x.ndim != 1 or x.shape != y.shape:
        rule = "x and y must be one-dimensional and equally long"
        raise ValueError(f"series {label!r}: {rule}, got shapes {x.shape} and {y.shape}")
    return x, y


def plot_curves(
    series: Mapping[str, Any],
    *,
    x: Any = None,
    xlabel: str,
    ylabel: str,
    xscale: Literal["linear", "log"] = "linear",
    yscale: Literal["linear", "log"] = "linear",
    title: str | None = None,
    width: Literal["single", "wide"] = "single",
    ax: "Axes | None" = None,
) -> "Axes":
    """Return axes with one line for each series, in the book's colors and line styles.

    Args:
        series: label to `y (n,)` or to `(x (n,), y (n,))`; arrays, tensors or lists.
        x: the common abscissa `(n,)` of series given as `y` alone; 0, 1, 2, … by default.
        xlabel: what the horizontal axis shows, with its unit.
        ylabel: what the vertical axis shows, with its unit.
        xscale: "linear" or "log".
        yscale: "linear" or "log".
        title: a title above the axes.
        width: "single" (4.8 inches) or "wide" (7.2 inches) for new axes.
        ax: axes to draw on, new ones by default.

    Returns:
        The axes.

    Raises:
        ValueError: there is no series, or x and y of a series differ in length.
    """
    if not series:
        raise ValueError("series must hold at least one curve, got an empty mapping")
    points = {label: series_points(label, values, x) for label, values in series.items()}
    ax = _axes(ax, 3.0, width)
    for i, (label, (xs, ys)) in enumerate(points.items()):
        style = LINE_STYLES[(i + i // len(COLORS)) % len(LINE_STYLES)]
        marker = _MARKERS[i % len(_MARKERS)] if xs.size <= _MAX_MARKED_POINTS else ""
        ax.plot(xs, ys, color=COLORS[i % len(COLORS)], ls=style, marker=marker, label=label)
    ax.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
    if title is not None:
        ax.set_title(title)
    if len(points) > 1:
        ax.legend()
    return ax


def plot_history(
    history: "History", names: Sequence[str] | None = None, *, ax: "Axes | None" = None
) -> "Axes":
    """Return axes with recorded quantities of a training against the epoch.

    Args:
        history: what `fit` returned.
        names: keys of `history.values`; all recorded losses by default.
        ax: axes to draw on, new ones by default.

    Returns:
        The axes.

    Raises:
        KeyError: a name was not recorded.
    """
    recorded = history.values
    names = [name for name in recorded if name.endswith("loss")] if names is None else names
    for name in names:
        if name not in recorded:
            raise KeyError(f"{name!r} was not recorded; the history holds {', '.join(recorded)}")
    series = {name.replace("_", " "): (history.epochs, recorded[name]) for name in names}
    kinds = {name.rsplit("_", 1)[-1] for name in names}
    return plot_curves(
        series, xlabel="epoch", ylabel=kinds.pop() if len(kinds) == 1 else "value", ax=ax
    )


def _pictures(X: Any) -> np.ndarray[Any, Any]:
    """Return images `(n,h,w)`, `(n,c,h,w)` or `(n,h,w,c)` as `(n,h,w)` or `(n,h,w,3)`."""
    images = _array(X)
    shape = images.shape
    if images.ndim == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3):
        images = np.moveaxis(images, 1, 3)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.shape[3:] not in ((), (3,)) or images.ndim < 3 or not images.size:
        rule = "X must be images (n, h, w), (n, c, h, w) or (n, h, w, c) with c 1 or 3"
        raise ValueError(f"{rule}, got shape {shape}")
    return images


def show_images(
    X: Any,
    titles: Iterable[Any] | None = None,
    *,
    num_cols: int = 8,
    cmap: str = "gray",
    scale: float = 1.0,
) -> "list[Axes]":
    """Return one axes for each image of a grid, filled row by row.

    All images with one channel share one scale of brightness, so that they can be compared.

    Args:
        X: images `(n,h,w)`, `(n,c,h,w)` or `(n,h,w,c)` with one or three channels.
        titles: `n` titles, one for each image.
        num_cols: images in a full row.
        cmap: color map of images with one channel.
        scale: width of a full row; 1 is 4.8 inches, 1.5 is 7.2 inches.

    Returns:
        The axes, one for each image.

    Raises:
        ValueError: the shape is not one of those, or there are not `n` titles.
    """
    import matplotlib.pyplot as plt

    images = _pictures(X)
    labels = [""] * len(images) if titles is None else [str(title) for title in titles]
    if len(labels) != len(images):
        raise ValueError(f"titles must be one for each image, got {len(labels)} for {len(images)}")
    cols = min(num_cols, len(images))
    rows = math.ceil(len(images) / cols)
    side = _WIDTHS["single"] * scale / num_cols
    height = side * images.shape[1] / images.shape[2] + (0.2 if titles is not None else 0.0)
    pads = {"w_pad": 0.02, "h_pad": 0.02, "wspace": 0.02, "hspace": 0.02}
    figure = plt.figure(figsize=(side * cols, height * rows))
    figure.set_layout_engine("constrained", **pads)
    axes = [figure.add_subplot(rows, cols, i + 1) for i in range(len(images))]
    for ax, image, label in zip(axes, images, labels, strict=True):
        ax.imshow(image, cmap=cmap, vmin=images.min(), vmax=images.max())
        ax.set_axis_off()
        ax.set_title(label, fontsize=9, pad=2)
    return axes


def plot_contour(
    f: Callable[[Any, Any], Any],
    xlim: tuple[float, float],
    ylim: tuple[float, float],
    *,
    levels: int | Sequence[float] = 12,
    path: Any = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Return axes with the contour lines of a function of two variables.

    Args:
        f: function of two arrays `(100, 100)` of coordinates, elementwise.
        xlim: left and right end.
        ylim: lower and upper end.
        levels: number of contour lines, or their values in increasing order.
        path: points `(k, 2)` visited by an algorithm, from first (square) to last (large disk).
        ax: axes to draw on, new ones by default.

    Returns:
        The axes; name them with `ax.set(xlabel=…, ylabel=…)`.

    Raises:
        ValueError: `f` does not answer elementwise, or `path` is not `(k, 2)`.
    """
    x, y = np.meshgrid(np.linspace(*xlim, 100), np.linspace(*ylim, 100))
    z = _array(f(x, y))
    points = np.empty((0, 2)) if path is None else _array(path)
    if z.shape != x.shape or points.shape[1:] != (2,):
        rule = f"f must return shape {x.shape} and path be (k, 2)"
        raise ValueError(f"{rule}, got {z.shape} and {points.shape}")
    ax = _axes(ax, 3.6)
    ax.contour(x, y, z, levels=levels, cmap="viridis")
    ax.plot(*points.T, color=COLORS[1], ls="-", marker=".")
    ax.plot(*points[:1].T, color=COLORS[1], marker="s")
    ax.plot(*points[-1:].T, color=COLORS[1], marker="o", ms=8)
    ax.set(xlim=xlim, ylim=ylim)
    return ax


def heatmap(
    Z: Any,
    *,
    xlabel: str,
    ylabel: str,
    annotate: bool = False,
    diverging: bool = False,
    ax: "Axes | None" = None,
) -> "Axes":
    """Return axes with a matrix drawn as colors, its first row on top, and a color bar.

    Args:
        Z: matrix `(rows, cols)`.
        xlabel: what the columns are.
        ylabel: what the rows are.
        annotate: whether to write each entry into its cell.
        diverging: whether to use a two-sided color map centered on zero.
        ax: axes to draw on, new ones by default.

    Returns:
        The axes.

    Raises:
        ValueError: `Z` is not a matrix.
    """
    matrix = _array(Z)
    if matrix.ndim != 2:
        raise ValueError(f"Z must be a matrix (rows, cols), got shape {matrix.shape}")
    ax = _axes(ax, 3.2)
    top = float(np.abs(matrix).max())
    limits: dict[str, Any] = {"vmin": -top, "vmax": top, "cmap": "RdBu_r"} if diverging else {}
    image = ax.imshow(matrix, **limits)
    ax.figure.colorbar(image, ax=ax)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(False)
    ax.locator_params(integer=True)
    for (row, col), value in np.ndenumerate(matrix) if annotate else ():
        red, green, blue, _ = image.cmap(image.norm(value))
        ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
        ax.text(col, row, f"{value:.3g}", color=ink, ha="center", va="center")
    return ax

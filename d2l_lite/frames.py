"""Frames of an explorable: what a function returns for each setting, stored in little space."""

import base64
import io
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from d2l_lite.plotting import COLORS, plot_curves, series_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: A sheet of pictures is stored at the first of these qualities of WebP (100 means without loss)
#: at which it is small enough, and at the last if it is at none.
QUALITIES = (100, 90, 75, 50)
_SMALL_ENOUGH = 9_000  # bytes
_MAX_SIDE = 16_383  # pixels of a WebP
_GAP = 65_535  # code of a number that is not there


@dataclass(frozen=True)
class Curves:
    """Lines to be drawn for one setting of the controls.

    `series` maps labels to `(x (n,), y (n,))`, and so does `points`, drawn as disks below the
    lines; what is not finite, or not positive on a log axis, leaves a gap. Without `ylim` all
    frames share one range. Labels are plain text; `text` says in one or two sentences what the
    reader sees.
    """

    series: Mapping[str, tuple[Any, Any]]
    xlabel: str
    ylabel: str
    xscale: Literal["linear", "log"] = "linear"
    yscale: Literal["linear", "log"] = "linear"
    ylim: tuple[float, float] | None = None
    text: str = ""
    points: Mapping[str, tuple[Any, Any]] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        count = len(self.series) + len(self.points)
        if not count or {self.xscale, self.yscale} - {"linear", "log"}:
            rule = "Curves need a series or points, and scales 'linear' or 'log'"
            raise ValueError(f"{rule}, got {count} series, {self.xscale!r} and {self.yscale!r}")
        low, high = self.ylim or (1, 2)
        if not low < high or (self.yscale == "log" and low <= 0):
            rule = "ylim must be (low, high) with low < high, and positive on a log axis"
            raise ValueError(f"{rule}, got {self.ylim}")


@dataclass(frozen=True)
class Picture:
    """An image, `(h,w)` gray or `(h,w,3)` color, floats in [0, 1] or uint8, and what it shows.

    Pictures of one size are stored together: exactly where that is small, otherwise as a WebP of
    quality 50 or better, which tells tones apart but not a tone from its neighbor.
    """

    image: Any
    text: str = ""


def rounded(value: Any, digits: int = 4) -> Any:
    """Return a number with that many significant digits, as int where nothing is lost."""
    number = float(f"{float(value):.{digits}g}")
    return int(number) if number.is_integer() and abs(number) < 1e15 else number


def _gaps(values: Any, scale: str) -> list[Any]:
    """Return numbers rounded to what a screen can show, None where the axis cannot show them."""
    values = np.asarray(values, dtype=float)
    shown = np.isfinite(values) & ((values > 0) | (scale == "linear"))
    spread = float(np.ptp(values[shown])) if scale == "linear" and shown.any() else 0.0
    size = float(np.abs(values[shown]).max()) if spread else 1.0
    digits = 4 + math.ceil(math.log10(size / spread)) if 0 < spread < size else 4
    # A value far smaller than the axis is not worth its own four digits.
    values = np.round(values, 4 - math.floor(math.log10(spread))) if spread else values
    return [rounded(v, digits) if there else None for v, there in zip(values, shown, strict=True)]


def _limits(values: Iterable[Any], scale: str) -> list[float]:
    """Return the ends of an axis that shows all the values, with a small margin."""
    there = np.array([v for v in values if v is not None] or [1.0, 10.0], dtype=float)
    there = np.log10(there) if scale == "log" else there
    margin = 0.04 * float(np.ptp(there)) or 0.5
    ends = (float(there.min()) - margin, float(there.max()) + margin)
    return [rounded(10**end if scale == "log" else end, 8) for end in ends]


def _axes(head: list[Any], used: list[Any], pool: list[list[Any]]) -> dict[str, Any]:
    """Return axes on which all these lines are seen, so that the axes do not jump."""
    xlabel, ylabel, xscale, yscale, ylim = head
    xlim = _limits(itertools.chain.from_iterable(pool[x] for x, _ in used), xscale)
    ylim = ylim or _limits(itertools.chain.from_iterable(pool[y] for _, y in used), yscale)
    labels = {"xlabel": xlabel, "ylabel": ylabel, "xscale": xscale, "yscale": yscale}
    return {**labels, "xlim": xlim, "ylim": ylim}


def _scaled(result: Curves) -> Iterator[tuple[list[Any], str]]:
    """Yield x and y of each line, then of each set of points, each with its axis's scale."""
    for label, pair in [*result.series.items(), *result.points.items()]:
        for values, scale in zip(
            series_points(label, pair), (result.xscale, result.yscale), strict=True
        ):
            yield _gaps(values, scale), scale


def _packed(values: list[Any], scale: str) -> list[Any]:
    """Return an array in 16 bits a number, `[codes, low, high, is_log]`, where that is shorter.

    The codes, base64, run from 0 at `low` to 65,534 at `high`; 65,535 is a gap.
    """
    given = np.array([np.nan if v is None else v for v in values], dtype=float)
    shown, there = np.log10(given) if scale == "log" else given, np.isfinite(given)
    low, high = (float(shown[there].min()), float(shown[there].max())) if there.any() else (0, 0)
    parts = np.where(there, (shown - low) / ((high - low) or 1) * (_GAP - 1), _GAP)
    codes = base64.b64encode(np.rint(parts).astype("<u2").tobytes()).decode()
    ends = (rounded(end, 6 if scale == "log" else 9) for end in (low, high))
    packed = [codes, *ends, int(scale == "log")]
    return min(packed, values, key=lambda stored: len(json.dumps(stored, separators=(",", ":"))))


def _curves(results: list[Curves]) -> tuple[dict[str, Any], list[Any]]:
    """Return what all curves share, each part stored once, and the frames.

    A frame holds the places of its axes, of its labels, and of each x and y among the arrays.
    """
    arrays: dict[tuple[str, str], int] = {}
    heads: dict[str, int] = {}
    labels: dict[str, int] = {}
    frames: list[list[int]] = []
    for result in results:
        head = json.dumps([result.xlabel, result.ylabel, result.xscale, result.yscale, result.ylim])
        names = json.dumps([list(result.series), list(result.points)])
        frame = [heads.setdefault(head, len(heads)), labels.setdefault(names, len(labels))]
        for column, scale in _scaled(result):
            frame.append(arrays.setdefault((json.dumps(column), scale), len(arrays)))
        frames.append(frame)
    pool = [json.loads(text) for text, _ in arrays]
    axes = []
    for head, place in heads.items():
        mine = [frame[2:] for frame in frames if frame[0] == place]
        used = [(x, y) for frame in mine for x, y in zip(frame[::2], frame[1::2], strict=True)]
        axes.append(_axes(json.loads(head), used, pool))
    packed = [_packed(values, scale) for values, (_, scale) in zip(pool, arrays, strict=True)]
    shared = {"arrays": packed, "heads": axes, "labels": [json.loads(names) for names in labels]}
    return shared, frames


def _pixels(picture: Picture) -> np.ndarray[Any, Any]:
    """Return the pixels of a picture as uint8."""
    image = np.asarray(picture.image)
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or not image.size:
        raise ValueError(f"a Picture must be (h, w) or (h, w, 3), got shape {image.shape}")
    if image.dtype == np.uint8:
        return image
    low, high = image.min(), image.max()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"a Picture of floats must lie in [0, 1], got {low} to {high}")
    pixels: np.ndarray[Any, Any] = np.rint(image * 255).astype(np.uint8)
    return pixels


def _webp(pixels: np.ndarray[Any, Any], quality: int) -> bytes:
    from PIL import Image

    file, lossless = io.BytesIO(), quality == 100
    Image.fromarray(pixels).save(file, "webp", lossless=lossless, quality=quality, method=6)
    return file.getvalue()


def _woven(plain: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a sheet `(rows,h,columns,w,…)` with one block of rows × columns for each pixel.

    A block holds the pixel's values in all pictures. Every other block is mirrored, so that
    neighboring blocks meet at the same picture.
    """
    woven = plain.swapaxes(0, 1).swapaxes(2, 3).copy()
    woven[1::2] = woven[1::2, ::-1].copy()
    woven[:, :, 1::2] = woven[:, :, 1::2, ::-1].copy()
    return woven


def _sheet(images: np.ndarray[Any, Any], columns: int) -> dict[str, Any]:
    """Return pictures `(n,h,w)` or `(n,h,w,3)` as one WebP.

    They stand side by side or are woven, whichever takes less space: where neighbors on the grid
    look alike, the woven sheet is smooth.
    """
    (n, h, w), color = images.shape[:3], images.shape[3:]
    columns = columns if n % columns == 0 and 1 < columns < n else math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    if max(rows * h, columns * w) > _MAX_SIDE:
        rule = f"{rows} × {columns} pictures side by side may have {_MAX_SIDE} pixels a side"
        raise ValueError(f"{rule}, got {h} × {w} each; give them fewer pixels")
    filled = np.minimum(np.arange(rows * columns), n - 1)
    plain = images[filled].reshape(rows, columns, h, w, *color).swapaxes(1, 2)
    sheets = [sheet.reshape(rows * h, columns * w, *color) for sheet in (plain, _woven(plain))]
    for quality in QUALITIES:
        made = [_webp(sheet, quality) for sheet in sheets]
        webp = min(made, key=len)
        if len(webp) <= _SMALL_ENOUGH:
            break
    places = {"count": n, "size": [h, w], "grid": [rows, columns], "woven": webp is made[1]}
    return {**places, "webp": base64.b64encode(webp).decode()}


def _sheets(images: list[np.ndarray[Any, Any]], columns: int) -> tuple[list[Any], list[int]]:
    """Return one sheet for each size, and each picture's place, counted through all sheets."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for i, image in enumerate(images):
        sizes.setdefault(image.shape, []).append(i)
    order = list(itertools.chain.from_iterable(sizes.values()))
    places = {i: place for place, i in enumerate(order)}
    sheets = [_sheet(np.stack([images[i] for i in same]), columns) for same in sizes.values()]
    return sheets, [places[i] for i in range(len(images))]


def store(results: list[Curves | Picture], columns: int = 1) -> dict[str, Any]:
    """Return results, in rows of so many columns, as the data that the browser draws."""
    shared, curves = _curves([result for result in results if isinstance(result, Curves)])
    images = [_pixels(result) for result in results if isinstance(result, Picture)]
    sheets, places = _sheets(images, columns)
    lines, pictures = iter(curves), iter(places)
    frames = [next(pictures if isinstance(result, Picture) else lines) for result in results]
    texts = [result.text for result in results]
    return {**shared, "sheets": sheets, "frames": frames, "texts": texts if any(texts) else []}


def draw(figure: "Figure", result: Curves | Picture, *, frame: Any, data: dict[str, Any]) -> None:
    """Draw one result with Matplotlib, on the axes that all of them share."""
    ax = figure.subplots()
    if isinstance(result, Picture):
        ax.imshow(_pixels(result), cmap="gray", vmin=0, vmax=255)
        ax.set_axis_off()
        return
    head = dict(data["heads"][frame[0]])
    limits = {name: head.pop(name) for name in ("xlim", "ylim")}
    columns = [np.array(values, float) for values, _ in _scaled(result)]
    pairs = list(zip(columns[::2], columns[1::2], strict=True))
    lines = dict(zip(result.series, pairs, strict=False))
    if lines:
        plot_curves(lines, ax=ax, **head)
    for i, name in enumerate(result.points, len(lines)):
        color = COLORS[i % len(COLORS)]
        ax.plot(*pairs[i], "o", color=color, markersize=4, zorder=1, label=name)
    if result.points:
        ax.set(**head)
        ax.legend()
    ax.set(**limits)

"""What figures show is what was given: artists, styles, sizes and bytes are read back."""

import io
from dataclasses import dataclass, field

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image

from d2l_lite import plotting
from d2l_lite.plotting import (
    COLORS,
    LINE_STYLES,
    heatmap,
    plot_contour,
    plot_curves,
    plot_history,
    show_images,
    use_style,
)
from tests.processes import distinct_outputs


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context():
        use_style()
        yield
    plt.close("all")


@dataclass
class Recorded:
    epochs: list = field(default_factory=lambda: [1, 2, 3])
    values: dict = field(
        default_factory=lambda: {
            "train_loss": [3.0, 2.0, 1.0],
            "val_loss": [4.0, 3.0, 2.5],
            "val_accuracy": [0.1, 0.2, 0.3],
        }
    )


def test_curves_draw_the_points_given():
    x = np.linspace(0.1, 1.0, 20)
    ax = plot_curves(
        {"square": x**2, "pairs": ([1.0, 2.0, 3.0], torch.tensor([4.0, 5.0, 6.0]))},
        x=x,
        xlabel="time (s)",
        ylabel="length (m)",
        yscale="log",
        title="Two",
    )
    square, pairs = ax.lines
    np.testing.assert_array_equal(square.get_xydata(), np.stack([x, x**2], 1))
    np.testing.assert_array_equal(pairs.get_xydata(), [[1, 4], [2, 5], [3, 6]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (s)", "length (m)")
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_title()) == ("linear", "log", "Two")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["square", "pairs"]


def test_without_x_the_abscissa_counts_from_zero_and_one_curve_needs_no_legend():
    ax = plot_curves({"y": [5.0, 7.0, 6.0]}, xlabel="i", ylabel="y")
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0, 1, 2])
    assert ax.get_legend() is None


def test_a_tensor_that_requires_grad_is_drawn():
    y = torch.tensor([1.0, 4.0], requires_grad=True)
    ax = plot_curves({"y": y * 2}, xlabel="i", ylabel="y")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [2, 8])


def test_no_two_of_ten_curves_share_color_and_line_style():
    ax = plot_curves({str(i): np.arange(20) + i for i in range(10)}, xlabel="i", ylabel="y")
    looks = [
        (to_hex(line.get_color()).upper(), str(line._unscaled_dash_pattern)) for line in ax.lines
    ]
    assert len(set(looks)) == 10
    assert [color for color, _ in looks] == [*COLORS, *COLORS]
    assert len({dash for _, dash in looks[:5]}) == 5 == len(LINE_STYLES)


def test_few_points_carry_markers_and_many_do_not():
    ax = plot_curves({"few": np.arange(5), "many": np.arange(50)}, xlabel="i", ylabel="y")
    assert [line.get_marker() for line in ax.lines] == ["o", ""]


def test_the_style_has_the_books_widths_lines_and_text():
    single = plot_curves({"y": [1, 2]}, xlabel="i", ylabel="y").figure
    wide = plot_curves({"y": [1, 2]}, xlabel="i", ylabel="y", width="wide").figure
    assert (single.get_figwidth(), wide.get_figwidth()) == (4.8, 7.2)
    single.draw_without_rendering()
    assert single.axes[0].lines[0].get_linewidth() == 2.0
    assert min(text.get_fontsize() for text in single.findobj(mpl.text.Text)) >= 9
    assert to_hex(single.get_facecolor()) == "#ffffff"


def test_the_cycle_of_plain_matplotlib_is_the_books():
    cycle = list(plt.rcParams["axes.prop_cycle"])
    assert tuple(entry["color"] for entry in cycle) == COLORS
    assert tuple(entry["linestyle"] for entry in cycle) == LINE_STYLES


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ({}, "at least one curve, got an empty mapping"),
        ({"a": ([1, 2], [1, 2, 3])}, r"series 'a': .* got shapes \(2,\) and \(3,\)"),
        ({"a": ([1], [2], [3])}, r"series 'a' must be y or \(x, y\), got 3 items"),
        ({"a": np.ones((2, 2))}, r"one-dimensional"),
    ],
)
def test_series_that_do_not_fit_are_refused_by_name(series, message):
    with pytest.raises(ValueError, match=message):
        plot_curves(series, xlabel="x", ylabel="y")


def test_a_history_shows_its_losses_by_default():
    ax = plot_history(Recorded())
    assert [line.get_label() for line in ax.lines] == ["train loss", "val loss"]
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), [[1, 4], [2, 3], [3, 2.5]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss")


def test_a_history_shows_the_names_asked_for_on_the_axes_given():
    own = plt.figure().add_subplot()
    ax = plot_history(Recorded(), ["val_accuracy"], ax=own)
    assert ax is own
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0.1, 0.2, 0.3])
    assert ax.get_ylabel() == "accuracy"
    with pytest.raises(
        KeyError, match="'val_error' was not recorded; the history holds train_loss"
    ):
        plot_history(Recorded(), ["val_error"])


def test_images_appear_row_by_row_with_their_titles_and_one_gray_scale():
    X = torch.arange(5 * 4 * 6, dtype=torch.float32).reshape(5, 1, 4, 6)
    axes = show_images(X, titles=range(5), num_cols=3)
    assert [ax.get_title() for ax in axes] == ["0", "1", "2", "3", "4"]
    for ax, image in zip(axes, X[:, 0].numpy(), strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), image)
        assert ax.images[0].get_clim() == (0.0, 119.0)
    rows = [ax.get_subplotspec().rowspan.start for ax in axes]
    assert rows == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("channels_first", [True, False])
def test_color_images_keep_their_channels(channels_first):
    X = np.random.default_rng(0).random((2, 8, 9, 3))
    given = np.moveaxis(X, 3, 1) if channels_first else X
    axes = show_images(given)
    np.testing.assert_array_equal(axes[1].images[0].get_array(), X[1])


def test_images_of_a_wrong_shape_or_number_of_titles_are_refused():
    with pytest.raises(ValueError, match=r"got shape \(28, 28\)"):
        show_images(np.zeros((28, 28)))
    with pytest.raises(ValueError, match=r"got shape \(1, 2, 28, 28\)"):
        show_images(np.zeros((1, 2, 28, 28)))
    with pytest.raises(ValueError, match="got 1 for 2"):
        show_images(np.zeros((2, 28, 28)), titles=["one"])


def test_a_full_row_of_images_is_as_wide_as_a_figure():
    figure = show_images(np.zeros((16, 28, 28)))[0].figure
    assert figure.get_figwidth() == pytest.approx(4.8)
    assert show_images(np.zeros((8, 28, 28)), scale=1.5)[0].figure.get_figwidth() == pytest.approx(
        7.2
    )


def test_contour_lines_lie_on_their_levels_and_the_path_is_drawn():
    path = [(1.0, 0.5), (0.2, 0.1)]
    ax = plot_contour(lambda x, y: x**2 + 4 * y**2, (-2, 2), (-1, 1), levels=[0.25, 1.0], path=path)
    for level, curve in zip((0.25, 1.0), ax.collections[0].get_paths(), strict=True):
        x, y = curve.vertices.T
        np.testing.assert_allclose(x**2 + 4 * y**2, level, atol=2e-3)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), path)
    np.testing.assert_array_equal(ax.lines[2].get_xydata(), [path[-1]])
    assert (ax.get_xlim(), ax.get_ylim()) == ((-2, 2), (-1, 1))


def test_a_contour_of_a_function_that_is_not_elementwise_is_refused():
    with pytest.raises(ValueError, match=r"f must return shape \(100, 100\) .* got \(\)"):
        plot_contour(lambda x, y: (x + y).sum(), (0, 1), (0, 1))
    with pytest.raises(ValueError, match=r"path be \(k, 2\), got .* and \(3,\)"):
        plot_contour(lambda x, y: x + y, (0, 1), (0, 1), path=[1, 2, 3])


def test_a_heat_map_centers_two_sided_colors_on_zero_and_writes_entries():
    Z = np.array([[-1.0, 0.0, 3.0], [0.5, 2.0, 1.0]])
    ax = heatmap(Z, xlabel="key", ylabel="query", annotate=True, diverging=True)
    np.testing.assert_array_equal(ax.images[0].get_array(), Z)
    assert ax.images[0].get_clim() == (-3.0, 3.0)
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written == {(c, r): f"{Z[r, c]:.3g}" for r in range(2) for c in range(3)}
    ink = {text.get_text(): text.get_color() for text in ax.texts}
    assert (ink["0"], ink["3"]) == ("black", "white")  # on the map's white middle, its dark end
    assert heatmap(Z, xlabel="", ylabel="").images[0].get_clim() == (-1.0, 3.0)
    with pytest.raises(ValueError, match=r"Z must be a matrix \(rows, cols\), got shape \(3,\)"):
        heatmap([1, 2, 3], xlabel="", ylabel="")


def test_lines_become_svg_and_images_png():
    lines = plot_curves({"y": [1, 2]}, xlabel="i", ylabel="y").figure
    images = show_images(np.random.default_rng(0).random((16, 28, 28)))[0].figure
    assert plotting._svg(lines).startswith("<?xml")
    assert plotting._png(lines) is None
    assert plotting._svg(images) is None
    data, size = plotting._png(images)
    assert size == {"width": 461}
    assert Image.open(io.BytesIO(data)).width == 691
    assert len(data) <= 120_000


BYTES = """
import matplotlib; matplotlib.use("agg")
import hashlib, numpy as np
from d2l_lite import plotting
plotting.use_style()
y = np.sin(np.arange(30) / 5)
svg = plotting._svg(plotting.plot_curves({"a": y, "b": y / 2}, xlabel="x", ylabel="y").figure)
png, _ = plotting._png(plotting.heatmap(np.outer(y, y), xlabel="x", ylabel="y").figure)
assert "<dc:date>" not in svg
print(hashlib.sha256(svg.encode() + png).hexdigest())
"""


def test_two_processes_write_the_same_bytes():
    assert len(distinct_outputs(BYTES)) == 1


def test_in_a_notebook_the_formats_follow_the_content():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        use_style()
        lines = plot_curves({"y": [1, 2]}, xlabel="i", ylabel="y").figure
        images = show_images(np.zeros((2, 8, 8)))[0].figure
        shown, _ = shell.display_formatter.format(lines)
        assert set(shown) == {"text/plain", "image/svg+xml"}
        shown, metadata = shell.display_formatter.format(images)
        assert set(shown) == {"text/plain", "image/png"}
        assert metadata["image/png"] == {"width": 115}
    finally:
        InteractiveShell.clear_instance()

"""The helper package of d2l-lite: data, training, plotting and explorables for all chapters."""

from d2l_lite.data import (
    Batches,
    DataError,
    ImageData,
    TableData,
    load_images,
    load_table,
    load_text,
    random_crop,
    random_horizontal_flip,
    synthetic_linear,
)
from d2l_lite.explore import Choice, Explorable, Slider, explore
from d2l_lite.frames import Curves, Picture
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
from d2l_lite.quiz import quiz
from d2l_lite.showing import show_source
from d2l_lite.training import (
    History,
    accuracy,
    default_device,
    evaluate,
    fit,
    seed_everything,
)

__all__ = [
    "COLORS",
    "LINE_STYLES",
    "Batches",
    "Choice",
    "Curves",
    "DataError",
    "Explorable",
    "History",
    "ImageData",
    "Picture",
    "Slider",
    "TableData",
    "accuracy",
    "default_device",
    "evaluate",
    "explore",
    "fit",
    "heatmap",
    "load_images",
    "load_table",
    "load_text",
    "plot_contour",
    "plot_curves",
    "plot_history",
    "quiz",
    "random_crop",
    "random_horizontal_flip",
    "seed_everything",
    "show_images",
    "show_source",
    "synthetic_linear",
    "use_style",
]

"""The helper package of d2l-lite: data, training, plotting and explorables for all chapters."""

from d2l_lite.data import (
    Batches,
    DataError,
    ImageData,
    TableData,
    Vocabulary,
    load_images,
    load_table,
    load_text,
    random_crop,
    random_horizontal_flip,
    sequential_batches,
    synthetic_linear,
)
from d2l_lite.explore import Choice, Explorable, Slider, explore
from d2l_lite.frames import Curves, Picture
from d2l_lite.models import lenet5
from d2l_lite.optim import one_cycle
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
    frechet_distance,
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
    "Vocabulary",
    "accuracy",
    "default_device",
    "evaluate",
    "explore",
    "fit",
    "frechet_distance",
    "heatmap",
    "lenet5",
    "load_images",
    "load_table",
    "load_text",
    "one_cycle",
    "plot_contour",
    "plot_curves",
    "plot_history",
    "quiz",
    "random_crop",
    "random_horizontal_flip",
    "seed_everything",
    "sequential_batches",
    "show_images",
    "show_source",
    "synthetic_linear",
    "use_style",
]

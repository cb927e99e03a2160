"""The helper package of d2l-lite: data, training, plotting and explorables for all chapters.

A name loads its module when it is first asked for, so that a part which needs none of the others,
such as the grader's judge, starts without PyTorch and Matplotlib.
"""

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

#: The public names, by the module that each comes from.
_NAMES = {
    "data": "Batches DataError ImageData TableData Vocabulary load_images load_table load_text "
    "random_crop random_horizontal_flip sequential_batches synthetic_linear",
    "explore": "Choice Explorable Slider explore",
    "frames": "Curves Picture",
    "models": "lenet5",
    "optim": "one_cycle",
    "plotting": "COLORS LINE_STYLES heatmap plot_contour plot_curves plot_history show_images "
    "use_style",
    "quiz": "quiz",
    "showing": "show_source",
    "training": "History accuracy default_device evaluate fit frechet_distance seed_everything",
}  # fmt: skip
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}
__all__ = [
    "COLORS", "LINE_STYLES", "Batches", "Choice", "Curves", "DataError", "Explorable", "History",
    "ImageData", "Picture", "Slider", "TableData", "Vocabulary", "accuracy", "default_device",
    "evaluate", "explore", "fit", "frechet_distance", "heatmap", "lenet5", "load_images",
    "load_table", "load_text", "one_cycle", "plot_contour", "plot_curves", "plot_history", "quiz",
    "random_crop", "random_horizontal_flip", "seed_everything", "sequential_batches", "show_images",
    "show_source", "synthetic_linear", "use_style",
]  # fmt: skip


class _Package(types.ModuleType):
    """The type of this module: it finds public names and modules when they are asked for."""

    def __getattr__(self, name: str) -> Any:
        if name not in _HOMES and name not in _NAMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = importlib.import_module(f"{__name__}.{_HOMES.get(name, name)}")
        globals()[name] = getattr(module, name) if name in _HOMES else module
        return globals()[name]

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing the module `explore` sets it here, which would hide the function of that name.
        if name not in _HOMES or not isinstance(value, types.ModuleType):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*globals(), *_NAMES, *__all__})


sys.modules[__name__].__class__ = _Package

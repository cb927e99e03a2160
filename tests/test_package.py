"""The package's public names: three lists of them agree, and each is loaded when asked for."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import d2l_lite

HEAVY = ("torch", "matplotlib", "IPython", "sklearn", "pooch", "nbformat", "jupytext")


def imports_for_type_checkers():
    """The module of each name that type checkers see imported."""
    tree = ast.parse(Path(d2l_lite.__file__).read_text(encoding="utf-8"))
    return {
        alias.name: node.module.removeprefix("d2l_lite.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("d2l_lite.")
        for alias in node.names
    }


def run(code):
    """What Python prints for a program of its own."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def loaded_by(code):
    """The heavy libraries that a program has loaded at its end."""
    return run(f"{code}\nimport sys\nprint(*[name for name in {HEAVY} if name in sys.modules])")


def test_the_public_names_are_the_same_in_every_place_that_lists_them():
    homes = imports_for_type_checkers()
    assert homes == d2l_lite._HOMES
    assert sorted(homes) == sorted(d2l_lite.__all__)
    assert len(set(d2l_lite.__all__)) == len(d2l_lite.__all__)


@pytest.mark.parametrize("name", d2l_lite.__all__)
def test_a_name_is_the_object_of_its_module(name):
    __import__(f"d2l_lite.{d2l_lite._HOMES[name]}")
    assert getattr(d2l_lite, name) is getattr(
        sys.modules[f"d2l_lite.{d2l_lite._HOMES[name]}"], name
    )


def test_completion_offers_names_that_are_not_loaded_yet():
    shown = run("import d2l_lite; print(*dir(d2l_lite))")
    assert {*d2l_lite.__all__, "training"} <= set(shown)


def test_importing_everything_gives_every_name():
    code = "before = set(globals()); from d2l_lite import *; print(*set(globals()) - before)"
    assert set(run(code)) - {"before"} == set(d2l_lite.__all__)


@pytest.mark.parametrize(
    "first", ["import d2l_lite.explore", "from d2l_lite.explore import Slider", "import d2l_lite"]
)
def test_a_module_does_not_hide_the_function_of_its_name(first):
    code = f"{first}\nimport d2l_lite as d2l\nprint(type(d2l.explore).__name__)"
    assert run(code) == ["function"]


def test_modules_are_attributes_as_well():
    assert run("import d2l_lite as d2l; print(d2l.optim.__name__)") == ["d2l_lite.optim"]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'd2l_lite' has no attribute 'fitt'"):
        _ = d2l_lite.fitt


def test_the_package_and_its_grader_load_nothing_heavy():
    assert loaded_by("import torch") == ["torch"]
    assert loaded_by("import d2l_lite") == []
    assert loaded_by("import d2l_lite.grading.cases, d2l_lite.grading.running") == []

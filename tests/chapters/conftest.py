"""What every test of a chapter starts from: its definitions, and what its notebook printed."""

from typing import Any

import pytest

from tests.chapters.loading import load_definitions
from tools.pages import code_cells, read_notebook
from tools.repository import ROOT


def _slug(request: pytest.FixtureRequest) -> str:
    return request.module.__name__.rpartition("test_")[2]


@pytest.fixture(scope="module")
def ch(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The definitions of the chapter that the module `test_<slug>` is about."""
    return load_definitions(_slug(request))


@pytest.fixture(scope="module")
def outputs(request: pytest.FixtureRequest) -> dict[str, str]:
    """What each cell of the chapter's committed notebook printed, by the source of the cell."""
    cells = code_cells(read_notebook(ROOT / "chapters" / f"{_slug(request)}.ipynb"))
    return {
        cell.source: "".join(output.get("text", "") for output in cell.outputs) for cell in cells
    }


@pytest.fixture(scope="module")
def printed(outputs: dict[str, str]) -> str:
    """What all cells printed, in one text."""
    return "".join(outputs.values())

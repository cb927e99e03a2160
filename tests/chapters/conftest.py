"""What every test of a chapter starts from: its definitions, and what its notebook printed."""

from collections.abc import Callable
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
def outputs(request: pytest.FixtureRequest) -> list[tuple[str, str]]:
    """Source and printed text of each code cell of the chapter's committed notebook."""
    cells = code_cells(read_notebook(ROOT / "chapters" / f"{_slug(request)}.ipynb"))
    return [(c.source, "".join(output.get("text", "") for output in c.outputs)) for c in cells]


@pytest.fixture(scope="module")
def printed(outputs: list[tuple[str, str]]) -> str:
    """What all cells printed, in one text."""
    return "".join(text for _, text in outputs)


@pytest.fixture(scope="module")
def printed_by(outputs: list[tuple[str, str]]) -> Callable[[str], str]:
    """A function that returns what the one printing cell with this piece of code printed."""

    def text_of(code: str) -> str:
        found = [text for source, text in outputs if text and code in source]
        assert len(found) == 1, f"{code!r} must stand in one cell that prints, got {len(found)}"
        return found[0]

    return text_of

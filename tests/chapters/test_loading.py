import pytest

from tests.chapters import loading
from tests.tools.tiny_book import HEADER

SOURCE = (
    HEADER
    + """
# Title

```{code-cell} ipython3
import math

raise RuntimeError("experiments must not run")
```

```{code-cell} ipython3
:tags: [define]

def twice(x):
    return 2 * x
```

```{code-cell} ipython3
---
tags: [define, hide-input]
---
def root(x):
    return math.sqrt(twice(x))
```
"""
)


@pytest.fixture
def sources(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "SOURCES", tmp_path)
    return tmp_path


def test_definitions_run_with_all_imports_and_without_experiments(sources):
    (sources / "toy.md").write_text(SOURCE, encoding="utf-8")
    names = loading.load_definitions("toy")
    assert names["root"](8) == 4.0


def test_two_loads_share_nothing(sources):
    (sources / "toy.md").write_text(SOURCE, encoding="utf-8")
    one, two = loading.load_definitions("toy"), loading.load_definitions("toy")
    one["twice"] = None
    assert two["root"](8) == 4.0


def test_a_source_without_definitions_is_an_error(sources):
    (sources / "toy.md").write_text(SOURCE.replace("define", "other"), encoding="utf-8")
    with pytest.raises(ValueError, match="at least one code cell `define`"):
        loading.load_definitions("toy")


def test_a_missing_source_is_an_error(sources):
    with pytest.raises(FileNotFoundError):
        loading.load_definitions("nothing")

"""A book of a few lines in a temporary folder, for tests of the tools that make notebooks."""

from pathlib import Path

import nbformat

HEADER = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
"""
PROJECT = """\
[project]
name = "tiny"
version = "1"

# The repository's address is set with `make repository URL=…`, and nowhere by hand.
[tool.d2l-lite]
repository = ""

[tool.other]
key = 1
"""
CITATION = 'cff-version: 1.2.0\ntitle: "tiny"\nlicense: MIT\n'
CHAPTER = """
(sec-tiny)=
# Tiny

A line of text.

```{code-cell} ipython3
:tags: [parameters]

count = 3
```

```{code-cell} ipython3
---
tags: [define]
---
def root(x):
    if x < 0:
        raise ValueError(f"x must not be negative, got {x}")
    return x**0.5
```

More text.

```{code-cell} ipython3
:tags: [nbval-check-output]

print(root(16) * count)
```

```{code-cell} ipython3
import time

time.sleep(0.2)
if count < 0:
    import d2l_lite.data
root(9)
```
"""


def cell(code: str) -> str:
    """Return a code cell of a source."""
    return f"\n```{{code-cell}} ipython3\n{code}\n```\n"


def make(root: Path, **chapters: str) -> Path:
    """Write a book with the given chapters, or the one above, and return its top folder."""
    files = {
        "pyproject.toml": PROJECT,
        "CITATION.cff": CITATION,
        "requirements.txt": "torch==2\n",
        "d2l_lite/data.py": "one = 1\n",
        "d2l_lite/grading/judge.py": "two = 2\n",
        "d2l_lite/grading/visible/tiny.py": "three = 3\n",
        "profiles.yml": "default: {}\nfast:\n  tiny: {count: 2}\n",
    }
    for slug, text in (chapters or {"tiny": CHAPTER}).items():
        files[f"chapters/source/{slug}.md"] = HEADER + text
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def source(root: Path, slug: str = "tiny") -> Path:
    """Return the path of a chapter's source."""
    return root / "chapters" / "source" / f"{slug}.md"


def notebook(root: Path, slug: str = "tiny") -> Path:
    """Return the path of a chapter's notebook."""
    return root / "chapters" / f"{slug}.ipynb"


def read(path: Path) -> nbformat.NotebookNode:
    """Return a notebook without repairing anything in it."""
    return nbformat.v4.reads(path.read_text(encoding="utf-8"))


def replace(path: Path, old: str, new: str) -> None:
    """Replace text in a file, in which it must stand."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")

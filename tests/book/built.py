"""The built book, for the tests that look at its pages."""

import os
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
#: The pages to look at: `make book` makes them; a build elsewhere is named by the variable.
HTML = Path(os.environ.get("D2L_LITE_HTML") or ROOT / "_build" / "html")


def documents() -> list[str]:
    """Return the documents that the table of contents names."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))

    def files(node):
        if isinstance(node, dict):
            yield from ([node["file"]] if "file" in node else [])
            node = list(node.values())
        if isinstance(node, list):
            for child in node:
                yield from files(child)

    return [toc["root"], *files(toc)]


def notebooks() -> list[str]:
    """Return the documents that are notebooks."""
    return [name for name in documents() if (ROOT / f"{name}.ipynb").is_file()]


def pages() -> list[Path]:
    """Return every page of the built book, the theme's own files left out."""
    return sorted(path for path in HTML.rglob("*.html") if "_static" not in path.parts)

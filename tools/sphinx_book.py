"""The book's own Sphinx extension: what depends on the repository's address or on vendored files.

It also writes one line below each chapter's title: minutes to read, and how long the page took to
run, both counted from the notebook itself.
"""

import json
import math
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from tools.book import EXTRA, MATHJAX
from tools.repository import address

WORDS_PER_MINUTE = 180
#: A line of code takes about as long to take in as so many words.
WORDS_PER_CODE_LINE = 8


def configure(app: Sphinx, config: Config) -> None:
    """Point mathematics at the vendored files and launch buttons at the repository's address."""
    config.html_extra_path = [*config.html_extra_path, str(EXTRA)]
    if MATHJAX.is_dir():
        # Sphinx resolves a relative path against `_static`.
        config.mathjax_path = "../vendor/mathjax/tex-chtml.js"
    options = config.html_theme_options
    # pydata's search field stands in the header as well as in the side bar otherwise.
    options["navbar_persistent"] = []
    url = address()
    if url:
        options |= {
            "repository_url": url.removesuffix(".git"),
            "repository_branch": "main",
            "use_repository_button": True,
            "launch_buttons": {
                "colab_url": "https://colab.research.google.com",
                "notebook_interface": "jupyterlab",
            },
        }


def reading_minutes(notebook: dict[str, Any]) -> int:
    """Return the minutes that a notebook (as JSON) takes to read, at least 1."""
    words = 0
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            words += len(text.split())
        elif not {"remove-cell", "hide-input", "hide-cell"} & set(cell["metadata"].get("tags", [])):
            words += WORDS_PER_CODE_LINE * sum(1 for line in text.splitlines() if line.strip())
    return max(1, math.ceil(words / WORDS_PER_MINUTE))


def facts(notebook: dict[str, Any]) -> str:
    """Return the line below a chapter's title: minutes to read, seconds it took to run."""
    minutes = reading_minutes(notebook)
    line = f"{minutes} minute{'s' if minutes > 1 else ''} to read"
    record = notebook["metadata"].get("d2l_lite", {})
    if "seconds" in record:
        line += f" · ran in {max(1, round(record['seconds']))} s on {record['device']}"
    return line


def add_facts(app: Sphinx, doctree: nodes.document) -> None:
    """Put the facts of a chapter below its title (an exercise takes as long as it takes)."""
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix != ".ipynb" or path.parent.name != "chapters":
        return
    title = next(iter(doctree.findall(nodes.title)), None)
    if title is not None:
        line = facts(json.loads(path.read_text(encoding="utf-8")))
        paragraph = nodes.paragraph("", line, classes=["chapter-facts"])
        title.parent.insert(title.parent.index(title) + 1, paragraph)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx and return what Sphinx asks to know of it."""
    app.connect("config-inited", configure, priority=100)
    app.connect("doctree-read", add_facts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

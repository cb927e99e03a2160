"""A Sphinx extension: what depends on the repository's address or on vendored files."""

from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from tools.book import EXTRA
from tools.repository import address


def configure(app: Sphinx, config: Config) -> None:
    """Point mathematics at the vendored files and the source button at the repository's address."""
    config.html_extra_path = [*config.html_extra_path, str(EXTRA)]
    options = config.html_theme_options
    # pydata's search field stands in the header as well as in the side bar otherwise.
    options["navbar_persistent"] = []
    url = address()
    if url:
        options |= {
            "repository_url": url.removesuffix(".git"),
            "repository_branch": "main",
            "use_repository_button": True,
        }


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx and return what Sphinx asks to know of it."""
    app.connect("config-inited", configure, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

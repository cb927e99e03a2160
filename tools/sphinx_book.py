"""A Sphinx extension: vendored files, and what depends on the repository's address."""

from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from tools.book import EXTRA
from tools.repository import address


def configure(app: Sphinx, config: Config) -> None:
    """Lay the vendored files beside the pages; point the source button at the address, if any."""
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

"""The built HTML as files: its pages, and the error that ends a build because of one of them."""

from pathlib import Path


class BookError(ValueError):
    """Something in a built page that a reader would stumble over; it names page and remedy."""


def pages(html: Path) -> list[Path]:
    """Return every page below the folder of a built book, the theme's own files left out."""
    return sorted(path for path in html.rglob("*.html") if "_static" not in path.parts)

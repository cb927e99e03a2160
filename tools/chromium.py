"""The browser that prints the book, and in which its pages are looked at."""

import shutil

#: What systems call it; the first that is there is taken.
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    """Return the path of the program, or nothing when there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)

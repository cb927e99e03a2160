"""A real browser for the tests that look at pages: Chromium, driven by Playwright.

Without a browser these tests are skipped and say why. Where `CI` is set a missing browser is a
failure instead: there a skip would hide that nobody looked.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NoReturn

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    sync_playwright,
)

from tools import chromium

#: A container runs as root and has a small /dev/shm; nothing is asked of the browser's own makers.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
]


def missing(reason: str) -> NoReturn:
    """Skip the test for a reason, or fail it in continuous integration."""
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(f"{reason}: in CI that is a failure")
    pytest.skip(reason)


def unfetched(reason: str) -> NoReturn:
    """Skip the test for want of a package: without npm it cannot come, with npm CI fails."""
    if shutil.which("npm"):
        missing(reason)
    pytest.skip(reason)


def program() -> str:
    """Return the path of the browser, or skip the test that needs it."""
    return chromium.find() or missing("no browser is installed (Debian: apt-get install chromium)")


@contextmanager
def launched() -> Iterator[Browser]:
    """Start a browser, and stop it when the block ends."""
    path = program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for each module."""
    with launched() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Pages that share nothing with those of other tests."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """An empty page."""
    return context.new_page()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keep the output of the tests clean."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback and give its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Witness:
    """What the pages of a context ask for, and what they complain of.

    `own` is where they come from: a folder's `file://` address or a server's. Any other request is
    external; it is written down and stopped, so that a test depends on no connection.
    """

    def __init__(self, context: BrowserContext, *own: str) -> None:
        self.own = (*own, "data:", "blob:", "about:", "chrome-error:")
        self.requests: list[str] = []
        self.external: list[str] = []
        self.failed: list[str] = []
        self.errors: list[str] = []
        context.on("request", self._request)
        context.on("response", lambda r: r.status >= 400 and self._fail(r.url, str(r.status)))
        context.on("requestfailed", lambda r: self._fail(r.url, r.failure or "no reason given"))
        context.on("console", self._console)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.route(lambda url: not self._is_own(url), lambda route: route.abort())

    def _is_own(self, url: str) -> bool:
        return url.startswith(self.own)

    def _request(self, request: Request) -> None:
        self.requests.append(request.url)
        if not self._is_own(request.url):
            self.external.append(request.url)

    def _fail(self, url: str, reason: str) -> None:
        if self._is_own(url):
            self.failed.append(f"{url}: {reason}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "assert"):
            self.errors.append(message.text)

    @property
    def faults(self) -> list[str]:
        """Everything that should not have happened, one line each."""
        kinds = {"external": self.external, "failed": self.failed, "console": self.errors}
        return [f"{kind}: {line}" for kind, lines in kinds.items() for line in lines]

    def clear(self) -> None:
        """Forget everything seen so far."""
        for seen in (self.requests, self.external, self.failed, self.errors):
            seen.clear()

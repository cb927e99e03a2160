"""A local web server that misbehaves on purpose, for the tests of the data sources."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


def good(body: bytes, *, status: int = 200, promised: int | None = None, **headers: str) -> Answer:
    """Answer with a body; `promised` is a Content-Length that need not be true."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body) if promised is None else promised))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def redirect(location: str) -> Answer:
    return good(b"", status=302, Location=location)


def silent(seconds: float) -> Answer:
    """Take the request and answer nothing for a while."""
    return lambda request: time.sleep(seconds)


def dripping(body: bytes, *, pause: float) -> Answer:
    """Send byte by byte, each well within the timeout of a socket."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        for byte in body:
            request.wfile.write(bytes([byte]))
            request.wfile.flush()
            time.sleep(pause)

    return answer


def endless(request: BaseHTTPRequestHandler) -> None:
    """Send zeros until the other side hangs up, which it should do well within five seconds."""
    request.send_response(200)
    request.end_headers()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        request.wfile.write(bytes(1 << 16))
        time.sleep(0.001)


def meeting(answer: Answer, parties: int) -> Answer:
    """Hold each request back until as many are there: the downloads truly overlap."""
    barrier = threading.Barrier(parties)

    def together(request: BaseHTTPRequestHandler) -> None:
        barrier.wait(timeout=60)
        answer(request)

    return together


class Site(ThreadingHTTPServer):
    """Routes (path → answer) and how often each path was asked for; what has no route is a 404."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.routes: dict[str, Answer] = {}
        self.hits: Counter[str] = Counter()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hung up."""


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.hits[self.path] += 1
        self.server.routes.get(self.path, good(b"not here", status=404))(self)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the output of the tests clean."""


@contextmanager
def serving() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        site.shutdown()
        site.server_close()
        thread.join()

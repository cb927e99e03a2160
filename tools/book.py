"""Build the HTML of the book from the committed notebooks, and serve it.

`python -m tools.book build` runs nothing: it hands the notebooks to Jupyter Book with every warning
an error, then sets the mathematics and takes out of the pages what they do not need.
`python -m tools.book serve` serves the result on loopback.
"""

import argparse
import functools
import http.server
import subprocess
import sys
from pathlib import Path

from tools import finishing, icons, mathematics, styles
from tools.rendered import BookError

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
#: What Sphinx copies to the root of the site. Vendored scripts must not lie below `_static`, since
#: Jupyter Book adds every script there to every page.
EXTRA = ROOT / "build" / "html_extra"


def build(root: Path = ROOT, output: Path | None = None) -> int:
    """Build the book below `root` and return Jupyter Book's exit status (0 is success).

    Args:
        root: the top folder of the book.
        output: folder in which `_build/html` is made, `root` by default.

    Every page is built anew: a page taken from the last build would keep its warnings to itself,
    and a changed style sheet would not be copied. Jupyter Book is started by its script, since its
    module has no entry point, and `python -m` would do nothing, successfully.
    """
    EXTRA.mkdir(parents=True, exist_ok=True)
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    output = (output or root).resolve()
    command = [str(jupyter_book), "build", str(root), "--path-output", str(output)]
    command += ["--all", "-W", "-n", "--keep-going", "-q"]
    status = subprocess.run(command, cwd=root).returncode
    if status:
        print("The book was not built: see the warnings above. Each of them is an error here.")
        return status
    html = output / "_build" / "html"
    try:
        finish(html)
    except BookError as fault:
        print(f"The book was not built: {fault}")
        return 1
    print(f"The book is at {(html / 'index.html').as_uri()}")
    return 0


def finish(html: Path) -> None:
    """Turn what Sphinx wrote into pages that carry no more than they need.

    Args:
        html: the folder of the built book; its pages, style sheets and scripts are changed.

    Raises:
        BookError: a page asks for something that is not there.
    """
    reason = mathematics.vendor()
    if reason:
        print(
            f"Mathematics was not set ({reason}): MathJax will be loaded from the network when a "
            "page is read. Install node and npm, and build again to read offline."
        )
    else:
        mathematics.apply(html)
    icons.apply(html)
    finishing.apply(html)
    styles.apply(html)


def serve(port: int) -> int:
    """Serve the built book on loopback until interrupted, and return 0."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(HTML))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"Serving the book at http://127.0.0.1:{server.server_port}/ (Ctrl+C stops it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.book", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="build the HTML from the committed notebooks")
    builder.add_argument("--output", type=Path, help="where to make _build/html (default: here)")
    server = commands.add_parser("serve", help="serve the built book on loopback")
    server.add_argument("--port", type=int, default=8000, help="port (0 takes any free one)")
    options = parser.parse_args(arguments)
    if options.command == "build":
        return build(output=options.output)
    return serve(options.port)


if __name__ == "__main__":
    sys.exit(main())

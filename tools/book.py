"""Build the HTML of the book from the committed notebooks, and serve it.

`python -m tools.book build` runs nothing: it vendors MathJax, then hands the notebooks to Jupyter
Book with every warning an error. `python -m tools.book serve` serves the result on loopback.
"""

import argparse
import functools
import http.server
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tools import icons
from tools.rendered import BookError

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
#: What Sphinx copies to the root of the site. Vendored scripts must not lie below `_static`, since
#: Jupyter Book adds every script there to every page.
EXTRA = ROOT / "build" / "html_extra"
MATHJAX_VERSION = "3.2.2"
MATHJAX = EXTRA / "vendor" / "mathjax"
MATHJAX_KEEP = (
    "es5/tex-chtml.js",
    "es5/output/chtml/fonts/",
    "es5/input/tex/extensions/",
    "es5/a11y/",
)


def vendor_mathjax() -> bool:
    """Return whether MathJax lies below `build/html_extra`, fetching it from npm when it does not.

    Without npm, or without a connection, the book still builds: its mathematics then comes from
    the network when a page is read, and one line says so.
    """
    marker = MATHJAX / "VERSION"
    if marker.is_file() and marker.read_text() == MATHJAX_VERSION:
        return True
    npm = shutil.which("npm")
    reason = "npm was not found" if npm is None else _unpack_mathjax(npm)
    if reason:
        print(
            f"MathJax {MATHJAX_VERSION} was not vendored ({reason}): mathematics will be loaded "
            "from the network when a page is read. Install npm and build again to read offline."
        )
        return False
    marker.write_text(MATHJAX_VERSION)
    return True


def _unpack_mathjax(npm: str) -> str:
    """Return why MathJax could not be unpacked from npm, or an empty string."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            [npm, "pack", f"mathjax@{MATHJAX_VERSION}", "--silent", "--pack-destination", folder],
            capture_output=True,
            text=True,
            cwd=folder,
        )
        archives = list(Path(folder).glob("*.tgz"))
        if packed.returncode or len(archives) != 1:
            lines = (packed.stderr or packed.stdout).strip().splitlines()
            return f"npm pack failed: {lines[-1] if lines else 'no message'}"
        with tarfile.open(archives[0]) as archive:
            archive.extractall(folder, filter="data")
        for path in sorted(Path(folder, "package").rglob("*")):
            name = path.relative_to(Path(folder, "package")).as_posix()
            if path.is_file() and name.startswith(MATHJAX_KEEP):
                target = MATHJAX / name.removeprefix("es5/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    return ""


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
    vendor_mathjax()
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
    icons.apply(html)


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

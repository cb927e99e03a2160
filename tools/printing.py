"""Make the book as one PDF, or for e-readers: `python -m tools.printing pdf|epub`.

Both are built from the committed notebooks, like the web pages, with every warning an error and
nothing run. Formulas are set by MathJax in node; sheets of paper are printed by Chromium.
"""

import argparse
import io
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Page, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, TextStringObject

from tools import chromium, mathematics, npm
from tools.rendered import BookError

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
BUILDERS = {"pdf": "singlehtml", "epub": "epub"}
#: Typefaces with fixed weights: Chromium embeds variable ones as pictures of letters.
FONTS = {"source-serif-4": ("400", "400-italic", "700"), "source-code-pro": ("400", "700")}
FONT_VERSION = "5.3.1"
FONT_KEEP = ("files/", "400", "700", "LICENSE")
#: Extensions whose work is done by scripts, or that belong to the theme of the web pages.
WEB_ONLY = ("sphinx_togglebutton", "sphinx_copybutton", "sphinx_book_theme")
#: Width of the text on a sheet in CSS pixels: 162 mm.
TEXT_WIDTH = 612
#: Fits wide formulas into their line, and keeps code of less than a third of a sheet together.
_FIT = """() => {
  for (const box of document.querySelectorAll("div.math mjx-container")) {
    const [inner, room] = [box.firstElementChild.getBoundingClientRect().width, box.clientWidth];
    if (inner > room) box.style.fontSize = `${Math.floor((100 * room) / inner)}%`;
  }
  for (const code of document.querySelectorAll("pre")) {
    if (code.clientHeight < 320) code.style.breakInside = "avoid";
  }
}"""
_NUMBER = """(pages) => document.querySelectorAll(".contents a").forEach((link) => {
  link.dataset.page = pages[decodeURIComponent(link.hash.slice(1))] ?? "";
})"""
_COVER = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1600 2400" font-family="Georgia, serif">
<rect width="1600" height="2400" fill="#ffffff"/><rect width="1600" height="60" fill="#0072b2"/>
<svg x="250" y="600" width="1100" height="320" viewBox="0 0 220 64">{logo}</svg>
<text x="800" y="1200" font-size="76" fill="#222222" text-anchor="middle">{subtitle}</text>
<text x="800" y="2160" font-size="60" fill="#222222" text-anchor="middle">{authors}</text>
</svg>
"""


# It speaks of a table of Chromium's that it mends while it reads.
logging.getLogger("pypdf").setLevel(logging.ERROR)


class PrintingError(ValueError):
    """The book cannot be made; the message says why, and what to install or mend."""


def printer() -> str:
    """Return the program that prints.

    Raises:
        PrintingError: there is none.
    """
    if (found := chromium.find()) is None:
        raise PrintingError("Chromium was not found; install the Debian package chromium")
    return found


@contextmanager
def browser_page(width: int, height: int) -> Iterator[Page]:
    """Yield a page of Chromium that can reach nothing outside this machine."""
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=printer(), args=options)
        context = browser.new_context(
            offline=True, viewport={"width": width, "height": height}, device_scale_factor=1
        )
        try:
            yield context.new_page()
        finally:
            browser.close()


def configuration(**own: Any) -> dict[str, Any]:
    """Return Jupyter Book's configuration for a book without scripts, with settings of its own."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    sphinx = config["sphinx"]
    sphinx["local_extensions"] = dict.fromkeys(
        (*sphinx["local_extensions"], "tools.sphinx_printing"), str(ROOT)
    )
    settings = sphinx["config"]
    settings["extensions"] = [
        *(name for name in settings["extensions"] if name not in WEB_ONLY),
        "tools.sphinx_printing",
    ]
    settings.pop("copybutton_exclude", None)
    settings |= {"html_theme": "basic", **own}
    return config


def cover_svg() -> str:
    """Return the cover: the logo, what the book is, who wrote it."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    logo = (ROOT / "_static" / "logo.svg").read_text(encoding="utf-8")
    authors = ", ".join(author["name"] for author in cited["authors"])
    subtitle = cited["title"].partition(": ")[2]
    return _COVER.format(logo=logo, subtitle=subtitle, authors=authors)


def draw_cover(static: Path) -> str:
    """Write the cover and return its name: a PNG, or an SVG where Chromium cannot draw it."""
    (static / "cover.svg").write_text(cover_svg(), encoding="utf-8")
    try:
        with browser_page(1600, 2400) as page:
            page.goto((static / "cover.svg").as_uri())
            page.screenshot(path=static / "cover.png")
    except PrintingError:
        print("The cover is an SVG, which some e-readers do not list: Chromium was not found.")
        return "cover.svg"
    (static / "cover.svg").unlink()
    return "cover.png"


def gather(kind: str, folder: Path) -> dict[str, Any]:
    """Fetch what a book needs besides the notebooks, and return its configuration.

    Raises:
        PrintingError: a program or a package is missing.
    """
    if kind == "pdf":
        printer()
    if reason := mathematics.vendor():
        raise PrintingError(f"{reason}; formulas need the Debian packages nodejs and npm")
    static = folder / "static"
    static.mkdir(parents=True)
    shutil.copyfile(ROOT / "_static" / "logo.svg", static / "logo.svg")
    settings: dict[str, Any] = {"d2l_static": str(static), "html_math_renderer": "mathjax"}
    if kind == "epub":
        settings |= {"html_math_renderer": "mathml", "d2l_cover": draw_cover(static)}
        return configuration(**settings)
    for font in FONTS:
        source = BUILD / "fonts" / font
        if reason := npm.fetch(f"@fontsource/{font}", FONT_VERSION, folder=source, keep=FONT_KEEP):
            raise PrintingError(f"{reason}; the typefaces come with the Debian package npm")
        shutil.copytree(source, static / "fonts" / font)
    sheets = [f"fonts/{font}/{style}.css" for font, styles in FONTS.items() for style in styles]
    return configuration(**settings, html_context={"sheets": sheets})


def run_sphinx(kind: str, folder: Path) -> Path:
    """Build the book below a folder with Jupyter Book and return where its pages are.

    Raises:
        PrintingError: a warning or an error, which stands above.
        BookError: TeX does not understand a formula.
    """
    config, builder = folder / "config.yml", BUILDERS[kind]
    config.write_text(yaml.safe_dump(gather(kind, folder)), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(ROOT)]
    command += ["--path-output", str(folder), "--config", str(config), "--builder", "custom"]
    command += ["--custom-builder", builder, "--all", "-W", "-n", "--keep-going", "-q"]
    if subprocess.run(command, cwd=ROOT).returncode:
        raise PrintingError("see the warnings above; each of them is an error here")
    pages = folder / "_build" / builder
    if kind == "pdf":
        mathematics.apply(pages)
    return pages


def page_numbers(data: bytes) -> dict[str, int]:
    """Return on which page of a PDF each place is that something links to, counted from 1."""
    reader = PdfReader(io.BytesIO(data))
    places = reader.named_destinations.items()
    return {
        name.lstrip("/"): (reader.get_destination_page_number(d) or 0) + 1 for name, d in places
    }


#: Headings of a page, without the links to themselves.
_HEADINGS = """(all) => all.map((one) => {
  const copy = one.cloneNode(true);
  copy.querySelectorAll(".headerlink").forEach((link) => link.remove());
  return copy.textContent;
})"""


def print_sheets(html: Path) -> tuple[bytes, list[str]]:
    """Return a page on sheets of A4, with numbers of pages in its contents, and its headings.

    Raises:
        PrintingError: the page asks for something that is not there, or for the network.
    """
    faults: list[str] = []
    with browser_page(TEXT_WIDTH, 1000) as page:
        page.on("requestfailed", lambda request: faults.append(request.url))
        page.emulate_media(media="print", color_scheme="light")
        page.goto(html.as_uri())
        page.evaluate("document.fonts.ready.then(() => true)")
        page.evaluate(_FIT)
        # The first printing tells where everything is; numbers, colors and tags move nothing.
        page.evaluate(_NUMBER, page_numbers(page.pdf(prefer_css_page_size=True)))
        data = page.pdf(prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
        headings = page.eval_on_selector_all("h1, h2, h3, h4", _HEADINGS)
    if faults:
        raise PrintingError(
            f"the page asks for what is not there: {', '.join(sorted(set(faults)))}"
        )
    return data, headings


def _respace(writer: PdfWriter, headings: Iterable[str]) -> None:
    """Give the outline the spaces that Chromium drops where a heading breaks."""
    known = {re.sub(r"\s", "", text): " ".join(text.split()) for text in headings}
    for entry in _entries(writer.root_object.get("/Outlines")):
        title = str(entry["/Title"])
        spaced = known.get(re.sub(r"\s", "", title), title)
        entry[NameObject("/Title")] = TextStringObject(spaced)


def _entries(parent: Any) -> Iterator[Any]:
    """Yield the entries of an outline below a parent, in order."""
    entry = parent.get_object().get("/First") if parent is not None else None
    while entry is not None:
        yield entry.get_object()
        yield from _entries(entry)
        entry = entry.get_object().get("/Next")


def finished(data: bytes, headings: Iterable[str]) -> bytes:
    """Return a PDF that says what it is, and opens with its outline.

    Args:
        data: the PDF as Chromium printed it.
        headings: the headings of the page that was printed.
    """
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    writer = PdfWriter(clone_from=io.BytesIO(data))
    authors = ", ".join(author["name"] for author in cited["authors"])
    rights = f"Version {cited['version']}; {' and '.join(cited['license'])}"
    writer.add_metadata({"/Title": cited["title"], "/Author": authors, "/Subject": rights})
    writer.page_mode = "/UseOutlines"
    _respace(writer, headings)
    writer.pdf_header = "%PDF-1.7"
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def make(kind: str, output: Path) -> Path:
    """Make the book in one form and return its file, which is there whole or not at all.

    Args:
        kind: "pdf" or "epub".
        output: folder for the file.

    Raises:
        PrintingError: something is missing or wrong.
        BookError: TeX does not understand a formula.
    """
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        pages = run_sphinx(kind, folder)
        made = folder / f"book.{kind}"
        if kind == "pdf":
            made.write_bytes(finished(*print_sheets(pages / "index.html")))
        else:
            shutil.copyfile(pages / "book.epub", made)
        partial = output / f".d2l-lite.{kind}.part"
        shutil.copyfile(made, partial)
        os.replace(partial, output / f"d2l-lite.{kind}")
    return output / f"d2l-lite.{kind}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.printing", description=__doc__)
    parser.add_argument("kind", choices=sorted(BUILDERS), help="sheets of paper, or e-readers")
    parser.add_argument("--output", type=Path, default=BUILD, help="folder for the file")
    options = parser.parse_args(arguments)
    try:
        made = make(options.kind, options.output)
    except (PrintingError, BookError) as fault:
        print(f"The {options.kind.upper()} was not made: {fault}")
        return 1
    print(f"{made} ({made.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())

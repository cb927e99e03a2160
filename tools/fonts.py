"""The book's typefaces: fetched from npm once, laid beside the pages, under the Open Font License.

Only the Latin letters are taken; others, such as Chinese terms, come from the reader's system. A
page fetches only the faces that it shows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from string import Template

from tools import npm
from tools.book import EXTRA

#: Path of the style sheet that declares the faces, from the root of the site.
STYLE = "vendor/fonts/fonts.css"
FOLDER = EXTRA / "vendor" / "fonts"
_FACE = Template("""\
@font-face {
  font-family: "$family"; font-style: $style; font-weight: 200 900; font-display: $display;
  src: url($file) format("woff2");
}
""")
#: What a family's name ends in, and when its face is shown: over a network only if it comes at
#: once, so that text which stands is never moved; from disk, where no cache helps, in any case.
DISPLAYS = {"": "optional", " from disk": "swap"}


@dataclass(frozen=True)
class Typeface:
    """A variable typeface on npm: its family and the styles taken."""

    family: str
    version: str
    styles: tuple[str, ...]

    @property
    def slug(self) -> str:
        """The family as file names spell it."""
        return self.family.lower().replace(" ", "-")

    @property
    def package(self) -> str:
        """The package that brings it."""
        return f"@fontsource-variable/{self.slug}"

    def file(self, style: str) -> str:
        """Return the path of the file of a style in the package."""
        return f"files/{self.slug}-latin-wght-{style}.woff2"

    def files(self) -> tuple[str, ...]:
        """Return the paths of all files taken from the package."""
        return (*map(self.file, self.styles), "LICENSE")


TYPEFACES = (
    Typeface("Source Serif 4", "5.3.1", ("normal", "italic")),
    Typeface("Source Sans 3", "5.3.0", ("normal",)),
)


def vendor() -> bool:
    """Return whether the typefaces lie below `build/html_extra`, fetching them when they do not.

    Without npm, or without a connection, one line says so and pages use faces of the reader's
    system.
    """
    fetched = (
        npm.fetch(face.package, face.version, folder=FOLDER / face.slug, keep=face.files())
        for face in TYPEFACES
    )
    if reason := next(filter(None, fetched), ""):
        print(f"Typefaces were not fetched ({reason}): pages will use those of the system.")
        return False
    (FOLDER / "fonts.css").write_text(style_sheet(TYPEFACES))
    return True


def style_sheet(typefaces: Iterable[Typeface]) -> str:
    """Return the declarations of all faces."""
    return "".join(
        _FACE.substitute(
            family=face.family + ending,
            style=style,
            file=f"{face.slug}/{face.file(style)}",
            display=display,
        )
        for ending, display in DISPLAYS.items()
        for face in typefaces
        for style in face.styles
    )

"""The book's typefaces: fetched from npm once, laid beside the pages, under the Open Font License.

Only the Latin letters are taken; others, such as Chinese terms, come from the reader's system. A
page fetches only the faces that it shows.
"""

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template

from tools.book import EXTRA

#: Path of the style sheet that declares the faces, from the root of the site.
STYLE = "vendor/fonts/fonts.css"
FOLDER = EXTRA / "vendor" / "fonts"
_FACE = Template("""\
@font-face {
  font-family: "$family"; font-style: $style; font-weight: 200 900; font-display: $display;
  src: url($file.woff2) format("woff2");
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
        """The package with its version."""
        return f"@fontsource-variable/{self.slug}@{self.version}"

    def file(self, style: str) -> str:
        """Return the name of the file of a style, without its ending."""
        return f"{self.slug}-latin-wght-{style}"


TYPEFACES = (
    Typeface("Source Serif 4", "5.3.1", ("normal", "italic")),
    Typeface("Source Sans 3", "5.3.0", ("normal",)),
)


def vendor() -> bool:
    """Return whether the typefaces lie below `build/html_extra`, fetching them when they do not.

    Without npm, or without a connection, one line says so and pages use faces of the reader's
    system.
    """
    marker, wanted = FOLDER / "VERSION", " ".join(face.package for face in TYPEFACES)
    if marker.is_file() and marker.read_text() == wanted:
        (FOLDER / "fonts.css").write_text(style_sheet(TYPEFACES))
        return True
    npm = shutil.which("npm")
    faults = ["npm was not found"] if npm is None else [_fetch(npm, face) for face in TYPEFACES]
    if reason := "; ".join(filter(None, faults)):
        print(f"Typefaces were not fetched ({reason}): pages will use those of the system.")
        return False
    (FOLDER / "fonts.css").write_text(style_sheet(TYPEFACES))
    marker.write_text(wanted)
    return True


def style_sheet(typefaces: Iterable[Typeface]) -> str:
    """Return the declarations of all faces."""
    return "".join(
        _FACE.substitute(
            family=face.family + ending, style=style, file=face.file(style), display=display
        )
        for ending, display in DISPLAYS.items()
        for face in typefaces
        for style in face.styles
    )


def _fetch(npm: str, face: Typeface) -> str:
    """Return why a typeface could not be fetched, or an empty string."""
    names = {f"package/files/{face.file(style)}.woff2": style for style in face.styles}
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", face.package, "--silent"]
        packed = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        archives = list(Path(folder).glob("*.tgz"))
        if packed.returncode or len(archives) != 1:
            return f"npm pack failed: {(packed.stderr.strip().splitlines() or ['no message'])[-1]}"
        with tarfile.open(archives[0]) as archive:
            wanted = [*names, "package/LICENSE"]
            if missing := set(wanted) - set(archive.getnames()):
                return f"{face.package} lacks {', '.join(sorted(missing))}"
            archive.extractall(folder, [archive.getmember(name) for name in wanted], filter="data")
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copyfile(Path(folder, name), FOLDER / Path(name).name)
        shutil.copyfile(Path(folder, "package", "LICENSE"), FOLDER / f"LICENSE-{face.slug}")
    return ""

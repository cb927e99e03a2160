"""The book's typefaces: fetched from npm once, laid beside the pages, under the Open Font License.

Only the Latin letters are taken; others, such as Chinese terms, come from the reader's system.
"""

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from string import Template

from tools.book import EXTRA

#: Path of the style sheet that declares the faces, from the root of the site.
STYLE = "vendor/fonts/fonts.css"
FOLDER = EXTRA / "vendor" / "fonts"
PACKAGE = "@fontsource-variable/source-serif-4"
VERSION = "5.3.1"
FAMILY = "Source Serif 4"
STYLES = {
    "normal": "source-serif-4-latin-wght-normal",
    "italic": "source-serif-4-latin-wght-italic",
}
_FACE = Template("""\
@font-face {
  font-family: "$family"; font-style: $style; font-weight: 200 900; font-display: swap;
  src: url($file.woff2) format("woff2");
}
""")


def vendor() -> bool:
    """Return whether the typefaces lie below `build/html_extra`, fetching them when they do not.

    Without npm, or without a connection, one line says so and pages use a face of the reader's
    system.
    """
    marker = FOLDER / "VERSION"
    if marker.is_file() and marker.read_text() == f"{PACKAGE}@{VERSION}":
        return True
    npm = shutil.which("npm")
    reason = "npm was not found" if npm is None else _fetch(npm)
    if reason:
        print(f"{FAMILY} was not fetched ({reason}): pages will use a typeface of the system.")
        return False
    faces = [
        _FACE.substitute(family=FAMILY, style=style, file=file) for style, file in STYLES.items()
    ]
    (FOLDER / "fonts.css").write_text("".join(faces))
    marker.write_text(f"{PACKAGE}@{VERSION}")
    return True


def _fetch(npm: str) -> str:
    """Return why the files could not be fetched, or an empty string."""
    wanted = {f"package/files/{file}.woff2" for file in STYLES.values()} | {"package/LICENSE"}
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent"]
        packed = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        archives = list(Path(folder).glob("*.tgz"))
        if packed.returncode or len(archives) != 1:
            return f"npm pack failed: {(packed.stderr.strip().splitlines() or ['no message'])[-1]}"
        with tarfile.open(archives[0]) as archive:
            if missing := wanted - set(archive.getnames()):
                return f"{PACKAGE} lacks {', '.join(sorted(missing))}"
            archive.extractall(folder, [archive.getmember(name) for name in wanted], filter="data")
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name in wanted:
            shutil.copyfile(Path(folder, name), FOLDER / Path(name).name)
    return ""

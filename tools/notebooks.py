"""Make the committed notebooks from their text sources, and check that they are in step.

`python -m tools.notebooks build [SLUG…]` runs what changed; `python -m tools.notebooks check`
takes seconds, runs nothing, and names every fault with its remedy.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.building import Plan, build_pages
from tools.gates import orphans, page_faults
from tools.kernels import CELL_TIMEOUT
from tools.pages import Page, SourceError, package_hash, read_source, requirements_hash, setup_cell
from tools.repository import ROOT, address


def chapter_slugs(root: Path) -> list[str]:
    """Return the slugs of all chapters that have a source, in alphabetical order."""
    return sorted(path.stem for path in (root / "chapters" / "source").glob("*.md"))


def chapter_page(root: Path, slug: str) -> Page:
    """Return the page of a chapter; raise `SourceError` if its source cannot be read."""
    source = root / "chapters" / "source" / f"{slug}.md"
    return Page(
        root=root,
        name=f"chapters/{slug}",
        source=source,
        cells=(setup_cell(address(root)), *read_source(source)),
        package=package_hash(root),
        requirements=requirements_hash(root),
    )


def build(root: Path, slugs: Sequence[str], plan: Plan) -> int:
    """Build the named chapters, or everything, and return the exit status."""
    known = chapter_slugs(root)
    unknown = sorted(set(slugs) - set(known))
    if unknown:
        print(f"No chapter is called {', '.join(unknown)}; there are: {', '.join(known)}")
        return 1
    failures, pages = [], []
    for slug in slugs or known:
        try:
            pages.append(chapter_page(root, slug))
        except SourceError as error:
            failures.append(str(error))
    failures += build_pages(pages, plan)
    for message in failures:
        print(message, file=sys.stderr)
    return 1 if failures else 0


def check(root: Path, slugs: Sequence[str] = ()) -> list[str]:
    """Return the faults of the named chapters, or of everything."""
    faults = []
    for slug in slugs or chapter_slugs(root):
        try:
            faults += page_faults(chapter_page(root, slug))
        except SourceError as error:
            faults.append(str(error))
    if not slugs:
        faults += orphans(root / "chapters", set(chapter_slugs(root)))
    return faults


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="run what changed")
    builder.add_argument("slugs", nargs="*", metavar="SLUG", help="chapters (default: all)")
    builder.add_argument("--jobs", type=int, help="kernels at once (default: one a core)")
    builder.add_argument("--force", action="store_true", help="run also what has not changed")
    builder.add_argument("--timeout", type=int, default=CELL_TIMEOUT, help="seconds per cell")
    checker = commands.add_parser("check", help="are the notebooks in step with their sources?")
    checker.add_argument("slugs", nargs="*", metavar="SLUG", help="chapters (default: all)")
    options = parser.parse_args(arguments)
    if options.command == "build":
        plan = Plan(options.jobs, options.force, options.timeout)
        return build(ROOT, options.slugs, plan)
    faults = check(ROOT, options.slugs)
    print("\n".join(faults) or "Every notebook is in step with its source.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

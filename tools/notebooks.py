"""Make the committed notebooks from their text sources, and check that they are in step.

`python -m tools.notebooks build [SLUG…]` runs what changed; with `--profile NAME` it runs chapters
with other parameters, below `build/profiles`. `python -m tools.notebooks check` takes seconds, runs
nothing, and names every fault with its remedy. A slug names a chapter and its exercise set.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

from d2l_lite.grading.cells import SourceError, read_cells, setup_cell
from tools.building import Plan, build_pages
from tools.dependencies import package_hash
from tools.exercise_source import slugs as exercise_slugs
from tools.gates import orphans, page_faults
from tools.kernels import CELL_TIMEOUT
from tools.pages import Page, requirements_hash
from tools.profiles import ProfileError, profile_faults, profile_pages, read_profiles
from tools.repository import ROOT, address


def chapter_slugs(root: Path) -> list[str]:
    """Return the slugs of all chapters that have a source, in alphabetical order."""
    return sorted(path.stem for path in (root / "chapters" / "source").glob("*.md"))


def chapter_page(root: Path, slug: str) -> Page:
    """Return the page of a chapter; raise `SourceError` if its source cannot be read."""
    source = root / "chapters" / "source" / f"{slug}.md"
    cells = read_cells(source)
    return Page(
        root=root,
        name=f"chapters/{slug}",
        source=source,
        cells=(setup_cell(address(root)), *cells),
        package=package_hash(root, (cell.source for cell in cells if cell.kind == "code")),
        requirements=requirements_hash(root),
    )


def chapter_pages(root: Path, slugs: Iterable[str]) -> tuple[dict[str, Page], list[str]]:
    """Return the pages of chapters by slug, and why sources could not be read."""
    pages, faults = {}, []
    for slug in slugs:
        try:
            pages[slug] = chapter_page(root, slug)
        except SourceError as error:
            faults.append(str(error))
    return pages, faults


def build(root: Path, slugs: Sequence[str] = (), plan: Plan | None = None) -> list[str]:
    """Build the named chapters and exercise sets, or all; return why any failed.

    Args:
        root: the top folder of the book.
        slugs: what to build; nothing named is everything.
        plan: how.
    """
    plan = plan or Plan()
    if fault := _unknown(slugs, {*chapter_slugs(root), *exercise_slugs(root)}):
        return [fault]
    pages, failures = chapter_pages(root, _chosen(slugs, chapter_slugs(root)))
    failures += build_pages(list(pages.values()), plan)
    sets = _chosen(slugs, exercise_slugs(root))
    return failures + (_exercises().build(root, sets, plan) if sets else [])


def build_profile(
    root: Path, name: str, slugs: Sequence[str] = (), *, plan: Plan | None = None
) -> list[str]:
    """Run the named chapters, or all, with a profile's parameters; return why any failed."""
    known = chapter_slugs(root)
    if fault := _unknown(slugs, set(known)):
        return [fault]
    pages, failures = chapter_pages(root, _chosen(slugs, known))
    try:
        profiles = read_profiles(root)
        chosen = profile_pages(profiles, name, pages)
    except ProfileError as error:
        return [str(error)]
    if faults := profile_faults({name: profiles[name]}, pages, known=known):
        return failures + faults
    return failures + build_pages(chosen, plan or Plan())


def check(root: Path, slugs: Sequence[str] = ()) -> list[str]:
    """Return the faults of the named chapters and exercise sets, or of everything."""
    chapters = chapter_slugs(root)
    if fault := _unknown(slugs, {*chapters, *exercise_slugs(root)}):
        return [fault]
    pages, faults = chapter_pages(root, _chosen(slugs, chapters))
    faults += [fault for page in pages.values() for fault in page_faults(page)]
    if sets := _chosen(slugs, exercise_slugs(root)):
        faults += _exercises().check(root, sets)
    if not slugs:
        faults += orphans(root / "chapters", set(chapters))
        faults += _profile_faults(root, pages)
    return faults


def _exercises() -> ModuleType:
    """Return `tools.exercises`, which loads the package and with it PyTorch: seconds."""
    from tools import exercises

    return exercises


def _profile_faults(root: Path, pages: dict[str, Page]) -> list[str]:
    try:
        return profile_faults(read_profiles(root), pages, known=chapter_slugs(root))
    except ProfileError as error:
        return [str(error)]


def _chosen(slugs: Sequence[str], known: Sequence[str]) -> list[str]:
    return [slug for slug in known if not slugs or slug in slugs]


def _unknown(slugs: Iterable[str], known: set[str]) -> str:
    """Return the message for slugs that name nothing, or an empty string."""
    unknown = ", ".join(sorted(set(slugs) - known))
    return f"nothing is called {unknown}; there are: {', '.join(sorted(known))}" if unknown else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="run what changed")
    builder.add_argument("--jobs", type=int, metavar="N", help="kernels at once")
    builder.add_argument("--force", action="store_true", help="run also what has not changed")
    builder.add_argument("--profile", metavar="NAME", help="run with a profile's parameters")
    builder.add_argument("--timeout", type=int, default=CELL_TIMEOUT, help="seconds for one cell")
    checker = commands.add_parser("check", help="are the notebooks in step with their sources?")
    for command in (builder, checker):
        command.add_argument("slugs", nargs="*", metavar="SLUG", help="what (default: everything)")
    return parser


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command line and return its exit status."""
    options = _parser().parse_args(arguments)
    if options.command == "check":
        faults = check(root, options.slugs)
        print("\n".join(faults) or "Every notebook is in step with its source.")
        return 1 if faults else 0
    plan = Plan(options.jobs, options.force, options.timeout)
    try:
        if options.profile is not None:
            failures = build_profile(root, options.profile, options.slugs, plan=plan)
        else:
            failures = build(root, options.slugs, plan)
    except KeyboardInterrupt:
        print("Interrupted: the notebooks that were running stay as they were.", file=sys.stderr)
        return 130
    for message in failures:
        print(message, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

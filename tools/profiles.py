"""Runs of chapters with other parameters than their own: `profiles.yml`, and papermill's cell."""

import ast
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from papermill.translators import PythonTranslator

from d2l_lite.grading.cells import Cell
from tools.pages import Page

PARAMETERS_TAG = "parameters"
Profiles = Mapping[str, Mapping[str, Mapping[str, Any]]]
#: The library is not typed.
_translator: Any = PythonTranslator


class ProfileError(ValueError):
    """A profile, chapter or parameter that does not exist; the message lists those that do."""


def read_profiles(root: Path) -> Profiles:
    """Return the profiles: name to chapter to parameter to value."""
    path = root / "profiles.yml"
    profiles = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not isinstance(profiles, dict) or not all(
        isinstance(chapters, dict) and all(isinstance(v, dict) for v in chapters.values())
        for chapters in profiles.values()
    ):
        raise ProfileError(f"{path.name} must map profiles to chapters to parameters to values")
    return profiles


def parameters_of(page: Page) -> list[str]:
    """Return the names that the page's cell tagged `parameters` assigns, in order."""
    cells = [cell for cell in page.cells if PARAMETERS_TAG in cell.tags]
    names = []
    for statement in ast.parse(cells[0].source).body if cells else []:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        names += [target.id for target in targets if isinstance(target, ast.Name)]
    return names


def profile_faults(
    profiles: Profiles, pages: Mapping[str, Page], *, known: Collection[str]
) -> list[str]:
    """Return each chapter and each parameter of profiles.yml that does not exist.

    Args:
        profiles: what `read_profiles` returned.
        pages: the chapters' pages by slug; parameters of other chapters are not looked at.
        known: the slugs of all chapters.
    """
    faults = []
    for name, chapters in profiles.items():
        where = f"profiles.yml, profile {name}"
        for slug, parameters in chapters.items():
            if slug not in known:
                faults.append(f"{where}: no chapter {slug!r}; there are: {_listed(known)}")
            names = parameters_of(pages[slug]) if slug in pages else list(parameters)
            faults += [
                f"{where}: {slug} has no parameter {parameter!r}; it has: {_listed(names)}"
                for parameter in parameters
                if parameter not in names
            ]
    return faults


def profile_pages(profiles: Profiles, name: str, pages: Mapping[str, Page]) -> list[Page]:
    """Return chapters' pages with the parameters of a profile, to be made below `build/`.

    Args:
        profiles: what `read_profiles` returned.
        name: the profile's name.
        pages: the chapters' pages by slug.

    Raises:
        ProfileError: there is no such profile.
    """
    if name not in profiles:
        raise ProfileError(f"no profile is called {name!r}; profiles.yml has: {_listed(profiles)}")
    chosen = profiles[name]
    return [_with_parameters(page, name, chosen.get(slug, {})) for slug, page in pages.items()]


def _with_parameters(page: Page, name: str, parameters: Mapping[str, Any]) -> Page:
    """Return a page with one more cell behind its parameters, as papermill inserts it."""
    cells = list(page.cells)
    if parameters:
        text = _translator.codify(dict(parameters), f"Parameters of the profile {name}").rstrip()
        place = next(i for i, cell in enumerate(cells) if PARAMETERS_TAG in cell.tags)
        cells.insert(place + 1, Cell("code", text, {"tags": ["injected-parameters"]}))
    return replace(page, name=f"build/profiles/{name}/{page.slug}", cells=tuple(cells))


def _listed(names: Any) -> str:
    return ", ".join(sorted(map(str, names))) or "none"

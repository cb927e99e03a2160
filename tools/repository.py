"""The repository's address, which stands in one place: `[tool.d2l-lite]` of pyproject.toml."""

from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parent.parent


def address(root: Path = ROOT) -> str:
    """Return where the repository lies, or an empty string while nobody has said so."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return str(settings["tool"]["d2l-lite"]["repository"])

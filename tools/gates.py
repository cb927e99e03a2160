"""What a committed notebook must be: in step with its source, run in order, and light."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from d2l_lite.grading.writing import dumps
from tools.pages import RECORD, Page, inputs, outputs_hash, read_notebook

MAX_NOTEBOOK_BYTES = 1_000_000
MAX_IMAGE_BYTES = 120_000
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
#: How `d2l_lite.data` says that it had to take something else than a real data set.
STAND_IN = re.compile(r"d2l_lite: .* stands? in for it")
#: How a widget shows where no widget can: the live form of an explorable is a box of others.
_WIDGET = re.compile(r"OutputModel|\A(?:VBox|HBox|Box|interactive)\(children=\(")
_PRIVATE = re.compile(r"(?<![\w.:/])/(?:home|Users|root|tmp)/[\w.-]+")
_EMBEDDED = re.compile(r"data:image/[\w.+-]+;base64,([A-Za-z0-9+/=]+)")
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}|\b0x[57][0-9a-fA-F]{9,}")
_REASONS = {
    "package": "d2l_lite changed since it was run",
    "requirements": "requirements.txt changed since it was run",
}


def output_faults(cell: NotebookNode) -> Iterator[str]:
    """Yield why the outputs of a cell must not be stored, as `rule: remedy`."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            yield f"stores the error {output.ename}: correct the cell"
        elif output.output_type == "stream" and output.name == "stderr":
            first = output.text.strip().split("\n")[0]
            yield f"writes to stderr ({first!r}): remove the cause of the warning"
            continue
        for mime, content in _contents(output):
            yield from _content_faults(mime, content)


def _contents(output: NotebookNode) -> list[tuple[str, Any]]:
    if output.output_type == "stream":
        return [("text/plain", output.text)]
    return list(output.get("data", {}).items())


def _content_faults(mime: str, content: Any) -> Iterator[str]:
    if mime == WIDGET_MIME or _WIDGET.search(str(content)):
        yield "stores a widget, which is dead without a kernel: show a kernel-free explorable"
    if mime.startswith("image/"):
        is_text = mime == "image/svg+xml"
        size = len(content.encode()) if is_text else _bytes_of(content)
        if size > MAX_IMAGE_BYTES:
            yield (
                f"stores an image of {size / 1000:.0f} kB, more than {MAX_IMAGE_BYTES // 1000} kB: "
                "draw fewer points, or a smaller figure"
            )
    elif isinstance(content, str):
        if any(_bytes_of(found) > MAX_IMAGE_BYTES for found in _EMBEDDED.findall(content)):
            yield f"embeds an image of more than {MAX_IMAGE_BYTES // 1000} kB: make it smaller"
        if found := _ADDRESS.search(content):
            yield f"shows a memory address ({found[0]}): print something that stays the same"
        if found := _PRIVATE.search(content):
            yield f"shows a path of one machine ({found[0]}): print a name below the book's folder"
        if mime == "text/html" and "anim_control" in content:
            yield "stores an animation with its own player: show a kernel-free explorable"


def _bytes_of(encoded: str) -> int:
    return len(base64.b64decode(encoded))


def page_faults(page: Page) -> list[str]:
    """Return what is wrong with the committed notebook of a page: one line a fault, with remedy."""
    path = page.target.relative_to(page.root).as_posix()
    if not page.target.is_file():
        return [f"{path}: is missing; {page.remedy}"]
    try:
        notebook = read_notebook(page.target)
    except ValueError as error:
        return [f"{path}: {str(error).splitlines()[0]}; {page.remedy}"]
    faults = [*_stale(page, notebook), *_different(page, notebook), *run_faults(page, notebook)]
    size = page.target.stat().st_size
    if size > MAX_NOTEBOOK_BYTES:
        limit = MAX_NOTEBOOK_BYTES // 1000
        faults.append(f"is {size / 1000:.0f} kB, more than {limit} kB; make its figures smaller")
    elif not faults and page.target.read_bytes() != dumps(notebook).encode():
        faults.append(f"was saved by another program; {page.remedy}")
    return [f"{path}: {fault}" for fault in faults]


def _stale(page: Page, notebook: NotebookNode) -> Iterator[str]:
    """Yield what changed since the notebook was run."""
    if not page.executed:
        return
    record = notebook.metadata.get(RECORD, {})
    hashes = page.hashes()
    if record.get("source") != hashes["source"]:
        where = page.source.relative_to(page.root).as_posix()
        yield f"{where} changed since it was generated; {page.remedy}"
    for key, reason in _REASONS.items():
        if record.get(key) != hashes[key]:
            yield f"{reason}; {page.remedy}"


def _different(page: Page, notebook: NotebookNode) -> Iterator[str]:
    """Yield each input of the notebook that is not the generated one."""
    expected = inputs(page)
    if page.executed and notebook.metadata.get(RECORD, {}).get("source") != page.hashes()["source"]:
        return
    # A page that is not run records no hash of its source, so either of the two may have changed.
    fault = "was changed by hand" if page.executed else "is not what the source gives"
    if len(notebook.cells) != len(expected.cells):
        yield f"has {len(notebook.cells)} cells, not {len(expected.cells)}; {page.remedy}"
    for number, (one, two) in enumerate(zip(notebook.cells, expected.cells, strict=False), 1):
        for key in ("cell_type", "id", "source", "metadata"):
            if one.get(key) != two[key]:
                title = page.cells[number - 1].title
                yield (
                    f"cell {number} (`{title}`): its {key} {fault}; edit "
                    f"{page.source.name} instead, and {page.remedy}"
                )
    metadata = {key: value for key, value in notebook.metadata.items() if key != RECORD}
    if metadata != expected.metadata:
        keys = sorted(set(metadata) ^ set(expected.metadata)) or ["kernelspec, language_info"]
        yield f"its metadata was changed by hand ({', '.join(keys)}); {page.remedy}"


def run_faults(page: Page, notebook: NotebookNode) -> Iterator[str]:
    """Yield each code cell that did not run in order, or stores what it must not."""
    count = 0
    for number, cell in enumerate(notebook.cells, 1):
        name = f"cell {number} (`{cell.source.strip().split(chr(10))[0][:60]}`)"
        if cell.cell_type != "code":
            continue
        count += 1
        if not page.executed:
            if cell.execution_count is not None or cell.outputs:
                yield f"{name}: stores a run, and must not; {page.remedy}"
        elif cell.execution_count is None:
            yield f"{name}: was not run; {page.remedy}"
        elif cell.execution_count != count:
            yield f"{name}: ran as number {cell.execution_count}, not {count}; {page.remedy}"
        for fault in output_faults(cell):
            yield f"{name}: {fault}, and {page.remedy}"
        if any(STAND_IN.search(str(text)) for out in cell.outputs for _, text in _contents(out)):
            yield f"{name}: ran without the real data; run `make data`, and {page.remedy}"
    if page.executed and notebook.metadata.get(RECORD, {}).get("outputs") != outputs_hash(notebook):
        yield f"its outputs are not those of the recorded run; {page.remedy}"


def orphans(folder: Path, names: set[str]) -> list[str]:
    """Return a fault for each notebook in a folder whose name is not among those with a source."""
    return [
        f"{path.parent.name}/{path.name}: has no source; delete it, or write source/{path.stem}.md"
        for path in sorted(folder.glob("*.ipynb"))
        if path.stem not in names
    ]

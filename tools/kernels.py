"""Run a notebook in a kernel of its own, and leave nothing in it that changes by itself."""

import asyncio
import contextlib
import json
import logging
import os
import re
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from traitlets.config import Config

from d2l_lite.grading.cells import Cell
from tools.gates import output_faults
from tools.pages import RECORD, Page, code_cells, outputs_hash

#: The library is not typed.
_nbformat: Any = nbformat
CELL_TIMEOUT = 600
_LOG = logging.getLogger("tools.kernels")
_LOG.setLevel(logging.CRITICAL)
_RUNNING: set[int] = set()
_STOPPED = threading.Event()
_FRAME = re.compile(r"Cell In\[(\d+)\], line (\d+)")
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
#: Asks the kernel, after the last cell, what it is and how much memory it needed at most.
_ASK = """\
import json as _json, platform as _platform, resource as _resource, sys as _sys

def _peak_bytes():
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        peak = _resource.getrusage(_resource.RUSAGE_SELF).ru_maxrss
        return peak if _sys.platform == "darwin" else peak * 1024

def _facts():
    torch, numpy = _sys.modules.get("torch"), _sys.modules.get("numpy")
    cuda = torch is not None and torch.cuda.is_initialized()
    package = _sys.modules.get("d2l_lite")
    return {
        "python": _platform.python_version(),
        "torch": torch.__version__.split("+")[0] if torch else None,
        "numpy": numpy.__version__ if numpy else None,
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "peak_memory_mb": round(_peak_bytes() / 1e6),
        "prefix": _sys.prefix,
        "package": getattr(package, "__file__", None),
    }

print(_json.dumps(_facts()))
"""


class PageError(Exception):
    """A page that could not be made; the message names the page, the cell, its line and why."""


@dataclass(frozen=True)
class Place:
    """A cell of a page, for messages."""

    page: Page
    index: int

    @property
    def cell(self) -> Cell:
        """The cell itself."""
        return self.page.cells[self.index]

    def line(self, within: int = 1) -> str:
        """Return where line `within` of the cell stands: file and line of the source."""
        if not self.cell.line:
            return "inserted by the generator"
        path = os.path.relpath(self.page.source, self.page.root)
        return f"{path} line {self.cell.line + within - 1}"

    def describe(self, within: int = 1) -> str:
        """Return the name of the cell in a message."""
        return f"{self.page.name}, cell {self.index + 1} (`{self.cell.title}`), {self.line(within)}"


def environment(threads: int, folder: Path) -> dict[str, str]:
    """Return the environment of a kernel: fixed seeds and dates, its share of the cores.

    Args:
        threads: how many the kernel may compute with.
        folder: an empty folder, in which IPython finds no settings of the user's.
    """
    numbers = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {
        **os.environ,
        **dict.fromkeys(numbers, str(threads)),
        "OMP_WAIT_POLICY": "passive",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": "0",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "IPYTHONDIR": str(folder),
        "TZ": "UTC",
    }


def execute(
    page: Page, notebook: NotebookNode, *, threads: int = 1, timeout: int = CELL_TIMEOUT
) -> NotebookNode:
    """Return the notebook with the outputs of a run, and the record of that run in its metadata.

    Args:
        page: what the notebook belongs to.
        notebook: its inputs; filled in place.
        threads: how many the kernel may compute with.
        timeout: seconds that one cell may take.

    Raises:
        PageError: a cell failed, took too long, or left an output that must not be stored.
    """
    with _folder() as settings, _folder() as folder:
        private = {"transport": "ipc", "ip": f"{settings}/kernel"} if os.name == "posix" else {}
        client = NotebookClient(
            notebook,
            timeout=timeout,
            record_timing=False,
            shutdown_kernel="immediate",
            kernel_name="python3",
            log=_LOG,
            config=Config(KernelManager=private),
        )
        start = {"env": environment(threads, Path(settings)), "cwd": folder}
        facts = asyncio.run(_run(client, page, start))
    for cell in code_cells(notebook):
        cell.outputs = normalized(cell.outputs)
    _require_clean(page, notebook)
    notebook.metadata[RECORD] = {
        **page.hashes(),
        **facts,
        "threads": threads,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "outputs": outputs_hash(notebook),
    }
    return notebook


def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for the time of a run; a process left behind may still write into it."""
    return tempfile.TemporaryDirectory(ignore_cleanup_errors=True)


async def _run(client: NotebookClient, page: Page, start: dict[str, Any]) -> dict[str, Any]:
    """Run every cell; return what the kernel says of itself, and the seconds it took."""
    async with client.async_setup_kernel(**start):
        provisioner = client.km.provisioner if client.km else None
        pid = getattr(provisioner, "pid", 0)
        _RUNNING.add(pid)
        try:
            began = time.perf_counter()
            for index, cell in enumerate(client.nb.cells):
                await _run_cell(client, cell, Place(page, index))
            seconds = time.perf_counter() - began
            facts = await _ask(client)
        finally:
            _RUNNING.discard(pid)
    _require_ours(page, facts.pop("prefix"), facts.pop("package"))
    return {**facts, "seconds": round(seconds, 1)}


async def _ask(client: NotebookClient) -> dict[str, Any]:
    """Return what the kernel says of itself; nbclient runs only cells of its own notebook."""
    cells = client.nb.cells
    cells.append(_nbformat.v4.new_code_cell(_ASK))
    try:
        await client.async_execute_cell(cells[-1], len(cells) - 1, store_history=False)
        facts: dict[str, Any] = json.loads(cells[-1].outputs[0].text)
    finally:
        cells.pop()
    return facts


async def _run_cell(client: NotebookClient, cell: NotebookNode, place: Place) -> None:
    if _STOPPED.is_set():
        raise PageError(f"{place.describe()}: interrupted")
    try:
        await client.async_execute_cell(cell, place.index)
    except CellExecutionError as error:
        raise PageError(_failure(place, error)) from error
    except CellTimeoutError as error:
        raise PageError(
            f"{place.describe()}: did not finish within {client.timeout} s; "
            "make it cheaper, or give --timeout"
        ) from error
    except DeadKernelError as error:
        raise PageError(
            f"{place.describe()}: the kernel died, as it does when memory runs out"
        ) from error


def _failure(place: Place, error: CellExecutionError) -> str:
    """Return the message for an exception: where the cell failed, and where it was raised."""
    page = place.page
    numbers = [index for index, cell in enumerate(page.cells) if cell.kind == "code"]
    frames = [
        (Place(page, numbers[int(count) - 1]), int(line))
        for count, line in _FRAME.findall(_COLOR.sub("", error.traceback))
        if 0 < int(count) <= len(numbers)
    ]
    within = next((line for at, line in frames if at.index == place.index), 1)
    message = f"{place.describe(within)}: {error.ename}: {error.evalue}"
    if frames and frames[-1] != (place, within):
        at, line = frames[-1]
        message += f" (raised in {at.line(line)})"
    return message


def _require_ours(page: Page, prefix: str, package: str | None) -> None:
    """Refuse a run in another environment, or with a package from elsewhere."""
    if Path(prefix).resolve() != Path(sys.prefix).resolve():
        raise PageError(
            f"{page.name}: the kernel `python3` runs in {prefix}, not in {sys.prefix}; "
            f"run `{sys.executable} -m ipykernel install --sys-prefix`"
        )
    ours = page.root / "d2l_lite" / "__init__.py"
    if package and ours.is_file() and not ours.samefile(package):
        raise PageError(
            f"{page.name}: the kernel imported d2l_lite from {package}, not from {ours.parent}; "
            f"run `{sys.executable} -m pip install --no-deps -e {page.root}`"
        )


def _require_clean(page: Page, notebook: NotebookNode) -> None:
    """Refuse outputs that must not be stored, all of them in one message."""
    faults = [
        f"{Place(page, index).describe()}: {fault}"
        for index, cell in enumerate(notebook.cells)
        for fault in output_faults(cell)
    ]
    if faults:
        raise PageError("\n".join(faults))


def normalized(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Return outputs in the form in which they are stored.

    Neighboring pieces of one stream become one, and of a line that was written over with carriage
    returns the last version stays: both depend on timing alone.
    """
    kept: list[NotebookNode] = []
    for output in outputs:
        last = kept[-1] if kept else None
        is_stream = output.output_type == "stream"
        if is_stream and last and last.output_type == "stream" and last.name == output.name:
            last.text += output.text
        else:
            kept.append(output)
    for output in kept:
        if output.output_type == "stream":
            lines = output.text.replace("\r\n", "\n").split("\n")
            output.text = "\n".join(line.rstrip("\r").split("\r")[-1] for line in lines)
    return kept


def stop_all() -> None:
    """Kill the kernels that are running, and start no further cell: the user interrupted."""
    _STOPPED.set()
    for pid in list(_RUNNING):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

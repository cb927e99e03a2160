"""Make many pages at once: run what changed, share out the cores, keep going after a failure."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from nbformat import NotebookNode

from d2l_lite.grading.writing import write_notebook
from tools.gates import run_faults
from tools.kernels import CELL_TIMEOUT, PageError, execute, stop_all
from tools.pages import RECORD, Page, code_cells, inputs, outputs_hash, read_notebook


@dataclass(frozen=True)
class Plan:
    """How to build.

    Args:
        jobs: kernels at once; None is one a core. More than the cores are not started.
        force: run also what has not changed.
        timeout: seconds that one cell may take.
    """

    jobs: int | None = None
    force: bool = False
    timeout: int = CELL_TIMEOUT

    @property
    def processes(self) -> int:
        """Kernels that may run at once."""
        return max(1, min(self.jobs or cores(), cores()))

    @property
    def threads(self) -> int:
        """Threads of each kernel, the same whatever else has to run: so are its last digits."""
        return max(1, cores() // self.processes)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def reason_to_run(page: Page, *, force: bool = False) -> str:
    """Return why the page's code has to run, or an empty string.

    Text, tags and captions may change without a run: outputs depend on what the kernel is given,
    on the package and on the environment.
    """
    if not page.executed:
        return ""
    if force:
        return "forced"
    if not page.target.is_file():
        return "new"
    try:
        notebook = read_notebook(page.target)
    except ValueError:
        return "unreadable notebook"
    record, hashes = notebook.metadata.get(RECORD, {}), page.hashes()
    for key in ("code", "package", "requirements"):
        if record.get(key) != hashes[key]:
            return f"{key} changed"
    if record.get("outputs") != outputs_hash(notebook):
        return "outputs were edited"
    return "outputs break a rule" if any(run_faults(page, notebook)) else ""


def with_stored_outputs(page: Page) -> NotebookNode:
    """Return the page's notebook with the outputs of its last run, which still hold."""
    notebook = inputs(page)
    if page.executed:
        stored = read_notebook(page.target)
        for cell, old in zip(code_cells(notebook), code_cells(stored), strict=True):
            cell.execution_count, cell.outputs = old.execution_count, old.outputs
        notebook.metadata[RECORD] = stored.metadata[RECORD] | page.hashes()
    return notebook


def build_pages(pages: Sequence[Page], plan: Plan) -> list[str]:
    """Bring the notebooks of pages up to date and return the messages of those that failed.

    A page that fails leaves its committed notebook as it was; the others go on.
    """
    reasons = [(page, reason_to_run(page, force=plan.force)) for page in pages]
    for page in [page for page, reason in reasons if not reason]:
        changed = write_notebook(with_stored_outputs(page), page.target)
        print(f"{'wrote' if changed else 'fresh':7} {page.name}", flush=True)
    failures = []
    with ThreadPoolExecutor(plan.processes) as pool:
        jobs = [pool.submit(_run, page, reason, plan) for page, reason in reasons if reason]
        try:
            for job in as_completed(jobs):
                if message := job.result():
                    failures.append(message)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop_all()
            raise
    return failures


def _run(page: Page, reason: str, plan: Plan) -> str:
    """Run one page, say so, and return the message of its failure or an empty string."""
    print(f"start   {page.name} ({reason})", flush=True)
    try:
        notebook = execute(page, inputs(page), threads=plan.threads, timeout=plan.timeout)
        write_notebook(notebook, page.target)
    except Exception as error:
        print(f"failed  {page.name}", flush=True)
        known = isinstance(error, PageError)
        return str(error) if known else f"{page.name}: {type(error).__name__}: {error}"
    record = notebook.metadata[RECORD]
    print(
        f"done    {page.name}: {record['seconds']:.1f} s, {record['peak_memory_mb']} MB",
        flush=True,
    )
    return ""

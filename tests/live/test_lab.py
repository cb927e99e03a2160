"""JupyterLab: a chapter runs, and both kinds of explorables and a quiz answer to the keys."""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import time

import nbformat
import pytest

from tests.book.built import ROOT
from tests.browser import Witness, launched

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
TOKEN = "only-this-test"
CHAPTER = "linear_regression"
#: Generous, since the tests share the machine's cores with one another; a quiet machine needs 10 s.
PATIENCE = 90_000
CELLS = (
    """\
import d2l_lite as d2l

calls = 0

def line(slope):
    global calls
    calls += 1
    return d2l.Curves({"line": ([0, 1], [0, slope])}, "x", "y", text=f"slope {slope}, call {calls}")

d2l.explore(line, live=True, label="A line", slope=d2l.Slider(1, 9, step=1))""",
    """\
d2l.quiz('''
Twice twelve?

- [x] 24 | So.
- [ ] 144 | That is the square.
- [ ] other | No.
''', answer=24)""",
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", f"/api/status?token={TOKEN}")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab's address and folder; it knows nothing of this machine's settings."""
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("lab")
    shutil.copyfile(ROOT / "chapters" / f"{CHAPTER}.ipynb", folder / f"{CHAPTER}.ipynb")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "small.ipynb")
    port = free_port()
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    names += ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    places = {name: str(home / name.lower()) for name in names}
    options = f"--no-browser --allow-root --port={port} --ServerApp.port_retries=0 "
    options += f"--IdentityProvider.token={TOKEN} --ServerApp.root_dir={folder} "
    options += "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate "
    options += "--LabApp.news_url="
    command = [sys.executable, "-m", "jupyterlab", *options.split()]
    with (home / "log").open("w+") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **places})
        try:
            end = time.monotonic() + 120
            while not answers(port):
                if server.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    pytest.fail(f"JupyterLab did not start:\n{log.read()[-2000:]}")
                time.sleep(0.3)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture
def context(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


def run_all(context, lab, name):
    """Open a notebook in JupyterLab and run all its cells, from its menu."""
    page = context.new_page()
    page.goto(f"{lab}/lab/tree/{name}.ipynb?token={TOKEN}&reset")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # before, a run is forgotten
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
    page.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()
    return page


def test_a_chapter_runs_and_its_explorable_answers_to_the_keys(context, lab):
    witness = Witness(context, lab)
    page = run_all(context, lab, CHAPTER)
    explorable = page.locator(".d2l-explorable:has(canvas)").first
    explorable.wait_for(state="attached")
    explorable.scroll_into_view_if_needed()
    text = explorable.locator(".d2l-text")
    before = text.inner_text()
    slider = explorable.locator("input[type=range]").first
    slider.focus()
    value = int(slider.input_value())
    page.keyboard.press("ArrowRight")
    assert int(slider.input_value()) == value + 1
    assert text.inner_text() != before
    assert slider.evaluate("(e) => e === document.activeElement"), "the notebook took the key"
    assert not page.locator(".jp-OutputArea-output[data-mime-type*=error]").count()
    assert witness.external == []


def test_the_live_form_and_a_quiz_answer_to_the_keys(context, lab):
    witness = Witness(context, lab)
    page = run_all(context, lab, "small")
    page.get_by_text("slope 1, call 1").wait_for()
    picture = page.locator(".jp-OutputArea img").first
    before = picture.get_attribute("src")
    page.get_by_role("slider").first.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("slope 2, call 2").wait_for()
    page.wait_for_function(
        "([image, old]) => image.src !== old", arg=[picture.element_handle(), before]
    )

    quiz = page.locator(".d2l-quiz")
    quiz.locator("input").focus()
    status = quiz.get_by_role("status")
    page.keyboard.type("144")
    page.keyboard.press("Enter")
    assert "✗" in status.inner_text()
    assert "That is the square." in status.inner_text()
    page.keyboard.press("Control+a")
    page.keyboard.type("24")
    page.keyboard.press("Enter")
    assert "✓" in status.inner_text()
    assert page.locator(".jp-Notebook .jp-CodeCell").count() == len(CELLS), "a key did something"
    assert witness.external == []

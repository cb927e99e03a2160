"""Scenes run in node here, and in a browser where there is one."""

import json
import shutil
import subprocess
from importlib import resources

import pytest

#: A canvas context that records every call and assignment, and measures text by its length.
RECORDER = """
const recorder = () => {
  const calls = [];
  const ctx = new Proxy({}, {
    get: (_, name) => name === "measureText"
      ? (text) => ({ width: 7 * String(text).length })
      : (...args) => { calls.push([name, ...args]); },
    set: (_, name, value) => { calls.push(["set " + name, value]); return true; },
  });
  return { ctx, calls };
};
const theme = (width, height) => ({
  width, height, dark: false, ink: "ink", muted: "muted", faint: "faint", font: "12px x",
  color: (i) => "color" + i, dash: (i) => [i],
});
"""


@pytest.fixture(scope="session")
def node():
    """Return a function that evaluates a script with `core`, `scene` and `given` in node."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed: the mathematics of the scenes is not compared")
    folder = resources.files("d2l_lite.scenes")

    def run(script, scene="core", **given):
        source = (
            f"globalThis.page = require({json.dumps(str(folder / 'page.js'))});\n"
            f"globalThis.core = require({json.dumps(str(folder / 'core.js'))});\n"
            f"const scene = require({json.dumps(str(folder / f'{scene}.js'))});\n"
            f"const given = {json.dumps(given)};\n{RECORDER}\n"
            f"const result = (() => {{ {script} }})();\n"
            "process.stdout.write(JSON.stringify(result, (_, v) =>"
            " typeof v === 'number' && !Number.isFinite(v) ? String(v) : v));"
        )
        ran = subprocess.run(
            [program, "-"], input=source, capture_output=True, text=True, check=False, timeout=60
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return run


@pytest.fixture(scope="module")
def chromium():
    """Return a browser that Playwright drives; it ends with the module, and its event loop too."""
    pytest.importorskip("playwright")
    from tests.browser import launched

    with launched() as browser:
        yield browser


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<style>body {{ margin: 16px; background: #fff; color: #222; font-family: sans-serif }}
html[data-theme=dark] body {{ background: #14181e; color: #ced6dd }}
</style><body>{}</body></html>"""


@pytest.fixture
def open_page(chromium):
    """Return a function that shows HTML parts in a new page, whose errors fail the test."""
    contexts, faults = [], []

    def show(*parts, width=720, height=900, **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: line.type == "error" and faults.append(line.text))
        page.on("request", lambda request: faults.append(request.url))
        page.set_content(PAGE.format("\n".join(parts)))
        return page

    yield show
    for context in contexts:
        context.close()
    assert faults == []

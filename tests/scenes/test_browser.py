"""Explorables in a real browser: controls move text and picture, themes and narrow pages work."""

import json
import queue
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from d2l_lite.explore import Curves, Picture, Slider, explore

#: Moves every control to its other values, as the keyboard does, and writes down what happened.
DRIVER = """
<script>
const faults = [];
addEventListener("error", (event) => faults.push(event.message));
const globals = new Set(Object.keys(window));
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const state = (root) => {
  const canvas = root.querySelector("canvas");
  return { text: root.querySelector(".d2l-text").textContent, pixels: canvas.toDataURL(),
           name: canvas.getAttribute("aria-label") };
};
const move = async (root, input) => {
  const before = state(root);
  input.value = Number(input.value) === 0 ? 1 : 0;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  await wait(20);
  const after = state(root);
  return { control: input.name, label: input.labels[0].firstChild.textContent,
           keys: input.dataset.lmSuppressShortcuts, spoken: input.getAttribute("aria-valuetext"),
           text: before.text !== after.text, pixels: before.pixels !== after.pixels,
           name: after.name.endsWith(after.text), after: after.text };
};
addEventListener("load", async () => {
  await wait(300);
  const result = { faults, explorables: [] };
  const roots = [...document.querySelectorAll(".d2l-explorable")];
  for (const root of roots) {
    const report = { label: root.getAttribute("aria-label"), moves: [] };
    for (const input of root.querySelectorAll("input, select")) {
      report.moves.push(await move(root, input));
    }
    const [play, reset] = root.querySelectorAll("button");
    if (play) {
      reset.click();
      const start = state(root).text;
      play.click();
      const label = play.textContent;
      await wait(300);
      report.play = { label, moved: state(root).text !== start };
      reset.click();
      report.play.reset = state(root).text === start && play.textContent === "Play";
    }
    result.explorables.push(report);
  }
  const seen = roots.map((root) => state(root).pixels);
  document.documentElement.dataset.theme = "dark";
  for (let frame = 0; frame < 10; frame++) await new Promise(requestAnimationFrame);
  result.redrawn = roots.map((root, i) => state(root).pixels !== seen[i]);
  result.scheme = roots.map((root) => root.style.colorScheme);
  result.overflow = Math.max(...roots.map((root) => root.scrollWidth - root.clientWidth));
  result.canvases = roots.map((root) => {
    const canvas = root.querySelector("canvas");
    return [canvas.width, canvas.clientWidth, devicePixelRatio];
  });
  result.leaked = Object.keys(window).filter((key) => !globals.has(key));
  await fetch("/result", { method: "POST", body: JSON.stringify(result) });
});
</script>
"""
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<style>body { margin: 8px; background: #fff; color: #222 }
html[data-theme=dark] body { background: #14181e; color: #ced6dd }
#frame { width: WIDTHpx }</style><body><div id="frame">BODY</div></body></html>"""


def curves(k, kind):
    x = np.linspace(0, 6, 60)
    return Curves({kind: (x, np.sin(k * x)), "half": (x, x / 6)}, "x", "y", text=f"{k} {kind}")


def page_parts():
    image = np.random.default_rng(0).random((8, 8))
    kernels = {"edge": [[1, 0, -1]] * 3, "blur": np.full((3, 3), 1 / 9)}
    descent = {"H": [[2, 0.5], [0.5, 1]], "w_star": [1, 2], "w0": [-1, 0], "steps": 20}
    return [
        explore(curves, label="Curves", k=Slider(1, 9, step=1, play=True), kind=["a", "b"]),
        explore(lambda i: Picture(image ** (i + 1)), label="Picture", i=[0, 1, 2]),
        explore(scene="descent", data=descent, label="Descent"),
        explore(scene="convolution", data={"image": image, "kernels": kernels}, label="Layer"),
    ]


class Desk(BaseHTTPRequestHandler):
    """Gives the page and takes its report; a browser draws frames only in real time."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.server.page if self.path == "/" else b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.server.reports.put(json.loads(body))

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module", params=[(360, 1), (720, 2)], ids=["phone", "desktop at 2x"])
def browsed(request, tmp_path_factory):
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("chromium is not installed: explorables are not driven")
    width, zoom = request.param
    parts = page_parts()
    body = DRIVER + "\n".join(part.html for part in [*parts, parts[0]])  # one of them twice
    with ThreadingHTTPServer(("127.0.0.1", 0), Desk) as server:
        server.page = PAGE.replace("WIDTH", str(width - 16)).replace("BODY", body).encode()
        server.reports = queue.Queue()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = (
            "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
            f"--disable-component-update --disable-sync --force-device-scale-factor={zoom} "
            f"--window-size={max(width, 520)},900 --user-data-dir={tmp_path_factory.mktemp('c')} "
            f"--remote-debugging-port=0 http://127.0.0.1:{server.server_port}/"
        )
        with subprocess.Popen([program, *options.split()], stderr=subprocess.DEVNULL) as browser:
            try:
                yield server.reports.get(timeout=90), width, zoom
            finally:
                browser.terminate()
                server.shutdown()


def test_every_control_moves_text_and_picture(browsed):
    result, _, _ = browsed
    assert result["faults"] == []
    labels = [report["label"] for report in result["explorables"]]
    assert labels == ["Curves", "Picture", "Descent", "Layer", "Curves"]
    moves = [move for report in result["explorables"] for move in report["moves"]]
    assert len(moves) == 2 + 1 + 2 + 5 + 2
    for move in moves:
        assert move["text"], move
        assert move["pixels"], move
        assert move["name"], move  # the canvas is named by what it shows now
        assert move["keys"] == "true"
        assert move["label"]


def test_a_slider_speaks_its_value_not_its_index(browsed):
    first = browsed[0]["explorables"][0]["moves"][0]
    assert (first["control"], first["spoken"], first["after"]) == ("k", "2", "2 a")


def test_time_plays_and_resets(browsed):
    played = [report["play"] for report in browsed[0]["explorables"] if "play" in report]
    assert len(played) == 4
    for play in played:
        assert play["moved"]
        assert play["reset"]
    assert played[0]["label"] == "Pause"


def test_the_theme_of_the_page_is_followed(browsed):
    result, _, _ = browsed
    assert result["redrawn"] == [True, False, True, True, True]  # a picture has colors of its own
    assert result["scheme"] == ["dark"] * 5


def test_nothing_overflows_and_pixels_are_the_devices(browsed):
    result, width, zoom = browsed
    assert result["overflow"] <= 0
    for pixels, css, ratio in result["canvases"]:
        assert css == width - 16
        assert ratio == zoom
        assert pixels == zoom * css


def test_nothing_leaks_into_the_page(browsed):
    assert browsed[0]["leaked"] == []

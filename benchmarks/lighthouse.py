"""What Lighthouse says of a chapter page with twelve figures: four scores, weight, and times.

    python -m benchmarks.lighthouse [--html FOLDER] [--page PAGE] [--runs N] [--dry-run]

`make book` comes first. The book is served compressed, on loopback, from a copy below `build/` in
which the page has twelve figures: those of other chapters fill it up. Each number is a median.
Lighthouse itself comes from npm, into `build/`; without npm or Chromium the program says so.
"""

import argparse
import functools
import gzip
import http.server
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import machine
from tools import chromium
from tools.book import HTML, ROOT

RESULT = Path(__file__).parent / "results" / "lighthouse"
VERSION = "12.8.2"
FOLDER = ROOT / "build" / "lighthouse"
PAGE = "chapters/convolution.html"
FIGURES = 12
MAX_KILOBYTES = 900
SCORES = ("performance", "accessibility", "best-practices", "seo")
#: The least score of each form factor and category that is asked for.
GOALS = {"desktop": (95, 100, 100, 100), "mobile": (85, None, None, None)}
TIMES = {
    "first-contentful-paint": "first paint with content in s",
    "largest-contentful-paint": "largest paint in s",
    "speed-index": "speed index in s",
    "total-blocking-time": "blocked in ms",
    "cumulative-layout-shift": "layout shift",
}
COMPRESSED = {".html", ".css", ".js", ".svg", ".json", ".txt"}
FIGURE = re.compile(r"<figure\b.*?</figure>", re.S)


class Handler(http.server.SimpleHTTPRequestHandler):
    """A server of files that compresses text and lets browsers keep it, as hosts of pages do."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Send a file."""
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content, small = path.read_bytes(), path.suffix in COMPRESSED
        content = gzip.compress(content, 6) if small else content
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "public, max-age=31536000")
        if small:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback and yield its address."""
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def tools() -> tuple[str, str]:
    """Return the programs Lighthouse and Chromium; end the program if one is missing."""
    npm, browser = shutil.which("npm"), chromium.find()
    if npm is None or browser is None:
        missing = "npm" if npm is None else "Chromium"
        raise SystemExit(f"Nothing was measured: {missing} was not found; install it and try again")
    program = FOLDER / "node_modules" / ".bin" / "lighthouse"
    if not program.is_file():
        FOLDER.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--prefix", str(FOLDER), "--no-audit", "--no-fund", "--silent"]
        if subprocess.run([*command, f"lighthouse@{VERSION}"]).returncode:
            raise SystemExit(f"Nothing was measured: npm did not deliver lighthouse {VERSION}")
    return str(program), browser


def filled(html: Path, page: str, folder: Path) -> int:
    """Copy the book to a folder with figures of other chapters on a page, and return how many."""
    shutil.copytree(html, folder)
    path = folder / page
    text = path.read_text(encoding="utf-8")
    own = len(FIGURE.findall(text))
    others = sorted(set(path.parent.glob("*.html")) - {path})
    more = [one for other in others for one in FIGURE.findall(other.read_text(encoding="utf-8"))]
    # An id, or a link to it, would stand on a page that it does not belong to.
    more = [re.sub(r'<a class="headerlink".*?</a>| id="[^"]*"', "", figure) for figure in more]
    added = more[: max(0, FIGURES - own)]
    text = text.replace("</article>", "\n".join([*added, "</article>"]), 1)
    path.write_text(text, encoding="utf-8")
    return own + len(added)


def measure(url: str, form: str, programs: tuple[str, str]) -> dict[str, Any]:
    """Return Lighthouse's report of a page for one form factor, `desktop` or `mobile`."""
    program, browser = programs
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "report.json")
        flags = f"--headless=new --no-sandbox --disable-gpu --user-data-dir={folder}/profile"
        command = [program, url, "--output=json", f"--output-path={target}", "--quiet"]
        command += [f"--chrome-flags={flags}", "--no-enable-error-reporting"]
        command += ["--preset=desktop"] if form == "desktop" else []
        ran = subprocess.run(
            command, env=os.environ | {"CHROME_PATH": browser}, capture_output=True, text=True
        )
        if ran.returncode:
            raise SystemExit(f"Lighthouse failed on {url}:\n{ran.stderr.strip()[-2000:]}")
        report: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return report


def numbers(report: dict[str, Any]) -> dict[str, float]:
    """Return what is kept of one report: scores from 0 to 100, kilobytes, requests, times."""
    audits = report["audits"]
    kept = {name: 100.0 * (report["categories"][name]["score"] or 0) for name in SCORES}
    requests = audits["network-requests"]["details"]["items"]
    kept["kilobytes"] = sum(one["transferSize"] for one in requests) / 1000
    kept["requests"] = len(requests)
    for name in TIMES:
        scale = 1 if name in ("total-blocking-time", "cumulative-layout-shift") else 1000
        kept[name] = audits[name]["numericValue"] / scale
    return kept


def shortfalls(report: dict[str, Any]) -> list[str]:
    """Return what costs points apart from speed: the titles of audits that failed."""
    wanted = [
        ref["id"]
        for name in SCORES[1:]
        for ref in report["categories"][name]["auditRefs"]
        if ref["weight"]
    ]
    audits = (report["audits"][name] for name in dict.fromkeys(wanted))
    return [
        f"{one['id']}: {one['title']}"
        for one in audits
        if (one["score"] or 0) < 1 and one["score"] is not None
    ]


def table(medians: dict[str, dict[str, float]]) -> list[str]:
    """Return the lines of a table with a row for each form factor and category, then the rest."""
    lines = ["| form | what | median | goal | |", "|---|---|--:|--:|---|"]
    for form, kept in medians.items():
        goals = [*zip(SCORES, GOALS[form], strict=True), ("kilobytes", MAX_KILOBYTES)]
        for name, goal in goals:
            least = name != "kilobytes"
            met = goal is None or (kept[name] >= goal if least else kept[name] <= goal)
            sign = "≥" if least else "≤"
            asked = "" if goal is None else f"{sign} {goal}"
            word = "" if goal is None else ("met" if met else "NOT met")
            what = "kB transferred, compressed" if name == "kilobytes" else name
            lines.append(f"| {form} | {what} | {kept[name]:.0f} | {asked} | {word} |")
    lines += ["", f"| form | {' | '.join(TIMES.values())} | requests |", f"|---{'|--:' * 6}|"]
    for form, kept in medians.items():
        times = " | ".join(f"{kept[name]:.2f}" for name in TIMES)
        lines.append(f"| {form} | {times} | {kept['requests']:.0f} |")
    return lines


def conditions(report: dict[str, Any], load: float) -> list[str]:
    """Return the lines that say where and with what a report came about."""
    browser = re.search(r"Chrome/[\d.]+", report["environment"]["hostUserAgent"])
    name = browser[0] if browser else "an unknown browser"
    return [
        f"{machine.described(load)}.",
        f"Lighthouse {report['lighthouseVersion']}, {name}; network and processor as it simulates "
        "them, the book served compressed on loopback.",
    ]


def markdown(result: dict[str, Any]) -> str:
    """Return a result as Markdown."""
    failed = ", ".join(result["failed"]) or "none"
    lines = ["# Lighthouse", "", *(f"- {line}" for line in result["conditions"]), ""]
    lines += [*table(result["medians"]), "", f"Audits that cost points, speed apart: {failed}."]
    return "\n".join([*lines, "", "Written by `python -m benchmarks.lighthouse`.", ""])


def reports(html: Path, page: str, runs: int) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Return how many figures the page had, and Lighthouse's reports for each form factor."""
    programs = tools()
    with tempfile.TemporaryDirectory() as scratch:
        figures = filled(html, page, Path(scratch, "html"))
        with served(Path(scratch, "html")) as address:
            url = address + page
            return figures, {
                form: [measure(url, form, programs) for _ in range(runs)] for form in GOALS
            }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lighthouse", description=__doc__)
    parser.add_argument("--html", type=Path, default=HTML, help="the built book")
    parser.add_argument("--page", default=PAGE, help="the page to measure")
    parser.add_argument("--runs", type=int, default=3, help="runs of each form factor")
    parser.add_argument("--dry-run", action="store_true", help="print the result, write none")
    options = parser.parse_args(arguments)
    if not (options.html / options.page).is_file():
        raise SystemExit(f"{options.html / options.page} is not there: run `make book` first")
    load = os.getloadavg()[0]
    figures, made = reports(options.html, options.page, options.runs)
    runs = {form: [numbers(one) for one in own] for form, own in made.items()}
    medians = {
        form: {name: statistics.median(run[name] for run in own) for name in own[0]}
        for form, own in runs.items()
    }
    failed = sorted({fault for own in made.values() for one in own for fault in shortfalls(one)})
    page = f"`{options.page}` with {figures} figures; median of {options.runs} runs."
    said = [*conditions(made["desktop"][-1], load), page]
    result = {"conditions": said, "medians": medians, "failed": failed, "runs": runs}
    print(markdown(result))
    if not options.dry_run:
        RESULT.with_suffix(".md").write_text(markdown(result), encoding="utf-8")
        RESULT.with_suffix(".json").write_text(
            json.dumps(result, indent=1) + "\n", encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

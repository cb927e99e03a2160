"""The book's pages: what stands below a title, and directives that show what notebooks hold.

- `{explorable} chapters/slug` with `:label:` shows an explorable from a chapter's stored outputs;
- `{status}` is a table of when, where and how long each notebook ran;
- `` {count}`questions` `` and `` {facts}`chapters/slug` `` put numbers into a line of text.

Nothing is run, and no number is typed. Below the title of a chapter or an exercise set stand its
facts, and on the web also what to do to run it.
"""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective, SphinxRole

from tools import fonts
from tools.records import Run, counted, counts, exercise_facts, explorables, facts, read, runs
from tools.repository import address

STATUS = "chapters/status"
#: Builders whose pages have scripts and the notebooks beside them.
WEB = ("html", "dirhtml")
_PLACE = ("From the chapter ", ", section ", ".")
_LAUNCH = "https://colab.research.google.com/github/{}/blob/main/{}"


def is_web(env: BuildEnvironment) -> bool:
    """Return whether pages are made for a browser, and not for paper or an e-book."""
    return env.app.builder.name in WEB


def notebook_pages(env: BuildEnvironment) -> list[str]:
    """Return the book's chapters and exercise sets in the order of the contents."""
    known = getattr(env, "external_site_map", None)
    names = sorted(env.found_docs) if known is None else list(known)
    return [name for name in names if Path(env.doc2path(name)).suffix == ".ipynb"]


def to_document(docname: str) -> nodes.Node:
    """Return a reference to a document, to be filled with its title."""
    title = nodes.inline("", docname, classes=["std", "std-doc"])
    target = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{docname}"}
    return pending_xref("", title, **target, refexplicit=False, refwarn=True)


def to_place(env: BuildEnvironment, docname: str, *, anchor: str, text: str) -> nodes.reference:
    """Return a reference to an element of another page."""
    uri = env.app.builder.get_relative_uri(env.docname, docname)
    # Where all pages are one, an address is an anchor already.
    return nodes.reference("", text, internal=True, refuri=uri if "#" in uri else f"{uri}#{anchor}")


class ExplorableDirective(SphinxDirective):
    """An explorable from the stored outputs of a notebook, with a link to its place there."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"label": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Return the explorable, or its picture where no script runs."""
        docname = self.arguments[0]
        path = Path(self.env.srcdir) / f"{docname}.ipynb"
        if not path.is_file():
            raise self.error(f"explorable: there is no notebook {docname}.ipynb")
        self.env.note_dependency(str(path))
        found, label = explorables(read(path)), self.options.get("label", "")
        if label not in found:
            present = "; ".join(found) or "no explorable"
            raise self.error(f"explorable: {docname} has none labeled {label!r}; it has: {present}")
        stored = found[label]
        shown: nodes.Node = nodes.image("", uri=f"data:image/png;base64,{stored.png}", alt=label)
        if is_web(self.env):
            shown = nodes.raw("", stored.html, format="html")
        place = to_place(self.env, docname, anchor=stored.anchor, text=stored.heading)
        chapter, (start, middle, end) = to_document(docname), map(nodes.Text, _PLACE)
        parts = [start, chapter, middle, place, end]
        source = nodes.paragraph("", "", *parts, classes=["d2l-from"])
        return [nodes.container("", shown, source, classes=["d2l-showcase"])]


def cell_of(content: str | nodes.Node) -> nodes.entry:
    """Return a cell of a table."""
    inner = nodes.Text(content) if isinstance(content, str) else content
    return nodes.entry("", nodes.paragraph("", "", inner))


def row_of(cells: Iterable[str | nodes.Node]) -> nodes.row:
    """Return a row of a table."""
    return nodes.row("", *map(cell_of, cells))


def table_of(head: Sequence[str], rows: Iterable[Iterable[str | nodes.Node]]) -> nodes.table:
    """Return a table; its first column is text and the others are numbers."""
    widths = [nodes.colspec(colwidth=3 if i == 0 else 1) for i in range(len(head))]
    body = nodes.tbody("", *map(row_of, rows))
    group = nodes.tgroup("", *widths, nodes.thead("", row_of(head)), body, cols=len(head))
    return nodes.table("", group, classes=["d2l-status"])


def versions(run: Run) -> str:
    """Return the versions that a run used, as a list in words."""
    record = run.record
    return f"Python {record['python']}, PyTorch {record['torch']} and NumPy {record['numpy']}"


def status_line(run: Run) -> list[str | nodes.Node]:
    """Return the row of the status table about one run."""
    record, page = run.record, to_document(run.docname)
    if run.is_solution:
        page = nodes.inline("", "", page, nodes.Text(" (solutions)"))
    place = f"{record['device']}, {counted(record['threads'], 'thread')}"
    cost = (f"{record['seconds']:.1f}", f"{record['peak_memory_mb']:,}")
    return [page, record["date"], place, *cost]


class StatusDirective(SphinxDirective):
    """A table of all runs behind the book, with their sum and the versions that they used."""

    def run(self) -> list[nodes.Node]:
        """Return the table and a summary."""
        try:
            found = runs(Path(self.env.srcdir), notebook_pages(self.env))
        except ValueError as error:
            raise self.error(f"status: {error}") from error
        if not found:
            raise self.error("status: the book has no notebook that was run")
        for run in found:
            folder = "exercises/solutions" if run.is_solution else "chapters"
            name = f"{folder}/{run.docname.partition('/')[2]}.ipynb"
            self.env.note_dependency(str(Path(self.env.srcdir) / name))
        seconds = sum(run.record["seconds"] for run in found)
        peak = max(run.record["peak_memory_mb"] for run in found)
        rows = [*map(status_line, found), ["Together", "", "", f"{seconds:.1f}", f"{peak:,}"]]
        head = ("page", "run on", "device", "seconds", "peak MB")
        used = "; ".join(dict.fromkeys(map(versions, found)))
        profiles = " and ".join(dict.fromkeys(run.profile for run in found))
        text = f"{len(found)} notebooks ran with {used}, with the parameters of profile {profiles}."
        return [nodes.paragraph("", text), table_of(head, rows)]


class CountRole(SphinxRole):
    """A number about the book, such as its graded questions."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the number, or an error that lists the names of those there are."""
        found = counts(Path(self.env.srcdir), notebook_pages(self.env))
        if self.text not in found:
            return failed(self, f"count: no number is called {self.text!r}; {', '.join(found)} are")
        return [nodes.Text(f"{found[self.text]:,}")], []


class FactsRole(SphinxRole):
    """The facts of a chapter in a line of text."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the facts, or an error that names the chapters there are."""
        known = [name for name in notebook_pages(self.env) if name.startswith("chapters/")]
        if self.text not in known:
            return failed(self, f"facts: {self.text!r} is no chapter; {', '.join(known)} are")
        line = " · ".join(facts(read(Path(self.env.srcdir) / f"{self.text}.ipynb")))
        return [nodes.inline("", line, classes=["chapter-facts"])], []


def failed(role: SphinxRole, message: str) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Return what a role gives that cannot be followed: the text, marked, and an error."""
    error = role.inliner.reporter.error(message, line=role.lineno)
    return [role.inliner.problematic(role.rawtext, role.rawtext, error)], [error]


def colab(url: str, docname: str) -> str:
    """Return where Colab opens a notebook, which takes a repository on GitHub; else nothing."""
    host, _, name = url.removesuffix(".git").partition("github.com/")
    return _LAUNCH.format(name, f"{docname}.ipynb") if host == "https://" else ""


def run_block(docname: str, url: str) -> str:
    """Return HTML that says how to run a page: on Colab, from a download, in a checkout."""
    parts = []
    if launch := colab(url, docname):
        parts.append(f'<a class="d2l-button" href="{html.escape(launch)}">Open in Colab</a>')
    source = "../" * docname.count("/") + f"_sources/{docname}.ipynb"
    parts.append(f'<a class="d2l-button" href="{source}" download>Download notebook</a>')
    command = f"jupyter lab {docname}.ipynb"
    parts.append(
        f'<span class="d2l-command"><code>{command}</code><button type="button" '
        f'class="d2l-button d2l-copy" data-copy="{command}">Copy<span class="visually-hidden"> '
        "the command</span></button></span>"
    )
    return f'<div class="d2l-run" role="group" aria-label="Run this page">{"".join(parts)}</div>'


def facts_line(env: BuildEnvironment, path: Path) -> nodes.paragraph:
    """Return the facts of a chapter, its run with a link to all runs, or of an exercise set."""
    if path.parent.name == "exercises":
        line = " · ".join(exercise_facts(Path(env.srcdir), path.stem))
        return nodes.paragraph("", line, classes=["chapter-facts"])
    minutes, *run = facts(read(path))
    paragraph = nodes.paragraph("", minutes, classes=["chapter-facts"])
    for text in run:
        paragraph += nodes.Text(" · ")
        if STATUS in env.found_docs:
            uri = env.app.builder.get_relative_uri(env.docname, STATUS)
            paragraph += nodes.reference("", text, internal=True, refuri=uri)
        else:
            paragraph += nodes.Text(text)
    return paragraph


def add_facts(app: Sphinx, doctree: nodes.document) -> None:
    """Put the facts of a chapter or an exercise set below its title, and how to run it."""
    path = Path(app.env.doc2path(app.env.docname))
    title = next(iter(doctree.findall(nodes.title)), None)
    if path.suffix != ".ipynb" or title is None:
        return
    added: list[nodes.Node] = [facts_line(app.env, path)]
    if is_web(app.env):
        added.append(nodes.raw("", run_block(app.env.docname, address()), format="html"))
    place = title.parent.index(title) + 1
    title.parent[place:place] = added


def configure(app: Sphinx, config: Config) -> None:
    """Load the book's fonts where they are at hand, and drop the buttons that pages have twice."""
    config.html_theme_options["use_download_button"] = False
    # Code is copied; what it printed is not.
    config.copybutton_selector = "div:not(.output) > div.highlight > pre"
    config.nb_code_prompt_show, config.nb_code_prompt_hide = "Show the code", "Hide the code"
    if fonts.vendor():
        app.add_css_file(f"../{fonts.STYLE}")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx and return what Sphinx asks to know of it."""
    app.add_directive("explorable", ExplorableDirective)
    app.add_directive("status", StatusDirective)
    app.add_role("count", CountRole())
    app.add_role("facts", FactsRole())
    app.connect("config-inited", configure)
    app.connect("doctree-read", add_facts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

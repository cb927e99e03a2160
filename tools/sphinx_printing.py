"""The Sphinx extension of the book on paper and in e-readers, where no script runs.

Formulas are set while the book is built, explorables become their stored picture with the text that
belongs to it, quizzes their printed form. `tools.printing` adds this extension to the book's own.
"""

import html
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders._epub_base import NavPoint
from sphinx.builders.epub3 import Epub3Builder
from sphinx.builders.singlehtml import SingleFileHTMLBuilder
from sphinx.config import Config
from sphinx.ext.mathjax import html_visit_displaymath
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

from tools.typesetting import Typesetter, TypesettingError, core_mathml

ROOT = Path(__file__).resolve().parent.parent
#: The builders of books, for e-readers and for paper.
BUILDERS = ("epub", "singlehtml")
#: What only pages on the web have.
_NONE = ("html_extra_path", "html_css_files", "html_js_files")
_OFF = ("html_permalinks", "html_copy_source", "html_use_index", "html_scaled_image_link")
_SCRIPT = re.compile(r"<script>\s*\(function \(module\) \{\n(.*)\n\}\)\(\);\s*</script>", re.S)
_SPEC = re.compile(r"^const spec = (\{.*\});$", re.M)
#: Roles that newer rules for e-books no longer know.
_OLD_ROLES = re.compile(r' role="doc-(?:biblioentry|endnote)"')
logger = logging.getLogger(__name__)


def configure(app: Sphinx, config: Config) -> None:
    """Replace what belongs to the web by what belongs to a book that can be cited."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    for name in _NONE:
        setattr(config, name, [])
    for name in _OFF:
        setattr(config, name, False)
    config.html_static_path = [config.d2l_static]
    config.html_theme = config.epub_theme = "paper"
    config.html_theme_path = [str(Path(__file__).parent)]
    config.html_theme_options, config.html_sidebars, config.epub_css_files = {}, {}, []
    config.html_domain_indices = config.epub_use_index = config.epub_tocdup = False
    config.html_favicon = config.html_logo = None
    config.nb_render_markdown_format = "myst"
    config.project, config.version = cited["title"], str(cited["version"])
    config.author = ", ".join(author["name"] for author in cited["authors"])
    config.epub_basename, config.epub_title, config.epub_author = (
        "book",
        *[config.project, config.author],
    )
    config.epub_publisher = config.epub_contributor = config.author
    config.epub_description = f"{cited['title']}. Every figure and number is computed by its code."
    config.epub_uid, config.epub_scheme = "book-id", "UUID"
    key = uuid.uuid5(uuid.NAMESPACE_DNS, f"{cited['title']} {cited['version']}")
    config.epub_identifier, config.epub_tocdepth = f"urn:uuid:{key}", 2
    config.epub_show_urls, config.epub_tocscope = "no", "includehidden"
    config.epub_cover = (f"_static/{config.d2l_cover}", "epub-cover.html")


def typeset(visitor: Any, tex: str, node: nodes.Element) -> str:
    """Return the MathML of a formula."""
    display = isinstance(node, nodes.math_block)
    try:
        markup = visitor.builder.app.d2l_typesetter.ask(op="mathml", tex=tex, display=display)
    except TypesettingError as error:
        logger.warning("the formula %s is not TeX: %s", tex.strip(), error, location=node)
        return html.escape(tex)
    return core_mathml(markup, tex)


def visit_math(visitor: Any, node: nodes.math) -> None:
    """Write a formula within a line."""
    opening = visitor.starttag(node, "span", "", CLASS="math")
    visitor.body.append(f"{opening}{typeset(visitor, node.astext(), node)}</span>")
    raise nodes.SkipNode


def visit_displaymath(visitor: Any, node: nodes.math_block) -> None:
    """Write a formula that stands by itself, with the number that Sphinx gives it."""
    start = len(visitor.body)
    try:
        html_visit_displaymath(visitor, node)
    except nodes.SkipNode:
        written = "".join(visitor.body[start:])
    del visitor.body[start:]
    bounds = (r"(?<=>)", r"(?=</div>)") if node["nowrap"] else (r"\\\[", r"\\\]")

    def replace(match: re.Match[str]) -> str:
        return typeset(visitor, html.unescape(match[1]), node)

    visitor.body.append(re.sub(f"{bounds[0]}(.*){bounds[1]}", replace, written, flags=re.S))
    raise nodes.SkipNode


def _markup(node: nodes.Element) -> str:
    """Return the HTML of an output, or an empty string."""
    raws = node.findall(nodes.raw)
    return "".join(raw.astext() for raw in raws if "html" in raw.get("format", ""))


class StillOutputs(SphinxPostTransform):
    """Give each output that would need a script the form that it has on paper."""

    default_priority = 3  # before MyST-NB selects one of the forms of an output
    builders = BUILDERS

    def run(self, **_: Any) -> None:
        """Replace explorables, quizzes and sources; unfold what is folded; refuse other scripts."""
        for bundle in list(self.document.findall(nodes.container)):
            if bundle.get("nb_element") == "mime_bundle":
                self.replace_bundle(bundle)
            elif bundle.get("nb_element") == "cell_code":
                bundle.attributes.pop("hide_mode", None)
        for raw in list(self.document.findall(nodes.raw)):
            self.clean(raw)

    def replace_bundle(self, bundle: nodes.Element) -> None:
        """Put in place of an output what a page without scripts shows of it."""
        forms = {form["mime_type"]: form for form in bundle.children}
        markup = _markup(forms["text/html"]) if "text/html" in forms else ""
        kind = re.match(r'<div class="d2l-(\w+)"', markup)
        if kind and kind[1] == "explorable":
            bundle.replace_self(self.explorable(bundle, markup=markup, picture=forms["image/png"]))
        elif kind and kind[1] == "source":
            code = forms["text/plain"].astext()
            bundle.replace_self(nodes.literal_block(code, code, language="python"))
        elif kind:
            printed = forms["text/markdown"].children
            bundle.replace_self(nodes.container("", *printed, classes=[f"d2l-{kind[1]}"]))

    def explorable(
        self, bundle: nodes.Element, *, markup: str, picture: nodes.Element
    ) -> nodes.Element:
        """Return the picture of an explorable, what it shows, and where it moves."""
        spec = json.loads(_SPEC.search(markup)[1])  # type: ignore[index]
        script = _SCRIPT.search(markup)[1]  # type: ignore[index]
        text = self.app.d2l_typesetter.ask(op="describe", script=script)  # type: ignore[attr-defined]
        for image in picture.findall(nodes.image):
            image["alt"] = f"{spec['label']}. {text}"
        starts = ((c["label"], c["values"][c["start"]]) for c in spec["controls"])
        controls = ", ".join(f"{label} {value}" for label, value in starts)
        place = f"{self.document_of(bundle)}.html"
        lines = {
            "label": spec["label"],
            "caption": spec.get("caption") or "",
            "text": f"{text} Shown at: {controls}.",
            "place": f"This figure moves in the book's web pages: {place}.",
        }
        paragraphs = [nodes.paragraph(t, t, classes=[c]) for c, t in lines.items() if t]
        key = re.search(r'id="([\w-]+)"', markup)[1]  # type: ignore[index]
        return nodes.container(
            "", *picture.children, *paragraphs, classes=["d2l-explorable"], ids=[key]
        )

    def document_of(self, node: nodes.Node) -> str:
        """Return the document that a node was read from, also where the book is one page."""
        while node.parent is not None:
            node = node.parent
        return str(self.env.path2doc(node["source"]))

    def clean(self, raw: nodes.Element) -> None:
        """Unfold what is folded on paper, and refuse what would need a script."""
        text = raw.astext()
        if "<script" in text:
            rule = "an output with a script has no form for paper; store a picture beside it"
            logger.warning(rule, location=raw)
        text = re.sub(r"<style\b.*?</style>", "", text, flags=re.S)
        if self.app.builder.name == "singlehtml":
            text = text.replace("<details>", "<details open>")
        raw.children = [nodes.Text(text)]
        raw.rawsource = text


def unique(document: str, name: str) -> str:
    """Return an id that no other document of the book has."""
    return f"{document.replace('/', '-')}--{name}"


class Paper(SingleFileHTMLBuilder):
    """The whole book as one page, whose ids are unique and whose chapters stand side by side."""

    name = "singlehtml"
    #: The id of each document's first heading.
    tops: dict[str, str]

    def fix_refuris(self, tree: nodes.Node) -> None:
        """Let references to other documents point into this page."""
        for reference in tree.findall(nodes.reference):
            reference["refuri"] = self.inner(reference.get("refuri", ""))
            if not reference["refuri"]:
                del reference["refuri"]

    def inner(self, address: str) -> str:
        """Return an address, as an anchor of this page if it is one of a document of the book."""
        match = re.fullmatch(r"(?:#document-)?([^#:]+?)(?:\.html)?(?:#(.+))?", address)
        if not match or match[1] not in self.tops:
            return address
        return "#" + (unique(match[1], match[2]) if match[2] else self.tops[match[1]])

    def assemble_doctree(self) -> nodes.document:
        """Return the book as one document."""
        self.tops = {}
        for document in self.env.found_docs:
            section = next(self.env.get_doctree(document).findall(nodes.section))
            self.tops[document] = unique(document, section["ids"][0])
        tree = super().assemble_doctree()
        self.rename(tree, self.config.root_doc)
        for start in tree.findall(addnodes.start_of_file):
            next(start.findall(nodes.section))["classes"].append("document")
        front = next(tree.findall(nodes.section))
        for child in list(front.children):
            if any(child.findall(addnodes.start_of_file)):
                front.remove(child)
                tree.append(child)
        return tree

    def rename(self, node: nodes.Element, document: str) -> None:
        """Make each id below a node unique, and what refers to it within the document."""
        if isinstance(node, addnodes.start_of_file):
            document = node["docname"]
        for key in ("ids", "backrefs"):
            node[key] = [unique(document, name) for name in node.get(key, [])]
        if "refid" in node:
            node["refid"] = unique(document, node["refid"])
        for child in node.children:
            if isinstance(child, nodes.Element):
                self.rename(child, document)

    def assemble_toc_secnumbers(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Return the sections' numbers by their unique ids."""
        numbers = {
            f"{document}/{name and '#' + unique(document, name[1:])}": number
            for document, sections in self.env.toc_secnumbers.items()
            for name, number in sections.items()
        }
        return {self.config.root_doc: numbers}

    def assemble_toc_fignumbers(self) -> dict[str, dict[str, dict[str, tuple[int, ...]]]]:
        """Return the numbers of figures and equations by their unique ids."""
        numbers = {
            f"{document}/{kind}": {unique(document, name): n for name, n in figures.items()}
            for document, kinds in self.env.toc_fignumbers.items()
            for kind, figures in kinds.items()
        }
        return {self.config.root_doc: numbers}

    def get_doc_context(self, docname: str, body: str, metatags: str) -> dict[str, Any]:
        """Return what the template is given: also the pages' titles, for their running heads."""
        running = [
            (anchor, self.env.titles[document].astext())
            for document, anchor in self.tops.items()
            if document != self.config.root_doc
        ]
        body = re.sub(r'<span id="document-[^"]*"></span>', "", body)
        own = {"running": running, "contents": list(self.contents()), "author": self.config.author}
        return {**super().get_doc_context(docname, body, metatags), **own}

    def contents(self) -> Iterator[tuple[str, str, str]]:
        """Yield what the page of contents lists: class, text and id of each line."""
        root = self.config.root_doc
        for tree in self.env.get_doctree(root).findall(addnodes.toctree):
            yield "part", tree.get("caption") or "", ""
            for _, document in tree["entries"]:
                yield from self.entries(document, "chapter")
                for exercises in self.env.toctree_includes.get(document, []):
                    yield from self.entries(exercises, "exercises")

    def entries(self, document: str, kind: str) -> Iterator[tuple[str, str, str]]:
        """Yield the lines of one document: its title and, for a chapter, its sections."""
        numbers = self.env.toc_secnumbers[self.config.root_doc]
        number = ".".join(map(str, numbers.get(f"{document}/", ())))
        title = self.env.titles[document].astext()
        yield kind, f"{number}. {title}" if number else title, self.tops[document]
        top = self.env.tocs[document][0]
        if kind == "chapter" and number and len(top) > 1:
            for item in top[1].findall(nodes.list_item):
                if item.parent is top[1]:
                    reference = next(item.findall(nodes.reference))
                    anchor = unique(document, reference["anchorname"][1:])
                    yield "section", reference.astext(), anchor


class EpubBook(Epub3Builder):
    """The book for e-readers, with nothing in it that no page shows."""

    name = "epub"
    #: Pictures become files of their own: e-readers differ in what else they show.
    supported_data_uri_images = False

    def toc_metadata(self, level: int, navpoints: list[NavPoint]) -> dict[str, Any]:
        """Return what the old form of the contents is given: also the book's identifier."""
        return {**super().toc_metadata(level, navpoints), "uid": self.config.epub_identifier}

    def build_content(self) -> None:
        """Write the list of the files, after removing those that no page needs."""
        pages = list(Path(self.outdir).rglob("*.xhtml"))
        text = "".join(page.read_text(encoding="utf-8") for page in pages)
        for path in Path(self.outdir, "_static").rglob("*"):
            if path.is_file() and path.name not in text and path.name != self.config.d2l_cover:
                path.unlink()
        super().build_content()
        manifest = Path(self.outdir, "content.opf")
        lines = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
        manifest.write_text("".join(map(self.declare, lines)), encoding="utf-8")

    def declare(self, line: str) -> str:
        """Return a line of the manifest, with what its file holds besides plain text."""
        match = re.search(r'<item id="\S+" href="([^"]+)"', line)
        if match and match[1] == self.config.epub_cover[0]:
            return line.replace(" />", ' properties="cover-image" />')
        if match and match[1].endswith(".xhtml"):
            path = Path(self.outdir, match[1])
            if path.is_file() and "<math " in path.read_text(encoding="utf-8"):
                return line.replace(" />", ' properties="mathml" />')
        return line


def modernize(app: Sphinx, *page: Any) -> None:
    """Take from a page's text the roles that e-books no longer know."""
    context = page[2]
    if "body" in context:
        context["body"] = _OLD_ROLES.sub("", context["body"])


def start(app: Sphinx) -> None:
    """Start the program that sets formulas."""
    app.d2l_typesetter = Typesetter()  # type: ignore[attr-defined]


def stop(app: Sphinx, _: Exception | None) -> None:
    """End the program that sets formulas."""
    app.d2l_typesetter.close()  # type: ignore[attr-defined]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx and return what Sphinx asks to know of it."""
    for name in ("d2l_static", "d2l_cover"):
        app.add_config_value(name, "", "env")
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    app.add_post_transform(StillOutputs)
    app.add_builder(Paper, override=True)
    app.add_builder(EpubBook, override=True)
    app.connect("config-inited", configure, priority=700)
    app.connect("builder-inited", start)
    app.connect("html-page-context", modernize)
    app.connect("build-finished", stop)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}

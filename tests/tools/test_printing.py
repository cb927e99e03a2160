"""The book on paper and for e-readers: built once here from the notebooks, then looked at."""

import io
import re
import shutil
import subprocess
import zipfile
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import nbformat
import pytest
import yaml
from pypdf import PdfReader
from pypdfium2 import PdfDocument

import d2l_lite as d2l
from tests.book.built import ROOT, documents
from tests.browser import program, unfetched
from tools import mathematics, printing
from tools.chromium import find
from tools.records import explorables, read
from tools.sphinx_printing import unique
from tools.typesetting import Typesetter, TypesettingError, core_mathml

XHTML = "{http://www.w3.org/1999/xhtml}"
OPF = "{http://www.idpf.org/2007/opf}"
MATH = "{http://www.w3.org/1998/Math/MathML}"
RAW_TEX = re.compile(r"\\[(\[]|\$\$|\\(?:begin|frac|mathbf|sum|hat|top)\b")

#: The book is printed once, and the test that asks for it first waits for that.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def mathjax():
    if reason := mathematics.vendor():
        unfetched(f"formulas cannot be set: {reason}")


#: Skips a test where there is no browser; where `CI` is set the test fails.
chromium = pytest.fixture(program, scope="module")


@pytest.fixture(scope="module")
def epub(mathjax, tmp_path_factory):
    return printing.make("epub", tmp_path_factory.mktemp("epub"))


@pytest.fixture(scope="module")
def printed(mathjax, chromium, tmp_path_factory):
    """The file with the whole book on sheets of paper."""
    return printing.make("pdf", tmp_path_factory.mktemp("pdf"))


@pytest.fixture(scope="module")
def pdf(printed):
    return PdfReader(printed)


def squeezed(text):
    return re.sub(r"\s+", "", text)


@pytest.fixture(scope="module")
def texts(printed):
    """The letters of each page; pypdf would read hundreds of pages of figures for minutes."""
    with closing(PdfDocument(printed)) as document:
        return [squeezed(page.get_textpage().get_text_range()) for page in document]


@pytest.fixture
def typesetter(mathjax):
    program = Typesetter()
    yield program
    program.close()


def titles() -> dict[str, str]:
    """Return the title of each document but the first, from the sources."""
    found = {}
    for document in documents()[1:]:
        path = ROOT / f"{document}.ipynb"
        if path.is_file():
            cells = read(path)["cells"]
            text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        else:
            text = (ROOT / f"{document}.md").read_text(encoding="utf-8")
        found[document] = re.search(r"^# (.+)$", text, re.M)[1]
    return found


def stored_labels() -> list[str]:
    """Return the labels of all explorables that chapters hold."""
    paths = sorted((ROOT / "chapters").glob("*.ipynb"))
    return [label for path in paths for label in explorables(read(path))]


# What is wrong with an EPUB --------------------------------------------------------------------


def page_faults(name: str, tree: ElementTree.Element) -> list[str]:
    """Return what a page shows that an e-reader should not: TeX, scripts, pictures without text."""
    faults = []
    for element in tree.iter():
        tag = str(element.tag).removeprefix(XHTML)
        if tag in ("script", "iframe", "canvas") or any(
            key.startswith("on") for key in element.attrib
        ):
            faults.append(f"{name}: <{tag}> would need a script")
        if tag == "img" and not element.get("alt"):
            faults.append(f"{name}: an image without text")
        for key in ("src", "poster", "data") + (("href",) if tag == "link" else ()):
            if urlsplit(element.get(key, "")).netloc:
                faults.append(f"{name}: {element.get(key)} is loaded from outside")
    for code in [e for e in tree.iter() if e.tag in (f"{XHTML}pre", f"{XHTML}code", f"{MATH}math")]:
        tail = code.tail
        code.clear()
        code.tail = tail
    raw = RAW_TEX.search("".join(tree.itertext()))
    return faults + ([f"{name}: TeX is shown: {raw[0]}"] if raw else [])


def epub_faults(path: Path) -> list[str]:
    """Return what is wrong with an EPUB: its list of files, its pages, its links."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
        first = archive.infolist()[0]
    faults = (
        [] if (first.filename, first.compress_type) == ("mimetype", 0) else ["no mimetype first"]
    )
    listed = {
        item.get("href") for item in ElementTree.fromstring(files["content.opf"]).iter(f"{OPF}item")
    }
    there = {n for n in files if n not in ("mimetype", "content.opf") and "META-INF" not in n}
    faults += [f"{name} is not there" for name in sorted(listed - there)]
    faults += [f"{name} is not listed" for name in sorted(there - listed)]
    pages = {}
    for name in sorted(n for n in files if n.endswith((".xhtml", ".ncx", ".svg"))):
        try:
            pages[name] = ElementTree.fromstring(files[name])
        except ElementTree.ParseError as error:
            faults.append(f"{name} is not XML: {error}")
    ids = {name: {e.get("id") for e in tree.iter()} for name, tree in pages.items()}
    for name, tree in pages.items():
        for element in tree.iter():
            for link in (element.get("href"), element.get("src")):
                if link and not urlsplit(link).scheme and name.endswith(".xhtml"):
                    faults += link_faults(name, link, files, ids)
        faults += page_faults(name, tree) if name.endswith(".xhtml") else []
    return faults


def link_faults(name: str, link: str, files: dict, ids: dict) -> list[str]:
    """Return why a link within an EPUB leads nowhere, if it does."""
    parts = urlsplit(link)
    folder = Path("/", name).parent
    target = str((folder / unquote(parts.path)).resolve())[1:] if parts.path else name
    if target not in files:
        return [f"{name}: {link} leads nowhere"]
    missing = parts.fragment and unquote(parts.fragment) not in ids.get(target, set())
    return [f"{name}: {link} has no such place"] if missing else []


def test_the_epub_is_whole_and_needs_nothing_else(epub):
    assert epub_faults(epub) == []


@pytest.mark.parametrize(
    ("page", "old", "new", "fault"),
    [
        ("chapters/backprop.xhtml", "</h1>", r"</h1><p>\(x^2\)</p>", "TeX is shown"),
        ("chapters/backprop.xhtml", "</h1>", "</h1><script>1</script>", "would need a script"),
        ("chapters/backprop.xhtml", "</h1>", "</h1><br>", "is not XML"),
        (
            "chapters/backprop.xhtml",
            "</h1>",
            '</h1><img src="https://a.b/c.png" alt="c"/>',
            "outside",
        ),
        ("chapters/backprop.xhtml", "</h1>", '</h1><img src="none.png"/>', "image without text"),
        ("chapters/backprop.xhtml", "</h1>", '</h1><a href="none.xhtml">x</a>', "leads nowhere"),
        ("chapters/backprop.xhtml", "</h1>", '</h1><a href="#none">x</a>', "no such place"),
        ("content.opf", 'href="index.xhtml"', 'href="other.xhtml"', "index.xhtml is not listed"),
    ],
)
def test_a_planted_fault_in_an_epub_is_seen(epub, tmp_path, page, old, new, fault):
    copy = tmp_path / "copy.epub"
    with zipfile.ZipFile(epub) as source, zipfile.ZipFile(copy, "w") as target:
        for item in source.infolist():
            data = source.read(item)
            if item.filename == page:
                assert old.encode() in data
                data = data.replace(old.encode(), new.encode(), 1)
            target.writestr(item, data)
    faults = epub_faults(copy)
    assert any(fault in line for line in faults), faults


def test_the_epub_says_what_it_is(epub):
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    with zipfile.ZipFile(epub) as archive:
        manifest = archive.read("content.opf").decode()
        navigation = archive.read("nav.xhtml").decode()
        cover = archive.read("_static/cover.png") if find() else b""
    assert f"<dc:title>{cited['title']}</dc:title>" in manifest
    assert "CC BY 4.0" in manifest
    assert manifest.count('properties="cover-image"') == 1
    assert bool(find()) == cover.startswith(b"\x89PNG")
    for document, title in titles().items():
        assert f'<a href="{document}.xhtml">{title}</a>' in navigation


def test_formulas_of_the_epub_are_mathml_and_declared(epub):
    with zipfile.ZipFile(epub) as archive:
        manifest = ElementTree.fromstring(archive.read("content.opf"))
        for item in manifest.iter(f"{OPF}item"):
            if item.get("href").endswith(".xhtml"):
                tree = ElementTree.fromstring(archive.read(item.get("href")))
                formulas = list(tree.iter(f"{MATH}math"))
                assert bool(formulas) == ("mathml" in (item.get("properties") or ""))
                assert all(formula.get("alttext") for formula in formulas)
        page = ElementTree.fromstring(archive.read("chapters/linear_regression.xhtml"))
    assert len(list(page.iter(f"{MATH}math"))) > 100


def test_every_explorable_of_the_epub_is_a_picture_with_its_text(epub):
    with zipfile.ZipFile(epub) as archive:
        pages = [archive.read(n) for n in archive.namelist() if n.startswith("chapters/")]
    boxes = [
        box
        for page in pages
        for box in ElementTree.fromstring(page).iter(f"{XHTML}div")
        if "d2l-explorable" in (box.get("class") or "")
    ]
    shown = {}
    for box in boxes:
        lines = {p.get("class"): "".join(p.itertext()) for p in box.iter(f"{XHTML}p")}
        shown[lines["label"]] = lines
        assert len(list(box.iter(f"{XHTML}img"))) == 1
    assert sorted(shown) == sorted(stored_labels())
    for lines in shown.values():
        assert re.search(r"chapters/\w+\.html", lines["place"])
        assert "Shown at: " in lines["text"]


@pytest.mark.skipif(shutil.which("epubcheck") is None, reason="epubcheck is not installed")
def test_epubcheck_has_nothing_to_say(epub):
    checked = subprocess.run(["epubcheck", str(epub)], capture_output=True, text=True, timeout=300)
    assert "0 fatals / 0 errors / 0 warnings" in checked.stdout + checked.stderr


# Sheets of paper -------------------------------------------------------------------------------


def test_every_document_opens_on_the_page_that_the_contents_name(pdf, texts):
    def spaced(i):
        return re.sub(r"\s+", " ", pdf.pages[i].extract_text())

    named = re.search(r"\s(\d+)\s", spaced(1))
    assert named, "the contents name no page"
    # They end before the first page that they name.
    contents = " ".join(map(spaced, range(1, int(named[1]) - 1)))
    for title in titles().values():
        line = re.search(rf"(?:^|\W){re.escape(title)}\s+(\d+)", contents)
        assert line, f"{title} is not in the contents"
        assert squeezed(title) in texts[int(line[1]) - 1]


def test_the_outline_lists_documents_and_their_sections(pdf):
    def flat(items):
        for item in items:
            yield from flat(item) if isinstance(item, list) else [item]

    entries = [(item.title, pdf.get_destination_page_number(item)) for item in flat(pdf.outline)]
    names = [re.sub(r"^[\d.]+\s*", "", title) for title, _ in entries]
    assert set(titles().values()) <= set(names)
    assert len(names) == len({*entries})
    assert "Gradient descent" in names
    assert [page for _, page in entries] == sorted(page for _, page in entries)


def test_every_link_within_the_pdf_leads_to_a_page(pdf):
    count = 0
    places = {name.lstrip("/") for name in pdf.named_destinations}
    for page in pdf.pages:
        for note in page.get("/Annots", []):
            note = note.get_object()
            if "/Dest" in note:
                assert str(note["/Dest"]).lstrip("/") in places
                count += 1
            else:
                assert note["/A"]["/URI"].startswith(("http://", "https://"))
    assert count > 200


def test_the_pdf_shows_no_tex_and_embeds_its_typefaces(pdf, texts):
    pages = {i: RAW_TEX.search(text) for i, text in enumerate(texts, 1)}
    assert {i: found[0] for i, found in pages.items() if found} == {}
    for page in pdf.pages:
        for font in page["/Resources"].get("/Font", {}).values():
            font = font.get_object()
            if font["/Subtype"] == "/Type3":  # drawn within the file
                continue
            descriptor = font["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object()
            assert {"/FontFile2", "/FontFile3"} & set(descriptor), font["/BaseFont"]


def test_raw_tex_is_seen():
    assert RAW_TEX.search(r"the loss \(x^2\)")
    assert RAW_TEX.search(r"\mathbf{w}")
    assert not RAW_TEX.search(r"a line break \n in code")


def test_every_explorable_of_the_pdf_has_its_picture_and_text(pdf, texts):
    for label in stored_labels():
        name = squeezed(label)
        pages = [i for i, text in enumerate(texts) if name in text and "Shownat:" in text]
        assert pages, f"{label} is not shown"
        assert all(len(pdf.pages[i].images) >= 1 for i in pages)


def test_the_pdf_says_what_it_is_and_does_nothing(pdf):
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert pdf.metadata.title == cited["title"]
    assert pdf.metadata.author
    assert pdf.trailer["/Root"]["/Lang"] == "en"
    assert pdf.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert "/JavaScript" not in pdf.trailer["/Root"].get("/Names", {})
    width, height = (round(float(v) / 72 * 25.4) for v in pdf.pages[0].mediabox[2:])
    assert (width, height) == (210, 297)


def test_a_page_that_asks_for_the_network_is_not_printed(chromium, tmp_path):
    page = tmp_path / "index.html"
    page.write_text('<p id="a">x</p><img src="https://example.org/x.png"><img src="none.png">')
    with pytest.raises(
        printing.PrintingError, match=r"none\.png.*example\.org|example\.org.*none\.png"
    ):
        printing.print_sheets(page)


def test_page_numbers_are_where_things_are(chromium, tmp_path):
    page = tmp_path / "index.html"
    page.write_text(
        '<nav class="contents"><a href="#two">two</a></nav>'
        '<style>.contents a::after { content: " " attr(data-page) }</style>'
        '<h1 id="two" style="break-before: page">Here</h1>'
    )
    data, _ = printing.print_sheets(page)
    assert printing.page_numbers(data) == {"two": 2}
    assert "two 2" in PdfReader(io.BytesIO(data)).pages[0].extract_text()


def test_a_heading_that_breaks_keeps_its_spaces_in_the_outline(chromium, tmp_path):
    page = tmp_path / "index.html"
    page.write_text(
        "<style>.headerlink { display: none }</style>"
        "<h1 style='width: 6em'>Efficient and residual networks"
        "<a class='headerlink' href='#x'>#</a></h1>"
    )
    outline = PdfReader(io.BytesIO(printing.finished(*printing.print_sheets(page)))).outline
    assert [item.title for item in outline] == ["Efficient and residual networks"]


# What is missing, and what is wrong ------------------------------------------------------------


def test_without_chromium_one_line_names_the_package_and_nothing_is_written(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(printing.shutil, "which", lambda name: None)
    assert printing.main(["pdf", "--output", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert "install the Debian package chromium" in line
    assert list((tmp_path / "out").iterdir()) == []


def test_without_node_one_line_names_the_packages(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mathematics.shutil, "which", lambda name: None)
    (tmp_path / "d2l-lite.epub").write_text("the last one")
    assert printing.main(["epub", "--output", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert "node was not found" in line
    assert "nodejs" in line
    assert [path.read_text() for path in tmp_path.iterdir()] == ["the last one"]


def tiny(root: Path, *cells) -> Path:
    """Write a book of one page with the given cells, and return its folder."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    config["bibtex_bibfiles"] = []
    config["sphinx"]["config"]["extensions"].remove("sphinxcontrib.bibtex")
    del config["sphinx"]["config"]["bibtex_reference_style"]
    (root / "_static").mkdir(parents=True)
    shutil.copyfile(ROOT / "_static" / "logo.svg", root / "_static" / "logo.svg")
    shutil.copyfile(ROOT / "CITATION.cff", root / "CITATION.cff")
    (root / "_config.yml").write_text(yaml.safe_dump(config))
    (root / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    metadata = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    notebook = nbformat.v4.new_notebook(cells=list(cells), metadata=metadata)
    nbformat.write(notebook, root / "index.ipynb")
    return root


def output_cell(thing) -> nbformat.NotebookNode:
    """Return a code cell with an output as a notebook stores it."""
    data = thing._repr_mimebundle_() if hasattr(thing, "_repr_mimebundle_") else thing
    output = nbformat.v4.new_output("execute_result", data=data, execution_count=1)
    return nbformat.v4.new_code_cell("1", outputs=[output], execution_count=1)


def build_tiny(monkeypatch, tmp_path, *cells) -> ElementTree.Element:
    """Return the page of a book of one page for e-readers."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(printing, "ROOT", tiny(tmp_path / "book", *cells))
    monkeypatch.setattr(printing, "draw_cover", lambda static: "logo.svg")
    (tmp_path / "out").mkdir()
    pages = printing.run_sphinx("epub", tmp_path / "out")
    return ElementTree.fromstring((pages / "index.xhtml").read_bytes())


def test_a_quiz_and_a_source_and_an_explorable_are_printed(mathjax, monkeypatch, tmp_path):
    quiz = d2l.quiz("What is $2^3$?\n\n- [ ] 6 | That is $2\\cdot3$.\n- [x] 8 | Three factors.")
    line = ([0.0, 1.0], [0.0, 1.0])
    moved = d2l.explore(
        lambda depth: d2l.Curves({"a": line}, xlabel="x", ylabel="y", text=f"Depth is {depth}."),
        depth=d2l.Choice([2, 5], 5),
        label="How deep?",
    )
    heading = nbformat.v4.new_markdown_cell("# Tiny\n\nText.")
    tree = build_tiny(monkeypatch, tmp_path, heading, output_cell(quiz), output_cell(moved))
    text = "".join(tree.itertext())
    for part in ("That is", "Three factors.", "Depth is 5.", "How deep?", "Shown at: depth 5."):
        assert part in text
    assert len(list(tree.iter(f"{MATH}math"))) == 2
    assert len(list(tree.iter(f"{XHTML}img"))) == 1
    assert page_faults("tiny", tree) == []


def test_a_formula_that_is_not_tex_and_a_script_end_the_build(
    mathjax, monkeypatch, tmp_path, capfd
):
    page = nbformat.v4.new_markdown_cell("# Tiny\n\nHere is $\\nonsense{x}$.")
    script = output_cell({"text/html": "<p>a</p><script>1</script>", "text/plain": "a"})
    with pytest.raises(printing.PrintingError, match="warnings above"):
        build_tiny(monkeypatch, tmp_path, page, script)
    shown = capfd.readouterr().err
    assert r"\nonsense" in shown
    assert "an output with a script has no form for paper" in shown


# MathML ----------------------------------------------------------------------------------------


def test_letters_of_a_variant_become_characters():
    markup = '<math ><mi mathvariant="bold">x</mi><mi mathvariant="double-struck">R</mi>'
    markup += '<mi mathvariant="script">L</mi><mi mathvariant="normal">d</mi></math>'
    letters = '<mi>𝐱</mi><mi>ℝ</mi><mi>ℒ</mi><mi mathvariant="normal">d</mi>'
    assert core_mathml(markup, "a<b") == f'<math alttext="a&lt;b" >{letters}</math>'


def test_marks_of_mathjax_do_not_stay():
    markup = '<math display="block">\n  <mrow data-mjx-texclass="ORD" class="x">\n</mrow></math>'
    assert core_mathml(markup, "x") == '<math alttext="x" display="block"><mrow></mrow></math>'


def test_formulas_are_set_and_errors_are_named(typesetter):
    assert "<mfrac>" in typesetter.ask(op="mathml", tex=r"\frac12", display=True)
    with pytest.raises(TypesettingError, match="nonsense"):
        typesetter.ask(op="mathml", tex=r"\nonsense", display=False)
    assert "<msqrt>" in typesetter.ask(op="mathml", tex=r"\sqrt2", display=False)


def test_ids_of_two_documents_never_meet():
    assert unique("chapters/a", "id1") == "chapters-a--id1"
    assert unique("chapters/a", "id1") != unique("chapters/b", "id1")

"""What stands below a page's title, and the directives that show what notebooks hold."""

import base64
import json
import re
import shutil
from io import StringIO

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from tools import fonts, records, sphinx_pages

# sphinx_external_toc looks at every object alive, PyTorch's deprecated ones included.
pytestmark = pytest.mark.filterwarnings("ignore:.*reduce_op. is deprecated:FutureWarning")
RECORD = {
    "date": "2030-01-02",
    "device": "cpu",
    "numpy": "2.0",
    "peak_memory_mb": 1500,
    "python": "3.11",
    "seconds": 12.4,
    "threads": 2,
    "torch": "2.1",
}
PIXEL = base64.b64encode(b"not a real picture").decode()
QUESTION = """\
```{code-cell} ipython3
---
tags: [question]
question: %s
points: %d
hints: {all: Think.}
---
def %s():
    pass
```
"""
HEADER = """\
---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
"""


def cell(kind, source, *, outputs=(), **metadata):
    made = {
        "cell_type": kind,
        "source": source,
        "metadata": metadata,
        "id": f"c{abs(hash(source))}",
    }
    return made | ({"outputs": list(outputs), "execution_count": 1} if kind == "code" else {})


def stored(label, anchor="d2l-0123abcd"):
    html = f'<div class="d2l-explorable" id="{anchor}" aria-label="{label}"></div>'
    data = {"text/html": [html], "image/png": PIXEL, "text/plain": f"Explorable: {label}"}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def notebook(*cells, **record):
    metadata = {"d2l_lite": record, "language_info": {"name": "python"}}
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


CHAPTER = notebook(
    cell("markdown", "# Tiny\n\nA line.\n\n## Move it"),
    cell("code", "show()", outputs=[stored("A slope")], mystnb={"figure": {"name": "fig-a"}}),
    cell("code", "print(1)", tags=["nbval-check-output"]),
    **RECORD,
)
SOLUTIONS = notebook(**RECORD | {"seconds": 3.0, "peak_memory_mb": 2})


@pytest.fixture
def tiny(tmp_path):
    """A book of one chapter and one exercise set."""
    files = {
        "chapters/tiny.ipynb": json.dumps(CHAPTER),
        "exercises/tiny.ipynb": json.dumps(notebook(cell("markdown", "# Exercises: tiny"))),
        "exercises/solutions/tiny.ipynb": json.dumps(SOLUTIONS),
        "exercises/source/tiny.md": HEADER + QUESTION % ("a", 2, "a") + QUESTION % ("b", 3, "b"),
        "chapters/status.md": "# Runs\n",
        "index.md": "# Start\n",
        "_toc.yml": "format: jb-book\nroot: index\nchapters:\n- file: chapters/tiny\n"
        "- file: exercises/tiny\n- file: chapters/status\n",
    }
    for name, text in files.items():
        path = tmp_path / "book" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "book"


@pytest.fixture
def built(tiny, monkeypatch):
    """Build the tiny book with a text on its first page; return its pages and its warnings."""
    monkeypatch.setattr(fonts, "vendor", lambda: False)

    def build(text, builder="html"):
        (tiny / "index.md").write_text(f"# Start\n\n{text}\n", encoding="utf-8")
        extensions = ["myst_nb", "sphinx_external_toc", "tools.sphinx_pages"]
        settings = {
            "extensions": extensions,
            "nb_execution_mode": "off",
            "html_theme": "sphinx_book_theme",
        }
        settings["exclude_patterns"] = ["**/source", "exercises/solutions"]
        output, warnings = tiny.parent / builder, StringIO()
        places = (str(tiny), None, str(output), str(output / "trees"), builder)
        with docutils_namespace():
            app = Sphinx(*places, confoverrides=settings, status=None, warning=warnings)
            app.build(force_all=True)
        return output, warnings.getvalue()

    return build


def page(output, name="index"):
    return (output / f"{name}.html").read_text(encoding="utf-8")


def article(output, name="index"):
    inner = page(output, name).partition("<article")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", inner).split())


def test_minutes_to_read_count_words_visible_lines_of_code_and_quizzes():
    words = cell("markdown", "word " * (3 * records.WORDS_PER_MINUTE))
    lines = "x = 1\n" * (records.WORDS_PER_MINUTE // records.WORDS_PER_CODE_LINE)
    assert records.reading_minutes({"cells": [words]}) == 3
    assert records.reading_minutes({"cells": [words, cell("code", lines)]}) == 4
    for hidden in records.FOLDED:
        assert records.reading_minutes({"cells": [words, cell("code", lines, tags=[hidden])]}) == 3
    quiz = cell("code", words["source"], tags=["quiz", "remove-input"])
    assert records.reading_minutes({"cells": [words, quiz]}) == 6
    assert records.reading_minutes({"cells": []}) == 1


def test_facts_name_the_seconds_and_the_device_of_the_run():
    assert records.facts(notebook(seconds=12.4, device="cpu")) == [
        "1 minute to read",
        "ran in 12 s on cpu",
    ]
    assert records.facts({"cells": [], "metadata": {}}) == ["1 minute to read"]


def test_an_explorable_shows_with_a_link_to_its_place(built):
    output, warnings = built("```{explorable} chapters/tiny\n:label: A slope\n```")
    assert warnings == ""
    assert page(output).count('<div class="d2l-explorable" id="d2l-0123abcd"') == 1
    assert 'href="chapters/tiny.html#d2l-0123abcd"' in page(output)
    assert "From the chapter Tiny , section Move it ." in article(output)


def test_an_explorable_is_a_picture_where_no_script_runs(built):
    output, warnings = built("```{explorable} chapters/tiny\n:label: A slope\n```", "singlehtml")
    assert warnings == ""
    assert 'alt="A slope"' in page(output)
    assert "A slope</div>" not in page(output)
    assert '<div class="d2l-explorable" id="d2l-0123abcd"' not in page(output).split("Tiny")[0]


WRONG = {
    "```{explorable} chapters/tiny\n:label: A hill\n```": "none labeled 'A hill'; it has: A slope",
    "```{explorable} chapters/tiny\n```": "none labeled ''; it has: A slope",
    "```{explorable} exercises/tiny\n:label: A slope\n```": (
        "exercises/tiny has none labeled 'A slope'; it has: no explorable"
    ),
    "```{explorable} chapters/huge\n:label: A slope\n```": "no notebook chapters/huge.ipynb",
    "{count}`miles`": "no number is called 'miles'; chapters, code cells",
    "{facts}`chapters/huge`": "'chapters/huge' is no chapter; chapters/tiny are",
}


def test_what_cannot_be_shown_is_an_error_that_lists_what_can(built):
    _, warnings = built("\n\n".join(WRONG))
    errors = [line for line in warnings.splitlines() if "ERROR" in line]
    assert len(errors) == len(WRONG)
    for said, line in zip(WRONG.values(), errors, strict=True):
        assert said in line


def test_the_status_table_holds_every_run_and_their_sum(built):
    output, warnings = built("```{status}\n```")
    assert warnings == ""
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in page(output).split("<tr")[1:]]
    texts = [" ".join(row[1:]) for row in rows]
    assert "Tiny 2030-01-02 cpu, 2 threads 12.4 1,500" in texts[1]
    assert "Exercises: tiny (solutions) 2030-01-02 cpu, 2 threads 3.0 2" in texts[2]
    assert "Together 15.4 1,500" in texts[3]
    used = "2 notebooks ran with Python 3.11, PyTorch 2.1 and NumPy 2.0"
    assert f"{used}, with the parameters of profile default." in article(output)


def test_parameters_of_another_run_are_not_called_the_notebooks_own(built, tiny):
    injected = cell("code", "count = 2", tags=["injected-parameters"])
    (tiny / "chapters/tiny.ipynb").write_text(json.dumps(notebook(injected, **RECORD)))
    output, _ = built("```{status}\n```")
    assert "of profile injected and default." in article(output)


def test_a_run_without_its_record_is_an_error_with_its_remedy(built, tiny):
    lacking = {key: value for key, value in RECORD.items() if key != "threads"}
    (tiny / "chapters/tiny.ipynb").write_text(json.dumps(CHAPTER | notebook(**lacking)))
    _, warnings = built("```{status}\n```")
    assert (
        "chapters/tiny.ipynb must record its run, but lacks threads; run `make notebooks`"
        in warnings
    )


def test_a_status_of_nothing_is_an_error(built, tiny):
    shutil.rmtree(tiny / "exercises" / "solutions")
    (tiny / "chapters/tiny.ipynb").unlink()
    (tiny / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    assert "the book has no notebook that was run" in built("```{status}\n```")[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chapters", 1),
        ("code cells", 2),
        ("compared cells", 1),
        ("explorables", 1),
        ("figures", 1),
        ("points", 5),
        ("questions", 2),
        ("seconds", 15),
        ("slowest seconds", 12),
    ],
)
def test_numbers_about_the_book_are_counted(tiny, name, value):
    assert records.counts(tiny, ["chapters/tiny", "exercises/tiny"])[name] == value


def test_numbers_and_facts_stand_in_a_line_of_text(built):
    output, warnings = built("There are {count}`points` points; {facts}`chapters/tiny`.")
    assert warnings == ""
    assert "There are 5 points; 1 minute to read · ran in 12 s on cpu ." in article(output)


def test_a_chapter_says_how_long_it_takes_and_how_to_run_it(built, monkeypatch):
    monkeypatch.setattr(sphinx_pages, "address", lambda: "")
    output, _ = built("")
    text = page(output, "chapters/tiny")
    assert '<p class="chapter-facts">1 minute to read · <a' in text
    assert 'href="status.html">ran in 12 s on cpu</a>' in text
    link = re.search(r'href="([^"]+)" download>Download notebook<', text)[1]
    assert (output / "chapters" / link).resolve() == output / "_sources/chapters/tiny.ipynb"
    assert 'data-copy="jupyter lab chapters/tiny.ipynb"' in text
    assert "colab" not in text.lower()
    assert '<p class="chapter-facts">2 questions · 5 points</p>' in page(output, "exercises/tiny")
    assert "d2l-run" not in page(output)


def test_on_paper_nobody_is_told_to_press_a_button(built):
    output, _ = built("", "singlehtml")
    assert "chapter-facts" in page(output)
    assert "d2l-run" not in page(output)


@pytest.mark.parametrize(
    ("url", "launch"),
    [
        ("https://github.com/someone/book.git", "/github/someone/book/blob/main/chapters/a.ipynb"),
        ("https://example.org/someone/book", None),
        ("", None),
    ],
)
def test_colab_is_offered_where_it_can_open_the_repository(url, launch):
    text = sphinx_pages.run_block("chapters/a", url)
    assert ("Open in Colab" in text) == (launch is not None)
    assert launch is None or f'href="https://colab.research.google.com{launch}"' in text


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "FOLDER", tmp_path / "fonts")
    return tmp_path / "fonts"


def test_typefaces_are_fetched_with_their_licenses(shelf, monkeypatch):
    def fetch(package, version, *, folder, keep):
        for name in keep:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"{package}@{version}")
        return ""

    monkeypatch.setattr(fonts.npm, "fetch", fetch)
    assert fonts.vendor()
    urls = set(re.findall(r"url\((.+?)\)", (shelf / "fonts.css").read_text()))
    assert {shelf / url for url in urls} == set(shelf.rglob("*.woff2"))
    assert len(urls) == sum(len(face.styles) for face in fonts.TYPEFACES)
    assert len(list(shelf.rglob("LICENSE"))) == len(fonts.TYPEFACES)


def test_without_typefaces_one_line_says_so(shelf, monkeypatch, capsys):
    monkeypatch.setattr(fonts.npm, "fetch", lambda *_, **__: "npm error network")
    assert not fonts.vendor()
    (line,) = capsys.readouterr().out.splitlines()
    assert "npm error network" in line
    assert not shelf.exists()

"""What a notebook depends on: the modules, scenes and files that its code reaches."""

import pytest

from tools.dependencies import package_hash

FILES = {
    "__init__.py": "from d2l_lite.data import load\nfrom d2l_lite.explore import explore\n"
    "from d2l_lite.training import fit\n",
    "data.py": "load = 1",
    "training.py": "def fit():\n    from d2l_lite.data import load\n    return load",
    "explore.py": "from d2l_lite.embedding import embed",
    "embedding.py": "embed = 1",
    "style.mplstyle": "",
    "scenes/__init__.py": "",
    "scenes/core.js": "",
    "scenes/one.js": "",
    "scenes/one.py": "",
    "scenes/two.js": "",
    "scenes/two.py": "",
    "grading/__init__.py": "from d2l_lite.grading.checker import check",
    "grading/checker.py": "from d2l_lite.grading import visible, cases",
    "grading/cases.py": "",
    "grading/feedback.css": "",
    "grading/judge.py": "from d2l_lite.grading.cases import case",
    "grading/visible/__init__.py": "",
    "grading/visible/mine.py": "",
    "grading/visible/other.py": "",
}
MODULES = {"data.py", "training.py", "explore.py", "embedding.py"}
SCENES = {"scenes/core.js", "scenes/one.js", "scenes/one.py", "scenes/two.js", "scenes/two.py"}
ALWAYS = {"style.mplstyle"}


@pytest.fixture
def root(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "d2l_lite" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def counting(root, code, **options):
    """Return the files whose change changes the hash."""
    before, found = package_hash(root, [code], **options), set()
    for name, text in FILES.items():
        path = root / "d2l_lite" / name
        path.write_text(f"{text}\n# changed\n")
        if package_hash(root, [code], **options) != before:
            found.add(name)
        path.write_text(text)
    return found


@pytest.mark.parametrize(
    ("code", "files"),
    [
        ("print(1)", set()),
        ("import d2l_lite as d2l\nd2l.load", {"data.py"}),
        ("%pip install x\nimport d2l_lite as d2l\nd2l.fit()", {"training.py", "data.py"}),
        ("from d2l_lite import fit as train", {"training.py", "data.py"}),
        ("from d2l_lite.data import load", {"data.py"}),
        ("import d2l_lite.data", {"data.py"}),
        (
            "import d2l_lite as d2l\nd2l.explore(scene='one')",
            {"explore.py", "embedding.py", "scenes/core.js", "scenes/one.js", "scenes/one.py"},
        ),
        (
            "import d2l_lite as d2l\nd2l.explore(scene=name)",
            {"explore.py", "embedding.py", *SCENES},
        ),
    ],
)
def test_only_what_the_code_reaches_counts(root, code, files):
    assert counting(root, code) == files | ALWAYS


@pytest.mark.parametrize(
    "code",
    [
        "import d2l_lite as d2l\nhelp(d2l)",
        "import d2l_lite as d2l\ngetattr(d2l, name)",
        "from d2l_lite import unknown",
        "from d2l_lite import *",
        "def broken(",
    ],
)
def test_where_there_is_a_doubt_everything_counts(root, code):
    grader = {name for name in FILES if name.startswith("grading")}
    assert counting(root, code) == set(FILES) - grader


def test_a_new_home_of_a_name_counts(root):
    code = ["import d2l_lite as d2l\nd2l.load"]
    before = package_hash(root, code)
    (root / "d2l_lite/__init__.py").write_text("from d2l_lite.training import load")
    assert package_hash(root, code) != before


def test_an_exercise_set_depends_on_the_grader_and_on_its_own_cases(root):
    found = counting(root, "from d2l_lite.grading import check", exercise="mine")
    graders = {name for name in FILES if name.startswith("grading")}
    others = {"visible/other.py", "judge.py", "feedback.css"}
    assert found == ALWAYS | graders - {f"grading/{name}" for name in others}


def test_what_python_leaves_behind_does_not_count(root):
    before = package_hash(root, ["def broken("])
    (root / "d2l_lite" / "__pycache__").mkdir()
    (root / "d2l_lite" / "__pycache__" / "data.pyc").write_bytes(b"1")
    assert package_hash(root, ["def broken("]) == before

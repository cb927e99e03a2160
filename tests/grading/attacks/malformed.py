"""Notebooks that are broken, odd or wrong, by accident or on purpose."""

import json
import os
import stat

from d2l_lite.grading.tiers import Tier
from tests.grading.attacks.submission import Attack, attack, rewarded, solutions

#: Tiers in which no device can be handed in, since nobody here can make one.
NO_DEVICES = {tier.value: "only root makes devices" for tier in Tier if os.geteuid() != 0}
ALL = ("standardize", "softmax", "halvings", "odds", "Scaler", "summary")
HONEST = Attack("honest", "malformed", "softmax", (solutions()["softmax"],))


def file(name, change, *, status="unreadable", keeps=False, **more):
    """Return a submission whose file is what `change` makes of an honest notebook's JSON."""

    def make(text, folder):
        path = folder / "submission.ipynb"
        data = change(text)
        path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
        return path

    return Attack(
        name,
        "malformed",
        "softmax",
        HONEST.code,
        status=status,
        earns=ALL if keeps else (),
        loses=() if keeps else ALL,
        make=make,
        **more,
    )


def special(name, prepare, **more):
    """Return a submission that is no regular file; `prepare` puts it at a path."""

    def make(text, folder):
        path = folder / "submission.ipynb"
        honest = folder / "honest.ipynb"
        honest.write_text(text, encoding="utf-8")
        prepare(path, honest)
        return path

    return Attack(name, "malformed", "softmax", HONEST.code, status="unreadable", make=make, **more)


def edited(name, change, **more):
    """Return a submission whose notebook, as a dict, is edited in place."""

    def edit(text):
        document = json.loads(text)
        return json.dumps(change(document) or document)

    return file(name, edit, **more)


def old_format(document):
    """Return the same cells as notebook format 3 has them."""
    cells = [
        {"cell_type": "code", "input": cell["source"], "language": "python", "outputs": []}
        for cell in document["cells"]
    ]
    return {"worksheets": [{"cells": cells}], "metadata": {}, "nbformat": 3, "nbformat_minor": 0}


def same_ids(document):
    for cell in document["cells"]:
        cell["id"] = "same"


def no_ids(document):
    for cell in document["cells"]:
        del cell["id"]


def lines_of_cells(document):
    for cell in document["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)


def big_outputs(document):
    output = {"output_type": "stream", "name": "stdout", "text": ["x" * 1_000_000]}
    document["cells"][0]["outputs"] = [output] * 10


def odd_cells(document):
    document["cells"][1:1] = [
        None,
        3,
        [],
        {},
        {"cell_type": "code"},
        {"cell_type": "code", "source": 7},
        {"cell_type": "video", "source": "x"},
    ]


def in_call(name, body, **more):
    """Return an attack whose answer is this body."""
    return attack("malformed", name, f"def softmax(x):\n    {body}\n", **more)


def in_cell(name, code, **more):
    """Return an attack with this cell before everything else; the answers after it are right."""
    more.setdefault("first", True)
    return attack("malformed", name, code, solutions()["softmax"], earns=("softmax",), **more)


ENDS = {
    "exit()": "exit()",
    "quit()": "quit()",
    "sys.exit": "import sys; sys.exit(3)",
    "os._exit": "import os; os._exit(0)",
    "os.abort": "import os; os.abort()",
    "SIGKILL": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "a segmentation fault": "import ctypes; ctypes.string_at(0)",
}

ATTACKS = [
    file("an empty file", lambda text: ""),
    file("JSON that breaks off", lambda text: text[: len(text) // 2]),
    file("no JSON at all", lambda text: "import numpy as np\n" + solutions()["softmax"]),
    file("a list instead of a notebook", lambda text: f"[{text}]"),
    file("null", lambda text: "null"),
    file(
        "a byte order mark",
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        status="graded",
        keeps=True,
    ),
    file("UTF-16", lambda text: text.encode("utf-16"), status="graded", keeps=True),
    file(
        "bytes that are no UTF-8",
        lambda text: text.encode().replace(b'"import numpy', b'"# caf\xe9\\nimport numpy'),
        status="graded",
        keeps=True,
    ),
    file("a page of HTML", lambda text: f"<!DOCTYPE html><html>{text}</html>"),
    file("a ZIP archive", lambda text: b"PK\x03\x04" + text.encode()),
    file("lists that are nested too deeply", lambda text: "[" * 1_000_000 + "]" * 1_000_000),
    file(
        "a number of a million digits",
        lambda text: text.replace('"nbformat": 4', '"nbformat": ' + "9" * 1_000_000),
        status="graded",
        keeps=True,
    ),
    file("more than is read", lambda text: text + " " * (21 << 20)),
    file("a hundred megabytes", lambda text: b"{" + bytes(100 << 20)),
    file(
        "a key that occurs twice",
        lambda text: text.replace('"cells": [', '"cells": [], "cells": [', 1),
        status="graded",
        keeps=True,
    ),
    edited("no cells", lambda document: {**document, "cells": []}, status="graded"),
    edited("cells that are no list", lambda document: {**document, "cells": {"a": 1}}),
    edited("notebook format 3", old_format, status="graded", keeps=True),
    edited("cells that share an id", same_ids, status="graded", keeps=True),
    edited("cells without ids", no_ids, status="graded", keeps=True),
    edited("sources as lists of lines", lines_of_cells, status="graded", keeps=True),
    edited("ten megabytes of output", big_outputs, status="graded", keeps=True),
    edited("cells that are no cells", odd_cells, status="graded", keeps=True),
    special("a folder", lambda path, honest: path.mkdir()),
    special("a link to an honest notebook", lambda path, honest: path.symlink_to(honest)),
    special("a link to itself", lambda path, honest: path.symlink_to(path)),
    special("a link to passwords", lambda path, honest: path.symlink_to("/etc/shadow")),
    special("a named pipe", lambda path, honest: os.mkfifo(path)),
    special("an endless device", lambda path, honest: path.symlink_to("/dev/zero")),
    special(
        "a device",
        lambda path, honest: os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5)),
        not_in=NO_DEVICES,
    ),
    special("nothing", lambda path, honest: None),
    attack("malformed", "a question without an answer"),
    attack(
        "malformed",
        "another name for the function",
        solutions()["softmax"].replace("softmax", "soft_max"),
    ),
    attack("malformed", "an answer that is no function", "softmax = [[0.25, 0.75]]"),
    attack("malformed", "the answer is still to be written", "softmax = ..."),
    attack("malformed", "a syntax error in one cell", "def softmax(x)\n    return x\n"),
    attack("malformed", "tabs and spaces mixed", "def softmax(x):\n\tif True:\n        return x\n"),
    attack(
        "malformed",
        "an answer before and a wrong one after",
        solutions()["softmax"],
        "def softmax(x):\n    return x\n",
    ),
    attack("malformed", "a cell with a null character", "softmax = 1\0\n"),
    attack("malformed", "surrogates in the source", "softmax = '\ud800'\n"),
    attack("malformed", "an empty cell and a comment", "", "   \n\n", "# softmax"),
    in_cell(
        "magics and shell lines",
        "%matplotlib inline\n!ls -la\nimport math\n%timeit -n1 pass\n?np.exp\nfiles = !ls\n",
    ),
    in_cell("a timed cell", "%%time\nimport math\n"),
    in_cell("a cell of another language", "%%bash\nrm -rf ~/nothing\n"),
    in_cell("a magic that does not exist", "%%nonsense\n1\n"),
    in_cell(
        "the notebook's front end",
        "ip = get_ipython()\nip.run_line_magic('matplotlib', 'inline')\ndisplay(3)\n",
    ),
    in_cell("a question to whoever sits there", "name = input('Your name? ')\n"),
    in_cell("await at the top level", "import asyncio\nawait asyncio.sleep(0)\n"),
    in_cell("a package that is not there", "import package_that_nobody_has\n"),
    in_cell("a file that is not there", "data = open('data.csv').read()\n"),
    in_cell(
        "a picture is shown",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n",
        seconds=25.0,
    ),
    in_cell(
        "warnings and errors on stderr",
        "import sys, warnings\nwarnings.warn('careful')\nprint('oh', file=sys.stderr)\n"
        "import logging\nlogging.error('no')\nwarnings.simplefilter('error')\nnp.log(0.0)\n",
    ),
    in_cell("an exception before everything", "raise RuntimeError('never mind')\n"),
    *[in_cell(f"{name} in a cell", code, seconds=10.0) for name, code in ENDS.items()],
    *[in_call(f"{name} in a call", code, seconds=10.0) for name, code in ENDS.items()],
    in_call("NaN comes back", "return np.full(x.shape, np.nan)"),
    in_call("infinity comes back", "return np.full(x.shape, np.inf)"),
    in_call("an array of objects comes back", "return np.full(x.shape, None, dtype=object)"),
    in_call("a list comes back", "return (np.exp(x) / np.exp(x).sum(-1, keepdims=True)).tolist()"),
    in_call(
        "another shape comes back", "return (np.exp(x) / np.exp(x).sum(-1, keepdims=True))[None]"
    ),
    in_call(
        "another dtype comes back",
        "return (np.exp(x) / np.exp(x).sum(-1, keepdims=True)).astype(np.float32)",
    ),
    in_call("a text comes back", "return 'np.array([[0.25, 0.75]])'"),
    in_call("an array of texts comes back", "return np.full(x.shape, '0.25')"),
    in_call("records come back", "return np.zeros(x.shape, dtype='f8,i4')"),
    in_call("dates come back", "return np.zeros(x.shape, dtype='M8[s]')"),
    in_call("the function itself comes back", "return softmax"),
    in_call("a class comes back", "return np.ndarray"),
    in_call("a module comes back", "return np"),
    in_call("nothing comes back", "pass"),
    in_call(
        "a coroutine comes back",
        "async def f(): return x\n    import warnings; warnings.simplefilter('ignore'); return f()",
    ),
    in_call("a masked array comes back", "return np.ma.masked_all(x.shape)"),
    in_call("a lone surrogate comes back", "return '\\ud800' * 10"),
    in_call("an exception comes back", "return ValueError('x')"),
    in_call(
        "a group of exceptions is raised",
        "raise BaseExceptionGroup('many', [ValueError(n) for n in range(1000)])",
    ),
    in_call("an interrupt is raised", "raise KeyboardInterrupt"),
    in_call("the end of a generator is raised", "raise GeneratorExit"),
    attack(
        "malformed",
        "a warning that costs nothing",
        "import warnings\n"
        + solutions()["softmax"].replace(
            "def softmax(x):", "def softmax(x):\n    warnings.warn('slow')\n    print('hello')"
        ),
        earns=("softmax",),
    ),
    attack(
        "malformed",
        "a decorated and renamed answer that is right",
        "import functools\n@functools.lru_cache(None)\ndef table():\n    return 1\n"
        + solutions()["softmax"].replace("def softmax", "def helper")
        + "\nsoftmax = functools.partial(helper)\n",
        earns=("softmax",),
    ),
    attack(
        "malformed",
        "a right answer after a hundred wrong cells",
        *["1 / 0"] * 100,
        solutions()["softmax"],
        earns=("softmax",),
        seconds=15.0,
    ),
    attack(
        "malformed",
        "the right answer in a tuple",
        rewarded(won="False") + "\nimport numpy\ndef softmax(x):\n    return (numpy.exp(x), x)\n",
    ),
]

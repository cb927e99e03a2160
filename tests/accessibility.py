"""What axe-core finds on a page that a browser shows."""

import pytest

from tests.browser import unfetched
from tools import axe

#: The boxes inside a formula are taken out, since there are thousands, and its reading is a MathML
#: element. Style sheets are not fetched once more, which a page from disk may not.
RUN = """() => {
  document.querySelectorAll("mjx-container").forEach((formula) => formula.replaceChildren());
  return axe.run({ preload: false, resultTypes: ["violations"] });
}"""
SETTLED = """() => Promise.all(document.getAnimations().map((a) => a.finished.catch(() => 0)))"""


@pytest.fixture(scope="module")
def script():
    """The program, to be given to `violations`."""
    try:
        return axe.script()
    except RuntimeError as error:
        return unfetched(str(error))


def violations(page, script):
    """Return the faults of a page, and how many rules it passed."""
    page.evaluate(SETTLED)
    page.evaluate(script)
    found = page.evaluate(RUN)
    assert len(found["passes"]) > 10, "axe-core tried almost no rule"
    faults = [
        f"{rule['id']}: {node['target'][-1]}: {node['failureSummary'].splitlines()[1].strip()}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
    return faults, len(found["passes"])

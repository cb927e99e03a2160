"""What axe-core finds on a page that a browser shows."""

import pytest

from tests.browser import unfetched
from tools import axe

#: The boxes inside a formula are taken out, since there are thousands, and its reading is a MathML
#: element. Style sheets are not fetched once more, which a page from disk may not.
RUN = """(rules) => {
  document.querySelectorAll("mjx-container").forEach((formula) => formula.replaceChildren());
  return axe.run({ preload: false, resultTypes: ["violations"], ...(rules && { runOnly: rules }) });
}"""
#: The rules that look at colors, all that a change of theme can break.
COLOR_RULES = ["color-contrast", "link-in-text-block"]
SETTLED = """() => Promise.all(document.getAnimations().map((a) => a.finished.catch(() => 0)))"""


@pytest.fixture(scope="module")
def script():
    """The program, to be given to `violations`."""
    try:
        return axe.script()
    except RuntimeError as error:
        return unfetched(str(error))


def violations(page, script, rules=()):
    """Return the faults of a page, by all rules or those named, and how many rules it passed."""
    page.evaluate(SETTLED)
    page.evaluate(script)
    found = page.evaluate(RUN, list(rules) or None)
    assert len(found["passes"]) > (0 if rules else 10), "axe-core tried almost no rule"
    faults = [
        f"{rule['id']}: {node['target'][-1]}: {node['failureSummary'].splitlines()[1].strip()}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
    return faults, len(found["passes"])

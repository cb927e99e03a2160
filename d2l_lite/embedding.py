"""What explorables and quizzes share: one piece of HTML with everything that it needs inside."""

import hashlib
import html
import json
from importlib import resources
from string import Template
from typing import Any

FOLDER = "d2l_lite.scenes"
# Controls are made by the script, so that where no script runs nothing looks alive.
_PAGE = Template("""\
<div class="d2l-$kind" id="d2l-$id" role="group" aria-label="$label">
<style>
$style
</style>
$still
<script>
(function (module) {
"use strict";
$code
const spec = $spec;
$call
})();
</script>
</div>""")


def read(*names: str) -> str:
    """Return files of the browser side without indentation and comment lines."""
    texts = [resources.files(FOLDER).joinpath(name).read_text(encoding="utf-8") for name in names]
    lines = (line.strip() for text in texts for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith(("//", "/*")))


def embed(kind: str, spec: dict[str, Any], *, files: tuple[str, ...], call: str, still: str) -> str:
    """Return HTML that comes alive by itself, wherever it is shown.

    Args:
        kind: class of the element, after `d2l-`.
        spec: what the script is given, as JSON; its `label` names the element.
        files: scripts and style sheets of the browser side, in order.
        call: the script's last line; `ID` stands for the element's id, a hash of the content.
        still: HTML that is shown until the script runs.
    """
    text = json.dumps(spec, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    key = hashlib.sha256(f"{kind} {call} {text} {still}".encode()).hexdigest()[:12]
    parts = {
        "kind": kind,
        "id": key,
        "label": html.escape(spec["label"]),
        "style": read(*(name for name in files if name.endswith(".css"))),
        "code": read(*(name for name in files if name.endswith(".js"))),
        "spec": text.replace("<", "\\u003c"),
        "call": call.replace("ID", f"d2l-{key}"),
        "still": still,
    }
    return _PAGE.substitute(parts)

"""The style sheet: text can be read on its ground, in the light, in the dark and on paper."""

import re
from pathlib import Path

import pytest

CSS = Path(__file__).resolve().parents[1] / "_static" / "book.css"
#: WCAG 2.1, level AA, for text of any size.
MIN_CONTRAST = 4.5
GROUNDS = ("--pst-color-background", "--pst-color-surface", "--d2l-paper")
TEXTS = (
    "--pst-color-text-base",
    "--pst-color-text-muted",
    "--pst-color-heading",
    "--pst-color-inline-code",
    "--pst-color-primary",
    "--pst-color-secondary",
    "--pst-color-link-higher-contrast",
    "--d2l-accent",
)
BOXES = ("--pst-color-text-muted", "--d2l-warm", "--d2l-key", "--d2l-wrong")


def variables(block: str) -> dict[str, str]:
    """Return the variables that a block of declarations sets."""
    return dict(re.findall(r"(--[\w-]+):\s*([^;]+);", block))


def themes(css: str) -> dict[str, dict[str, str]]:
    """Return the variables of the light and the dark theme, and those of paper, over either."""
    found = {
        name: variables(
            re.search(rf'^html\[data-theme="{name}"\] \{{(.*?)^\}}', css, re.M | re.S)[1]
        )
        for name in ("light", "dark")
    }
    paper = variables(re.search(r"@media print.*?html\[data-theme\] \{(.*?)\}", css, re.S)[1])
    return found | {f"paper over {name}": found[name] | paper for name in ("light", "dark")}


def channels(color: str) -> tuple[float, ...]:
    """Return red, green and blue of a color such as #fff or #1f252d, from 0 to 1."""
    digits = color.strip().removeprefix("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    return tuple(int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))


def mixed(color: str, ground: str, share: float) -> str:
    """Return a share of a color over a ground, as `color-mix(in srgb, …)` does."""
    pairs = zip(channels(color), channels(ground), strict=True)
    return "#" + "".join(f"{round(255 * (share * a + (1 - share) * b)):02x}" for a, b in pairs)


def luminance(color: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colors, from 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def box_tint(css: str) -> float:
    """Return the share of its own color in the ground of a box."""
    return float(re.search(r"color-mix\(in srgb, var\(--box\) (\d+)%", css)[1]) / 100


def pale(css: str) -> list[str]:
    """Return the pairs of text and ground that cannot be read well."""
    faults = []
    for theme, colors in themes(css).items():
        pairs = [(text, ground, colors[ground]) for text in TEXTS for ground in GROUNDS]
        plain, share = colors["--pst-color-background"], box_tint(css)
        for box in BOXES:
            tint = mixed(colors[box], plain, share)
            pairs += [(box, "its box", tint), ("--pst-color-text-base", f"box of {box}", tint)]
            pairs.append((box, "the sign in its disk", plain))
        for text, name, ground in pairs:
            if (ratio := contrast(colors[text], ground)) < MIN_CONTRAST:
                faults.append(f"{theme}: {text} on {name}: {ratio:.2f}")
    return faults


def test_text_can_be_read_in_every_theme():
    assert pale(CSS.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("name", "color", "theme"),
    [
        ("--pst-color-text-muted: #57606c", "--pst-color-text-muted: #8a8f98", "light"),
        ("--d2l-warm: #f2b176", "--d2l-warm: #6b4a2c", "dark"),
        ("--pst-color-text-muted: #444", "--pst-color-text-muted: #999", "paper over dark"),
    ],
)
def test_a_planted_pale_color_is_seen(name, color, theme):
    css = CSS.read_text(encoding="utf-8")
    assert name in css
    assert any(fault.startswith(theme) for fault in pale(css.replace(name, color)))


def test_contrast_is_that_of_the_standard():
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert mixed("#000000", "#ffffff", 0.5) == "#808080"


def test_both_themes_set_the_same_variables():
    found = themes(CSS.read_text(encoding="utf-8"))
    assert found["light"].keys() == found["dark"].keys()


def test_every_variable_of_ours_is_set():
    css = CSS.read_text(encoding="utf-8")
    used = set(re.findall(r"var\((--(?:d2l|box)[\w-]*)", css))
    assert used <= set(re.findall(r"(--[\w-]+):", css))

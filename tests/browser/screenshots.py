"""The pictures of both pages in README: `make screenshots` takes them of a sandbox that has played its conversation.

Who takes them again gets the same: a picture is written where it looks otherwise, not where only times have changed.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path

from PIL import Image, ImageChops
from playwright.sync_api import Page

from tests.browser import chromium
from tests.browser.played import Played, played

FOLDER = Path(__file__).parent.parent.parent / "docs" / "images"
COLOURS = 256
SAME = 0.03  # of all points; times, ids and ports move no more
# One font for all machines, with what they write to each other.
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<include>/etc/fonts/fonts.conf</include>
<match><test name="family"><string>system-ui</string></test>
<edit name="family" mode="assign" binding="strong">
<string>Inter</string><string>Noto Color Emoji</string></edit></match>
<match><test name="family"><string>sans-serif</string></test>
<edit name="family" mode="append" binding="strong"><string>Noto Color Emoji</string></edit></match>
</fontconfig>"""


SIZES = (("desktop", 1280, 860, 1), ("phone", 390, 780, 2))
SCHEMES = ("light", "dark")

SEEN = "[...document.images].every(image => image.complete && image.naturalWidth)"
LAST_WORDS = "for (const log of document.querySelectorAll('.phone .log, .desk .log')) log.scrollTop = log.scrollHeight"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, played() as sandbox:
        fonts = Path(folder) / "fonts.conf"
        fonts.write_text(FONTS, "utf-8")
        with chromium.started(FONTCONFIG_FILE=str(fonts)) as browser:
            for (size, width, height, density), scheme in product(SIZES, SCHEMES):
                shape = {"size": (width, height), "color_scheme": scheme, "device_scale_factor": density}
                with chromium.opened(browser, **shape) as page:
                    for name, show in SHOWN.items():
                        show(page, sandbox)
                        _keep(page.screenshot(), FOLDER / f"{name}-{size}-{scheme}.png")


def _sandbox(page: Page, sandbox: Played) -> None:
    page.goto(sandbox.page)
    page.wait_for_function(SEEN)
    page.evaluate(LAST_WORDS)


SHOWN: dict[str, Callable[[Page, Played], None]] = {"sandbox": _sandbox}


def _keep(taken: bytes, file: Path) -> None:
    fresh = Image.open(io.BytesIO(taken)).convert("RGB")
    if not (file.exists() and _alike(fresh, Image.open(file).convert("RGB"))):
        fresh.quantize(COLOURS, kmeans=1, dither=Image.Dither.NONE).save(file, optimize=True)
        print(file.relative_to(Path.cwd()))


def _alike(one: Image.Image, other: Image.Image) -> bool:
    if one.size != other.size:
        return False
    differs = ImageChops.difference(one, other).convert("L").point(lambda value: 255 * (value > 48))
    return differs.histogram()[255] <= SAME * one.width * one.height


if __name__ == "__main__":
    main()

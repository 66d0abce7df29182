"""What axe-core finds wrong with a page for whoever does not see it, or not well, or has no mouse."""

from __future__ import annotations

from itertools import product

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.browser import chromium

SIZES = (chromium.DESKTOP, chromium.PHONE, chromium.NARROW)
SCHEMES = ("light", "dark")
# What axe would load anew, to read it once more, the policy of the pages does not let it have.
JUDGE = "axe.run(document, {resultTypes: ['violations'], preload: false})"


def complaints(page: Page) -> list[str]:
    """What axe says of the page that is shown, at every size and in both schemes, and what is wider than the screen."""
    page.evaluate(AXE_SCRIPT)
    told = list[str]()
    for (width, height), scheme in product(SIZES, SCHEMES):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        if (needed := page.evaluate("document.documentElement.scrollWidth")) > width:
            told.append(f"{page.url} at {width}: {needed} wide")
        for found in page.evaluate(JUDGE)["violations"]:
            told += [f"{page.url} at {width}, {scheme}: {found['id']}: {node['html']}" for node in found["nodes"]]
    return told

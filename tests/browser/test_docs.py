"""The site of the docs, as `make docs` builds it, opened from its folder by a real browser."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import chromium

pytestmark = pytest.mark.live

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def site() -> str:
    """The address of the built site. Building is strict: a link or an anchor that leads nowhere ends it."""
    built = ["make", "--old-file=.venv/.installed-tests", "docs"]  # what it needs is there: these tests run by it
    subprocess.run(built, cwd=ROOT, check=True, capture_output=True)
    return (ROOT / "build" / "site").as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "size", [chromium.DESKTOP, chromium.PHONE, chromium.NARROW], ids=lambda size: f"{size[0]} wide"
)
def test_the_site_works_from_its_folder_and_asks_nobody_else(
    browser: Browser, site: str, size: tuple[int, int], scheme: str
) -> None:
    with chromium.opened(browser, size=size, color_scheme=scheme) as page:
        page.goto(f"{site}/index.html")
        expect(page.locator("h1")).to_contain_text("Motion Gateway")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        page.locator("article a[href='docs/settings.html']").first.click()
        expect(page.locator("h1")).to_contain_text("Settings")


def test_what_is_searched_for_is_found_without_a_server(browser: Browser, site: str) -> None:
    with chromium.opened(browser) as page:
        page.goto(f"{site}/index.html")
        page.get_by_placeholder("Search").press_sequentially("public_url")
        page.locator(".md-search-result a[href*='settings.html']").first.click()
        expect(page.locator("h1")).to_contain_text("Settings")

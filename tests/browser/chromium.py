"""A real Chromium that hears of all that a page does wrong: errors, what runs, and what is asked of another machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP, PHONE, NARROW = (1280, 800), (390, 844), (320, 640)
DEADLINE_MS = 60_000  # for whatever is waited for: machines may be busy
THIS_MACHINE = {"127.0.0.1", "localhost", ""}


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[Browser]:
    expect.set_options(timeout=DEADLINE_MS)
    told: dict[str, Any] = {"args": [*QUIET, *arguments], "env": {**os.environ, **environment}}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, timeout=2 * DEADLINE_MS, **told)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, *, size: tuple[int, int] = DESKTOP, forgiven: str = "", **context: Any) -> Iterator[Page]:
    """A fresh page, without a cookie; at its end nothing may have gone wrong on it, but for what is `forgiven`."""
    viewport = {"width": size[0], "height": size[1]}
    visited = browser.new_context(viewport=viewport, ignore_https_errors=True, reduced_motion="reduce", **context)
    visited.set_default_timeout(DEADLINE_MS)
    wrongs = _heard(visited)
    page = visited.new_page()
    yield page
    visited.close()
    left = [wrong for wrong in wrongs if not (forgiven and forgiven in wrong)]
    assert not left, "\n".join(left)


def _heard(context: BrowserContext) -> list[str]:
    wrongs = list[str]()
    context.on("weberror", lambda error: wrongs.append(f"error: {error.error}"))
    context.on(
        "console",
        lambda said: (
            said.type in {"error", "warning"} and wrongs.append(f"{said.type} at {said.location['url']}: {said.text}")
        ),
    )
    context.on("dialog", lambda dialog: (wrongs.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    context.on("request", lambda request: _is_near(request.url) or wrongs.append(f"request: {request.url}"))
    return wrongs


def _is_near(url: str) -> bool:
    return (urlsplit(url).hostname or "") in THIS_MACHINE

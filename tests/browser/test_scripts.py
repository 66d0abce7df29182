"""What a real browser makes of the files that the second door serves: it saves them, and runs nothing in them.

The page of a stranger tries all ways to make a served file run: a frame, a script, an object, a style, and the visit of
the link itself. Each file tells the page if something in it ran. A server without the gateway's headers proves that it
would have.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Dialog, Page

from sandbox.reply import Reply
from sandbox.server import Server
from sandbox.wire import Heard, Wire
from tests.browser import chromium
from tests.live.house import HOST, House, opened
from tests.picture_samples import picture, written

pytestmark = pytest.mark.live

TOKEN = "the proxy token of the browser's tests"
PATIENCE_SECONDS = 60.0


def tells(word: str) -> str:
    """A script that tells the page, and the reader, so."""
    return f"try{{(window.opener||top).postMessage('{word}','*')}}catch(e){{}};try{{alert('{word}')}}catch(e){{}}"


TELL = tells("ran")
HTML = f"<!doctype html><html><body><script>{TELL}</script></body></html>".encode()
# Nothing tells that something will not happen: so it is given the time that this takes, which is tried in the same ways
# right behind it, twice.
BEHIND = HTML.replace(TELL.encode(), tells("behind").encode())
SVG = f'<svg xmlns="http://www.w3.org/2000/svg"><script>{TELL}</script></svg>'.encode()
XHTML = (
    f'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head>'
    f"<body><script>{TELL}</script></body></html>"
).encode()
JPEG = written(picture(), "JPEG")
FILES = {
    "a page": ("page.html", HTML, "text/html"),
    "a page called a picture": ("page.jpg", HTML, "image/jpeg"),
    "a page behind blanks": ("page.txt", b" " * 5000 + HTML, "text/plain"),
    "a page in UTF-16": ("page.txt", b"\xff\xfe" + HTML.decode().encode("utf-16-le"), "text/plain"),
    "a drawing": ("drawing.svg", SVG, "image/svg+xml"),
    "a page in XML": ("page.xhtml", XHTML, "application/xhtml+xml"),
    "a script": ("code.js", TELL.encode(), "text/javascript"),
    "a script called a text": ("code.txt", TELL.encode(), "text/plain"),
    "a page behind the first bytes of a JPEG": ("photo.jpg", b"\xff\xd8\xff\xe0" + HTML, "image/jpeg"),
    "a photo with a page behind it": ("photo.jpg", JPEG + HTML, "image/jpeg"),
    "a GIF that is a script": ("g.gif", b"GIF89a/*" + b"\0" * 20 + b"*/=1;" + TELL.encode(), "image/gif"),
    "a PDF that is a page": ("doc.pdf", b"%PDF-1.4\n" + HTML + b"\nstartxref\n0\n%%EOF", "application/pdf"),
}
NOT_SERVED = {"a page called a picture": 404, "a GIF that is a script": 415}
RUNS_UNPROTECTED = ("a page", "a drawing", "a page in XML", "a script")

STAGE = """<!doctype html><title>a stranger's page</title><script>
window.heard = [];
addEventListener("message", event => heard.push(event.data));
function tryAll(link) {
  for (const kind of ["iframe", "embed", "script", "img"]) {
    const element = document.createElement(kind);
    element.src = link;
    document.body.append(element);
  }
  const object = document.createElement("object");
  object.data = link;
  document.body.append(object);
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = link;
  document.body.append(style);
  const frame = document.createElement("iframe");
  frame.srcdoc = `<script src=${JSON.stringify(link)}></${"script"}>`;
  document.body.append(frame);
}
</script><body></body>"""


@dataclass
class Stranger:
    """A server on loopback: the stranger's page, and whatever files it is given, with no header but their type."""

    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    url: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def stranger() -> Iterator[Stranger]:
    told = Stranger({"/": (STAGE.encode(), "text/html"), "/behind": (BEHIND, "text/html")})

    def serve(heard: Heard, wire: Wire) -> None:
        told.asked.append(heard.path)
        body, mime = told.files.get(heard.path, (b"", "text/plain"))
        wire.write(Reply(bare=True, headers=(("content-type", mime),)).saying(body).payload)

    with Server(serve) as server:
        told.url = server.url
        yield told


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.started(f"--host-resolver-rules=MAP {HOST} 127.0.0.1") as browser:
        yield browser


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    off = {"unknown_tokens_per_address": "off", "fetches_per_attachment": "off"}
    with opened(attachments={"proxy_token": TOKEN}, limits=off) as started:
        yield started


@contextmanager
def page_at(browser: Browser, url: str) -> Iterator[tuple[Page, list[str]]]:
    """A fresh page, and what was told by dialogs."""
    context = browser.new_context(ignore_https_errors=True, accept_downloads=True)
    page, told = context.new_page(), list[str]()

    def hear(dialog: Dialog) -> None:
        told.append(dialog.message)
        dialog.dismiss()

    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    page.on("dialog", hear)
    page.goto(url)
    yield page, told
    context.close()


def wait_until(page: Page, condition: Callable[[], object]) -> None:
    """Wait for what is so elsewhere, while the page goes on."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)


def what_ran(browser: Browser, stage: Stranger, link: str, *, asked: Callable[[], int]) -> set[str]:
    """All that was heard of a file, embedded in the stranger's page and visited; and of what was tried behind it.

    `asked`: how often it was asked for.
    """
    with page_at(browser, f"{stage.url}/") as (page, told):
        for way in ("tryAll", "void open"):
            before = asked()
            page.evaluate(f"{way}({json.dumps(link)})")
            wait_until(page, lambda before=before: asked() > before)
            for _ in range(2):
                heard = page.evaluate("heard.length")
                page.evaluate(f"{way}({json.dumps(f'{stage.url}/behind')})")
                page.wait_for_function(f"heard.slice({heard}).includes('behind')")
        return {*page.evaluate("heard"), *told}


@pytest.mark.parametrize("name", RUNS_UNPROTECTED)
def test_without_the_gateway_it_would_run(browser: Browser, name: str) -> None:
    with stranger() as stage:
        _, content, mime = FILES[name]
        stage.files["/file"] = (content, mime)
        ran = what_ran(browser, stage, f"{stage.url}/file", asked=lambda: stage.asked.count("/file"))
        assert ran == {"behind", "ran"}


@pytest.mark.parametrize("name", FILES)
def test_nothing_in_a_served_file_runs(browser: Browser, house: House, name: str) -> None:
    file_name, content, _ = FILES[name]
    attachment = house.archive.put(file_name, content)
    link = f"https://{HOST}:{house.public_port}/api/attachments/{attachment.attachment_id}/download?token={TOKEN}"

    def statuses() -> list[int]:
        number = str(attachment.attachment_id)
        return [line["status"] for line in house.decisions("attachments", attachment_id=number)]

    with stranger() as stage:
        assert what_ran(browser, stage, link, asked=lambda: len(statuses())) == {"behind"}
    assert {*statuses()} == {NOT_SERVED.get(name, 200)}

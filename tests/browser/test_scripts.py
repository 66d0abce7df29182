"""What a real browser makes of the files that the second door serves: it saves them, and runs nothing in them.

The page of a stranger tries all ways to make a served file run: a frame, a script, an object, a style, and the visit of
the link itself. Each file tells the page if something in it ran. A server without the gateway's headers proves that it
would have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page

from sandbox.reply import Reply
from sandbox.server import Server
from sandbox.wire import Heard, Wire
from tests.browser import chromium
from tests.live.house import HOST, House, opened
from tests.picture_samples import picture, written

pytestmark = pytest.mark.live

TOKEN = "the proxy token of the browser's tests"
# Nothing tells that something will not happen, so it is given time.
SECONDS_TO_RUN = 0.7  # in the counter-test all of them have run after a tenth of it

TELL = "try{(window.opener||top).postMessage('ran','*')}catch(e){};try{alert('ran')}catch(e){}"
HTML = f"<!doctype html><html><body><script>{TELL}</script></body></html>".encode()
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


@contextmanager
def stranger() -> Iterator[Stranger]:
    told = Stranger({"/": (STAGE.encode(), "text/html")})

    def serve(heard: Heard, wire: Wire) -> None:
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

    def hear(dialog: object) -> None:
        told.append("a dialog")
        dialog.dismiss()  # type: ignore[attr-defined]

    page.on("dialog", hear)
    page.goto(url)
    yield page, told
    context.close()


def what_ran(browser: Browser, stage: Stranger, link: str) -> list[str]:
    """All that was heard of a file, embedded in the stranger's page and visited."""
    with page_at(browser, f"{stage.url}/") as (page, told):
        page.evaluate(f"tryAll({json.dumps(link)})")
        page.wait_for_timeout(SECONDS_TO_RUN * 1000)
        heard = [*page.evaluate("heard"), *told]
        page.evaluate(f"void open({json.dumps(link)})")
        page.wait_for_timeout(SECONDS_TO_RUN * 1000)
        heard += [*page.evaluate("heard"), *told]
    return heard


@pytest.mark.parametrize("name", RUNS_UNPROTECTED)
def test_without_the_gateway_it_would_run(browser: Browser, name: str) -> None:
    with stranger() as stage:
        _, content, mime = FILES[name]
        stage.files["/file"] = (content, mime)
        assert what_ran(browser, stage, f"{stage.url}/file")


@pytest.mark.parametrize("name", FILES)
def test_nothing_in_a_served_file_runs(browser: Browser, house: House, name: str) -> None:
    file_name, content, _ = FILES[name]
    attachment = house.archive.put(file_name, content)
    link = f"https://{HOST}:{house.public_port}/api/attachments/{attachment.attachment_id}/download?token={TOKEN}"
    with stranger() as stage:
        assert what_ran(browser, stage, link) == []
    statuses = {line["status"] for line in house.decisions("attachments", attachment_id=str(attachment.attachment_id))}
    assert statuses == {NOT_SERVED.get(name, 200)}

"""What customers send, handed to an agent's browser by a Motion that adds no word of its own: nothing in it runs."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser

from gateway.inbound import policy
from gateway.inspection import content, inspector
from tests.browser import chromium

pytestmark = pytest.mark.live

SCRIPT = "fetch('/ran/NAME')"
PAGE = f'<html><body onload="{SCRIPT}"><script>{SCRIPT}</script></body></html>'
SVG = f"<svg xmlns='http://www.w3.org/2000/svg' onload=\"{SCRIPT}\"><script>{SCRIPT}</script></svg>"
XHTML = f"<html xmlns='http://www.w3.org/1999/xhtml'><body><script>{SCRIPT}</script></body></html>"
XSLT = (
    "<?xml version='1.0'?><?xml-stylesheet type='text/xsl' href='#s'?>"
    "<!DOCTYPE d [<!ATTLIST x:stylesheet id ID #IMPLIED>]>"
    "<d xmlns:x='http://www.w3.org/1999/XSL/Transform'><x:stylesheet id='s' version='1.0'><x:template match='/'>"
    f"{XHTML}</x:template></x:stylesheet></d>"
)
MHT = (
    "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
    f"{PAGE}\r\n--b--"
)
GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
CONTROL = "the page that may run"

# By its name, as a customer calls it: what is in it.
FILES: dict[str, str | bytes] = {
    "page.html": PAGE,
    "page.jpg": PAGE,
    "page.pdf": PAGE,
    "blanks.txt": " \n" * 40_000 + PAGE,
    "text-first.txt": "Dear Sir or Madam,\n" + PAGE,
    "fragment.txt": f'<img src=x onerror="{SCRIPT}">',
    "wide.txt": PAGE.encode("utf-16"),
    "marked.html": b"\xef\xbb\xbf" + PAGE.encode(),
    "drawing.svg": SVG,
    "drawing.png": SVG,
    "drawing-marked.svg": "<?xml version='1.0'?><!-- " + "x" * 3000 + " -->" + SVG,
    "page.xhtml": XHTML,
    "data.xml": f"<?xml version='1.0'?><d xmlns:h='http://www.w3.org/1999/xhtml'><h:script>{SCRIPT}</h:script></d>",
    "sheet.xml": XSLT,
    "mail.mht": MHT,
    "mail.eml": MHT.replace("related", "mixed"),
    "app.hta": f"<hta:application/><script>{SCRIPT}</script>",
    "polyglot.gif": GIF + PAGE.encode(),
    "head.jpg": b"\xff\xd8\xff\xe0" + PAGE.encode(),
    "code.js": SCRIPT,
    "table.csv": f"a,b\n{PAGE},1\n",
    "nobody-knows.bin": b"\x00\x01\x02" + PAGE.encode(),
    "no-name": PAGE,
}


class Motion(http.server.ThreadingHTTPServer):
    """Hands files out with the type and the name that it got, and no other header; `ran` is what scripts have told."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.changed = threading.Condition()
        super().__init__(("127.0.0.1", 0), _Answers)

    def handle_error(self, *_: object) -> None:
        """Say nothing of a browser that has seen enough of a file."""

    def heard(self, name: str) -> None:
        with self.changed:
            self.ran.append(name)
            self.changed.notify_all()


class _Answers(http.server.BaseHTTPRequestHandler):
    server: Motion

    def do_GET(self) -> None:
        kind, _, name = unquote(self.path).strip("/").partition("/")
        if kind == "ran":
            self.server.heard(name)
        mime, called, data = {"file": _given, "agent": _desk}.get(kind, _nothing)(name)
        self.send_response(200)
        self.send_header("Content-Type", mime)
        self.send_header("Content-Length", str(len(data)))
        if called:
            self.send_header("Content-Disposition", f'inline; filename="{called}"')
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def _nothing(_name: str) -> tuple[str, str, bytes]:
    return "text/plain", "", b""


def _desk(name: str) -> tuple[str, str, bytes]:
    """An agent's page that shows a file in every way that a page has, but for running it."""
    ways = ("<iframe src='{}'></iframe>", "<object data='{}'></object>", "<embed src='{}'>", "<img src='{}'>")
    return "text/html", "", "".join(way.format(f"/file/{name}") for way in ways).encode()


def _given(name: str) -> tuple[str, str, bytes]:
    """What Motion got of a file, held back or not: as if an operator had released each."""
    made = FILES.get(name, PAGE)
    data = (made if isinstance(made, bytes) else made.encode()).replace(b"NAME", name.encode())
    data = data.replace("NAME".encode("utf-16-le"), name.encode("utf-16-le"))
    if name == CONTROL:
        return "text/html", "", data
    ruling = policy.judge(inspector.inspect(content.of_bytes(data), name=name), name=name, declared="image/jpeg")
    return ruling.mime, ruling.name, data


@contextmanager
def serving() -> Iterator[tuple[Motion, str]]:
    with Motion() as motion:
        threading.Thread(target=motion.serve_forever, daemon=True).start()
        yield motion, f"http://127.0.0.1:{motion.server_address[1]}"
        motion.shutdown()


def test_nothing_that_a_customer_sends_runs_in_an_agents_browser(browser: Browser) -> None:
    with serving() as (motion, url), chromium.opened(browser, forgiven=url) as page:
        for name in (*FILES, CONTROL):
            page.goto(f"{url}/agent/{name}", wait_until="load")
        with motion.changed:
            assert motion.changed.wait_for(lambda: CONTROL in motion.ran, timeout=60)
        assert set(motion.ran) == {CONTROL}

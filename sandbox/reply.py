"""What a simulated server says where nothing is wrong, and the ways in which the same may be said."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sandbox.style import Pair

CHUNKED, CLOSE = ("transfer-encoding", "chunked"), ("connection", "close")
_BODILESS = (204, 304)
ELSEWHERE = "https://elsewhere.example.test/v1/other"
HOSTILE: tuple[Pair, ...] = (
    ("X-Accel-Redirect", "/vault/secret"),
    ("X-Accel-Buffering", "no"),
    ("X-Accel-Charset", "utf-7"),
    ("X-Accel-Expires", "3600"),
    ("X-Accel-Limit-Rate", "1"),
    ("X-Motion-Gateway-Error", "MEDIA_TOO_LARGE"),
    ("Connection", "close, X-Hop"),
    ("X-Hop", "1"),
    ("Keep-Alive", "timeout=1"),
    ("Proxy-Authenticate", 'Basic realm="proxy"'),
    ("Trailer", "X-Late"),
    ("Upgrade", "h2c"),
    ("Set-Cookie", "session=1; Path=/"),
    ("Refresh", f"0; url={ELSEWHERE}"),
    ("Strict-Transport-Security", "max-age=0"),
    ("Access-Control-Allow-Origin", "*"),
    ("Server", "simulated"),
)
_LOGIN = b"<!doctype html><html><head><title>Login</title></head><body><form method=post></form></body></html>"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer: JSON with its length, unless a `bare` one says all of that in `headers`.

    A `closing` one ends the connection without having announced it.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: tuple[Pair, ...] = ()
    bare: bool = False
    closing: bool = False

    @property
    def all_headers(self) -> tuple[Pair, ...]:
        """Those that go over the wire."""
        if self.bare or self.status in _BODILESS:
            return self.headers
        return (("content-type", "application/json"), length(len(self.body)), *self.headers)

    @property
    def head(self) -> bytes:
        """All that comes before the body."""
        lines = [f"HTTP/1.1 {self.status} Simulated", *(f"{name}: {value}" for name, value in self.all_headers)]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"

    @property
    def payload(self) -> bytes:
        """It in full."""
        return self.head + (b"" if self.status in _BODILESS and not self.bare else self.body)

    def bodiless(self) -> Reply:
        """What HEAD is answered."""
        return replace(self, bare=True, headers=self.all_headers, body=b"")

    def framed(self, *about: Pair, body: bytes | None = None, closing: bool = False) -> Reply:
        """With this body, and with these headers instead of its length."""
        kept = tuple(pair for pair in self.all_headers if pair[0] != "content-length")
        chosen = self.body if body is None else body
        return replace(self, bare=True, body=chosen, headers=kept + about, closing=closing)

    def saying(self, body: bytes, *about: Pair) -> Reply:
        """With this body and its length."""
        return self.framed(*about, length(len(body)), body=body)

    def chunked(self, *about: Pair) -> Reply:
        """In two chunks."""
        half = len(self.body) // 2
        parts = (part for part in (self.body[:half], self.body[half:]) if part)
        body = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + b"0\r\n\r\n"
        return self.framed(*about, CHUNKED, body=body)


def length(number: int) -> Pair:
    """Content-Length."""
    return "content-length", str(max(0, number))


LOGIN = Reply(bare=True, headers=(("content-type", "text/html; charset=utf-8"),)).saying(_LOGIN)

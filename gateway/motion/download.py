"""One attachment from Motion: its bytes, or the reason why there are none.

Rule 1. An attachment id is 1 to 12 digits, the first no 0; anything else is asked of nobody.
Rule 2. Gone is what Motion says is gone, and what is no file: a redirect, a login page, an error in JSON. All other
        trouble passes: wrong credentials, a broken answer, a status that nobody expects.
Rule 3. What is over a limit is refused as soon as that is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from gateway import upstream
from gateway.attachments import content_disposition
from gateway.config import secrets, tables
from gateway.errors import NotFound, TooLarge, Unavailable, UpstreamError
from gateway.inspection import filetypes
from gateway.inspection.structure import Inspection, Trait
from gateway.motion import USER_AGENT, attachment_target
from gateway.phrases import Reason

CONNECTIONS = 16


_PAGES = ("text/html", "application/xhtml+xml", "application/json")


@dataclass(frozen=True, kw_only=True)
class Download:
    """What came. `declared`: the type that Motion gave it, without parameters. `proved`: that it was a file before."""

    digest: bytes
    size_bytes: int
    promise: content_disposition.Promise
    declared: str
    proved: bool = False


class Source:
    """Downloads attachments. Safe to use from several threads. Making one opens no connection and no secret."""

    def __init__(self, motion: tables.MotionSettings, attachments: tables.AttachmentsSettings) -> None:
        self._motion = motion
        self._most_bytes = min(motion.max_attachment, attachments.max_bytes)
        self._upstream = upstream.Upstream(
            motion.url, ca_file=motion.ca_file, proxy=upstream.proxy_of(motion), connections=CONNECTIONS
        )

    def fetch(self, attachment_id: str, write: Callable[[bytes], object], *, expect: Callable[[int], None]) -> Download:
        """Hand the bytes of an attachment to `write`; before that its size to `expect`, 0 if Motion does not say.

        What was written counts only if this returns. Raises NotFound, TooLarge, Unavailable, and what the two raise.
        """
        target, headers = attachment_target(self._motion, attachment_id), self._headers()
        try:
            with self._upstream.get(target, headers=headers, deadline_seconds=self._motion.timeout) as answer:
                _require_file(answer.status)
                if answer.length_bytes and answer.length_bytes > self._most_bytes:
                    raise self._too_large(answer.length_bytes)
                expect(answer.length_bytes or 0)
                over = self._too_large(self._most_bytes + 1)
                return received(answer, write, most_bytes=self._most_bytes, over=over)
        except UpstreamError as error:
            raise Unavailable(error.reason) from error

    def answer(self, attachment_id: str, *, deadline_seconds: float) -> tuple[int, str, float | None]:
        """Ask as `fetch` does; hand back the status, the type that Motion gives, and when its certificate ends, in
        epoch seconds. No body is read.

        Raises NotFound for what is no id, and UpstreamError.
        """
        target, headers = attachment_target(self._motion, attachment_id), self._headers()
        with self._upstream.get(target, headers=headers, deadline_seconds=deadline_seconds) as answer:
            return answer.status, _declared(answer), answer.certificate_ends_at

    def close(self) -> None:
        self._upstream.close()

    def _headers(self) -> list[tuple[str, str]]:
        headers = [("Accept", "*/*"), ("Accept-Encoding", "identity"), USER_AGENT]
        if self._motion.username and self._motion.password:
            headers.append(secrets.basic(self._motion.username, self._motion.password.get_secret_value()))
        return headers

    def _too_large(self, size_bytes: int) -> TooLarge:
        return TooLarge(Reason.OVER_MOTIONS if size_bytes > self._motion.max_attachment else Reason.OVER_OURS)


def received(answer: upstream.Stream, write: Callable[[bytes], object], *, most_bytes: int, over: TooLarge) -> Download:
    """Hand the bytes of an answer to `write`. Raises UpstreamError, `over` where they are more, and as `write` does."""
    hashed, size = hashlib.sha256(), 0
    try:
        for chunk in answer.chunks(most_bytes=most_bytes):
            write(chunk)
            hashed.update(chunk)
            size += len(chunk)
    except TooLarge as error:
        raise over from error
    return Download(
        digest=hashed.digest(),
        size_bytes=size,
        promise=content_disposition.read(answer.headers.get("Content-Disposition", "")),
        declared=_declared(answer),
    )


def require_no_page(download: Download, inspection: Inspection) -> None:
    """Raises NotFound if what came is a login page or an error, and not the file that was asked for.

    Where Motion promises a file, its content may be HTML or JSON if its name allows that. Where it promises nothing,
    a page is a page by its content, and what is text by what Motion calls it.
    """
    page = inspection.mime in _PAGES
    text = filetypes.family(inspection.mime) in (filetypes.TEXT, filetypes.MARKUP, filetypes.SCRIPT)
    declared = download.declared in _PAGES and (text or Trait.EMPTY in inspection.traits)
    if download.promise.file:
        called = filetypes.called(download.promise.name)
        page, declared = page and called is not None and called.no_page, False
    if page or declared:
        raise NotFound(Reason.NO_FILE)


def _declared(answer: upstream.Stream) -> str:
    return answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _require_file(status: int) -> None:
    """Refuse any status but 200. Raises NotFound, Unavailable."""
    if status in (404, 410):
        raise NotFound(Reason.GONE)
    if 300 <= status < 400:
        raise NotFound(Reason.REDIRECTED)
    if status in (401, 403):
        raise Unavailable(Reason.CREDENTIALS_REFUSED)
    if status >= 500:
        raise Unavailable(Reason.MOTION_FAILED)
    if status != 200:
        raise Unavailable(Reason.MOTION_ODD)

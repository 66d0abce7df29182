"""Carries one call to Sinch and its answer back; tried again where nothing can have happened, never else.

Rule 1. Credentials go to the configured origins alone: of a region, and for tokens to that of `sinch.auth`.
Rule 2. Of the calls to one region only so many wait at the same time: a region that hangs leaves threads for the other,
        and whoever comes too many is told at once.
Rule 3. An answer is handed on whole or not at all, and a redirect is no answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway import clock as clocks
from gateway.calls import retries
from gateway.calls.allowed import Kind
from gateway.calls.refusals import Refused
from gateway.clock import Clock
from gateway.config import Account
from gateway.config.tables import Sinch as SinchSettings
from gateway.errors import UpstreamError, UpstreamTimeout
from gateway.sinch.tokens import TARGET, Tokens
from gateway.upstream import Answer, Upstream

AUTH = "auth"
DEADLINE_SECONDS = 20.0  # of one try; a send of Sinch's takes well under one second
MOST_BYTES = 8 * 2**20  # of an answer: a page of 1,000 messages
VIA = "1.1 motion-gateway"  # RFC 9110, 7.6.3: whoever gets a call with it has been led in a circle
WAITING = 40  # calls to one region at the same time; of the door's 128 threads

# What came out of a call that left and had no answer nobody knows, unless it was a question.
_UNKNOWN = {Kind.SEND: "SEND_FATE_UNKNOWN", Kind.CHANGE: "CALL_FATE_UNKNOWN"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """A call as it goes out. `account`: the one whose token we add; None: `headers` has all there is."""

    method: str
    target: str
    kind: Kind
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes | None = field(repr=False)
    account: Account | None = None


class Sinch:
    """Safe to use from several threads. Making one opens no connection."""

    def __init__(
        self,
        settings: SinchSettings,
        *,
        clock: Clock,
        pause: Callable[[float], None] = clocks.pause,
        deadline_seconds: float = DEADLINE_SECONDS,
        waiting: int = WAITING,
    ) -> None:
        """`clock`: one that never jumps."""
        self._deadline_seconds = deadline_seconds
        self._pause = pause
        self._origins = {
            name: Upstream(getattr(settings, name), ca_file=settings.ca_file, connections=WAITING)
            for name in ("eu", "us", AUTH)
        }
        self._places = {name: threading.BoundedSemaphore(waiting) for name in self._origins}
        self._tokens = Tokens(self._origins[AUTH], clock=clock, pause=pause)

    def call(self, region: str, request: Request) -> tuple[Answer, int]:
        """Sinch's answer, and after how many tries. Raises Refused."""
        with self._place(region):
            token = self._tokens.of(request.account) if request.account else ""
            answer, tries = self._tried(region, request, token)
            if request.account and _has_expired(answer):
                token = self._tokens.renewed(request.account, refused=token)
                answer, more = self._tried(region, request, token)
                tries += more
        return answer, tries

    def token(self, *, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        """What Sinch answers to a request for a token with somebody's own credentials. Raises Refused."""
        request = Request(method="POST", target=TARGET, kind=Kind.READ, headers=headers, body=body)
        with self._place(AUTH):
            answer, _tries = self._tried(AUTH, request, "")
        return answer

    def close(self) -> None:
        for origin in self._origins.values():
            origin.close()

    @contextmanager
    def _place(self, name: str) -> Iterator[None]:
        if not self._places[name].acquire(blocking=False):
            raise Refused("SINCH_BUSY")
        try:
            yield
        finally:
            self._places[name].release()

    def _tried(self, name: str, request: Request, token: str) -> tuple[Answer, int]:
        tries = 0
        while True:
            tries += 1
            try:
                answer = self._ask(name, request, token)
                wait = retries.after_answer(
                    request.kind, tries, status=answer.status, retry_after=answer.headers.get("Retry-After")
                )
                if wait is None:
                    return _proved(answer, request), tries
            except UpstreamError as error:
                timed_out = isinstance(error, UpstreamTimeout)
                wait = retries.after_failure(request.kind, tries, sent=error.sent, timed_out=timed_out)
                if wait is None:
                    raise _refused(error, request) from error
            self._pause(wait)

    def _ask(self, name: str, request: Request, token: str) -> Answer:
        headers = [*request.headers, ("Accept-Encoding", "identity"), ("Via", VIA)]
        if token:
            headers.append(("Authorization", f"Bearer {token}"))
        return self._origins[name].call(
            request.method,
            request.target,
            body=request.body,
            headers=headers,
            deadline_seconds=self._deadline_seconds,
            most_bytes=MOST_BYTES,
        )


def _has_expired(answer: Answer) -> bool:
    """In Sinch's words: `Bearer error="invalid_token", error_description="Jwt expired at …"`."""
    return answer.status == 401 and "expired" in answer.headers.get("WWW-Authenticate", "").lower()


def _proved(answer: Answer, request: Request) -> Answer:
    """Raises Refused for what is no final answer."""
    if not 200 <= answer.status < 600 or 300 <= answer.status < 400:
        reason = "it leads elsewhere" if 300 <= answer.status < 400 else "its status is none"
        raise _odd(request, reason)
    return answer


def _refused(error: UpstreamError, request: Request) -> Refused:
    if not error.sent:
        return Refused("SINCH_UNREACHABLE", reason=error.reason)
    if request.kind is not Kind.READ:
        return Refused(_UNKNOWN[request.kind])
    if isinstance(error, UpstreamTimeout):
        return Refused("SINCH_TIMED_OUT")
    return Refused("SINCH_ANSWER_BROKEN", reason=error.reason)


def _odd(request: Request, reason: str) -> Refused:
    if request.kind is not Kind.READ:
        return Refused(_UNKNOWN[request.kind])
    return Refused("SINCH_ANSWER_BROKEN", reason=reason)

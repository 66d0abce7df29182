"""Carries one call to Sinch and its answer back; tried again where nothing can have happened, never else.

Rule 1. Credentials go to the configured origins alone: of a region, and for tokens to that of `sinch.auth`.
Rule 2. Of the calls to one region only so many are under way at the same time: a region that hangs leaves threads for
        the other, and whoever comes too many is told.
Rule 3. An answer is handed on whole or not at all, and a redirect is no answer.
Rule 4. A call ends within its total, tries, pauses and tokens together. That of doors is TOTAL_SECONDS: by then nginx
        still waits for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway import PROGRAM, metrics
from gateway import clock as clocks
from gateway.clock import Clock
from gateway.config import Account, tables
from gateway.errors import UpstreamError, UpstreamTimeout
from gateway.phrases import Reason
from gateway.sinch import TOKEN_PATH, TOTAL_SECONDS, Effect, SinchError, Trouble, access_tokens
from gateway.sinch.retry import Patience
from gateway.upstream import Answer, Upstream, proxy_of

AUTH = "auth"
DEADLINE_SECONDS = 20.0  # of one try; a send of Sinch's takes well under one second
RENEWAL_SECONDS = 2 * access_tokens.DEADLINE_SECONDS  # until another's renewal has failed, and our own
MOST_BYTES = 8 * 2**20  # of an answer: a page of 1,000 messages
VIA = "1.1 motion-gateway"  # RFC 9110, 7.6.3: whoever gets a call with it has been led in a circle
WAITING = 40  # calls to one region at the same time
PATIENCE_SECONDS = 2.0  # of one more: to come in, and for anybody to come or go until it is given up


@dataclass(frozen=True, kw_only=True)
class Request:
    """A call as it goes out. `account`: the one whose token we add; None: `headers` has all there is.

    `is_unwanted` is asked just before it leaves, at each try: what nobody waits for is not sent.
    """

    method: str
    target: str
    effect: Effect
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes | None = field(repr=False)
    account: Account | None = None
    is_unwanted: Callable[[], bool] = lambda: False

    def require_wanted(self) -> None:
        """Raises SinchError once nobody waits for its answer any more."""
        if self.is_unwanted():
            raise SinchError(Trouble.CALLER_GONE)


class Sinch:
    """Makes all calls to Sinch. Safe to use from several threads. Making one opens no connection."""

    def __init__(
        self,
        settings: tables.SinchSettings,
        *,
        clock: Clock,
        pause: Callable[[float], None] = clocks.pause,
        deadline_seconds: float = DEADLINE_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
        waiting: int = WAITING,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`clock`: one that never jumps."""
        self._clock = clock
        self._total_seconds = total_seconds
        self._patience = Patience(clock=clock, each_seconds=deadline_seconds, pause=pause)
        proxy = proxy_of(settings)
        self._origins = {
            name: Upstream(getattr(settings, name), ca_file=settings.ca_file, proxy=proxy, connections=WAITING)
            for name in ("eu", "us", AUTH)
        }
        self._bulkheads = {name: Bulkhead(waiting, patience_seconds=patience_seconds) for name in self._origins}
        of_token = min(deadline_seconds, access_tokens.DEADLINE_SECONDS)
        self._tokens = access_tokens.Tokens(self._origins[AUTH], clock=clock, pause=pause, deadline_seconds=of_token)

    def call(self, region: str, request: Request) -> tuple[Answer, int]:
        """Make one call and hand back Sinch's answer, and after how many tries it came. Raises SinchError."""
        with self._bulkheads[region].place():
            ends_at = self._clock.now() + self._total_seconds
            token = self._tokens.of(request.account) if request.account else ""
            answer, tries = self._answered(region, request, token, ends_at)
            # A 401 has done nothing. But another token may take its time, and all together has an end.
            if request.account and answer.status == 401 and self._clock.now() + RENEWAL_SECONDS < ends_at:
                other = self._tokens.renewed(request.account, refused=token, expired=_has_expired(answer))
                if other != token:
                    answer, more = self._answered(region, request, other, ends_at)
                    tries += more
        return answer, tries

    def token(self, *, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        """Ask for a token with somebody's own credentials, and hand back Sinch's answer. Raises SinchError."""
        request = Request(method="POST", target=TOKEN_PATH, effect=Effect.READ, headers=headers, body=body)
        with self._bulkheads[AUTH].place():
            answer, _tries = self._answered(AUTH, request, "", self._clock.now() + self._total_seconds)
        return answer

    def close(self) -> None:
        for origin in self._origins.values():
            origin.close()

    def _answered(self, name: str, request: Request, token: str, ends_at: float) -> tuple[Answer, int]:
        def ask(seconds: float) -> Answer:
            return self._origins[name].call(
                request.method,
                request.target,
                body=request.body,
                headers=_headers(request, token),
                deadline_seconds=seconds,
                most_bytes=MOST_BYTES,
                before_leaving=request.require_wanted,
            )

        began = self._clock.now()
        try:
            answer, tries = self._patience.answered(ask, request.effect, ends_at=ends_at)
        except UpstreamError as error:
            failed = _failed(error)
            metrics.count(metrics.SINCH_CALLS, failed.trouble)
            raise failed from error
        metrics.count(metrics.SINCH_CALLS, str(answer.status))
        metrics.observe(metrics.SINCH_SECONDS, self._clock.now() - began)
        if 300 <= answer.status < 400:
            raise _unreadable(answer, Reason.ANSWER_ELSEWHERE, tries)
        if not 200 <= answer.status < 600:
            raise _unreadable(answer, Reason.ANSWER_STATUS, tries)
        return answer, tries


def _headers(request: Request, token: str) -> list[tuple[str, str]]:
    headers = [*request.headers, ("Accept-Encoding", "identity"), ("Via", VIA)]
    if not any(name == "User-Agent" for name, _ in headers):
        headers.append(("User-Agent", PROGRAM))
    if token:
        headers.append(("Authorization", f"Bearer {token}"))
    return headers


def _has_expired(answer: Answer) -> bool:
    """Whether Sinch says so, in its words: `Bearer error="invalid_token", error_description="Jwt expired at …"`."""
    return "expired" in answer.headers.get("WWW-Authenticate", "").lower()


def _unreadable(answer: Answer, reason: Reason, tries: int) -> SinchError:
    return SinchError(Trouble.BROKEN, reason, sent=True, tries=tries, answered=answer.status)


def _failed(error: UpstreamError) -> SinchError:
    late, reason = isinstance(error, UpstreamTimeout), error.reason
    broken = Trouble.TIMED_OUT if late else Trouble.BROKEN
    if late and error.answered is not None:
        reason = Reason.ANSWER_LATE
    trouble = broken if error.sent else Trouble.UNREACHABLE
    return SinchError(trouble, reason, sent=error.sent, tries=error.tries, answered=error.answered)


class Bulkhead:
    """Holds back the calls that are too many. Safe to use from several threads.

    A burst of messages is let in as others are answered; where nobody is, whoever comes too many is told at once.
    """

    def __init__(self, most: int, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._free = most
        self._patience_seconds = patience_seconds
        self._changed = threading.Condition()
        self._moved_at = clocks.steady()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold one place for as long as the context lasts. Raises SinchError when there is none."""
        self._take()
        try:
            yield
        finally:
            self._leave()

    def _take(self) -> None:
        with self._changed:
            left = self._moved_at + self._patience_seconds - clocks.steady()
            if not self._changed.wait_for(lambda: self._free > 0, max(left, 0)):
                raise SinchError(Trouble.BUSY)
            self._move(-1)

    def _leave(self) -> None:
        with self._changed:
            self._move(+1)
            self._changed.notify()

    def _move(self, freed: int) -> None:
        self._free += freed
        self._moved_at = clocks.steady()

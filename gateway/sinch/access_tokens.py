"""Access tokens of Sinch, one for each key: fetched once, and renewed before they end.

Rule 1. However many ask, one request for a token of a key is under way; the others wait, or use one that still lives.
Rule 2. What failed is not tried again for `REMEMBERED_SECONDS`: a queue of callers costs one try, not one each.
Rule 3. A token stays in memory, and is shown to Sinch's API alone.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway import clock as clocks
from gateway import metrics, telemetry
from gateway.clock import Clock
from gateway.config import Account, secrets
from gateway.errors import UpstreamError
from gateway.phrases import Finding, Reason
from gateway.sinch import TOKEN_PATH, Effect, SinchError, Trouble
from gateway.sinch.retry import Patience
from gateway.upstream import Answer, Upstream

DEADLINE_SECONDS = 10.0
MOST_BYTES = 64 * 1024
REMEMBERED_SECONDS = 1.0
# Renewed so long before the end: a tenth of its life, but at most a minute, which covers the slowest call.
MARGIN_SECONDS = 60.0
LONGEST_SECONDS = 24 * 3600.0  # a longer life is not believed
YOUNG_SECONDS = 10.0  # a token that is refused so soon is refused for another reason than its age
UNTOLD_SECONDS = 300.0  # where Sinch does not say

_TOKEN = re.compile(r"[!-~]{1,8192}")
_HEADERS = (("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"))
_FORM = b"grant_type=client_credentials"


@dataclass
class _Held:
    """What is known of one key's token. Guarded by its lock, but for looks at what was written last."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    token: str = field(default="", repr=False)
    asked_at: float = 0.0
    renew_at: float = 0.0
    ends_at: float = 0.0
    failure: SinchError | None = None
    failed_at: float = 0.0


class Tokens:
    """Keeps a token for each key. Safe to use from several threads."""

    def __init__(
        self,
        auth: Upstream,
        *,
        clock: Clock,
        pause: Callable[[float], None],
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._auth = auth
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._patience = Patience(clock=clock, each_seconds=deadline_seconds, pause=pause)
        self._held: dict[tuple[str, str], _Held] = {}
        self._guard = threading.Lock()

    def of(self, account: Account) -> str:
        """Hand back the token of the account's key, fetched if there is none. Raises SinchError."""
        held = self._of_key(account)
        now = self._clock.now()
        if now >= held.ends_at:
            return self._waited_for(held, account, refused="")
        if now >= held.renew_at and held.lock.acquire(blocking=False):
            try:
                self._renew_early(held, account)
            finally:
                held.lock.release()
        return held.token

    def renewed(self, account: Account, *, refused: str, expired: bool) -> str:
        """Hand back another token than the one that Sinch refused, fetched unless there is one. Raises SinchError.

        The same one, if that is young and Sinch does not say that it has `expired`: then it is not the token's fault.
        """
        held = self._of_key(account)
        if not expired and held.token == refused and self._clock.now() < held.asked_at + YOUNG_SECONDS:
            return refused
        return self._waited_for(held, account, refused=refused)

    def _of_key(self, account: Account) -> _Held:
        if not account.key_id or not account.key_secret:
            raise SinchError(Trouble.NO_KEY)
        with self._guard:
            return self._held.setdefault((account.key_id, account.key_secret.get_secret_value()), _Held())

    def _waited_for(self, held: _Held, account: Account, *, refused: str) -> str:
        with held.lock:
            now = self._clock.now()
            if now < held.ends_at and held.token != refused:
                return held.token  # another has fetched it meanwhile
            if held.failure is not None and now < held.failed_at + REMEMBERED_SECONDS:
                raise held.failure.with_traceback(None)  # else it would grow with each who hears it
            self._renew(held, account)
            return held.token

    def _renew_early(self, held: _Held, account: Account) -> None:
        """Renew what still lives: where that fails, it does for a while."""
        now = self._clock.now()
        if now < held.renew_at or now < held.failed_at + REMEMBERED_SECONDS:
            return
        try:
            self._renew(held, account)
        except SinchError as error:
            telemetry.find(Finding.TOKEN_NOT_RENEWED, reason=error.trouble)

    def _renew(self, held: _Held, account: Account) -> None:
        asked_at = self._clock.now()
        try:
            held.token, life = self._fetch(account)
        except SinchError as error:
            held.failure, held.failed_at = error, self._clock.now()
            metrics.count(metrics.TOKENS, error.trouble)
            raise
        metrics.count(metrics.TOKENS, "renewed")
        held.asked_at, held.ends_at = asked_at, asked_at + life
        held.renew_at = held.ends_at - min(MARGIN_SECONDS, life / 10)
        held.failure = None

    def _fetch(self, account: Account) -> tuple[str, float]:
        """Ask for a new token, and hand it back with the seconds it lives. Raises SinchError."""
        answer = self._ask(account)
        if answer.status in (400, 401, 403):
            raise SinchError(Trouble.KEY_REFUSED, Reason.ANSWER_NO_TOKEN, answered=answer.status)
        if answer.status != 200:
            raise _none_given(answer)
        return _read(answer)

    def _ask(self, account: Account) -> Answer:
        secret = account.key_secret.get_secret_value() if account.key_secret else ""
        headers = [*_HEADERS, secrets.basic(account.key_id or "", secret)]

        def ask(seconds: float) -> Answer:
            return self._auth.call(
                "POST", TOKEN_PATH, body=_FORM, headers=headers, deadline_seconds=seconds, most_bytes=MOST_BYTES
            )

        try:
            answer, _tries = self._patience.answered(
                ask, Effect.READ, ends_at=self._clock.now() + self._deadline_seconds
            )
        except UpstreamError as error:
            raise SinchError(Trouble.UNREACHABLE, error.reason, answered=error.answered) from error
        return answer


def _none_given(answer: Answer) -> SinchError:
    wait = answer.retry_after_seconds(now=clocks.WallClock().now())
    return SinchError(Trouble.NO_TOKEN, Reason.ANSWER_NO_TOKEN, answered=answer.status, retry_after_seconds=wait)


def _read(answer: Answer) -> tuple[str, float]:
    try:
        said = json.loads(answer.body)
        token, life = said["access_token"], said.get("expires_in")
        valid = isinstance(token, str) and _TOKEN.fullmatch(token)
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError) as error:
        raise _none_given(answer) from error
    if not valid:
        raise _none_given(answer)
    told = isinstance(life, int) and not isinstance(life, bool) and life > 0
    return token, min(life, LONGEST_SECONDS) if told else UNTOLD_SECONDS

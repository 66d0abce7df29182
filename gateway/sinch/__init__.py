"""Sinch as the gateway calls it: what a call does there, and why it may have no answer."""

from __future__ import annotations

from enum import StrEnum

from gateway.errors import GatewayError
from gateway.phrases import Reason

TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path
TOTAL_SECONDS = 40.0  # of a call, without the patience for a place


class Effect(StrEnum):
    """What a call does to the world, and so when it may be made again."""

    READ = "read"
    SEND = "send"  # reaches a customer
    CHANGE = "change"


class Trouble(StrEnum):
    """Why there is no answer of Sinch's, by the name that the log and our own answers give it."""

    BUSY = "SINCH_BUSY"  # as many calls are under way as may be
    CALLER_GONE = "CALLER_GONE"  # nobody waits for the answer any more
    NO_KEY = "KEY_NOT_CONFIGURED"
    KEY_REFUSED = "SINCH_REFUSES_KEY"
    NO_TOKEN = "SINCH_GIVES_NO_TOKEN"  # noqa: S105 - a name
    UNREACHABLE = "SINCH_UNREACHABLE"
    TIMED_OUT = "SINCH_TIMED_OUT"
    BROKEN = "SINCH_ANSWER_BROKEN"  # there was one, and nobody can hand it on


class SinchError(GatewayError):
    """A call has no answer that could be handed on.

    `sent`: whether the call itself may have reached Sinch; that for its token does not count. `answered`: the status
    of the answer that came all the same; `retry_after_seconds`: how long that asks to be left alone.
    """

    def __init__(
        self,
        trouble: Trouble,
        reason: Reason | None = None,
        *,
        sent: bool = False,
        tries: int = 1,
        answered: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(reason or trouble)
        self.trouble, self.sent, self.tries = trouble, sent, tries
        self.answered, self.retry_after_seconds = answered, retry_after_seconds

    @property
    def words(self) -> str:
        """Say what happened: the phrase, and the status if there was one."""
        return self.reason if self.answered is None else f"{self.reason} (status {self.answered})"

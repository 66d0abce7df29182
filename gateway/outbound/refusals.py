"""The refusals of the outbound door: rows of `rules/refusals.toml`, told in the form of Sinch's own errors.

Rule 1. Whoever reads Sinch's errors reads ours: `error` holds `code`, `message`, `status` and `details`, as
        google.rpc.Status does in JSON. The code of ours comes first in the message, which is what Motion shows.
Rule 2. What stands in a refusal are the words of its row and facts of ours; of what the caller has sent no more than
        names of fields.
"""

from __future__ import annotations

import functools
import json
import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway import rules
from gateway.errors import RETRY_AFTER_SECONDS, GatewayError
from gateway.sinch import Effect, SinchError

FILE = "refusals.toml"
HEADER = "X-Motion-Gateway-Error"  # tells our answers from Sinch's; holds the code
DOMAIN = "motion-gateway"

# What Sinch calls its statuses (its OpenAPI document); where it is silent, google.rpc.Code.
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "UNAUTHORIZED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    421: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    502: "INTERNAL_ERROR",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
# The same call may work later: RFC 9110, 10.2.3.
COME_AGAIN = (429, 503)
LONGEST_WAIT_SECONDS = 3600.0  # that is passed on
# What came out of a call that left and had no answer nobody knows, unless it was a question.
UNKNOWN_FATES = {Effect.SEND: "SEND_FATE_UNKNOWN", Effect.CHANGE: "CALL_FATE_UNKNOWN"}

_TYPE = "type.googleapis.com/google.rpc."
Text = Annotated[str, Field(min_length=1)]


class Refusal(BaseModel):
    """One row: what a code means, and what to do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: Annotated[str, Field(pattern=r"^[A-Z_]{3,40}$")]
    status: Literal[400, 401, 403, 404, 413, 421, 429, 502, 503, 504]
    says: Text
    remedy: Text
    who: rules.Who
    retry: rules.Retry
    sent: Literal["no", "unknown"] = "no"


class Refused(GatewayError):
    """A call that the gateway answers by itself.

    `field`: where in the body the trouble is; `facts` fill the row's words.
    """

    tries: int = 1  # of the call to Sinch that ended so, if one was made
    retry_after_seconds: float = RETRY_AFTER_SECONDS

    def __init__(self, code: str, *, field: str = "", **facts: object) -> None:
        self.refusal = rows()[code]
        self.status = self.refusal.status
        self.says, self.remedy = (text.format(**facts) for text in (self.refusal.says, self.refusal.remedy))
        self.field = field
        super().__init__(code)

    @property
    def code(self) -> str:
        return self.refusal.code

    @property
    def told(self) -> dict[str, Any]:
        """What is written down of it."""
        return {"status": self.status, "code": self.code, "words": self.says}

    @property
    def headers(self) -> dict[str, str]:
        """Those of its answer."""
        headers = {HEADER: self.code, "Content-Type": "application/json"}
        if self.status in COME_AGAIN:
            headers["Retry-After"] = str(math.ceil(self.retry_after_seconds))
        if self.status == 401:
            headers["WWW-Authenticate"] = _challenge(self)
        return headers

    @property
    def body(self) -> bytes:
        """That of its answer, in Sinch's form."""
        told = {"says": self.says, "remedy": self.remedy, "who": self.refusal.who} | (
            {"field": self.field} if self.field else {}
        )
        info = {"@type": f"{_TYPE}ErrorInfo", "reason": self.code, "domain": DOMAIN, "metadata": told}
        violation = {"field": self.field, "description": self.says}
        field = {"@type": f"{_TYPE}BadRequest", "field_violations": [violation]}
        error = {
            "code": self.status,
            "message": f"{self.code}: {self.says} {self.remedy}".rstrip(),
            "status": STATUSES[self.status],
            "details": [info, field] if self.field else [info],
        }
        # Who has asked for a token reads the second: RFC 6749, 5.2.
        content = {"error": error, "error_description": error["message"]}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


@functools.cache
def rows() -> dict[str, Refusal]:
    """Every refusal, by its code."""
    read = [Refusal.model_validate(row) for row in rules.read(FILE)["refusal"]]
    return {row.code: row for row in read}


def of_sinch(error: SinchError, effect: Effect) -> Refused:
    """Tell what became of a call with that effect, which has no answer of Sinch's."""
    unknown = UNKNOWN_FATES.get(effect) if error.sent else None
    refused = Refused(unknown or error.trouble, reason=error.words)
    refused.tries = error.tries
    if error.retry_after_seconds is not None:
        refused.retry_after_seconds = min(error.retry_after_seconds, LONGEST_WAIT_SECONDS)
    return refused


def _challenge(refused: Refused) -> str:
    """RFC 6750, section 3. Sinch's SDKs ask for another token only where the word "expired" stands in it."""
    if refused.code == "TOKEN_EXPIRED":
        return 'Bearer error="invalid_token", error_description="Jwt expired"'
    return 'Basic realm="Motion Gateway", charset="UTF-8"'

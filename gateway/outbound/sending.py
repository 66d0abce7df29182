"""What becomes of a message: read, judged, its media replaced, written down, handed to Sinch, and written down again.

Rule 1. Its row is on the disk before it leaves. Whatever happens then, a delivery report finds it.
Rule 2. Once it has left, nothing but Sinch's answer says that it was not sent.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus

from flask import g, request

from gateway import telemetry
from gateway.config import Account
from gateway.errors import SpoolUnavailable
from gateway.outbound import files, forward, message, record
from gateway.outbound.allowed import Call
from gateway.outbound.files import Files
from gateway.outbound.links import Links
from gateway.outbound.message import Send
from gateway.outbound.record import Draft
from gateway.outbound.refusals import Refused
from gateway.services import Services
from gateway.upstream import Answer

# Beside `motion.timeout`: for another's download of the same file, and some room. As long as nginx waits for it.
PREPARING_SECONDS = 30.0
OURS = "mg-"  # how a reference of ours begins

_ID = re.compile("[0-9A-Za-z_-]{1,64}")
_CODE = re.compile("[A-Z_]{1,64}")


@dataclass(frozen=True, kw_only=True)
class Sender:
    services: Services
    links: Links

    def send(self, call: Call, headers: Sequence[tuple[str, str]]) -> Answer:
        """Sinch's answer to the message in the request. Raises Refused."""
        said = message.parse(request.get_data(cache=False))
        account, *_others = call.of_apps(said.apps)
        draft = _draft(said, account)
        body, draft = self._prepared(said, account, draft)
        send_id = self._begun(draft)
        return self._carried(
            send_id, lambda: forward.hand_over(self.services, call, headers, body=body, account=account)
        )

    def _prepared(self, said: Send, account: Account, draft: Draft) -> tuple[bytes, Draft]:
        """The body as it goes out, and what is written down of it. Raises Refused, once that is written down."""
        attached = Files(services=self.services, links=self.links, account=account)
        try:
            self._require_allowed(said, account)
            links = attached.linked(said, before=self._prepared_by())
        except Refused as refused:
            self._write_refused(replace(draft, attachments=tuple(attached.attached)), refused)
            raise
        body = said.rewritten(links, correlation_id=draft.reference)
        return body, replace(draft, attachments=tuple(attached.attached))

    def _prepared_by(self) -> float:
        """When a message must be ready to leave: later nginx tells Motion that it has left, and shall be right."""
        return float(g.started_at) + PREPARING_SECONDS + self.services.settings.motion.timeout

    def _require_allowed(self, said: Send, account: Account) -> None:
        if not self.services.settings.outbound.allow_templates:
            message.require_no_templates(said)
        message.require_texts_fit(said, channels=files.named_channels(said, "", account))
        forward.require_within(self.services, "sends_per_app", whose=account.app_id)

    def _write_refused(self, draft: Draft, refused: Refused) -> None:
        with suppress(SpoolUnavailable):  # what was wrong with the message is of more use than that
            now = self.services.clock.now()
            record.refuse(self.services.spool, draft, status=refused.status, code=refused.code, now=now)

    def _begun(self, draft: Draft) -> int:
        try:
            return record.begin(self.services.spool, draft, now=self.services.clock.now())
        except SpoolUnavailable as error:
            telemetry.note("send not written down, and not sent", reason=error.reason)
            raise Refused("GATEWAY_UNAVAILABLE") from error

    def _carried(self, send_id: int, carry: Callable[[], tuple[Answer, int]]) -> Answer:
        try:
            answer, tries = carry()
        except Refused as refused:
            outcome = record.UNKNOWN if refused.refusal.sent == "unknown" else record.UNSENT
            self._write_end(
                send_id, Ended(outcome=outcome, code=refused.code), status=refused.status, tries=refused.tries
            )
            raise
        except Exception as error:
            telemetry.failure("unexpected", error)
            self._write_end(send_id, Ended(outcome=record.UNKNOWN), status=None, tries=1)
            raise Refused("SEND_FATE_UNKNOWN") from error
        self._write_end(send_id, _ended(answer), status=answer.status, tries=tries)
        return answer

    def _write_end(self, send_id: int, ended: Ended, *, status: int | None, tries: int) -> None:
        g.decision[telemetry.OUTCOME] = ended.outcome
        g.decision[telemetry.MESSAGE] = ended.message_id
        try:
            record.settle(
                self.services.spool,
                send_id,
                outcome=ended.outcome,
                status=status,
                code=ended.code,
                message_id=ended.message_id,
                tries=tries,
                now=self.services.clock.now(),
            )
        except SpoolUnavailable as error:
            # The answer is known and goes to Motion; the row says that it is not, until a report tells more.
            telemetry.note("finding", finding="send-not-settled", reason=error.reason)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What Sinch's answer says of a message."""

    outcome: str
    code: str = ""
    message_id: str = ""


def _ended(answer: Answer) -> Ended:
    """A 5xx may come from something in front of what had taken the message; so its fate is unknown."""
    said = _json(answer.body)
    if HTTPStatus(200) <= answer.status < HTTPStatus(300):
        message_id = said.get("message_id") or said.get("messageId")
        if isinstance(message_id, str) and _ID.fullmatch(message_id):
            return Ended(outcome=record.ACCEPTED, message_id=message_id)
        return Ended(outcome=record.UNKNOWN)
    error = said.get("error")
    code = error.get("status") if isinstance(error, dict) else None
    outcome = record.REJECTED if answer.status < HTTPStatus(500) else record.UNKNOWN
    return Ended(outcome=outcome, code=code if isinstance(code, str) and _CODE.fullmatch(code) else "")


def _json(body: bytes) -> dict[str, object]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _draft(message: Send, account: Account) -> Draft:
    reference = OURS + uuid.uuid4().hex
    told = {
        telemetry.CONNECTOR: account.connector_id,
        telemetry.APP: account.app_id,
        telemetry.KIND: message.kind,
        telemetry.REFERENCE: reference,
    }
    g.decision.update(told)
    return Draft(
        reference=reference,
        connector_id=account.connector_id,
        app_id=account.app_id,
        kind=message.kind,
        contact_id=message.contact_id,
        identity=message.identity,
        correlation_id=reference if message.correlation_is_free else message.correlation_id,
        request_id=request.headers.get("X-Request-Id", ""),
    )

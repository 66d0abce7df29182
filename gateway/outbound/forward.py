"""From a call to Sinch's answer: a message is read, its files are judged, it is written down, handed over, and settled.

Rule 1. A message's row is on the disk before it leaves. Whatever happens then, a delivery report finds it.
Rule 2. Once a call has left, nothing but Sinch's answer says that nothing was done.
Rule 3. What comes in is a call and what is known of its caller, what goes out is an outcome: how the one arrived, and
        how the other is answered and logged, nobody knows here.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from gateway import printable, telemetry
from gateway.config import Account
from gateway.errors import SpoolUnavailable, TooManyRequests
from gateway.outbound import files, message, record, refusals, window
from gateway.outbound.allowed import MESSAGES_SEND, PREPARING_SECONDS, AppIn, Call
from gateway.outbound.files import Files
from gateway.outbound.links import Links
from gateway.outbound.message import Send
from gateway.outbound.record import Draft
from gateway.outbound.refusals import UNKNOWN_FATES, Refused
from gateway.phrases import Finding, Line, Reason
from gateway.services import Services
from gateway.sinch import Effect, SinchError
from gateway.sinch.client import Request
from gateway.upstream import Answer

OURS = "mg-"  # how a reference of ours begins

# What the limits of the settings count, and the refusal of what is one too many.
COUNTED = {
    "sends_per_app": (Reason.SENDS, "APP_LIMIT"),
    "calls_per_project": (Reason.CALLS, "PROJECT_LIMIT"),
}


@dataclass(frozen=True, kw_only=True)
class IncomingCall:
    """A call that may pass. `headers`: those that go out with it; `began_at`: when it came, in seconds since 1970.

    `is_gone` tells whether whoever makes it has stopped waiting for the answer.
    """

    call: Call
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    request_id: str
    began_at: float
    is_gone: Callable[[], bool] = lambda: False


@dataclass(frozen=True, kw_only=True)
class CallOutcome:
    """What became of a call: Sinch's answer or our refusal, and the `facts` that the log tells of it.

    `fate`: the code of the refusal that stays true if its caller cannot be told; none where nothing may have been done.
    """

    answer: Answer | Refused
    facts: Mapping[str, object]
    fate: str | None


def forward(incoming: IncomingCall, *, services: Services, links: Links) -> CallOutcome:
    """Carry a call to Sinch, and hand back what became of it, whatever that is."""
    passage = _Passage(services=services, incoming=incoming)
    answer: Answer | Refused
    try:
        files.require_clear(links, incoming.call.target.encode())
        files.require_clear_headers(links, incoming.headers)
        answer = passage.sent(links) if incoming.call.operation is MESSAGES_SEND else passage.passed(links)
    except Refused as refused:
        answer = refused
    except Exception as error:  # noqa: BLE001 - a fault of ours; what is known of the call is told all the same
        telemetry.failure(Line.UNEXPECTED, error)
        answer = Refused(passage.fate or "GATEWAY_UNAVAILABLE", reason=Reason.OURS)
    return CallOutcome(answer=answer, facts=passage.facts, fate=passage.fate)


def ask_for_token(services: Services, headers: Sequence[tuple[str, str]], *, body: bytes) -> Answer:
    """Hand back what Sinch answers to a request for a token with somebody's own credentials. Raises Refused."""
    try:
        return services.sinch.token(headers=headers, body=body)
    except SinchError as error:
        raise refusals.of_sinch(error, Effect.READ) from error


def require_within(services: Services, limit: str, *, whose: str) -> None:
    """Count one more, under the setting `limits.<limit>`. Raises Refused when that is one too many."""
    what, code = COUNTED[limit]
    try:
        services.limits.require(getattr(services.settings.limits, limit), what, whose)
    except TooManyRequests as error:
        raise Refused(code) from error


@dataclass(kw_only=True)
class _Passage:
    """One call on its way; `facts` grow as it goes, and `fate` is there from when it leaves."""

    services: Services
    incoming: IncomingCall
    facts: dict[str, object] = field(default_factory=dict)
    fate: str | None = None

    def passed(self, links: Links) -> Answer:
        """Hand back Sinch's answer to any call but a message. Raises Refused."""
        call, body, account = self.incoming.call, self.incoming.body, None
        operation = call.operation
        if operation.app_in is AppIn.BODY or (operation.app_in is AppIn.PERHAPS_BODY and body):
            account = next(iter(call.of_apps(message.apps_of(body))), None)
        files.require_clear(links, body)
        if operation.effect is Effect.SEND and account:
            require_within(self.services, "sends_per_app", whose=account.app_id)
        return self._handed_over(body, account)[0]

    def sent(self, links: Links) -> Answer:
        """Hand back Sinch's answer to a message. Raises Refused."""
        send = message.parse(self.incoming.body)
        account, *_others = self.incoming.call.of_apps(send.apps)
        body, draft = self._prepared(
            send, self._draft(send, account), Files(services=self.services, links=links, account=account)
        )
        return self._settled(self._begun(draft), body, account, identity=draft.identity)

    def _draft(self, send: Send, account: Account) -> Draft:
        reference = OURS + uuid.uuid4().hex
        channels, now = files.named_channels(send, "", account), self.services.clock.now()
        standing = window.of(self.services.spool, send, channels=channels, connector_id=account.connector_id, now=now)
        self.facts |= {
            telemetry.CONNECTOR: account.connector_id,
            telemetry.APP: account.app_id,
            telemetry.KIND: send.kind,
            telemetry.REFERENCE: reference,
            telemetry.WINDOW: window.CLOSED if standing.window == window.CLOSED else None,
        }
        return Draft(
            reference=reference,
            connector_id=account.connector_id,
            app_id=account.app_id,
            kind=send.kind,
            contact_id=send.contact_id,
            identity=send.identity,
            correlation_id=reference if send.correlation_is_free else send.correlation_id,
            request_id=self.incoming.request_id,
            **vars(standing),
        )

    def _prepared(self, send: Send, draft: Draft, attached: Files) -> tuple[bytes, Draft]:
        """The body as it goes out, and what is written down of it. Raises Refused, once that is written down."""
        try:
            self._require_allowed(send, draft, attached.account)
            body = attached.body(send, correlation_id=draft.reference, before=self._prepared_by())
        except Refused as refused:
            self._write_refused(replace(draft, attachments=tuple(attached.attached)), refused)
            raise
        finally:
            self.facts[telemetry.ATTACHMENTS] = tuple(one.attachment_id for one in attached.attached)
        return body, replace(draft, attachments=tuple(attached.attached))

    def _prepared_by(self) -> float:
        """When a message must be ready to leave: later nginx tells Motion that it has left, and shall be right."""
        return self.incoming.began_at + PREPARING_SECONDS + self.services.settings.motion.timeout

    def _require_allowed(self, send: Send, draft: Draft, account: Account) -> None:
        if not self.services.settings.outbound.allow_templates:
            message.require_no_templates(send)
        files.require_fits(send, account)
        if self.services.settings.outbound.window == "refuse":
            window.require_open(draft, now=self.services.clock.now())
        require_within(self.services, "sends_per_app", whose=account.app_id)

    def _write_refused(self, draft: Draft, refused: Refused) -> None:
        with suppress(SpoolUnavailable):  # what was wrong with the message is of more use than that
            record.refuse(self.services.spool, draft, now=self.services.clock.now(), **refused.told)

    def _begun(self, draft: Draft) -> int:
        try:
            return record.begin(self.services.spool, draft, now=self.services.clock.now())
        except SpoolUnavailable as error:
            telemetry.note(Line.NOT_SENT, reason=error.reason)
            raise Refused("GATEWAY_UNAVAILABLE") from error

    def _settled(self, send_id: int, body: bytes, account: Account, *, identity: str) -> Answer:
        """Sinch's answer, once its outcome is written down. Raises Refused."""
        try:
            answer, tries = self._handed_over(body, account)
        except Refused as refused:
            outcome = record.UNKNOWN if refused.refusal.sent == "unknown" else record.UNSENT
            self._settle(send_id, outcome=outcome, tries=refused.tries, **refused.told)
            raise
        except Exception as error:
            telemetry.failure(Line.UNEXPECTED, error)
            self._settle(send_id, outcome=record.UNKNOWN, words=Reason.OURS)
            raise Refused("SEND_FATE_UNKNOWN", reason=Reason.OURS) from error
        self._settle(send_id, tries=tries, **_ending(answer, identity))
        return answer

    def _settle(self, send_id: int, *, outcome: str, message_id: str = "", **told: Any) -> None:  # noqa: ANN401 - of `record.settle`
        self.facts |= {telemetry.OUTCOME: outcome, telemetry.MESSAGE: message_id}
        if told.get("words") in (Reason.ANSWER_NO_MESSAGE, Reason.ANSWER_FOREIGN):
            self.facts[telemetry.WHY] = told["words"]  # Sinch's own may hold a number
        now = self.services.clock.now()
        try:
            record.settle(self.services.spool, send_id, outcome=outcome, message_id=message_id, now=now, **told)
        except SpoolUnavailable as error:
            # The answer is known and goes to Motion; the row says that it is not, until a report tells more.
            telemetry.find(Finding.SEND_NOT_SETTLED, reason=error.reason)

    def _handed_over(self, body: bytes, account: Account | None) -> tuple[Answer, int]:
        """Sinch's answer, and after how many tries. `account`: that of the app which the call names. Raises Refused."""
        call, tries = self.incoming.call, 1
        operation = call.operation
        outgoing = Request(
            method=operation.method,
            target=call.target,
            effect=operation.effect,
            headers=self.incoming.headers,
            body=body if body or operation.method != "GET" else None,
            account=call.signer(account) if self.services.settings.outbound.vault_credentials else None,
            is_unwanted=self.incoming.is_gone,
        )
        self.fate = UNKNOWN_FATES.get(operation.effect)
        try:
            answer, tries = self.services.sinch.call(call.region, outgoing)
        except SinchError as error:
            tries = error.tries
            raise refusals.of_sinch(error, operation.effect) from error
        finally:
            self.facts[telemetry.TRIES] = tries if tries > 1 else None
        return answer, tries


def _ending(answer: Answer, identity: str) -> dict[str, Any]:
    """What an answer means for a message to `identity`, of whose number it keeps the end alone.

    A 5xx may come from before what had taken it; so its fate is unknown.
    """
    said = message.reply(answer.body, encoding=answer.headers.get("Content-Encoding", ""))
    if 200 <= answer.status < 300:
        outcome, words = (record.ACCEPTED, "") if said.message_id else (record.UNKNOWN, Reason.ANSWER_NO_MESSAGE)
        return {"outcome": outcome, "status": answer.status, "message_id": said.message_id, "words": words}
    outcome = record.REJECTED if answer.status < 500 else record.UNKNOWN
    words = printable.discreet(said.words, identity) or Reason.ANSWER_FOREIGN
    return {"outcome": outcome, "status": answer.status, "code": said.code, "words": words}

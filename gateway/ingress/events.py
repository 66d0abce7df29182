"""What a verified callback is: its trigger, the key that tells repeats, and whose turn it takes.

Any bytes at all give an `Event`: authenticated data is never dropped because we do not understand
it. What cannot be read is of kind UNKNOWN, is keyed by its whole body, and waits for nobody.

Triggers and key columns: `TRIGGERS`, after the table of triggers in Sinch's OpenAPI document.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gateway import printable

UNKNOWN = "UNKNOWN"
INBOUND = "MESSAGE_INBOUND"
DELIVERY, SUBMIT, EVENT_DELIVERY = "MESSAGE_DELIVERY", "MESSAGE_SUBMIT", "EVENT_DELIVERY"
SUBMITTED = "SUBMITTED"  # the status of a SUBMIT, which itself names none
LONGEST_ID = 256  # of an identifier we file under; Sinch's own are ULIDs of 26 characters
LONGEST_WORD = 64  # of a status or a code
LONGEST_SENTENCE = 256  # of a description

Path = tuple[str, ...]


@dataclass(frozen=True)
class Trigger:
    """One kind of callback: told by a top-level key; `columns`, below it, are its identity.

    No columns: the body is. A column that begins with "/" is read from the envelope. `words`: of a customer.
    """

    name: str
    key: str
    columns: tuple[str, ...] = ()
    words: bool = False


TRIGGERS = (
    Trigger(INBOUND, "message", ("id",), words=True),
    Trigger("MESSAGE_INBOUND_SMART_CONVERSATION_REDACTION", "message_redaction", ("id",), words=True),
    Trigger(SUBMIT, "message_submit_notification", ("message_id", "channel_identity.channel")),
    Trigger(DELIVERY, "message_delivery_report", ("message_id", "status", "channel_identity.channel")),
    Trigger("EVENT_INBOUND", "event", ("id",), words=True),
    Trigger(EVENT_DELIVERY, "event_delivery_report", ("event_id", "status")),
    Trigger("CONVERSATION_START", "conversation_start_notification", ("conversation.id", "/accepted_time")),
    Trigger("CONVERSATION_STOP", "conversation_stop_notification", ("conversation.id", "/accepted_time")),
    Trigger("CONVERSATION_DELETE", "conversation_delete_notification", ("conversation.id", "/accepted_time")),
    Trigger("CONTACT_CREATE", "contact_create_notification"),
    Trigger("CONTACT_UPDATE", "contact_update_notification"),
    Trigger("CONTACT_DELETE", "contact_delete_notification"),
    Trigger("CONTACT_MERGE", "contact_merge_notification"),
    Trigger("CONTACT_IDENTITIES_DUPLICATION", "duplicated_contact_identities_notification"),
    Trigger("CAPABILITY", "capability_notification", ("request_id", "channel")),
    Trigger("OPT_IN", "opt_in_notification", ("request_id", "channel")),
    Trigger("OPT_OUT", "opt_out_notification", ("request_id", "channel")),
    Trigger("CHANNEL_EVENT", "channel_event_notification"),
    Trigger("UNSUPPORTED", "unsupported_callback", words=True),
    Trigger("SMART_CONVERSATION", "smart_conversation_notification"),
    Trigger("RECORD_NOTIFICATION", "record_notification", ("entity_id", "record_status")),
    Trigger("BATCH_STATUS_UPDATE", "batch_status_update"),
)
_NAMING_FILES = frozenset({INBOUND, "MESSAGE_INBOUND_SMART_CONVERSATION_REDACTION"})
_WORDLESS = frozenset(trigger.name for trigger in TRIGGERS if not trigger.words)

# Numbers are read as 0: no identifier of ours is one, and int() of a long one raises.
_ZERO: Callable[[str], int] = lambda _digits: 0  # noqa: E731 - the hook that json asks for
_JSON = json.JSONDecoder(parse_int=_ZERO, parse_float=_ZERO, parse_constant=_ZERO)

# Where a callback names its contact and, failing that, the channel identity; below the trigger's key.
_CONTACT_PATHS: tuple[Path, ...] = (
    ("contact_id",),
    ("conversation", "contact_id"),
    ("contact", "id"),
    ("preserved_contact", "id"),
)
_IDENTITY_PATHS: tuple[Path, ...] = (("channel_identity", "identity"), ("channel_identity",), ("identity",))
# The triggers that report on what was sent, and where they name it.
_REPORTS = {DELIVERY: "message_id", SUBMIT: "message_id", EVENT_DELIVERY: "event_id"}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a callback tells of the way of a message. Words that are not known yet are taken as they are."""

    message_id: str  # or that of an event, such as "typing"
    correlation_id: str
    status: str
    code: str
    sub_code: str
    channel_code: str
    channel: str
    description: str = ""  # in Sinch's own words, or the channel's


@dataclass(frozen=True)
class Event:
    """A callback as the spool files it."""

    kind: str
    key: bytes  # SHA-256: two callbacks with one key tell the same thing
    body_digest: bytes  # SHA-256 of the exact bytes
    contact_id: str = ""
    identity: str = ""  # of the channel, without a leading "+": on WhatsApp the phone number
    app_id: str = ""
    project_id: str = ""
    dispatch: bool = False  # sent by an app in DISPATCH mode, whose messages name no contact
    opens_window: bool = False  # of a customer on WhatsApp, who may be answered for 24 hours from now on
    report: Report | None = None

    @property
    def lane(self) -> str:
        """Those who share a lane are delivered one after another; "" waits for nobody."""
        return f"contact:{self.contact_id}" if self.contact_id else f"identity:{self.identity}" if self.identity else ""


def carries_words(kind: str) -> bool:
    """Whether a callback of that kind may hold what a customer said; so may one that nobody knows."""
    return kind not in _WORDLESS


def names_files(kind: str) -> bool:
    """Whether a callback of that kind may name files that a customer sends in."""
    return kind in _NAMING_FILES


def read(body: bytes, *, connector_id: int) -> Event:
    """Tell what `body` is. Never raises."""
    digest = hashlib.sha256(body).digest()
    envelope = _parse(body)
    trigger = next((t for t in TRIGGERS if isinstance(envelope.get(t.key), dict)), None)
    if trigger is None:
        return Event(kind=UNKNOWN, key=_key(connector_id, UNKNOWN, [digest.hex()]), body_digest=digest)
    content = envelope[trigger.key]
    columns = [_column(envelope, content, column) for column in trigger.columns]
    if not columns or not all(columns):
        columns = [digest.hex()]
    return Event(
        kind=trigger.name,
        key=_key(connector_id, trigger.name, columns),
        body_digest=digest,
        contact_id=_first(content, _CONTACT_PATHS),
        identity=_first(content, _IDENTITY_PATHS).removeprefix("+"),
        app_id=identifier(envelope.get("app_id")),
        project_id=identifier(envelope.get("project_id")),
        dispatch=content.get("processing_mode") == "DISPATCH",
        opens_window=trigger.words and _is_of_whatsapp(content) and "contact_event" not in content,
        report=_report(envelope, content, trigger.name) if trigger.name in _REPORTS else None,
    )


def keys_of(message_id: str, *, connector_id: int) -> list[bytes]:
    """The keys of the events that are nothing but something with that id: an inbound message, say."""
    alone = [trigger.name for trigger in TRIGGERS if trigger.columns == ("id",)]
    return [_key(connector_id, name, [message_id]) for name in alone]


def _is_of_whatsapp(content: dict[str, Any]) -> bool:
    return (_at(content, ("channel_identity", "channel")) or content.get("channel")) == "WHATSAPP"


def _parse(body: bytes) -> dict[str, Any]:
    try:
        value = _JSON.decode(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _report(envelope: dict[str, Any], content: dict[str, Any], kind: str) -> Report | None:
    """None for one that does not say of which message, or not what of it."""
    message_id = identifier(content.get(_REPORTS[kind]))
    status = SUBMITTED if kind == SUBMIT else _word(content.get("status"))
    if not message_id or not status:
        return None
    return Report(
        message_id=message_id,
        correlation_id=identifier(envelope.get("correlation_id")),
        status=status,
        code=_word(_at(content, ("reason", "code"))),
        sub_code=_word(_at(content, ("reason", "sub_code"))),
        channel_code=_word(_at(content, ("reason", "channel_code"))),
        channel=_word(_at(content, ("channel_identity", "channel"))),
        description=_sentence(_at(content, ("reason", "description")), _first(content, _IDENTITY_PATHS)),
    )


def _key(connector_id: int, trigger: str, columns: list[str]) -> bytes:
    # JSON keeps the columns apart: ("a", "bc") and ("ab", "c") are different keys.
    return hashlib.sha256(json.dumps([connector_id, trigger, *columns]).encode("ascii")).digest()


def _column(envelope: dict[str, Any], content: dict[str, Any], column: str) -> str:
    if column.startswith("/"):
        return identifier(envelope.get(column[1:]))
    return identifier(_at(content, tuple(column.split("."))))


def _first(content: dict[str, Any], paths: tuple[Path, ...]) -> str:
    found: Iterator[str] = (identifier(_at(content, path)) for path in paths)
    return next((identifier for identifier in found if identifier), "")


def _at(content: Any, path: Path) -> Any:  # noqa: ANN401 - JSON of strangers may be anything
    for name in path:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def identifier(value: object) -> str:
    """`value` if it can name something: a short string that any database stores; else ""."""
    if not isinstance(value, str) or len(value) > LONGEST_ID or "\x00" in value:
        return ""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate
        return ""
    return value


def _word(value: object) -> str:
    """The beginning of `value` if it is a text of printable characters; else ""."""
    return value[:LONGEST_WORD] if isinstance(value, str) and value.isprintable() else ""


def _sentence(value: object, identity: str) -> str:
    """The beginning of `value` if it is a text, as any terminal shows it; of the customer's number its end alone."""
    if not isinstance(value, str):
        return ""
    return printable.text(printable.discreet(value[: LONGEST_SENTENCE * 2], identity)[:LONGEST_SENTENCE])

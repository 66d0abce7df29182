"""Reads what `messages:send` says to whom, and which of its bytes are links of media; and what Sinch answers to it.

Rule 1. What is not understood passes: a field that is new, missing or of another type is no error.
Rule 2. `rewritten` changes what it is told to, and no other byte.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from gateway.ingress import events
from gateway.outbound import document, lengths, message_fields
from gateway.outbound.allowed import APP_ID, App
from gateway.outbound.document import Edit, Node
from gateway.outbound.message_fields import WHATSAPP, Found, Holds
from gateway.outbound.refusals import Refused
from gateway.outbound.syntax import is_name

# The kinds, by the field of `message` that says it is one; a message of several is the first of them.
KINDS = {
    "text_message": "text",
    "media_message": "media",
    "card_message": "card",
    "carousel_message": "carousel",
    "choice_message": "choice",
    "list_message": "list",
    "location_message": "location",
    "contact_info_message": "contact_info",
    "template_message": "template",
    "explicit_channel_message": "explicit_channel",
    "explicit_channel_omni_message": "explicit_channel_omni",
    "channel_specific_message": "channel_specific",
}
OTHER = "other"

_MESSAGE_ID = re.compile("[0-9A-Za-z_-]{1,64}")
_STATUS = re.compile("[A-Z_]{1,64}")
_PACKED, _ANY_WRAPPING, _MOST_UNPACKED = ("gzip", "x-gzip", "deflate"), 47, 2**20


@dataclass(frozen=True, kw_only=True)
class Media:
    """A link in the body. `channel` is in upper case, or "" where its field is for any."""

    field: str
    url: str
    channel: str
    ours_only: bool  # it may be something else altogether: to be looked at only where it is a link of ours


@dataclass(frozen=True)
class NewLink:
    """What replaces a link: another, and the name of its file."""

    url: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Send:
    """What a body says; "" and empty where it does not say it, or says something that is none."""

    kind: str
    channels: frozenset[str]  # that the recipient and `channel_priority_order` name, in upper case; none if one is odd
    apps: tuple[App, ...]  # that of the message first, if it is named
    contact_id: str
    identity: str  # of the recipient's first channel, without a leading "+": on WhatsApp the phone number
    correlation_id: str
    correlation_is_free: bool  # there is none yet, so that `rewritten` will put ours in
    lengths: tuple[lengths.Measured, ...]  # of what WhatsApp limits
    templates: tuple[str, ...]  # the fields where templates stand
    media: tuple[Media, ...]
    _body: Node = field(repr=False, compare=False)
    _found: Mapping[str, Found] = field(repr=False, compare=False)

    def rewritten(self, links: Mapping[str, NewLink], *, correlation_id: str | None) -> bytes:
        """Put these links in place of the old ones, by the `field` of each; all other bytes of the body stay.

        The file's name is put where the message leaves it open; `correlation_id` only where none was said.
        """
        changes = [edit for name, link in links.items() for edit in self._linking(self._found[name], link)]
        if correlation_id is not None and self.correlation_is_free:
            changes.append(self._body.setting("correlation_id", correlation_id, like=self._body))
        return document.replaced(self._body.text, changes).encode("utf-8")

    def _linking(self, found: Found, link: NewLink) -> Iterator[Edit]:
        yield found.node.saying(link.url)
        if found.is_nameless:
            yield found.around.setting(found.row.file_name, link.name, like=self._body)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What Sinch's answer says: the id of the message that it took, its error's status and words; "" where none."""

    message_id: str
    code: str
    words: str = field(repr=False)


def parse(body: bytes) -> Send:
    """Read what the body says. Raises Refused: BODY_NOT_JSON, BODY_REPEATS_KEY."""
    root = document.parse(body)
    message, recipient = root.get("message"), root.get("recipient")
    found = {one.field: one for one in message_fields.find(message)} if message else {}
    identities = list(_items(recipient, "identified_by", "channel_identities"))
    return Send(
        kind=_kind(message),
        channels=_channels(root, identities),
        apps=_apps(root),
        contact_id=_identifier(recipient, "contact_id"),
        identity=_identifier(identities[0], "identity").removeprefix("+") if identities else "",
        correlation_id=_identifier(root, "correlation_id"),
        correlation_is_free=root.says_nothing("correlation_id"),
        lengths=tuple(lengths.measure(message)) if message else (),
        templates=tuple(one.field for one in found.values() if one.row.holds is Holds.TEMPLATE),
        media=tuple(_medium(one) for one in found.values() if one.row.holds is Holds.MEDIA),
        _body=root,
        _found=found,
    )


def require_fits(send: Send, *, channels: Collection[str]) -> None:
    """Refuse what WhatsApp would not take so much of; `channels`: those that may be tried; with none, any.

    Raises Refused: MESSAGE_SPLIT_REQUIRED, TEXT_TOO_LONG, TOO_MANY_PARTS.
    """
    for one in send.lengths:
        tried = [one.channel] if one.channel else channels
        if one.length > one.most and (not tried or WHATSAPP in tried):
            raise Refused(one.code, field=one.field, length=one.length, most=one.most)


def require_no_templates(send: Send) -> None:
    """Raises Refused: TEMPLATES_NOT_ALLOWED."""
    for name in send.templates:
        raise Refused("TEMPLATES_NOT_ALLOWED", field=name)


def _kind(message: Node | None) -> str:
    said = [kind for name, kind in KINDS.items() if message and message.get(name)]
    return said[0] if said else OTHER


def _medium(found: Found) -> Media:
    return Media(field=found.field, url=found.text, channel=found.channel, ours_only=found.row.ours_only)


def _channels(root: Node, identities: list[Node]) -> frozenset[str]:
    named = [_string(identity, "channel") for identity in identities]
    named += [item.string or "" for item in _items(root, "channel_priority_order")]
    return frozenset(name.upper() for name in named) if all(map(is_name, named)) else frozenset()


def _items(node: Node | None, *names: str) -> Iterator[Node]:
    for name in names:
        node = node and node.get(name)
    return node.items() if node else iter(())


def _string(node: Node | None, name: str) -> str:
    found = node and node.get(name)
    return (found.string or "") if found else ""


def _identifier(node: Node | None, name: str) -> str:
    return events.identifier(_string(node, name))


def apps_of(body: bytes) -> tuple[App, ...]:
    """Find the apps that the body of any call names, that of the call first. Raises Refused as `parse` does."""
    return _apps(document.parse(body))


def _apps(root: Node) -> tuple[App, ...]:
    """That of the call, and those that identities are bound to."""
    recipient = root.get("recipient")
    identity = root.get("channel_identity")
    identities = [*_items(recipient, "identified_by", "channel_identities"), *_items(root, "channel_identities")]
    holders = [root, *identities, *([identity] if identity else [])]
    found = [node for holder in holders if (node := holder.get(APP_ID))]
    return tuple(App(node.path, node.string) for node in found if node.string)


def reply(body: bytes, *, encoding: str = "") -> Reply:
    """Read Sinch's answer, also one that nobody asked to be packed; one that is not to be understood says nothing."""
    said = _json(body, packed=encoding.strip().lower() in _PACKED)
    message_id, error = said.get("message_id") or said.get("messageId"), said.get("error")
    told = error if isinstance(error, dict) else {}
    return Reply(
        message_id=_if(_MESSAGE_ID, message_id), code=_if(_STATUS, told.get("status")), words="; ".join(_words(told))
    )


def _words(error: dict[str, object]) -> Iterator[str]:
    """Sinch's sentence, and what it says of single fields: google.rpc.BadRequest in `details`."""
    if isinstance(sentence := error.get("message"), str) and sentence:
        yield sentence
    for detail in _objects(error.get("details")):
        for violation in _objects(detail.get("field_violations") or detail.get("fieldViolations")):
            told = [part for part in map(violation.get, ("field", "description")) if isinstance(part, str) and part]
            yield from [": ".join(told)] if told else []


def _objects(value: object) -> list[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _json(body: bytes, *, packed: bool) -> dict[str, object]:
    try:
        said = json.loads(zlib.decompressobj(_ANY_WRAPPING).decompress(body, _MOST_UNPACKED) if packed else body)
    except (ValueError, RecursionError, zlib.error):
        return {}
    return said if isinstance(said, dict) else {}


def _if(shape: re.Pattern[str], value: object) -> str:
    return value if isinstance(value, str) and shape.fullmatch(value) else ""

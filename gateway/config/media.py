"""The settings of files: of attachments that go out by links, and of what customers send in.

A host of media is written as a name, `*.` and the end of names, or an address; perhaps with a port. `http://` may stand
before one on this machine alone, for who tries things out.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, PlainSerializer, PlainValidator

from gateway.config import addresses, fields, kinds, table
from gateway.config.fields import malformed
from gateway.config.table import Table

_default = table.default

_MEDIA_HOST = re.compile(
    r"(?P<scheme>http://)?(?P<any>\*\.)?(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z_.-]{1,253})(?::(?P<port>[0-9]{1,5}))?"
)
_MEDIA_HOST_REMEDY = 'write a host such as "media.example.com", or "*.example.com" for all below it'
_SCANNER = re.compile(
    r"unix:(?P<path>/.+)|tcp:(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z_.-]{1,253}):(?P<port>[0-9]{1,5})"
)
_SCANNER_REMEDY = 'write where clamd listens, such as "unix:/run/clamav/clamd.ctl" or "tcp:127.0.0.1:3310"'


def media_host(value: object) -> str:
    """Read a host that files may be fetched from, in lower case."""
    written = fields.text(value, remedy=_MEDIA_HOST_REMEDY).lower()
    found = _MEDIA_HOST.fullmatch(written)
    if not found or (found["any"] and ("." not in found["host"] or found["host"].startswith("["))):
        raise malformed("must be a host, or *. and the end of host names, without a path", _MEDIA_HOST_REMEDY)
    url = f"{found['scheme'] or 'https://'}{found['host']}{':' + found['port'] if found['port'] else ''}"
    addresses.url("media")(url)
    if found["scheme"] and not addresses.is_loopback(found["host"]):
        raise malformed("must not begin with http://, but for a host on this machine", _MEDIA_HOST_REMEDY)
    return written


def scanner(value: object) -> str:
    """Read where clamd listens: a socket on this machine, or host and port."""
    written = fields.text(value, remedy=_SCANNER_REMEDY)
    found = _SCANNER.fullmatch(written)
    if not found:
        raise malformed("must be unix: with a whole path, or tcp: with host and port", _SCANNER_REMEDY)
    if found["path"]:
        addresses.file(found["path"])
    else:
        addresses.url("scanner")(f"http://{found['host']}:{found['port']}")
    return written


Media = Literal["pass", "keep", "through"]
_media = fields.choice("pass", "keep", "through")
WhatBecomes = Annotated[Media, PlainValidator(_media)]
OwnMedia = Annotated[
    Literal["pass", "keep", "through", ""], PlainValidator(lambda value: value if value == "" else _media(value))
]
Sign = Annotated[Literal["as-sent", "late", "always"], PlainValidator(fields.choice("as-sent", "late", "always"))]
Away = Annotated[Literal["hold", "let"], PlainValidator(fields.choice("hold", "let"))]
MediaHosts = Annotated[
    tuple[Annotated[str, PlainValidator(media_host)], ...], BeforeValidator(fields.filled), PlainSerializer(list)
]
Scanner = Annotated[
    str | None,
    PlainValidator(fields.optional(scanner)),
    PlainSerializer(lambda place: place or ""),
]
_seconds = PlainSerializer(fields.write_duration)
# No callback waits for its file for longer than this; a delivery that is under way has its own deadline on top.
Wait = Annotated[int, PlainValidator(fields.duration(1, 600)), _seconds]
Timeout = Annotated[int, PlainValidator(fields.duration(1, 600)), _seconds]


class AttachmentsSettings(Table):
    proxy_token: kinds.Key = _default(None)
    public_path: kinds.PublicPath = _default("/api/attachments/{id}/download")
    token_parameter: kinds.Parameter = _default("token")
    link_ttl: kinds.Duration = _default("7d")
    token_keys: kinds.Keys = _default(())
    token_ttl: kinds.Duration = _default("7d")
    max_bytes: kinds.Size = _default("100MB")
    vault_max_bytes: kinds.Size = _default("20GB")
    profile: kinds.Profile = _default("xcally-observed")
    store: kinds.StoreUrl = _default(None)
    store_url: kinds.StoreOrigin = _default(None)
    store_region: kinds.StoreRegion = _default("us-east-1")
    store_key_id: kinds.StoreKeyId = _default(None)
    store_key_secret: kinds.Secret = _default(None)
    store_ca_file: kinds.FileOrNone = _default(None)
    store_path_style: kinds.Switch = _default(written=True)
    store_timeout: kinds.StoreTimeout = _default("8s")

    @property
    def has_links(self) -> bool:
        """Whether there are links that lead to the second door."""
        return self.proxy_token is not None or bool(self.token_keys)

    @property
    def store_seconds(self) -> int:
        """How long the store may keep whoever wants a file: it is asked for it, and given what came from Motion."""
        return 2 * self.store_timeout if self.store else 0


class InboundSettings(Table):
    media: WhatBecomes = _default("pass")
    hosts: MediaHosts = _default(("*.sinch.com",))
    wait: Wait = _default("30s")
    timeout: Timeout = _default("2m")
    retry_for: kinds.Duration = _default("1d")
    keep: kinds.Duration = _default("7d")
    max_bytes: kinds.Size = _default("100MB")
    scan: Scanner = _default(None)
    scan_away: Away = _default("hold")

"""The kinds of values the settings know: how each is read, and how it is written again."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, SecretStr

from gateway.config import addresses, databases, fields, storages
from gateway.config.fields import malformed

SHORTEST_KEY = 16  # characters of a secret that is chosen for the gateway

_PATH_REMEDY = 'write one such as "/health", or leave the key out'
_PORT_REMEDY = "write a port such as 443"
_NAME_REMEDY = "write a name without colons and without blanks around it"
_USER_REMEDY = 'write letters, digits and . _ @ - alone, such as "anna"'
_HASH_REMEDY = "write one made by: motion-gateway users hash"
_ID_REMEDY = "copy the id from Sinch's console, without blanks around it"
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode categories that nobody sees on a screen
_TYPED_REMEDY = "copy it again, without blanks or line breaks around it"
_KEY_REMEDY = "write one made by: openssl rand -base64 33 | tr '+/' '-_'"
_PLAIN_ID = fields.matching(r"[0-9A-Za-z_-]{1,64}", "must be an id of Sinch", _ID_REMEDY)
_HASH = re.compile(r"scrypt:(32768|65536|131072):8:[1-4]\$[!-#%-~]{16,64}\$[0-9a-f]{128}")
_USER = fields.matching(r"[^\s:]([^:]{0,126}[^\s:])?", "must be a user name without colons", _NAME_REMEDY)


@dataclass(frozen=True)
class Hidden:
    """Marks a setting whose value is never shown and may come as `<key>_file`; `many` in a list."""

    many: bool = False


def hook(value: object) -> SecretStr:
    """Read the URL that somebody else waits at, path and query and all."""
    return SecretStr(addresses.hook(secret()(value).get_secret_value()))


def secret(shortest: int = 1) -> Callable[[object], SecretStr]:
    """Make a reader of secrets of at least `shortest` characters."""

    def read(value: object) -> SecretStr:
        if not isinstance(value, str):
            raise malformed("must be a text in quotes", "write it in quotes")
        if any(unicodedata.category(character) in _UNSEEN for character in value):
            raise malformed("must not hold control characters", _TYPED_REMEDY)
        if value != value.strip():
            raise malformed("must not begin or end with a blank", _TYPED_REMEDY)
        if not value:
            raise malformed("must not be empty", "write it, or leave the key out")
        if len(value) < shortest:
            raise malformed(f"must have at least {shortest} characters", _KEY_REMEDY)
        return SecretStr(str(value))

    return read


def password_hash(value: object) -> SecretStr:
    """Read what `motion-gateway users hash` makes; a stronger scrypt than its own is taken too."""
    hashed = secret()(value)
    if not _HASH.fullmatch(hashed.get_secret_value()):
        raise malformed("must be the hash of a password, not the password", _HASH_REMEDY)
    return hashed


def stars(value: SecretStr | None) -> str:
    """Write stars for a secret, and nothing for none."""
    return "***" if value else ""


def ending(number: str | None) -> str:
    """Write the end of a phone number: enough to know one's own by."""
    return f"…{number[-3:]}" if number else ""


def stars_for_each(values: tuple[SecretStr, ...]) -> list[str]:
    return [stars(value) for value in values]


def _blank(value: object) -> object:
    return "" if value is None else value


Port = Annotated[int, PlainValidator(fields.whole(1, 65535, _PORT_REMEDY))]
PortOrOff = Annotated[int, PlainValidator(fields.whole(0, 65535, "write a port such as 80, or 0 for none"))]
Workers = Annotated[int, PlainValidator(fields.whole(1, 64, "write a number of processes such as 1"))]
Deliveries = Annotated[int, PlainValidator(fields.whole(1, 256, "write a number such as 16"))]
ConnectorId = Annotated[
    int, PlainValidator(fields.whole(1, 999_999_999, "write the number in Motion's Receive URL, such as 7"))
]
Switch = Annotated[bool, PlainValidator(fields.switch)]
OnOff = Annotated[bool, PlainValidator(fields.on_or_off)]

_Seconds = PlainSerializer(fields.write_duration)
Duration = Annotated[int, PlainValidator(fields.duration()), _Seconds]
DurationOrForever = Annotated[int | None, PlainValidator(fields.duration_or_forever), _Seconds]
# Shorter than the lease of a delivery, which lasts 90 seconds.
Deadline = Annotated[int, PlainValidator(fields.duration(1, 60)), _Seconds]
Size = Annotated[int, PlainValidator(fields.size()), PlainSerializer(fields.write_size)]
SizeOrNone = Annotated[int, PlainValidator(fields.size(0)), PlainSerializer(fields.write_size)]
Rate = Annotated[str | None, PlainValidator(fields.rate), PlainSerializer(fields.write_rate)]

IpAddress = Annotated[str, PlainValidator(addresses.address)]
Networks = Annotated[
    tuple[Annotated[addresses.Network, PlainValidator(addresses.network)], ...],
    BeforeValidator(fields.sequence),
    PlainSerializer(lambda networks: [str(network) for network in networks]),
]
HostNames = Annotated[
    tuple[Annotated[str, PlainValidator(addresses.host_name)], ...],
    BeforeValidator(fields.sequence),
    PlainSerializer(list),
]
_File = PlainSerializer(lambda path: str(path or ""))
File = Annotated[Path, PlainValidator(addresses.file), _File]
FileOrNone = Annotated[Path | None, PlainValidator(fields.optional(addresses.file)), _File]
Node = Annotated[str, PlainValidator(fields.node)]
Drain = Annotated[
    int, PlainValidator(fields.duration(0, 60)), _Seconds
]  # with a deadline less than TimeoutStopSec of the units
HealthPath = Annotated[
    str | None,
    PlainValidator(
        fields.optional(
            fields.matching(r"(/[0-9A-Za-z_~-][0-9A-Za-z._~-]{0,63}){1,8}", "must be a plain path", _PATH_REMEDY)
        )
    ),
    PlainSerializer(lambda path: path or ""),
]
StateDir = Annotated[Path, PlainValidator(addresses.state_dir), _File]
LinkPath = Annotated[str, PlainValidator(addresses.link_path)]
PublicPath = Annotated[str, PlainValidator(addresses.public_path)]
Storage = Annotated[str, PlainValidator(storages.read), PlainSerializer(storages.write)]
PublicUrl = Annotated[str, PlainValidator(addresses.public_url)]
MotionUrl = Annotated[str, PlainValidator(addresses.url("motion"))]
_STORE_REMEDY = 'write s3:// and a bucket, perhaps with a prefix, such as "s3://motion-files/gateway"'
StoreUrl = Annotated[
    str | None,
    PlainValidator(
        fields.optional(
            fields.matching(
                r"s3://[0-9a-z][0-9a-z.-]{1,61}[0-9a-z](/[0-9A-Za-z_-][0-9A-Za-z._-]{0,99}){0,8}",
                "must be s3:// with a bucket, and perhaps a prefix, without a slash at its end",
                _STORE_REMEDY,
            )
        )
    ),
    PlainSerializer(_blank),
]
StoreOrigin = Annotated[str | None, PlainValidator(fields.optional(addresses.url("s3"))), PlainSerializer(_blank)]
StoreRegion = Annotated[
    str,
    PlainValidator(
        fields.matching(r"[0-9a-z-]{1,64}", "must be the name of a region", 'write one such as "eu-central-1"')
    ),
]
StoreKeyId = Annotated[
    str | None,
    PlainValidator(
        fields.optional(
            fields.matching(
                r"[0-9A-Za-z._-]{3,128}", "must be the id of an access key", "copy it from the store's console"
            )
        )
    ),
    PlainSerializer(_blank),
]
# Several of them, and a download from Motion, fit into the minute that nginx waits for the door.
StoreTimeout = Annotated[int, PlainValidator(fields.duration(1, 15)), _Seconds]
ProxyUrl = Annotated[str | None, PlainValidator(fields.optional(addresses.proxy)), PlainSerializer(_blank)]
SinchUrl = Annotated[str, PlainValidator(addresses.url("sinch"))]

_OrBlank = PlainSerializer(_blank)
PlainId = Annotated[str, PlainValidator(_PLAIN_ID)]
PlainIdOrNone = Annotated[str | None, PlainValidator(fields.optional(_PLAIN_ID)), _OrBlank]
User = Annotated[str | None, PlainValidator(fields.optional(_USER)), _OrBlank]
Phone = Annotated[
    str | None,
    PlainValidator(
        fields.optional(
            fields.matching(
                r"\+?[0-9]{6,15}",
                "must be a phone number",
                'write digits with the country code, such as "+390211111111"',
            )
        )
    ),
    PlainSerializer(ending),
]
Name = Annotated[
    str,
    PlainValidator(
        fields.matching(r"\S(.{0,98}\S)?", "must be a name of 1 to 100 characters", 'write a name such as "Support"')
    ),
]
Parameter = Annotated[
    str,
    PlainValidator(
        fields.matching(
            r"[A-Za-z][0-9A-Za-z_]{0,31}", "must be the name of a query parameter", 'write a name such as "token"'
        )
    ),
]

_ASecret: TypeAlias = Annotated[SecretStr, PlainValidator(secret())]
_AKey: TypeAlias = Annotated[SecretStr, PlainValidator(secret(SHORTEST_KEY))]
_Stars = PlainSerializer(stars)
Secret = Annotated[SecretStr | None, PlainValidator(fields.optional(secret())), _Stars, Hidden()]
Key = Annotated[
    SecretStr | None,
    PlainValidator(fields.optional(secret(SHORTEST_KEY))),
    _Stars,
    Hidden(),
]
PasswordHash = Annotated[SecretStr | None, PlainValidator(fields.optional(password_hash)), _Stars, Hidden()]
Command = Annotated[tuple[str, ...], PlainValidator(fields.command), PlainSerializer(shlex.join)]
Hook = Annotated[SecretStr | None, PlainValidator(fields.optional(hook)), _Stars, Hidden()]  # it may hold a token
_AllStars = PlainSerializer(stars_for_each)
Secrets = Annotated[tuple[_ASecret, ...], BeforeValidator(fields.sequence), _AllStars, Hidden(many=True)]
Keys = Annotated[tuple[_AKey, ...], BeforeValidator(fields.sequence), _AllStars, Hidden(many=True)]

Region = Annotated[Literal["eu", "us"], PlainValidator(fields.choice("eu", "us"))]
Unsigned = Annotated[Literal["refuse", "allow"], PlainValidator(fields.choice("refuse", "allow"))]
ForeignMedia = Annotated[Literal["pass", "refuse"], PlainValidator(fields.choice("pass", "refuse"))]
Window = Annotated[Literal["tell", "refuse"], PlainValidator(fields.choice("tell", "refuse"))]
Channels = Annotated[
    tuple[Annotated[Literal["WHATSAPP", "INSTAGRAM"], PlainValidator(fields.choice("WHATSAPP", "INSTAGRAM"))], ...],
    BeforeValidator(fields.filled),
    PlainSerializer(list),
]
Role = Annotated[Literal["operator", "support"], PlainValidator(fields.choice("operator", "support"))]
UserName = Annotated[
    str,
    PlainValidator(
        fields.matching(r"[0-9A-Za-z][0-9A-Za-z._@-]{0,63}", "must be a user name of 1 to 64 letters", _USER_REMEDY)
    ),
]
Profile = Annotated[
    Literal["xcally-observed", "meta-cloud", "strict"],
    PlainValidator(fields.choice("xcally-observed", "meta-cloud", "strict")),
]
SpoolUrl = Annotated[str, PlainValidator(databases.read)]

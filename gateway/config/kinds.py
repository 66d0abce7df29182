"""The kinds of values the settings know: how each is read, and how it is written again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from limits import RateLimitItem
from pydantic import BeforeValidator, PlainSerializer, PlainValidator, SecretStr

from gateway.config import addresses, fields, quantities

_PORT_REMEDY = "write a port such as 443"
_NAME_REMEDY = "write a name without colons and without blanks around it"
_ID_REMEDY = "copy the id from Sinch's console, without blanks around it"
_PLAIN_ID = fields.matching(r"[0-9A-Za-z_-]{1,64}", "must be an id of Sinch", _ID_REMEDY)
_USER = fields.matching(r"[^\s:]([^:]{0,126}[^\s:])?", "must be a user name without colons", _NAME_REMEDY)


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

_Seconds = PlainSerializer(quantities.write_duration)
Duration = Annotated[int, PlainValidator(quantities.duration()), _Seconds]
DurationOrForever = Annotated[int | None, PlainValidator(quantities.duration_or_forever), _Seconds]
# Shorter than the lease of a delivery, which lasts 90 seconds.
Deadline = Annotated[int, PlainValidator(quantities.duration(1, 60)), _Seconds]
Size = Annotated[int, PlainValidator(quantities.size()), PlainSerializer(quantities.write_size)]
SizeOrNone = Annotated[int, PlainValidator(quantities.size(0)), PlainSerializer(quantities.write_size)]
Rate = Annotated[RateLimitItem | None, PlainValidator(quantities.rate), PlainSerializer(quantities.write_rate)]

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
StateDir = Annotated[Path, PlainValidator(addresses.state_dir), _File]
LinkPath = Annotated[str, PlainValidator(addresses.link_path)]
Storage = Annotated[str, PlainValidator(addresses.storage), PlainSerializer(addresses.write_storage)]
PublicUrl = Annotated[str, PlainValidator(addresses.public_url)]
MotionUrl = Annotated[str, PlainValidator(addresses.url("motion"))]
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
    PlainSerializer(fields.ending),
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

_ASecret: TypeAlias = Annotated[SecretStr, PlainValidator(fields.secret())]
_AKey: TypeAlias = Annotated[SecretStr, PlainValidator(fields.secret(fields.SHORTEST_KEY))]
_Stars = PlainSerializer(fields.stars)
Secret = Annotated[SecretStr | None, PlainValidator(fields.optional(fields.secret())), _Stars, fields.Hidden()]
Key = Annotated[
    SecretStr | None,
    PlainValidator(fields.optional(fields.secret(fields.SHORTEST_KEY))),
    _Stars,
    fields.Hidden(),
]
_AllStars = PlainSerializer(fields.stars_for_each)
Secrets = Annotated[tuple[_ASecret, ...], BeforeValidator(fields.sequence), _AllStars, fields.Hidden(many=True)]
Keys = Annotated[tuple[_AKey, ...], BeforeValidator(fields.sequence), _AllStars, fields.Hidden(many=True)]

Region = Annotated[Literal["eu", "us"], PlainValidator(fields.choice("eu", "us"))]
Unsigned = Annotated[Literal["refuse", "allow"], PlainValidator(fields.choice("refuse", "allow"))]
ForeignMedia = Annotated[Literal["pass", "refuse"], PlainValidator(fields.choice("pass", "refuse"))]
Channels = Annotated[
    tuple[Annotated[Literal["WHATSAPP", "INSTAGRAM"], PlainValidator(fields.choice("WHATSAPP", "INSTAGRAM"))], ...],
    BeforeValidator(fields.filled),
    PlainSerializer(list),
]
Profile = Annotated[
    Literal["xcally-observed", "meta-cloud", "strict"],
    PlainValidator(fields.choice("xcally-observed", "meta-cloud", "strict")),
]
SpoolUrl = Annotated[
    Literal["sqlite"], PlainValidator(fields.choice("sqlite", later="; PostgreSQL comes with a later release"))
]

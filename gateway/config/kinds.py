"""The kinds of values the settings know: how each is read, and how it is written again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from limits import RateLimitItem
from pydantic import BeforeValidator, PlainSerializer, PlainValidator, SecretStr

from gateway.config import addresses, quantities, reading, secrecy

_PORT_REMEDY = "write a port such as 443"
_NAME_REMEDY = "write a name without colons and without blanks around it"
_ID_REMEDY = "copy the id from Sinch's console, without blanks around it"
_PLAIN_ID = reading.matching(r"[0-9A-Za-z_-]{1,64}", "must be an id of Sinch", _ID_REMEDY)
_USER = reading.matching(r"[^\s:]([^:]{0,126}[^\s:])?", "must be a user name without colons", _NAME_REMEDY)


def _blank(value: object) -> object:
    return "" if value is None else value


Port = Annotated[int, PlainValidator(reading.whole(1, 65535, _PORT_REMEDY))]
PortOrOff = Annotated[int, PlainValidator(reading.whole(0, 65535, "write a port such as 80, or 0 for none"))]
Workers = Annotated[int, PlainValidator(reading.whole(1, 64, "write a number of processes such as 1"))]
Deliveries = Annotated[int, PlainValidator(reading.whole(1, 256, "write a number such as 16"))]
ConnectorId = Annotated[
    int, PlainValidator(reading.whole(1, 999_999_999, "write the number in Motion's Receive URL, such as 7"))
]
Switch = Annotated[bool, PlainValidator(reading.switch)]

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
    BeforeValidator(reading.sequence),
    PlainSerializer(lambda networks: [str(network) for network in networks]),
]
HostNames = Annotated[
    tuple[Annotated[str, PlainValidator(addresses.host_name)], ...],
    BeforeValidator(reading.sequence),
    PlainSerializer(list),
]
_File = PlainSerializer(lambda path: str(path or ""))
File = Annotated[Path, PlainValidator(addresses.file), _File]
FileOrNone = Annotated[Path | None, PlainValidator(reading.optional(addresses.file)), _File]
StateDir = Annotated[Path, PlainValidator(addresses.state_dir), _File]
LinkPath = Annotated[str, PlainValidator(addresses.link_path)]
Storage = Annotated[str, PlainValidator(addresses.storage), PlainSerializer(addresses.write_storage)]
PublicUrl = Annotated[str, PlainValidator(addresses.public_url)]
MotionUrl = Annotated[str, PlainValidator(addresses.url("motion"))]
SinchUrl = Annotated[str, PlainValidator(addresses.url("sinch"))]

_OrBlank = PlainSerializer(_blank)
PlainId = Annotated[str, PlainValidator(_PLAIN_ID)]
PlainIdOrNone = Annotated[str | None, PlainValidator(reading.optional(_PLAIN_ID)), _OrBlank]
User = Annotated[str | None, PlainValidator(reading.optional(_USER)), _OrBlank]
Phone = Annotated[
    str | None,
    PlainValidator(
        reading.optional(
            reading.matching(
                r"\+?[0-9]{6,15}",
                "must be a phone number",
                'write digits with the country code, such as "+390211111111"',
            )
        )
    ),
    PlainSerializer(secrecy.ending),
]
Name = Annotated[
    str,
    PlainValidator(
        reading.matching(r"\S(.{0,98}\S)?", "must be a name of 1 to 100 characters", 'write a name such as "Support"')
    ),
]
Parameter = Annotated[
    str,
    PlainValidator(
        reading.matching(
            r"[A-Za-z][0-9A-Za-z_]{0,31}", "must be the name of a query parameter", 'write a name such as "token"'
        )
    ),
]

_ASecret: TypeAlias = Annotated[SecretStr, PlainValidator(secrecy.secret())]
_AKey: TypeAlias = Annotated[SecretStr, PlainValidator(secrecy.secret(secrecy.SHORTEST_KEY))]
_Stars = PlainSerializer(secrecy.write)
Secret = Annotated[SecretStr | None, PlainValidator(reading.optional(secrecy.secret())), _Stars, secrecy.Hidden()]
Key = Annotated[
    SecretStr | None,
    PlainValidator(reading.optional(secrecy.secret(secrecy.SHORTEST_KEY))),
    _Stars,
    secrecy.Hidden(),
]
_AllStars = PlainSerializer(secrecy.write_all)
Secrets = Annotated[tuple[_ASecret, ...], BeforeValidator(reading.sequence), _AllStars, secrecy.Hidden(many=True)]
Keys = Annotated[tuple[_AKey, ...], BeforeValidator(reading.sequence), _AllStars, secrecy.Hidden(many=True)]

Region = Annotated[Literal["eu", "us"], PlainValidator(reading.choice("eu", "us"))]
Unsigned = Annotated[Literal["refuse", "allow"], PlainValidator(reading.choice("refuse", "allow"))]
ForeignMedia = Annotated[Literal["pass", "refuse"], PlainValidator(reading.choice("pass", "refuse"))]
Channels = Annotated[
    tuple[Annotated[Literal["WHATSAPP", "INSTAGRAM"], PlainValidator(reading.choice("WHATSAPP", "INSTAGRAM"))], ...],
    BeforeValidator(reading.filled),
    PlainSerializer(list),
]
Profile = Annotated[
    Literal["xcally-observed", "meta-cloud", "strict"],
    PlainValidator(reading.choice("xcally-observed", "meta-cloud", "strict")),
]
SpoolUrl = Annotated[
    Literal["sqlite"], PlainValidator(reading.choice("sqlite", later="; PostgreSQL comes with a later release"))
]

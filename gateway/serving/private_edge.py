"""What nginx is told of the private door: where it listens, by which names, and what nginx itself refuses there."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config import Settings
from gateway.config.listeners import SINCH_NAMES, SINCH_NAMES_PORT
from gateway.config.tables import ServerSettings
from gateway.doors import MOST_CALL_BYTES
from gateway.outbound.allowed import PREPARING_SECONDS
from gateway.outbound.refusals import Refused
from gateway.sinch import TOKEN_PATH, TOTAL_SECONDS

ROOM_SECONDS = 5  # for all else that a call takes

# What nginx itself refuses, and how a client of Sinch's hears it: in Sinch's form, and never as "not found".
REFUSED_AS = {
    "REQUEST_MALFORMED": (400, 405, 411, 412, 414, 416, 417, 431, 494, 495, 496, 497, 501, 505),
    "CLIENT_NOT_ALLOWED": (403,),
    "PATH_NOT_ALLOWED": (404,),
    "BODY_TOO_LARGE": (413,),
    "HOST_NOT_ALLOWED": (421,),
    "TOO_MANY_CONNECTIONS": (429,),
}
# Where the door gave no answer. What was handed to it may have gone on to Sinch.
UNANSWERED = (500, 502, 503, 504, 507)
NOT_ASKED, SEND_UNANSWERED, CHANGE_UNANSWERED = "GATEWAY_UNAVAILABLE", "SEND_FATE_UNKNOWN", "CALL_FATE_UNKNOWN"
READ_UNANSWERED = "SINCH_TIMED_OUT"


@dataclass(frozen=True, kw_only=True)
class Named:
    """Those who call by one of `names` reach the door with `before` in front of their path, or by `path` alone."""

    names: tuple[str, ...]
    before: str = ""
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class Listener:
    """An address and port, as nginx listens, and who is served there."""

    listen: str
    served: tuple[Named, ...]


def facts(settings: Settings) -> dict[str, object]:
    """What the templates need; without listeners where the door is off."""
    server = settings.server
    return {
        "listeners": listeners(server) if server.has_outbound else (),
        "address": server.outbound_address,
        "clients": server.outbound_clients,
        "certificate": server.outbound_certificate or server.certificate,
        "private_key": server.outbound_private_key or server.private_key,
        "most_bytes": MOST_CALL_BYTES,
        # A message is prepared by then or does not leave, and then Sinch has its time.
        "answers_within": int(PREPARING_SECONDS + settings.motion.timeout + TOTAL_SECONDS + ROOM_SECONDS),
        "refused_as": REFUSED_AS,
        "unanswered": UNANSWERED,
        "not_asked": NOT_ASKED,
        "send_unanswered": SEND_UNANSWERED,
        "change_unanswered": CHANGE_UNANSWERED,
        "read_unanswered": READ_UNANSWERED,
        "refusals": refusals(),
    }


def listeners(server: ServerSettings) -> tuple[Listener, ...]:
    """The listeners of the door; on one port both forms share one."""
    own = dict.fromkeys((server.outbound_address, *server.outbound_names))
    places = {server.outbound_port: (Named(names=tuple(own)),)}
    if server.sinch_names:
        places[SINCH_NAMES_PORT] = (*places.get(SINCH_NAMES_PORT, ()), *_sinch())
    return tuple(Listener(listen=f"{server.outbound_address}:{port}", served=served) for port, served in places.items())


def refusals() -> tuple[Refused, ...]:
    """Those that nginx gives, each with its words."""
    codes = (*REFUSED_AS, NOT_ASKED, SEND_UNANSWERED, CHANGE_UNANSWERED, READ_UNANSWERED)
    return tuple(Refused(code, most=MOST_CALL_BYTES) for code in codes)


def _sinch() -> tuple[Named, ...]:
    regions = (Named(names=(SINCH_NAMES[region],), before=f"/{region}") for region in ("eu", "us"))
    return (*regions, Named(names=(SINCH_NAMES["auth"],), path=TOKEN_PATH))

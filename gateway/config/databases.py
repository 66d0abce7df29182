"""Reads where the spool is: in a file of this machine, or in a PostgreSQL, by the URL that its own programs take.

What may stand behind the question mark says how to reach it; the rest of libpq's parameters is ours to say.
Source: postgresql.org/docs/current/libpq-connect.html.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from gateway.config import addresses
from gateway.config.fields import malformed, text

FILE = "sqlite"
PARAMETERS = frozenset(
    {
        "application_name",
        "channel_binding",
        "connect_timeout",
        "gssencmode",
        "host",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "port",
        "require_auth",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslnegotiation",
        "sslrootcert",
        "tcp_user_timeout",
    }
)

_HOST = r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z_.-]{1,253})(?::[0-9]{1,5})?"
_SERVER = re.compile(
    rf"postgres(?:ql)?://(?:(?P<user>[^/?#@:]+)(?P<password>:[^/?#@]*)?@)?(?P<hosts>{_HOST}(?:,{_HOST})*)?"
    r"/(?P<database>[0-9A-Za-z_.%-]{1,63})(?:\?(?P<query>[!-~]*))?"
)
_PARAMETER = re.compile(r"([a-z_]+)=([0-9A-Za-z_.,:/%@+-]+)")
_REMEDY = 'write "sqlite", or the URL of a PostgreSQL such as "postgresql://gateway@db.internal/gateway"'
_OWN_FILE = "write it into a file of its own, and the file's path as spool.password_file"


def read(value: object) -> str:
    """Read `sqlite`, or the URL of a PostgreSQL, of which there may be several: a user, hosts, the database."""
    written = text(value, remedy=_REMEDY)
    found = _SERVER.fullmatch(written)
    if written != FILE and not found:
        raise malformed('must be "sqlite" or the URL of a PostgreSQL, with the name of a database', _REMEDY)
    if found and found["password"] is not None:
        raise malformed("must hold no password", _OWN_FILE)
    for parameter in filter(None, (found["query"] or "").split("&") if found else ()):
        _require_known(parameter)
    return written


def is_shared(valid_url: str) -> bool:
    """Tell whether several nodes may work with it: not with a file."""
    return valid_url != FILE


def vault(valid_url: str, *, node: str) -> str:
    """Name the vault among those that one spool knows: after its node, and by nothing where no other node has one."""
    return node if is_shared(valid_url) else ""


def hosts(valid_url: str) -> tuple[str, ...]:
    """List the hosts that are reached by a network: none of a file, or where a socket of this machine leads there."""
    return tuple(host for host in _named(valid_url) if not host.startswith("/") and not addresses.is_loopback(host))


def is_of_several(valid_url: str) -> bool:
    """Tell whether it names several servers, of which one is the primary."""
    return len(_named(valid_url)) > 1


def proves_server(valid_url: str) -> bool:
    """Tell whether nobody could stand in between: libpq looks whose certificate it is with one mode alone."""
    return _asked(valid_url).get("sslmode") == "verify-full"


def _named(valid_url: str) -> list[str]:
    """List the hosts, or folders of sockets, wherever in the URL they stand."""
    found = _SERVER.fullmatch(valid_url)
    named = ((found["hosts"] or "") if found else "").split(",")
    listed = [re.sub(r":[0-9]{1,5}$", "", host) for host in named] + _asked(valid_url).get("host", "").split(",")
    return [host for host in listed if host]


def _asked(valid_url: str) -> dict[str, str]:
    return {name: unquote(value) for name, value in _PARAMETER.findall(valid_url.partition("?")[2])}


def _require_known(parameter: str) -> None:
    known = _PARAMETER.fullmatch(parameter)
    if not known:
        raise malformed("must hold parameters as name=value, with & between", _REMEDY)
    if known[1] in ("password", "passfile"):
        raise malformed("must hold no password", _OWN_FILE)
    if known[1] not in PARAMETERS:
        raise malformed(
            "must hold no parameter but those that say how to reach the server",
            f"leave the others out; known are {', '.join(sorted(PARAMETERS))}",
        )

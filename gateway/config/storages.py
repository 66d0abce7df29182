"""Reads where limits are counted, writes it without what may be secret, and says it as the client of Redis hears it.

A Valkey speaks the protocol of Redis; its own client would be one more to install.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

from gateway.config.fields import malformed, text

MEMORY = "memory://"

_WORD = r"(?P<scheme>(?:redis|valkey)(?P<tls>s?)(?P<kind>\+sentinel|\+cluster)?)"
_STORAGE = re.compile(_WORD + r"://(?P<userinfo>[!-~]*@)?(?P<place>[0-9A-Za-z_.:\[\],/-]+)(?:\?(?P<query>[!-~]*))?")
# Several hosts, names and addresses of one family: the client's own reader of URLs takes no others together.
_HOSTS = re.compile(
    r"(?P<hosts>[0-9A-Za-z_.-]+(?::[0-9]{1,5})?(?:,[0-9A-Za-z_.-]+(?::[0-9]{1,5})?)*"
    r"|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?(?:,\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?)*)(?:/(?P<service>[0-9A-Za-z_.-]+))?"
)
_PORT = re.compile(r":[0-9]{1,5}$")
_PORTS = {"+sentinel": 26379, "+cluster": 6379}
_ASKED = {"ssl_ca_certs", "sentinel_username", "sentinel_password"}  # what may follow a ? where there are several hosts

_REMEDY = (
    'write "memory://", the address of a Redis or Valkey such as "redis://127.0.0.1:6379", '
    'or of several such as "redis+sentinel://192.0.2.1,192.0.2.2/mymaster" or "redis+cluster://192.0.2.1,192.0.2.2"'
)


def read(value: object) -> str:
    """Read `memory://`, or a Redis or Valkey, perhaps with a password: one, one that Sentinels name, or a cluster."""
    written = text(value, remedy=_REMEDY)
    found = _STORAGE.fullmatch(written)
    if written != MEMORY and not found:
        raise malformed("must be memory://, or redis://, rediss://, valkey:// or one of their kinds", _REMEDY)
    if found and found["kind"]:
        _require_several(found)
    elif found and "," in found["place"]:
        raise malformed("must name one host, or be of the kind +sentinel or +cluster", _REMEDY)
    return written


def write(valid_storage: str) -> str:
    """Write a storage without its user, password and query."""
    found = _STORAGE.fullmatch(valid_storage)
    return f"{found['scheme']}://{'***@' if found['userinfo'] else ''}{found['place']}" if found else MEMORY


def heard(valid_storage: str) -> tuple[str, dict[str, object]]:
    """Say it as `limits` and the client of Redis hear it: a URL, and what it does not read in one of several hosts."""
    found = _STORAGE.fullmatch(valid_storage)
    if not found or not found["kind"]:
        return re.sub("^valkey", "redis", valid_storage), {}
    hosts = _HOSTS.fullmatch(found["place"])
    port = _PORTS[found["kind"]]
    places = [host if _PORT.search(host) else f"{host}:{port}" for host in (hosts["hosts"] if hosts else "").split(",")]
    service = f"/{hosts['service']}" if hosts and hosts["service"] else ""
    return f"redis{found['kind']}://{','.join(places)}{service}", _options(found)


def _options(found: re.Match[str]) -> dict[str, object]:
    asked = dict(parse_qsl(found["query"] or ""))
    user, _, password = (found["userinfo"] or "").removesuffix("@").partition(":")
    tls: dict[str, object] = {}
    if found["tls"]:
        tls = {"ssl": True} | {key: value for key, value in asked.items() if key.startswith("ssl_")}
    options = {"username": unquote(user) or None, "password": unquote(password) or None} | tls
    if found["kind"] == "+sentinel":  # whose password is another than that of the Redis it names, or none
        theirs = {key: asked.get(f"sentinel_{key}") for key in ("username", "password")}
        options |= {"sentinel_kwargs": theirs | tls, "use_replicas": False}  # what those have may be old
    return options


def _require_several(found: Mapping[str, str | None] | re.Match[str]) -> None:
    hosts = _HOSTS.fullmatch(found["place"] or "")
    if not hosts:
        raise malformed("must name hosts with commas between, IPv6 addresses apart from all others", _REMEDY)
    if (found["kind"] == "+sentinel") != bool(hosts["service"]):
        raise malformed("must end with / and the name that the Sentinels have for it, and a cluster without", _REMEDY)
    unknown = {key for key, _ in parse_qsl(found["query"] or "", keep_blank_values=True)} - _ASKED
    if unknown:
        raise malformed(f"must have nothing behind the ? but {', '.join(sorted(_ASKED))}", _REMEDY)

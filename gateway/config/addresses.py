"""Reads where things are: URLs, IP addresses, networks, files and the paths of links."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from gateway.config.fields import malformed, text

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_SOCKET_PATH_BYTES = 107  # sun_path of Linux has 108 bytes, the last of them zero
LONGEST_SOCKET = "run/attachments.sock"
TAKEN_PATHS = ("/media/", "/api/whatsapp/accounts/", "/.well-known/acme-challenge/")

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z_.-]{1,253})"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[0-9A-Za-z._~%-]*)*)"
)
_HOOK = re.compile(r"(?P<origin>https?://[^/?#@\s]+)(?P<target>/[!-\"$-~]*)?")
_LABEL = re.compile(r"[0-9A-Za-z_]([0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?")
_NETWORK = re.compile(r"[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?")
_FILE = re.compile(r"/[^\s\"'\\$;{}#]*")  # what nginx and systemd would read as more than a name is left out
_LINK_PATH = re.compile(r"(/[0-9A-Za-z._~{}-]+)+")

_URL_REMEDY = "write scheme, host and perhaps a port, such as https://{}.example.com"
_ADDRESS_REMEDY = 'write an IP address such as "192.0.2.10" or "[2001:db8::10]"'
_HOST_NAME_REMEDY = 'write a host name such as "gateway.internal"'
_NETWORK_REMEDY = 'write an address or a network such as "192.0.2.10" or "10.20.0.0/16"'
_FILE_REMEDY = "write the whole path, beginning with /"
_LINK_REMEDY = 'write a path that holds {id} once, such as "/api/attachments/{id}/download"'
_PUBLIC_PATH_REMEDY = 'write the path of Motion\'s links, such as "/api/attachments/{id}/download"'
_HOOK_REMEDY = 'write one such as "https://hooks.example.com/services/…"'
_PROXY_REMEDY = "write http://proxy.example.com:3128; its user and password are proxy_username and proxy_password_file"


def url(name: str) -> Callable[[object], str]:
    """Make a reader of http and https URLs of a host alone; no slash at the end.

    `name` is the host of the example in the remedy.
    """
    remedy = _URL_REMEDY.format(name)

    def read(value: object) -> str:
        found = _URL.fullmatch(text(value, remedy=remedy))
        if not found:
            raise malformed("must be an http or https URL without user, password, query and fragment", remedy)
        _host(found["host"], remedy=remedy)
        if found["port"] and not 1 <= int(found["port"]) <= 65535:
            raise malformed("must have a port between 1 and 65535", remedy)
        if found["path"].rstrip("/"):
            raise malformed("must have no path", remedy)
        return found[0].rstrip("/")

    return read


def public_url(value: object) -> str:
    """Read an https URL of a host alone: what Sinch and phones use."""
    found = url("gateway")(value)
    if _parts(found)["scheme"] != "https":
        raise malformed("must begin with https://", "write https:// and the public host name")
    return found


def hook(value: object) -> str:
    """Read an http or https URL with path and query: where somebody waits to be told."""
    found = _HOOK.fullmatch(text(value, remedy=_HOOK_REMEDY))
    if not found:
        raise malformed("must be an http or https URL without user and fragment", _HOOK_REMEDY)
    url("hooks")(found["origin"])
    return found[0]


def split(valid_url: str) -> tuple[str, str]:
    """Take origin and target, which begins with a slash, out of a URL that `hook` has read."""
    found = _HOOK.fullmatch(valid_url)
    return (found["origin"], found["target"] or "/") if found else (valid_url, "/")


def proxy(value: object) -> str:
    """Read the http URL of a proxy, with its port; who asks it stands elsewhere."""
    if isinstance(value, str) and "@" in value:
        raise malformed("must hold no user and password", _PROXY_REMEDY)
    found = url("proxy")(value)
    if _parts(found)["scheme"] != "http" or not _parts(found)["port"]:
        raise malformed("must begin with http:// and end with a port", _PROXY_REMEDY)
    return found


def host(valid_url: str) -> str:
    """Take the lower-case host out of a URL that was read here; IPv6 in brackets."""
    return _parts(valid_url)["host"].lower()


def port(valid_url: str) -> int:
    """Take the port of a URL that was read here, written or implied by its scheme."""
    parts = _parts(valid_url)
    return int(parts["port"] or {"http": 80, "https": 443}[parts["scheme"]])


def is_loopback(host_or_address: str) -> bool:
    """Tell whether an address never leaves this machine; `localhost` is one."""
    bare = host_or_address.strip("[]")
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def address(value: object) -> str:
    """Read an IP address into its canonical spelling, IPv6 in brackets: what nginx takes in `listen`."""
    written = text(value, remedy=_ADDRESS_REMEDY)
    bare = written[1:-1] if written.startswith("[") and written.endswith("]") else written
    found = _address(bare)
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        raise malformed("must not be an IPv4 address in IPv6 spelling", f'write "{found.ipv4_mapped}"')
    return f"[{found}]"


def receive_path(connector: object) -> str:
    """Say the path of Motion's Receive URL, at the gateway and at Motion alike."""
    return f"/api/whatsapp/accounts/{connector}/notify"


def reached(valid_address: str) -> str:
    """Say where to find from here what listens on an address that was read here: on a wildcard, at loopback."""
    return "127.0.0.1" if ipaddress.ip_address(valid_address.strip("[]")).is_unspecified else valid_address


def host_name(value: object) -> str:
    """Read a host name into lower case; no address."""
    written = text(value, remedy=_HOST_NAME_REMEDY).lower()
    labels = written.split(".")
    if labels[-1].isdigit() or len(written) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise malformed("must be a host name, without scheme and port, and not an address", _HOST_NAME_REMEDY)
    return written


def network(value: object) -> Network:
    """Read a network; a bare address is the network of that address alone."""
    written = text(value, remedy=_NETWORK_REMEDY)
    if not _NETWORK.fullmatch(written):
        raise malformed("must be an IP address or a network", _NETWORK_REMEDY)
    try:
        found = ipaddress.ip_network(written, strict=False)
    except ValueError:
        # Without the cause: its text repeats the value.
        raise malformed("must be an IP address or a network", _NETWORK_REMEDY) from None
    if "/" in written and found.network_address != ipaddress.ip_address(written.split("/")[0]):
        raise malformed("has bits set beyond its prefix", f'write "{found}", or the bare address')
    return found


def file(value: object) -> Path:
    """Read an absolute path that nginx and systemd read as nothing but a path."""
    written = text(value, remedy=_FILE_REMEDY)
    if not written.startswith("/"):
        raise malformed("must be an absolute path", _FILE_REMEDY)
    if not _FILE.fullmatch(written) or ".." in written.split("/"):
        raise malformed("must be a path without blanks, quotes, .. and any of \\ $ ; # { }", _FILE_REMEDY)
    return Path(written)


def state_dir(value: object) -> Path:
    """Read a directory that is short enough for the Unix sockets below it."""
    found = file(value)
    room = LONGEST_SOCKET_PATH_BYTES - len(f"/{LONGEST_SOCKET}")
    if len(os.fsencode(found)) > room:
        raise malformed(
            f"must have at most {room} bytes, or the sockets below it cannot be opened",
            "write a shorter path such as /var/lib/motion-gateway",
        )
    return found


def link_path(value: object) -> str:
    """Read the path of a link, with `{id}` where the attachment's number stands."""
    written = text(value, remedy=_LINK_REMEDY)
    frame = written.replace("{id}", "", 1)
    if not _LINK_PATH.fullmatch(written) or frame == written or "{" in frame or "}" in frame:
        raise malformed("must begin with / and hold {id} exactly once", _LINK_REMEDY)
    if {".", ".."} & set(written.split("/")):
        raise malformed("must not hold . or .. between slashes", _LINK_REMEDY)
    return written


def public_path(value: object) -> str:
    """Read the path of links at the public door: no path that the gateway uses itself."""
    found = link_path(value)
    taken = next((prefix for prefix in TAKEN_PATHS if found.startswith(prefix)), None)
    if taken:
        raise malformed(f"must not begin with {taken}, which the gateway uses itself", _PUBLIC_PATH_REMEDY)
    return found


def bucket(valid_store: str) -> tuple[str, str]:
    """Take the bucket out of an address of a store, and what the names of all objects in it begin with: empty, or with
    a slash at its end.
    """
    found, _, prefix = valid_store.removeprefix("s3://").partition("/")
    return found, f"{prefix}/" if prefix else ""


def store_origin(url: str | None, *, region: str, bucket: str) -> str:
    """Say where a store is reached: at Amazon's of that region where no other is named; `bucket`: by its own name."""
    scheme, _, host = (url or f"https://s3.{region}.amazonaws.com").partition("://")
    return f"{scheme}://{bucket}.{host}" if bucket else f"{scheme}://{host}"


def _parts(valid_url: str) -> dict[str, str]:
    found = _URL.fullmatch(valid_url)
    if not found:
        raise malformed("must be a URL that was read before", "")
    return found.groupdict(default="")


def _host(written: str, *, remedy: str) -> None:
    """Prove that `written` is a host name or an IP address; one that ends in a number is an address."""
    labels = written.split(".")
    if written.startswith("["):
        _address(written[1:-1])
    elif labels[-1].isdigit():
        _address(written)
    elif not all(_LABEL.fullmatch(label) for label in labels):
        raise malformed("must have a valid host name", remedy)


def _address(bare: str) -> Address:
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        # Without the cause: its text repeats the value.
        raise malformed("must hold a valid IP address", _ADDRESS_REMEDY) from None
    if getattr(found, "scope_id", None):
        raise malformed("must be an IP address without a zone", _ADDRESS_REMEDY)
    return found

"""What this machine lets us listen on."""

from __future__ import annotations

import socket
from pathlib import Path

from gateway.config.tables import ServerSettings

EVERY_ADDRESS = "[::]"
_IPV6_ADDRESSES = Path("/proc/self/net/if_inet6")  # the units hide /proc/net


def listen(address: str, port: int) -> tuple[str, ...]:
    """Write the address parts of the `listen` directives of one listener.

    Every address is two sockets: on one for both, nginx would tell IPv4 clients as ::ffff:192.0.2.1. Where the machine
    has no IPv6 it is the one of IPv4.
    """
    literal = address if ":" not in address or address.startswith("[") else f"[{address}]"
    if literal != EVERY_ADDRESS:
        return (f"{literal}:{port}",)
    return (*([f"[::]:{port}"] if has_ipv6() else ()), f"0.0.0.0:{port}")


def ipv4_alone(server: ServerSettings) -> tuple[str, ...]:
    """List the settings that say every address, where the machine has those of IPv4 alone."""
    said = [key for key in ("public_address", "ops_address") if getattr(server, key) == EVERY_ADDRESS]
    return tuple(f"server.{key}" for key in said if not has_ipv6())


def has_ipv6() -> bool:
    """Tell whether there is IPv6: the kernel may be without it, a sysctl may have taken its addresses away."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
        return bool(_IPV6_ADDRESSES.read_bytes())
    except OSError:
        return False

"""What this machine lets us listen on, and who does so already."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway import paths
from gateway.config import Settings, listeners, tables
from gateway.config.problems import Problem

EVERY_ADDRESS = "[::]"
UNIT = "motion-gateway-nginx.service"  # it gives nginx the right to open low ports
UNIT_FOLDERS = tuple(map(Path, ("/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")))
_LISTENING = "0A"  # of the kernel's tables: TCP_LISTEN
_PROC = Path("/proc")
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


def ipv4_alone(server: tables.ServerSettings) -> tuple[str, ...]:
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


@dataclass(frozen=True)
class Holder:
    """Who listens: the number of the account, and the process, where we may see whose it is."""

    user: int
    pid: int | None = None

    @property
    def name(self) -> str:
        """The name of its program; "" where that is not known."""
        with suppress(OSError):
            return (_PROC / str(self.pid) / "comm").read_text("utf-8", "replace").strip()
        return ""


def refusal(place: str) -> int:
    """Say with which error number the system would keep us from listening at `place`, as `listen` writes it; 0: not."""
    host, _, port = place.rpartition(":")
    try:
        with socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as nginx does
            if probe.family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((host.strip("[]"), int(port)))
    except OSError as error:
        return error.errno or 0
    return 0


def holder(place: str) -> Holder | None:
    """Find who listens at `place`, or where that is included."""
    host, _, port = place.rpartition(":")
    for at, number, account, inode in _listening():
        if number == int(port) and listeners.overlap(host, at):
            return Holder(account, _owner(Path(f"socket:[{inode}]")))
    return None


def in_the_way(settings: Settings) -> Iterator[Problem]:
    """Try every address and port of nginx's, as it would, and say what keeps us from it, once for each listener."""
    for endpoint in listeners.opened(settings.server):
        places = listen(getattr(settings.server, endpoint.address), endpoint.port(settings.server))
        yield from [problem for place in places if (problem := _obstacle(settings, endpoint, place))][:1]


def _obstacle(settings: Settings, endpoint: listeners.Endpoint, place: str) -> Problem | None:
    """What keeps us from listening at `place`; nothing where it is our own nginx that does."""
    key, shown = endpoint.key, "true" if endpoint.key == "server.sinch_names" else place.rpartition(":")[2]
    if found := holder(place):
        ours = is_ours(settings, found, place, running=dict(_masters()))
        return None if ours else Problem(key, *_held(found, place), shown)
    number, address = refusal(place), f'"{getattr(settings.server, endpoint.address)}"'
    if number in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        complaint = (
            "is no address of this machine" if number == errno.EADDRNOTAVAIL else "needs IPv6, which is not here"
        )
        return Problem(f"server.{endpoint.address}", complaint, "write one of those that `ip address` lists", address)
    if number == errno.EACCES and not any((folder / UNIT).exists() for folder in UNIT_FOLDERS):
        complaint = f"is a port that {paths.whoami()}, as whom this runs, may not open"
        return Problem(
            key, complaint, "start it with that right, as docs/deployment.md says, or write a port from 1024 on", shown
        )
    if number not in (0, errno.EACCES):
        return Problem(key, f"cannot be opened: {os.strerror(number)}", "write another port", shown)
    return None


def _held(found: Holder, place: str) -> tuple[str, str]:
    """Complaint and remedy where another program listens."""
    who, port = paths.account(found.user)[0], place.rpartition(":")[2]
    if not found.name:
        which = f"`sudo ss -ltnp 'sport = :{port}'` tells which; stop that, or write another port"
        return f"is held at {place} by a program of {who}", which
    stop = (
        "`sudo systemctl disable --now nginx` where it serves nothing of yours" if found.name == "nginx" else "stop it"
    )
    return f"is held at {place} by {found.name} (pid {found.pid}, of {who})", f"{stop}, or write another port"


def is_ours(settings: Settings, found: Holder, place: str, *, running: Mapping[int, bytes]) -> bool:
    """Tell whether it is the nginx that runs here, or one that includes our servers.

    `running`: every nginx that we may see, by its process, with the words with which it was started.
    """
    if paths.edge_log(settings).exists() and found.name in ("nginx", ""):
        return True
    configuration = paths.nginx_conf(settings)
    with suppress(OSError):
        # There may be others of that name: a container has its own folder of the same path.
        masters = [pid for pid, words in running.items() if b" -c %b " % os.fsencode(configuration) in words]
        if masters and found.pid is not None:
            return os.getpgid(found.pid) in map(os.getpgid, masters)
        # We may not see whose it is; nor, in a unit (ProtectProc=invisible), an nginx that may open low ports.
        if masters or (not running and found == Holder(os.geteuid())):
            return f" {place} " in configuration.read_text("utf-8").replace(";", " ")
    return False


def _masters() -> Iterator[tuple[int, bytes]]:
    """Every nginx that runs, of those that we may see: its process, and the words with which it was started."""
    for line in _PROC.glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = line.read_bytes().replace(b"\0", b" ") + b" "
            if words.startswith(b"nginx: master "):
                yield int(line.parent.name), words


def _listening() -> Iterator[tuple[str, int, int, str]]:
    """Address and port of every listener, its account and its inode."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for row in map(str.split, (_PROC / "self/net" / table).read_text().splitlines()[1:]):
                address, _, port = row[1].partition(":")
                if row[3] == _LISTENING:
                    yield _address(bytes.fromhex(address)), int(port, 16), int(row[7]), row[9]


def _address(words: bytes) -> str:
    """Write an address of the kernel's tables: words of four bytes, each the other way round."""
    told = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    family = socket.AF_INET if len(told) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, told)


def _owner(link: Path) -> int | None:
    """The process that has it open, of those into which we may look."""
    for folder in _PROC.glob("[0-9]*/fd"):
        with suppress(OSError):
            if any(entry.readlink() == link for entry in folder.iterdir()):
                return int(folder.parent.name)
    return None

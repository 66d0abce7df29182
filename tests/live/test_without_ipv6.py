"""A machine without IPv6: the default, every address, is every address that it has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.house import House, opened

CALL = "import os, sys; from tests.live import confined; confined.without_ipv6(); os.execvp(sys.argv[1], sys.argv[1:])"
KERNEL = (sys.executable, "-c", CALL)
# One of its own: there is nothing on it yet. Root needs no namespace of users for that, which a chroot would refuse.
NETWORK = ("unshare", *(() if os.geteuid() == 0 else ("--map-root-user",)), "--net", "--")
SYSCTL = (*NETWORK, "sh", "-c", 'ip link set lo up; echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; exec "$@"', "-")
EVERYWHERE = {"public_address": "[::]", "ops_address": "[::]", "http_port": 8080}
OPS = {"username": "op", "password": "the password of the office"}

own_network = pytest.mark.skipif(
    subprocess.run([*NETWORK, "true"], capture_output=True).returncode != 0,
    reason="this machine lets no ordinary user make a network: a container or a chroot",
)


def listens(house: House) -> list[str]:
    """Where nginx would listen, of each kind of listener."""
    house.command("nginx", "render", "--to", str(house.folder))
    text = Path(house.folder / "nginx.conf").read_text()
    return sorted(set(re.findall(r"^ *listen (\S+?)[ ;]", text, re.MULTILINE)))


def test_a_kernel_without_ipv6_gets_a_gateway_on_ipv4_that_says_so() -> None:
    with opened(started=False, server={"public_address": "[::]"}) as house:
        house.around = KERNEL
        house.start()
        assert house.ask("/").status == 404
        [line] = house.decisions("serve", event="listening on IPv4 alone")
        assert line["settings"] == ["server.public_address"]


@pytest.mark.parametrize(
    ("around", "families"),
    [
        pytest.param((), {"0.0.0.0", "[::]"}, id="IPv6"),
        pytest.param(KERNEL, {"0.0.0.0"}, id="the kernel has none"),
        pytest.param(SYSCTL, {"0.0.0.0"}, id="a sysctl took it", marks=own_network),
        pytest.param(NETWORK, {"0.0.0.0"}, id="no address, not even ::1", marks=own_network),
    ],
)
def test_every_listener_takes_the_addresses_that_there_are(around: tuple[str, ...], families: set[str]) -> None:
    with opened(started=False, server=EVERYWHERE, ops=OPS) as house:
        house.write_settings()
        house.around = around
        found = listens(house)
        assert {address.rpartition(":")[0] for address in found} == families
        assert {address.rpartition(":")[2] for address in found} == {
            "8080",
            str(house.public_port),
            str(house.ops_port),
        }

"""What a machine lets us listen on, with IPv6 and without."""

from __future__ import annotations

import pytest

from gateway.serving import ports

LISTEN = {
    "IPv4": (("192.0.2.1", 443), ("192.0.2.1:443",)),
    "every IPv4": (("0.0.0.0", 80), ("0.0.0.0:80",)),
    "IPv6": (("[2001:db8::1]", 443), ("[2001:db8::1]:443",)),
    "IPv6 without brackets": (("2001:db8::1", 443), ("[2001:db8::1]:443",)),
    "every address": (("[::]", 443), ("[::]:443", "0.0.0.0:443")),
    "every address, without brackets": (("::", 443), ("[::]:443", "0.0.0.0:443")),
    "IPv6 loopback": (("::1", 9443), ("[::1]:9443",)),
}


@pytest.mark.parametrize(("place", "written"), LISTEN.values(), ids=LISTEN)
def test_listen_is(place: tuple[str, int], written: tuple[str, ...]) -> None:
    assert ports.listen(*place) == written

"""What a machine lets us listen on, with IPv6 and without."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import config, paths
from gateway.config import listeners
from gateway.serving import ports
from gateway.serving.ports import Holder

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


HOLDERS: dict[str, tuple[int, dict[int, bytes], bool]] = {
    "ours, which may open low ports, and nobody else's": (os.geteuid(), {}, True),
    "ours, but there is an nginx that we do see": (
        os.geteuid(),
        {1: b"nginx: master process nginx -c /other "},
        False,
    ),
    "another account's": (os.geteuid() + 1, {}, False),
}


@pytest.mark.parametrize(("user", "running", "fine"), HOLDERS.values(), ids=HOLDERS)
def test_an_nginx_that_a_unit_may_not_see_is_ours_by_its_account_and_by_our_configuration(
    user: int, running: dict[int, bytes], settings_file: Callable[..., Path], *, fine: bool
) -> None:
    settings = config.load(settings_file(), {})
    server, written = settings.server, paths.nginx_conf(settings)
    places = [
        place
        for endpoint in listeners.opened(server)
        for place in ports.listen(getattr(server, endpoint.address), endpoint.port(server))
    ]

    def ours() -> set[bool]:
        return {ports.is_ours(settings, Holder(user), place, running=running) for place in places}

    assert ours() == {False}  # nothing was ever started here
    written.parent.mkdir(parents=True)
    written.write_text("".join(f"listen {place};\n" for place in places))
    assert ours() == {fine}


def test_our_nginx_is_ours_beside_another_whose_folder_has_the_same_path(settings_file: Callable[..., Path]) -> None:
    settings = config.load(settings_file(), {})
    words = f"nginx: master process /usr/sbin/nginx -c {paths.nginx_conf(settings)} ".encode()
    another, ours = 1, os.getpid()  # a container's, which this machine sees, too
    running = {another: words, ours: words}
    assert ports.is_ours(settings, Holder(os.geteuid(), ours), "0.0.0.0:443", running=running)
    assert not ports.is_ours(settings, Holder(os.geteuid(), ours), "0.0.0.0:443", running={another: words})

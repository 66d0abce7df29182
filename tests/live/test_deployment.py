"""What docs/deployment.md shows, tried: an nginx of the operator's own in front of the gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from gateway import paths
from sandbox import callbacks
from sandbox.child import Child
from sandbox.listener import reserve
from tests.live.house import HOST, House, opened
from tests.units import ROOT

FRONT = "127.0.0.9"  # another address than the client's, or nobody could tell them apart


def front(house: House, port: int) -> str:
    """The page's server, with this house's names and ports, as a whole configuration."""
    page = (ROOT / "docs/deployment.md").read_text("utf-8")
    [server] = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)
    for shown, ours in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "gateway.example.com": HOST,
        "127.0.0.1:8443": f"127.0.0.1:{house.public_port}",
        "https://motion.internal": house.motion.url,
        "/etc/nginx/tls/fullchain.pem": house.tables["server"]["certificate"],
        "/etc/nginx/tls/privkey.pem": house.tables["server"]["private_key"],
        "/etc/ssl/certs/ca-certificates.crt": str(house.folder / "ca.pem"),
    }.items():
        assert shown in server
        server = server.replace(shown, ours)
    temporary = "\n".join(
        f"{kind}_temp_path {house.folder}/front-{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    http = f"http {{\nproxy_bind {FRONT};\n{temporary}\n{server}\n}}\n"
    return f"daemon off;\npid {house.folder}/front.pid;\nevents {{}}\n{http}"


@pytest.fixture
def house() -> Iterator[House]:
    """A gateway that Sinch reaches by way of another nginx."""
    with opened(started=False, server={"trusted_proxies": [FRONT]}) as house, reserve() as reserved:
        house.start()
        port = reserved.getsockname()[1]
        configuration = house.folder / "front.conf"
        configuration.write_text(front(house, port))
        command = [paths.program("nginx"), "-e", "stderr", "-p", str(house.folder), "-c", str(configuration)]
        house.children.append(Child(command, house.folder / "front.log"))
        house.public_port = port
        house.wait_for(lambda: house.ask("/", method="GET").status == 404)
        yield house


def test_a_callback_passes_the_front_and_its_client_is_known(house: House) -> None:
    assert house.sinch().send(callbacks.text("through the front")).status == 200
    house.motion.wait_for_accepted(1)
    assert house.sinch(secret="another").send(callbacks.text("forged")).status == 401
    assert {line["address"] for line in house.decisions("ingress", event="ingress")} == {"127.0.0.1"}


def test_who_the_client_is_cannot_be_told_by_the_client(house: House) -> None:
    house.ask("/api/whatsapp/accounts/7/notify", method="POST", headers=(("x-forwarded-for", "192.0.2.77"),))
    [line] = house.wait_for(lambda: house.decisions("ingress", event="ingress"))
    assert line["address"] == "127.0.0.1"


@pytest.mark.parametrize("target", ["/api/users", "/api/openchannel/accounts/4/notify", "/login"])
def test_nothing_else_reaches_motion(house: House, target: str) -> None:
    assert house.ask(target, method="POST").status == 404
    house.motion.assert_nothing_unexpected()

"""The private door as Motion's host meets it: Node.js that trusts `certs private-ca`, and a whole gateway behind it."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.config.listeners import SINCH_NAMES
from sandbox.connection import Request, Route, exchange
from tests.live.house import HOST, PATIENCE_SECONDS, ROOT, House
from tests.live.private_edge import AUTH, EU, MOTION, NAME, PORT, US, Edge, answer, furnished

# What /etc/hosts does on Motion's host, for the names that are told, and a port for those who may not open 443.
HOSTS = """
const dns = require("dns"), net = require("net"), told = JSON.parse(process.env.HOSTS_OF_THE_TEST);
const lookup = dns.lookup, connect = net.Socket.prototype.connect;
dns.lookup = (name, options, done) => {
  const found = told[name];
  if (!found) return lookup(name, options, done);
  return process.nextTick(() => options.all ? done(null, [{ address: found, family: 4 }]) : done(null, found, 4));
};
net.Socket.prototype.connect = function (...given) {
  const options = Array.isArray(given[0]) ? given[0][0] : given[0];
  if (options.port === 443) options.port = Number(process.env.PORT_OF_SINCH);
  return connect.apply(this, given);
};
"""
POST = """
const [url, credentials] = process.argv.slice(1);
fetch(url, { method: "POST", body: JSON.stringify({ text: "ciao" }), headers: {
  "content-type": "application/json", authorization: credentials } })
  .then(async (answer) => console.log(answer.status, await answer.text()))
  .catch((error) => console.log(error.cause.code));
"""


def node(edge: Edge, *arguments: str, trusting: bool = True, known: tuple[str, ...] = (NAME, EU, US, AUTH)) -> str:
    """What Node.js says on Motion's host, where the names of `known` lead to the gateway."""
    hosts = edge.house.folder / "hosts.cjs"
    hosts.write_text(HOSTS)
    told = {
        "HOSTS_OF_THE_TEST": json.dumps(dict.fromkeys(known, edge.address)),
        "PORT_OF_SINCH": str(edge.sinch_port),
        "NODE_OPTIONS": f"--require {hosts}",
        **({"NODE_EXTRA_CA_CERTS": str(edge.ca)} if trusting else {}),
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NODE")} | told
    way: dict[str, Any] = {"env": environment, "timeout": PATIENCE_SECONDS}
    done = subprocess.run(["/usr/bin/node", *arguments], capture_output=True, text=True, **way)
    assert done.stderr == ""
    return done.stdout.strip()


def on_the_page(name: str) -> str:
    """The program that certificates.md shows to try a name with."""
    page = (ROOT / "docs" / "certificates.md").read_text("utf-8")
    [shown] = re.findall(r"^NODE_EXTRA_CA_CERTS=\S+ node -e '(.*)'$", page, re.MULTILINE)
    return str(shown).replace(f"{NAME}:{PORT}", name)


CALLS = {
    "the name": (f"https://{NAME}:{PORT}/eu/v1/projects/p/messages:send", "/eu/v1/projects/p/messages:send"),
    "Sinch in the EU": (f"https://{EU}/v1/projects/p/messages:send", "/eu/v1/projects/p/messages:send"),
    "Sinch in the US": (f"https://{US}/v1/projects/p/messages:send", "/us/v1/projects/p/messages:send"),
    "Sinch's tokens": (f"https://{AUTH}/oauth2/token", "/oauth2/token"),
}


@pytest.mark.parametrize(("url", "target"), CALLS.values(), ids=CALLS)
def test_motion_reaches_the_door_by_every_name(edge: Edge, url: str, target: str) -> None:
    status, _, body = node(edge, "-e", POST, url, "Bearer of-motion").partition(" ")
    told = json.loads(body)
    assert (status, told["target"], told["bytes"]) == ("200", target, len('{"text":"ciao"}'))
    assert ["authorization", "Bearer of-motion"] in told["headers"]


def test_motion_reaches_the_door_by_its_address(edge: Edge) -> None:
    said = node(edge, "-e", POST, f"https://{edge.address}:{PORT}/eu/v1/x", "Basic of-motion")
    assert said.startswith("200 ")


@pytest.mark.parametrize("name", [f"{NAME}:{PORT}", EU, AUTH])
def test_what_the_page_says_to_try_tells_how_it_stands(edge: Edge, name: str) -> None:
    edge.door.reply = answer(403, b"{}", X_Motion_Gateway_Error="PATH_NOT_ALLOWED")
    assert node(edge, "-e", on_the_page(name)) == "403 PATH_NOT_ALLOWED"
    assert node(edge, "-e", on_the_page(name), trusting=False) == "SELF_SIGNED_CERT_IN_CHAIN"


def test_a_name_that_the_certificate_does_not_have_is_told_by_node(edge: Edge) -> None:
    other = "other.internal"
    assert node(edge, "-e", on_the_page(f"{other}:{PORT}"), known=(other,)) == "ERR_TLS_CERT_ALTNAME_INVALID"


def test_a_stranger_hears_so_by_the_same_line(edge: Edge) -> None:
    line = on_the_page(f"{NAME}:{PORT}").replace('/", ', '/", { localAddress: "127.0.0.9" }, ', 1)
    assert node(edge, "-e", line) == "403 CLIENT_NOT_ALLOWED"


def test_the_list_tells_every_way_to_the_door_and_there_is_no_other(edge: Edge) -> None:
    edge.door.reply = answer(200)
    routes = json.loads(edge.house.command("exposure", "--json"))
    listed = {(row["listener"], row["host"]) for row in routes if row["answers"] == "outbound door"}
    assert {row["audience"] for row in routes if row["answers"] == "outbound door"} == {
        "Motion (server.outbound_clients)"
    }
    ways = {(f"{edge.address}:{PORT}", name) for name in (NAME, edge.address)}
    ways |= {(f"{edge.address}:443", name) for name in SINCH_NAMES.values()}
    assert listed == ways - {(f"{edge.address}:443", US)}  # by that name the door is reached, and no account is there
    names = (NAME, edge.address, *SINCH_NAMES.values())
    ports = {edge.port: PORT, edge.sinch_port: 443}
    for (port, told), name, host in itertools.product(ports.items(), names, (*names, HOST, "localhost")):
        route = Route(url=f"https://{name}:{port}/", ca_file=edge.ca, connect_to=(edge.address, port))
        got = exchange(route, Request(method="POST", target="/oauth2/token", host=host))
        should = name == host and (f"{edge.address}:{told}", host) in ways
        assert got.status == (200 if should else 421), (port, name, host)


# A whole gateway.


@pytest.fixture(scope="module")
def private() -> Iterator[House]:
    with furnished() as house:
        house.start()
        yield house


def call(house: House, **request: str) -> tuple[int | None, str | None]:
    """What a call is answered, and the code of a refusal."""
    address = house.tables["server"]["outbound_address"]
    ca = house.folder / "private-ca" / "ca.pem"
    route = Route(url=f"https://{NAME}:{PORT}/", ca_file=ca, connect_to=(address, PORT), source_address=MOTION)
    got = exchange(route, Request(**{"method": "GET", "target": "/eu/v1/x", **request}))  # type: ignore[arg-type]
    return got.status, got.header("x-motion-gateway-error")


def test_a_call_passes_the_edge_and_is_the_doors_to_answer(private: House) -> None:
    assert call(private)[0] in range(200, 500)
    [line] = private.wait_for(lambda: private.decisions("outbound", event="outbound"))
    assert line["address"] == MOTION
    assert call(private, host=HOST) == (421, "HOST_NOT_ALLOWED")
    assert len(private.decisions("outbound", event="outbound")) == 1


def test_readiness_and_the_list_know_of_the_door_and_no_other_port_listens(private: House) -> None:
    assert json.loads(private.ops("/readyz").body)["checks"]["outbound"] == "ok"
    listed = {int(row["listener"].rpartition(":")[2]) for row in json.loads(private.command("exposure", "--json"))}
    assert private.listening_ports() == listed == {private.public_port, private.ops_port, PORT}


def test_a_reload_opens_the_door_and_shuts_it() -> None:
    with furnished(outbound_clients=[]) as house:
        house.start()
        assert PORT not in house.listening_ports()
        assert "outbound" not in json.loads(house.ops("/readyz").body)["checks"]
        for clients, open_ in (([MOTION], True), ([], False), ([MOTION], True)):
            house.tables["server"]["outbound_clients"] = clients
            house.write_settings()
            house.reload()
            answered = range(200, 500) if open_ else (None,)
            house.wait_for(lambda expected=answered: call(house)[0] in expected)
        assert len(house.decisions("serve", event="started", part="outbound")) == 1


def test_certs_check_is_fine_with_what_the_door_shows(private: House) -> None:
    said = private.command("certs", "check", "--outbound")
    assert said.endswith("no errors, no warnings.\n")
    assert f"{NAME} is covered by {NAME}" in said

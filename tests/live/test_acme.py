"""Certificates from an authority by themselves: a real gateway, and Pebble with its bad nonces and odd orders."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import setup
from sandbox.listener import Listener, reserve
from tests.live.house import HOST, House, opened
from tests.live.pebble import BLOCKED, EXTERNAL, Pebble, pebble
from tests.live.test_certs import findings, pouring, served

ODD = {"PEBBLE_WFE_NONCEREJECT": "50", "PEBBLE_AUTHZREUSE": "0"}
BINDING, BINDING_KEY = next(iter(EXTERNAL.items()))


@dataclass(frozen=True)
class Stand:
    """A gateway that gets its certificate from an authority."""

    house: House
    authority: Pebble

    @property
    def port(self) -> int:
        return int(self.house.tables["server"]["http_port"])

    def order(self, *options: str, status: int = 0, **acme: Any) -> str:
        """What `certs acme` says, with these settings for this once."""
        tables = self.house.tables | {"acme": self.house.tables["acme"] | acme}
        self.house.config.write_text(setup.toml(tables), "utf-8")
        try:
            return self.house.command("certs", "acme", *options, status=status)
        finally:
            self.house.write_settings()

    def believe(self) -> None:
        """Have all who call trust what the authority signs."""
        (self.house.folder / "ca.pem").write_bytes(self.authority.root())


def ours(authority: Pebble) -> dict[str, Any]:
    return {"directory": authority.directory, "ca_file": str(authority.ca_file), "terms_agreed": True}


@contextmanager
def standing(folder: Path, **ways: str) -> Iterator[Stand]:
    """An empty machine, whose gateway has just been started for the first time."""
    with reserve() as held, opened(started=False) as house:
        port = held.getsockname()[1]
        with pebble(folder / "pebble", http_port=port, **ways) as authority:
            tls = house.folder / "tls"
            house.tables["server"] |= {
                "http_port": port,
                "certificate": str(tls / "fullchain.pem"),
                "private_key": str(tls / "privkey.pem"),
            }
            house.tables["acme"] = ours(authority) | {"names": ["localhost"]}
            house.write_settings()
            house.run(house.typed("serve"))
            house.command("ready", "--wait", "120")
            yield Stand(house, authority)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with standing(tmp_path_factory.mktemp("acme"), **ODD) as made:
        yield made


@pytest.fixture(scope="module")
def stand(empty: Stand) -> Stand:
    """The same, with its first certificate."""
    house = empty.house
    house.wait_for(lambda: house.decisions("acme", event="certificate renewed"))
    empty.believe()
    return empty


def test_an_empty_machine_has_its_certificate_by_itself_and_another_one_by_one_command(stand: Stand) -> None:
    assert stand.house.decisions("serve", event="certificate made for the meantime")
    assert stand.house.ops("/readyz").status == 200
    assert (stand.order().startswith("Nothing to do: it is due to be renewed on"), stand.order("--scheduled")) == (
        True,
        "",
    )
    said = stand.order("--force")
    assert f"Asking localhost for {HOST}, localhost: as told." in said
    assert f"Put the certificate for {HOST}, localhost, until " in said
    assert "nginx shows it." in said


def test_it_is_renewed_twice_while_callbacks_pour_in_and_none_is_refused(stand: Stand) -> None:
    house, serials = stand.house, {served(stand.house)}
    with pouring(house) as traffic:
        for _ in range(2):
            traffic.wait_for_more(house)
            assert "nginx shows it." in stand.order("--force")
            house.wait_for(lambda: served(house) not in serials)
            serials.add(served(house))
        traffic.wait_for_more(house)
    assert [answer for answer in traffic.answers if answer != 200] == []
    house.settle()
    assert len(house.events("delivered")) == len(traffic.answers)


def test_another_name_is_asked_for_once_nginx_knows_it(stand: Stand) -> None:
    house, names = stand.house, ["localhost", "other.example.test"]
    said = stand.order(status=2, names=names)
    assert "is not for other.example.test" in said
    assert "does not show the proof for other.example.test" in said
    assert "reload the gateway" in said
    assert list(house.folder.glob("state/run/acme/.well-known/acme-challenge/*")) == []
    house.tables["acme"]["names"] = names
    house.write_settings()
    house.reload()
    house.wait_for(lambda: len(house.decisions("acme", event="certificate renewed")) == 2)
    assert "Nothing to do" in stand.order()


NOBODYS, ANOTHERS = "127.0.0.66", "127.0.0.77"
IN_THE_WAY: dict[str, tuple[dict[str, Any], str, str]] = {
    "nobody listens there": ({"at": NOBODYS}, f"{HOST}: the authority does not reach port 80 of it", "open port 80"),
    "another web server listens there": ({"at": ANOTHERS}, "another answer than ours", "another web server"),
    "it signs no such name": ({"names": [BLOCKED]}, f"{BLOCKED}: the authority makes no certificate for it", "yours"),
    "it is away": ({"directory": "https://localhost:9/dir"}, "cannot be reached: connection refused", "firewall"),
    "it is not believed": ({"ca_file": ""}, "cannot be reached: certificate or TLS refused", "acme.ca_file"),
    "it is no authority": ({"directory": "roots"}, "answers with what is no ACME", "the URL of its directory"),
}


def refused(stand: Stand, *, at: str = "", **acme: Any) -> str:
    """What `certs acme` says where the name leads to the address `at`, or with these settings."""
    if acme.get("directory") == "roots":
        acme["directory"] = stand.authority.at("/roots/0")
    if not at:
        return stand.order("--force", status=2, **acme)
    other = Listener(_answer_no, host=ANOTHERS, port=stand.port)
    other.open()
    stand.authority.tell_names("add-a", {"host": HOST, "addresses": [at]})
    try:
        return stand.order("--force", status=2)
    finally:
        other.release()
        stand.authority.tell_names("clear-a", {"host": HOST})


def _answer_no(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")


@pytest.mark.parametrize(("plant", "says", "remedy"), IN_THE_WAY.values(), ids=IN_THE_WAY)
def test_whatever_is_in_the_way_is_told_in_words_and_is_a_finding(
    stand: Stand, plant: dict[str, Any], says: str, remedy: str
) -> None:
    before = served(stand.house)
    said = refused(stand, **plant)
    assert says in said
    assert remedy in said.partition("do: ")[2], said
    assert re.search(r"acme-challenge/(?!\*)", said) is None
    found = findings(stand.house)
    assert found is not None
    assert said.partition(found["certificate-renewal"])[1]
    assert served(stand.house) == before


def test_a_finding_ends_with_the_next_certificate_and_the_log_has_had_it(stand: Stand) -> None:
    said = stand.order("--scheduled", "--force", status=2, directory="https://localhost:9/dir")
    assert json.loads(said)["finding"] == "certificate-renewal"
    assert "certificate-renewal" in (findings(stand.house) or {})
    assert '"event": "certificate renewed"' in stand.order("--scheduled", "--force")
    assert findings(stand.house) == {}


def test_an_account_is_made_where_its_terms_are_agreed_to_and_it_is_bound(stand: Stand, tmp_path: Path) -> None:
    with pebble(tmp_path / "other", http_port=stand.port, external=True, PEBBLE_AUTHZREUSE="100") as other:
        acme = ours(other)
        assert "nobody has agreed to the terms of localhost, data:" in stand.order(
            status=2, **acme | {"terms_agreed": False}
        )
        assert "wants the account to be bound" in stand.order(status=2, **acme)
        wrong = stand.order(status=2, **acme, eab_key_id=BINDING, eab_key="w" * 64)
        assert "the authority" in wrong.partition("\n")[2]
        bound = acme | {"eab_key_id": BINDING, "eab_key": BINDING_KEY}
        assert "came from another authority" in stand.order(**bound)
        again = stand.order("--force", **bound)  # what was proved is not proved again
        assert ("Proving" in again, "nginx shows it." in again) == (False, True)
    assert "came from another authority" in stand.order()
    assert stand.house.ops("/readyz").status == 200


def test_a_gateway_that_does_not_run_is_told_so(stand: Stand, tmp_path: Path) -> None:
    tables = stand.house.tables
    tables = tables | {"server": tables["server"] | {"state_dir": str(tmp_path / "state")}}
    (tmp_path / "state").mkdir()
    stand.house.config.write_text(setup.toml(tables), "utf-8")
    said = stand.house.command("certs", "acme", "--force", status=2)
    stand.house.write_settings()
    assert "the gateway does not run" in said

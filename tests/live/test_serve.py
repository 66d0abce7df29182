"""`serve` as its operator knows it: starts, heals, reloads, stops; and says why it does not."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPSConnection
from threading import Event

import pytest

from sandbox import callbacks, faults
from sandbox.child import Child, serve_command
from tests.live.house import ACCOUNT, HOST, House, children, opened


@pytest.fixture
def own_house() -> Iterator[House]:
    with opened() as house:
        yield house


def works(house: House, **variant: object) -> bool:
    return house.sinch(**variant).send(callbacks.text("does it work?")).status == 200


@pytest.mark.parametrize("part", ["courier", "ops", "ingress", "nginx"])
def test_a_part_that_dies_is_started_again(own_house: House, part: str) -> None:
    house = own_house
    before = house.pid(part)
    house.wait_for(house.ready_for_accidents)
    os.kill(before, signal.SIGKILL)
    house.wait_for(lambda: house.pid(part) != before)
    house.wait_for(lambda: house.ops("/readyz").status == 200)
    assert works(house)
    house.motion.wait_for_accepted(1)


@contextmanager
def kept_open(house: House) -> Iterator[HTTPSConnection]:
    """A client's connection to the public address that has one request after another."""
    context = ssl.create_default_context(cafile=str(house.folder / "ca.pem"))
    client = HTTPSConnection(HOST, house.public_port)
    with socket.create_connection(("127.0.0.1", house.public_port), 60) as raw:
        client.sock = context.wrap_socket(raw, server_hostname=HOST)
        yield client
        client.close()


def post(house: House, client: HTTPSConnection, words: str) -> None:
    letter, route = house.sinch().prepare(callbacks.text(words)), house.sinch().route
    client.request("POST", route.target, letter.body, dict(letter.headers))


def heard(client: HTTPSConnection) -> tuple[int, bytes]:
    answer = client.getresponse()
    return answer.status, answer.read()


def unread(house: House) -> bool:
    """Whether something waits at the first door's socket: a request that nobody reads."""
    told = subprocess.run(["ss", "-Hxna"], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in told.splitlines() if f"{house.folder}/state/run/ingress.sock" in line]
    return any(row[2] != "0" for row in rows)


def test_a_callback_that_a_worker_died_with_is_taken_in_by_the_next(own_house: House) -> None:
    house = own_house
    with kept_open(house) as client:
        post(house, client, "on a connection that rests then")
        assert heard(client) == (200, b"{}")
        worker = house.worker("ingress")
        os.kill(worker, signal.SIGSTOP)
        post(house, client, "on that connection")
        house.wait_for(lambda: unread(house))
        os.kill(worker, signal.SIGKILL)
        assert heard(client) == (200, b"{}")
    assert len(house.motion.wait_for_accepted(2)) == 2


def test_a_reload_under_load_refuses_no_callback_and_loses_none() -> None:
    over = Event()

    def send(house: House) -> list[int | None]:
        sinch, found = house.sinch(), []
        while not over.is_set():
            found.append(sinch.send(callbacks.text("under load")).status)
        return found

    with opened() as house, ThreadPoolExecutor(4) as pool:
        senders = [pool.submit(send, house) for _ in range(4)]
        try:
            for _ in range(2):
                before = house.worker("ingress")
                house.reload()
                house.wait_for(lambda before=before: before not in children(house.pid("ingress")))
        finally:
            over.set()
        answers = [status for sender in senders for status in sender.result()]
        assert set(answers) == {200}
        assert len(house.events()) == len(answers)


def test_a_reload_takes_up_a_new_account_and_a_new_secret(own_house: House) -> None:
    house = own_house
    assert not works(house, connector_id=8, secret="the secret of number eight")
    eight = {**ACCOUNT, "connector_id": 8, "app_id": "01JQ8V4M2Z7T5X9C3N6B1K0EIG"}
    house.tables["account"].append({**eight, "webhook_secrets": ["the secret of number eight"]})
    house.write_settings()
    house.reload()
    house.wait_for(lambda: works(house, connector_id=8, secret="the secret of number eight"))
    assert works(house)
    house.motion.wait_for(lambda heard: {item.connector_id for item in heard} == {7, 8})


def test_a_reload_with_wrong_settings_changes_nothing_and_says_what_is_wrong(own_house: House) -> None:
    house = own_house
    house.tables["server"]["public_port"] = 99999
    house.write_settings()
    house.reload()
    [line] = house.wait_for(lambda: house.decisions("serve", event="reload refused; nothing was changed"))
    assert "server.public_port" in line["problems"]
    assert works(house)


def test_a_reload_that_nginx_refuses_leaves_the_configuration_that_nginx_would_start_with_again(
    own_house: House,
) -> None:
    house = own_house
    configuration = house.folder / "state" / "run" / "nginx.conf"
    before = configuration.read_text()
    house.tables["server"]["certificate"] = str(house.folder / "nowhere.pem")
    house.write_settings()
    house.reload()
    [line] = house.wait_for(lambda: house.decisions("serve", event="reload refused; nothing was changed"))
    assert "nowhere.pem" in line["problems"]
    assert configuration.read_text() == before


def test_a_reload_does_not_move_the_state_and_leave_behind_what_waits_there(own_house: House) -> None:
    house = own_house
    house.motion.set_fault(faults.DOWN)
    assert works(house)
    house.tables["server"]["state_dir"] = str(house.folder / "elsewhere")
    house.write_settings()
    house.reload()
    [line] = house.wait_for(lambda: house.decisions("serve", event="reload refused; nothing was changed"))
    assert "server.state_dir" in line["problems"]
    house.motion.set_fault(faults.NONE)
    house.motion.wait_for_accepted(1)


def test_wrong_settings_of_every_kind_are_listed_at_once_and_nothing_starts() -> None:
    with opened(started=False) as house:
        house.tables["server"] |= {"public_port": 99999, "colour": "red", "trusted_proxies": ["10.0.0.1/8"]}
        house.tables["motion"] = {"url": "ftp://motion"}
        house.tables["account"] = [{**ACCOUNT, "unsigned": "allow"}, ACCOUNT | {"name": "Twin"}]
        house.tables["spool"] = {"keep_delivered": "1h", "retry_for": "soon"}
        del house.tables["account"][1]["region"]
        house.write_settings()
        said = house.command("serve", status=2)
        for key in ("public_port", "colour", "trusted_proxies", "motion.url", "unsigned", "region", "keep_delivered"):
            assert key in said, said
        assert "retry_for" in said
        assert "a webhook secret of the tests" not in said
        assert not (house.folder / "state").exists()


def test_a_port_that_is_taken_stops_everything_and_says_so() -> None:
    with opened(started=False) as house:
        house.write_settings()
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", house.public_port))
            other.listen()
            said = house.command("serve", status=2)
        assert "nginx did not start" in said
        assert "Address already in use" in said


def test_a_second_gateway_on_the_same_spool_does_not_start(own_house: House) -> None:
    house = own_house
    with opened(started=False) as second:
        second.tables["server"]["state_dir"] = house.tables["server"]["state_dir"]
        second.write_settings()
        said = second.command("serve", status=2)
    assert "another gateway is running" in said
    assert works(house)


def test_a_second_door_does_not_start_and_leaves_the_first_one_its_socket(own_house: House) -> None:
    house = own_house
    assert "another ingress door is running" in house.command("web", "ingress", status=2)
    assert works(house)


def test_it_stops_on_both_signals_and_leaves_no_process_and_no_socket_open() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with opened(started=False) as house:
            house.write_settings()
            child = Child(serve_command(house.config), house.folder / "gateway.log")
            child.wait_until_ready(house.ops_route("/readyz"))
            child.signal(number)
            assert child.stop() == 0
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", house.public_port))


def test_children_of_a_killed_serve_do_not_stay_behind() -> None:
    with opened() as house:
        parts = [house.pid(part) for part in ("courier", "ops", "ingress", "nginx")]
        [child] = house.children
        house.children.clear()
        child.signal(signal.SIGKILL)
        house.wait_for(lambda: not any(alive(pid) for pid in parts))
        assert child.stop() == -signal.SIGKILL


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("version", "accepted"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_2_and_1_3_are_spoken_and_nothing_older(house: House, version: ssl.TLSVersion, *, accepted: bool) -> None:
    context = ssl.create_default_context(cafile=str(house.folder / "ca.pem"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", house.public_port)) as raw:
        if accepted:
            with context.wrap_socket(raw, server_hostname=HOST) as connection:
                assert connection.version() in ("TLSv1.2", "TLSv1.3")
        else:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(raw, server_hostname=HOST)


def test_self_signed_certificates_are_made_where_the_settings_look_and_never_replaced() -> None:
    with opened(started=False) as house:
        house.tables["server"] |= {
            "certificate": str(house.folder / "tls" / "fullchain.pem"),
            "private_key": str(house.folder / "tls" / "privkey.pem"),
        }
        house.write_settings()
        assert HOST in house.command("certs", "self-signed")
        assert (house.folder / "tls" / "privkey.pem").stat().st_mode & 0o777 == 0o600
        assert "was not replaced" in house.command("certs", "self-signed", status=2)


def test_readiness_tells_what_is_missing(own_house: House) -> None:
    house = own_house
    ready = house.ops("/readyz")
    assert ready.status == 200
    assert b'"ready":true' in ready.body.replace(b" ", b"")
    house.wait_for(house.ready_for_accidents)
    os.kill(house.pid("courier"), signal.SIGKILL)
    unready = house.wait_for(lambda: (answer := house.ops("/readyz")).status == 503 and answer)
    assert b"no courier is running" in unready.body
    house.wait_for(lambda: house.ops("/readyz").status == 200)

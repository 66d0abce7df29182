"""`doctor` beside a gateway: all is well, each cause that is planted is told with its remedy, and its end too."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway import config
from gateway.diagnosis import doctor
from gateway.diagnosis.complaint import Complaint, Context, Level
from sandbox import callbacks, certificates
from sandbox.archive import Archive, Credentials
from sandbox.callbacks import App
from sandbox.faults import NONE, Fault, status
from sandbox.motion import Motion
from tests.live.house import ACCOUNT, HOST, MOTION_PASSWORD, SECRET, House, opened
from tests.live.test_provision import mounted
from tests.spool_samples import until
from tests.test_diagnosis_notices import program

PROXY_TOKEN, TOKEN_KEY, OPS = (
    "the proxy token of the tests",
    "a key of a test that is long",
    "the password of the office",
)
REDIS = "redis://:the-password-of-redis@127.0.0.1:1/0"
PHONE = "+34911000333"
SECRETS = (SECRET, MOTION_PASSWORD, PROXY_TOKEN, TOKEN_KEY, OPS, PHONE, "the-password-of-redis")
TABLES: dict[str, Any] = {
    "attachments": {"proxy_token": PROXY_TOKEN, "token_keys": [TOKEN_KEY]},
    "ops": {"username": "op", "password": OPS},
    "account": [ACCOUNT | {"phone": PHONE}],
}
FINE = ["certs.private_ca", "sinch.no_key"]  # notes: on names that are for trials, and that Sinch is not asked
Plant = Callable[[House], AbstractContextManager[object]]


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with opened(**TABLES) as house:
        yield house


def printed(house: House, *around: str) -> dict[str, Any]:
    """What the command prints for programs; its exit status is that of the worst."""
    house.around, before = around, house.around
    done = subprocess.run(house.typed("doctor", "--json"), capture_output=True, text=True, check=False)
    house.around = before
    assert done.stdout, done.stderr
    assert [secret for secret in SECRETS if secret in done.stdout + done.stderr] == []
    said: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == {"fine": 0, "note": 0, "warning": 1, "fault": 2}[said["level"]]
    return said


def complaints(house: House) -> dict[str, Complaint]:
    """What doctor finds, without a secret."""
    looked = doctor.examine(Context(config.read(house.config, {}), time.time()))
    found = doctor.complaints(looked)
    for each in found:
        assert each.sentence, each
        assert each.remedy, each
        assert not re.search(r"[{}]", each.sentence + each.remedy), each
    assert [secret for secret in SECRETS if secret in repr(found)] == []
    return {each.id: each for each in found}


def bad(found: Mapping[str, Complaint]) -> set[str]:
    return {name for name, each in found.items() if each.level in (Level.WARNING, Level.FAULT)}


def test_all_is_well_with_a_healthy_gateway(house: House) -> None:
    assert house.sinch().send(callbacks.text("hello")).accepted
    house.settle()
    said = printed(house)
    assert said["fine"]
    assert [each["id"] for each in said["complaints"]] == FINE
    assert "note      certs.private_ca\n" in house.command("doctor")  # behind how far it is, where it takes long


@contextmanager
def sent(house: House, callback: callbacks.Callback, **variant: Any) -> Iterator[None]:
    """A callback that is wrong; and once it is mended, the right one."""
    house.sinch(**variant).send(callback)
    yield
    assert house.sinch().send(callbacks.text("all is well again")).accepted


@contextmanager
def answered(house: House, code: int) -> Iterator[None]:
    """A Motion that answers callbacks so."""
    house.motion.set_fault(status(code))
    assert house.sinch().send(callbacks.text(f"for {code}")).accepted
    try:
        yield
    finally:
        house.motion.set_fault(NONE)
    house.settle()


@contextmanager
def refusing_files(house: House) -> Iterator[None]:
    before, house.archive.credentials = house.archive.credentials, Credentials(username="another")
    try:
        yield
    finally:
        house.archive.credentials = before


@contextmanager
def away(house: House) -> Iterator[None]:
    house.motion.close()
    try:
        yield
    finally:
        house.motion.open()


@contextmanager
def skewed(house: House, seconds: float) -> Iterator[None]:
    """Twenty callbacks of a Sinch whose clock is another; then twenty of one that is right."""
    for number in range(20):
        house.sinch(clock=lambda: time.time() + seconds).send(callbacks.text(f"late {seconds} {number}"))
    yield
    for number in range(20):
        assert house.sinch().send(callbacks.text(f"right {seconds} {number}")).accepted


@contextmanager
def foreign(house: House, app: App) -> Iterator[None]:
    assert house.sinch().send(callbacks.text("of another", app=app)).accepted
    yield
    for number in range(20):
        assert house.sinch().send(callbacks.text(f"ours {app} {number}")).accepted


@contextmanager
def wrong_token(house: House) -> Iterator[None]:
    file = house.archive.put("a.txt", b"words")
    link = f"/api/attachments/{file.attachment_id}/download?token="
    assert house.ask(f"{link}not-it", method="GET").status == 404
    yield
    assert house.ask(f"{link}{PROXY_TOKEN.replace(' ', '%20')}", method="GET").status == 200
    until(lambda: "links.of_motion" in complaints(house), "the links of Motion's own are told")


@contextmanager
def shut(house: House) -> Iterator[None]:
    """A socket that somebody has deleted."""
    socket_file = house.folder / "state" / "run" / "ingress.sock"
    moved = socket_file.rename(socket_file.with_name("away"))
    try:
        yield
    finally:
        moved.rename(socket_file)


@contextmanager
def written(house: House, table: str, **keys: object) -> Iterator[None]:
    before = house.tables.get(table, {})
    house.tables[table] = before | keys
    house.write_settings()
    try:
        yield
    finally:
        house.tables[table] = before
        house.write_settings()


@contextmanager
def logging_in(house: House) -> Iterator[None]:
    """A Motion that shows its page to log in where a file should be."""
    file = house.archive.put("b.txt", b"words")
    house.archive.set_fault(Fault(name="login"))
    link = f"/api/attachments/{file.attachment_id}/download?token={PROXY_TOKEN.replace(' ', '%20')}"
    assert house.ask(link, method="GET").status == 404
    try:
        yield
    finally:
        house.archive.set_fault(NONE)


RUNNING: dict[str, tuple[str, str, Plant]] = {
    "a wrong secret": (
        "callbacks.refused",
        "Secret token",
        lambda h: sent(h, callbacks.text("x"), secret="another one"),
    ),
    "no secret at Sinch": ("callbacks.refused", "does not sign", lambda h: sent(h, callbacks.text("x"), secret=None)),
    "a wrong connector": (
        "callbacks.refused",
        "connector_id",
        lambda h: sent(h, callbacks.text("x"), connector_id=8, secret=None),
    ),
    "another app": ("callbacks.foreign_app", "app_id", lambda h: foreign(h, App(app_id="01JQ8V4M2Z7T5X9C3N6B1K0DHB"))),
    "another project": ("callbacks.foreign_project", "Overview", lambda h: foreign(h, App(project_id="another"))),
    "DISPATCH mode": ("callbacks.dispatch_mode", "Processing mode", lambda h: foreign(h, App(dispatch=True))),
    "Motion answers 404": ("motion.connector_unknown", "Receive URL", lambda h: answered(h, 404)),
    "Motion answers 401": ("motion.callbacks_refused", "webhook token", lambda h: answered(h, 401)),
    "Motion answers 503": ("motion.down", "Start Motion", lambda h: answered(h, 503)),
    "Motion answers 500": ("motion.fails", "/var/log/xcally/", lambda h: answered(h, 500)),
    "Motion is away": ("motion.unreachable", "curl -v", away),
    "Motion refuses our credentials": ("motion.credentials_refused", "API key", refusing_files),
    "a wrong proxy token": ("links.refused", "proxy_token", wrong_token),
    "a page where a file should be": ("motion.no_file", "attachment_path", logging_in),
    "a deleted socket": ("gateway.process_away", "journalctl", shut),
    "other settings than nginx has": (
        "nginx.other_configuration",
        "reload",
        lambda h: written(h, "ingress", max_body="2MiB"),
    ),
    "another password than the office knows": (
        "gateway.unasked",
        "Reload the gateway",
        lambda h: written(h, "ops", password="another password of the office"),
    ),
    "Redis is away": (
        "limits.storage_away",
        "systemctl status redis-server",
        lambda h: written(h, "limits", storage=REDIS),
    ),
    "a clock that is fast": ("clock.off", "set-ntp", lambda h: skewed(h, -3600)),
    "a clock that is slow": ("clock.off", "set-ntp", lambda h: skewed(h, 200)),
    "a clock that is too slow": ("clock.refuses", "set-ntp", lambda h: skewed(h, 3600)),
}


@pytest.mark.parametrize(("identifier", "remedy", "plant"), RUNNING.values(), ids=RUNNING)
def test_what_is_planted_beside_a_running_gateway_is_told_and_over_once_it_is_mended(
    house: House, identifier: str, remedy: str, plant: Plant
) -> None:
    with plant(house):
        # A busy machine may have broken a delivery beside it, which goes through before long.
        until(lambda: bad(complaints(house)) == {identifier}, f"{identifier}, and nothing else")
        assert remedy in complaints(house)[identifier].remedy
    until(lambda: not bad(complaints(house)), f"the end of {identifier}")


def test_a_connector_that_nobody_has_is_a_fault_where_it_is_rightly_signed() -> None:
    with opened() as house:
        house.sinch(connector_id=8).send(callbacks.text("x"))
        until(lambda: "callbacks.refused" in complaints(house), "it is told")
        assert complaints(house)["callbacks.refused"].level == "fault"


def expired(house: House) -> None:
    pair(house, HOST, ends=-1)


def of_another(house: House) -> None:
    pair(house, "another.example.test")


def pair(house: House, name: str, *, ends: int = 80) -> None:
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    made = certificates.made("of a test", None, names=(name,), begins=now - 90 * day, ends=now + ends * day)
    Path(house.tables["server"]["certificate"]).write_bytes(made.pem)
    Path(house.tables["server"]["private_key"]).write_bytes(made.key_pem)


def example(house: House) -> None:
    house.tables["account"] = [ACCOUNT | {"app_id": "01ABCDEFGHJKMNPQRSTVWXYZ01"}]


def the_same_secret(house: House) -> None:
    house.tables["account"] = [ACCOUNT, ACCOUNT | {"connector_id": 8, "app_id": "01JQ8V4M2Z7T5X9C3N6B1K0DHB"}]


def reused(house: House) -> None:
    house.tables["attachments"] = {"proxy_token": SECRET}


def unsigned(house: House) -> None:
    account = {key: value for key, value in ACCOUNT.items() if key != "webhook_secrets"}
    house.tables["account"] = [account | {"unsigned": "allow", "receive_token": "a token of the tests"}]


def no_credentials(house: House) -> None:
    house.tables["motion"] = {"url": house.motion.url}
    house.tables["attachments"] = {"proxy_token": PROXY_TOKEN}


def named(house: House, name: str) -> None:
    """The public name is that, and the certificate is its own."""
    house.tables["server"]["public_url"] = f"https://{name}"
    pair(house, name)


def everybody(house: House) -> None:
    house.tables["server"]["trusted_proxies"] = ["0.0.0.0/0"]


def motion_unknown(house: House) -> None:
    house.tables["motion"]["url"] = "http://motion.nowhere.test"


def broken_settings(house: House) -> None:
    house.tables["server"]["public_port"] = "many"


STOPPED: dict[str, tuple[str, str, Callable[[House], None]]] = {
    "an expired certificate": ("certs.expired", "certbot renew", expired),
    "a foreign certificate": ("certs.name_not_covered", "server.public_url", of_another),
    "the example's settings": ("settings.example", "Write your own", example),
    "one secret of two accounts": ("settings.wrong", "its own", the_same_secret),
    "settings that are not understood": ("settings.wrong", "port", broken_settings),
    "one secret in two places": ("secrets.reused", "openssl rand", reused),
    "an account without a secret": ("account.unsigned", "Secret token", unsigned),
    "no credentials for files": ("motion.no_credentials", "Api Key Manager", no_credentials),
    "a network of every address": ("settings.risky", "config check", everybody),
    "a name for examples": ("settings.example_name", "public name", lambda h: named(h, "gateway.example.com")),
    "a name that is called and that nobody knows": ("names.unknown", "getent hosts", motion_unknown),
    "a name that nobody knows": ("names.public_unknown", "DNS", lambda h: named(h, "gateway-that-nobody-knows")),
}


@pytest.mark.parametrize(("identifier", "remedy", "change"), STOPPED.values(), ids=STOPPED)
def test_what_is_wrong_is_told_while_the_gateway_is_down(
    identifier: str, remedy: str, change: Callable[[House], None]
) -> None:
    with opened(started=False) as house:
        (house.folder / "state").mkdir()
        change(house)
        house.write_settings()
        found = complaints(house)
    assert remedy in found[identifier].remedy
    assert found[identifier].level in ("warning", "fault")


def test_a_gateway_that_was_never_started_is_told_so() -> None:
    with opened(started=False) as house:
        house.write_settings()
        assert list(complaints(house)) == ["gateway.down", "spool.missing", *FINE]
        house.command("migrate")
        assert list(complaints(house)) == ["gateway.down", *FINE]


def test_a_port_that_another_holds_and_a_disk_that_is_full_are_told() -> None:
    with opened(started=False) as house, socket.create_server(("127.0.0.1", 0)) as other:
        house.tables["server"] |= {"public_port": other.getsockname()[1]}
        (house.folder / "state").mkdir()
        house.write_settings()
        said = printed(house, *mounted("-t tmpfs -o size=1m none", str(house.folder / "state")))
        found = {each["id"]: each["sentence"] for each in said["complaints"]}
    assert "no room left" in found["state.unusable"]
    holder = f"pid {os.getpid()}" if os.geteuid() == 0 else "is held"  # seen from a namespace of one's own nobody's is
    assert holder in found["ports.taken"]


@pytest.mark.parametrize(
    ("begins", "ends", "identifier", "said"),
    [
        (-9, -1, "motion.certificate_refused", "certificate has expired"),
        (-9, 5, "motion.certificate_ends", "in 4 days"),
    ],
    ids=["expired", "ends soon"],
)
def test_what_is_wrong_with_motions_certificate_is_told(begins: int, ends: int, identifier: str, said: str) -> None:
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    with opened(started=False) as house, contextlib.ExitStack() as stack:
        folder = house.folder / "motion"
        folder.mkdir()
        files = certificates.issue(folder, "localhost", begins=now + begins * day, ends=now + ends * day)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(files.certificate, files.private_key)
        archive = Archive(folder, credentials=house.archive.credentials)
        motion = stack.enter_context(Motion(tls=tls, archive=archive))
        house.tables["motion"] |= {"url": f"https://localhost:{motion.address[1]}", "ca_file": str(files.ca)}
        house.write_settings()
        found = complaints(house)
    assert said in found[identifier].sentence


def test_whoever_is_named_is_told_of_motion_once_and_when_it_is_back() -> None:
    with opened(**TABLES) as house:
        heard = house.folder / "heard"
        tell = program(house.folder, f'cat >>"{heard}"')
        with written(house, "notify", command=str(tell)):
            house.command("doctor", "--notify")
            assert not heard.exists()
            with away(house):
                for _ in range(2):
                    house.command("doctor", "--notify", status=2)
                assert heard.read_text().count("fault: Motion gives no answer") == 1
            assert "notify.command was told" in house.command("doctor", "--notify")
            assert heard.read_text().count("over: Motion gives no answer") == 1

"""A new certificate is taken up while callbacks go on: certbot's hook, run for real against a running gateway."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.certs import issuing, private_ca
from gateway.certs.issuing import Authority
from sandbox import callbacks
from tests.live.house import HOST, PATIENCE_SECONDS, House, opened

HOOK = Path(__file__).parents[2] / "deploy" / "certbot-deploy-hook"
SENDERS = 4
BETWEEN = 100  # callbacks answered before and after each change


@dataclass(frozen=True)
class Certbot:
    """What certbot leaves behind: numbered files in `archive`, and links to the newest ones in `live`."""

    house: House
    signer: Authority

    @property
    def live(self) -> Path:
        return self.house.folder / "letsencrypt" / "live" / HOST

    def renew(self, *, host: str = HOST, ago: datetime.timedelta = datetime.timedelta()) -> int:
        """A new certificate with a new key, as certbot made one so long ago; returns its serial number."""
        key, now = issuing.new_key(), datetime.datetime.now(datetime.UTC) - ago
        leaf = issuing.leaf(self.signer, [host, "localhost"], key=key, now=now)
        archive = self.house.folder / "letsencrypt" / "archive" / HOST
        for folder in (archive, self.live):
            folder.mkdir(parents=True, exist_ok=True)
        number = len(list(archive.iterdir())) // 2 + 1
        ca = issuing.certificate_pem(self.signer.certificate)
        content = {"fullchain": issuing.certificate_pem(leaf) + ca, "privkey": issuing.key_pem(key)}
        for name, pem in content.items():
            (archive / f"{name}{number}.pem").write_bytes(pem)
            (self.live / f"{name}.pem").unlink(missing_ok=True)
            (self.live / f"{name}.pem").symlink_to(archive / f"{name}{number}.pem")
        return leaf.serial_number

    def deploy(self) -> subprocess.CompletedProcess[str]:
        """Run the hook as certbot does."""
        server = self.house.tables["server"]
        ours = {
            "RENEWED_LINEAGE": str(self.live),
            "RENEWED_DOMAINS": HOST,
            "GATEWAY_CERTIFICATE": server["certificate"],
            "GATEWAY_PRIVATE_KEY": server["private_key"],
            "GATEWAY_LOCK": f"{server['state_dir']}/serve.lock",
            "GATEWAY_UNIT": "motion-gateway-of-a-test.service",
            "GATEWAY_COMMAND": f"{sys.executable} -m gateway --config {self.house.config}",
        }
        return subprocess.run([HOOK], env=os.environ | ours, capture_output=True, text=True)


@pytest.fixture
def certbot() -> Iterator[Certbot]:
    """A running gateway with a certificate of a CA that stays, and who renews it."""
    with opened(started=False) as house:
        tls, ca = house.folder / "tls", house.folder / "ca"
        issued = private_ca.issue(ca, [HOST, "localhost"], now=datetime.datetime.now(datetime.UTC))
        shutil.copytree(issued.leaf.certificate.parent, tls)
        shutil.copy(private_ca.certificate_path(ca), house.folder / "ca.pem")
        house.tables["server"] |= {"certificate": str(tls / "fullchain.pem"), "private_key": str(tls / "privkey.pem")}
        house.start()
        key = load_pem_private_key(private_ca.key_path(ca).read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        yield Certbot(house, Authority(issued.authority, key))


def served(house: House) -> int:
    """The serial number of the certificate that a new client sees."""
    context = ssl.create_default_context(cafile=str(house.folder / "ca.pem"))
    with (
        socket.create_connection(("127.0.0.1", house.public_port), PATIENCE_SECONDS) as raw,
        context.wrap_socket(raw, server_hostname=HOST) as connection,
    ):
        found = connection.getpeercert(binary_form=True)
    assert found
    return x509.load_der_x509_certificate(found).serial_number


@dataclass
class Traffic:
    """What the callbacks were answered so far."""

    answers: list[object] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def send(self, house: House, name: str) -> None:
        sinch = house.sinch()
        person = callbacks.customer(name)
        while not self.stopped.is_set():
            answer = sinch.post(sinch.prepare(callbacks.text("still there?", by=person)))
            self.answers.append(answer.status or answer.error)

    def wait_for_more(self, house: House) -> None:
        before = len(self.answers)
        house.wait_for(lambda: len(self.answers) >= before + BETWEEN)


@contextmanager
def pouring(house: House) -> Iterator[Traffic]:
    """Callbacks, without a pause, each over a connection of its own."""
    traffic = Traffic()
    with ThreadPoolExecutor(SENDERS) as pool:
        running = [pool.submit(traffic.send, house, f"contact {number}") for number in range(SENDERS)]
        try:
            yield traffic
        finally:
            traffic.stopped.set()
    for sender in running:
        sender.result()


def test_three_new_certificates_are_taken_up_and_no_callback_is_lost(certbot: Certbot) -> None:
    house = certbot.house
    with pouring(house) as traffic:
        traffic.wait_for_more(house)
        for _ in range(3):
            serial = certbot.renew()
            done = certbot.deploy()
            assert done.returncode == 0, done.stdout + done.stderr
            house.wait_for(lambda expected=serial: served(house) == expected)
            traffic.wait_for_more(house)
    assert [answer for answer in traffic.answers if answer != 200] == []
    house.settle()
    assert len(house.events("delivered")) == len(traffic.answers)


def test_a_certificate_with_errors_is_not_taken_up_and_nothing_is_reloaded(certbot: Certbot) -> None:
    house = certbot.house
    before = served(house)
    certbot.renew(host="localhost")
    done = certbot.deploy()
    assert done.returncode == 1
    assert "certs.name_not_covered" in done.stdout
    assert "is not taken up" in done.stderr
    assert served(house) == before
    assert house.decisions("serve", event="reloaded") == []


def findings(house: House) -> dict[str, str] | None:
    """What `/readyz` finds, with the reason; None while the courier is started again."""
    said = json.loads(house.ops("/readyz").body)
    return {found["finding"]: found["reason"] for found in said.get("findings", ())} if said["ready"] else None


def test_a_certificate_that_ends_soon_or_is_foreign_is_told_and_the_gateway_stays_ready(certbot: Certbot) -> None:
    house, server = certbot.house, certbot.house.tables["server"]

    def take_up(*told: str, **variant: object) -> str:
        certbot.renew(**variant)  # type: ignore[arg-type]
        for name, key in (("fullchain", "certificate"), ("privkey", "private_key")):
            shutil.copy(certbot.live / f"{name}.pem", server[key])
        house.reload()
        found = house.wait_for(lambda: (found := findings(house)) is not None and [*found] == [*told] and [found])[0]
        return "".join(found.values())

    assert findings(house) == {}
    reason = take_up("certificate-ends", ago=datetime.timedelta(days=355))
    assert " days left, until " in reason
    [line] = house.wait_for(lambda: house.decisions("serve", event="finding", finding="certificate-ends"))
    assert line["reason"] == reason
    house.kill("courier")
    house.wait_for(lambda: findings(house) is None)
    house.wait_for(lambda: findings(house) == {"certificate-ends": reason})
    assert f"{HOST} is not among its names" in take_up("certificate-wrong", host="localhost")
    assert take_up() == ""

"""What the office and the log hear of certificates while nginx runs."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Settings
from gateway.delivery import trouble
from gateway.serving.watch import LOOK_SECONDS, CertificateWatch
from gateway.store.engines import Database
from sandbox.certificates import Signer
from tests import certificate_samples, config_samples
from tests.certificate_samples import DAY, HOST, NOW, authority, made
from tests.door_samples import Log, logged
from tests.service_samples import HandClock

A_DAY_SECONDS = DAY.total_seconds()


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Iterator[Log]:
    with logged(capfd, "nginx") as read:
        yield read


class Stand:
    """A watch over the files in a folder, with a clock that is set."""

    def __init__(self, folder: Path, spool: Database, *chain: Signer, **tables: Any) -> None:
        self.folder, self.spool, self.clock = folder, spool, HandClock(NOW.timestamp())
        self.settings = self.place(*chain, **tables)
        self.watch = CertificateWatch(lambda: self.settings, spool, clock=self.clock)

    def place(self, *chain: Signer, **tables: Any) -> Settings:
        certificate, key = certificate_samples.write(self.folder, chain or (made("leaf"),))
        return config_samples.settings(server={"certificate": str(certificate), "private_key": str(key)}, **tables)

    def after(self, seconds: float = 0.0) -> list[tuple[str, str, str]]:
        """What the office knows after so long."""
        self.clock.advance(seconds)
        self.watch.step()
        return [(each.finding, each.about, each.reason) for each in trouble.known(self.spool)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tls"


ENDS, WRONG, OLD = "certificate-ends", "certificate-wrong", "certificate-old"
OF_PUBLIC: dict[str, tuple[dict[str, Any], str, str]] = {
    "ends in three weeks less a day": ({"after": 20 * DAY}, ENDS, "20 days left, until 2026-06-21"),
    "ends today": ({"after": datetime.timedelta(hours=3)}, ENDS, "0 days left, until 2026-06-01"),
    "has ended": ({"after": -DAY}, WRONG, "the certificate expired on 2026-05-31"),
    "is of tomorrow": ({"before": -DAY}, WRONG, "the certificate is valid from 2026-06-02 12:00 UTC on"),
    "is of another name": ({"names": ("x.test",)}, WRONG, f"{HOST} is not among its names: x.test"),
    "lives a week, and has a day": ({"before": 6 * DAY, "after": DAY}, ENDS, "1 day left, until 2026-06-02"),
}
IN_PEACE: dict[str, dict[str, Any]] = {
    "three weeks are left": {"after": 21 * DAY},
    "it lives a week, and is new": {"before": DAY, "after": 6 * DAY},
    "it lives very long": {"after": 3000 * DAY},
}


@pytest.mark.parametrize(("variant", "finding", "reason"), OF_PUBLIC.values(), ids=OF_PUBLIC)
def test_what_is_wrong_or_ends_soon_is_told_to_the_office_and_the_log(
    folder: Path, spool: Database, log: Log, variant: dict[str, Any], finding: str, reason: str
) -> None:
    assert Stand(folder, spool, made("leaf", **variant)).after() == [(finding, "server.certificate", reason)]
    [line] = log()
    assert (line["event"], line["finding"], line["setting"]) == ("finding", finding, "server.certificate")
    assert (line["reason"], bool(line["remedy"])) == (reason, True)


@pytest.mark.parametrize("variant", IN_PEACE.values(), ids=IN_PEACE)
def test_of_what_is_right_nothing_is_told(folder: Path, spool: Database, log: Log, variant: dict[str, Any]) -> None:
    assert Stand(folder, spool, made("leaf", **variant)).after() == []
    assert log() == []


def test_the_log_hears_it_once_a_day_and_the_office_how_many_days_there_are(
    folder: Path, spool: Database, log: Log
) -> None:
    stand = Stand(folder, spool, made("leaf", after=20 * DAY))
    [(_, _, first)] = stand.after()
    stand.after(A_DAY_SECONDS - LOOK_SECONDS)
    assert len(log()) == 1
    [(_, _, later)] = stand.after(LOOK_SECONDS)
    assert len(log()) == 2
    assert (first, later) == ("20 days left, until 2026-06-21", "19 days left, until 2026-06-21")
    [known] = trouble.known(spool)
    assert known.since == NOW.timestamp()


def test_a_file_that_was_exchanged_is_told_until_nginx_has_read_it(folder: Path, spool: Database) -> None:
    stand = Stand(folder, spool)
    assert stand.after() == []
    renewed = stand.place(made("leaf"))
    [(finding, setting, _)] = stand.after(LOOK_SECONDS)
    assert (finding, setting) == (OLD, "server.certificate")
    stand.settings = renewed
    assert stand.after() == []


def test_a_key_of_another_certificate_is_told_and_what_is_right_again_is_over(folder: Path, spool: Database) -> None:
    stand = Stand(folder, spool)
    (folder / "privkey.pem").write_bytes(made("leaf").key_pem)
    [(finding, setting, _)] = stand.after()
    assert (finding, setting) == (WRONG, "server.private_key")
    stand.settings = stand.place()
    assert stand.after() == []


def test_the_private_door_s_certificate_is_looked_after_too(folder: Path, spool: Database) -> None:
    stand = Stand(folder, spool)
    certificate, key = certificate_samples.write(folder.with_name("own"), (made("leaf", names=("x.test",), after=DAY),))
    door = {"outbound_clients": ["10.0.0.9"], "outbound_address": "10.0.0.5", "outbound_names": ["gateway.internal"]}
    own = {"outbound_certificate": str(certificate), "outbound_private_key": str(key)}
    public = {name: str(getattr(stand.settings.server, name)) for name in ("certificate", "private_key")}
    stand.settings = config_samples.settings(server=door | own | public, attachments={"token_keys": ["k" * 20]})
    told = {finding: reason for finding, about, reason in stand.after() if about == "server.outbound_certificate"}
    assert told == {
        WRONG: "gateway.internal is not among its names: x.test",
        ENDS: "1 day left, until 2026-06-02",
    }


def test_a_believed_ca_that_ends_soon_is_told_by_its_setting(folder: Path, spool: Database) -> None:
    folder.mkdir(mode=0o700)
    believed = folder / "ca.pem"
    believed.write_bytes(authority("old", after=-DAY).pem + authority("new", after=5 * DAY).pem)
    stand = Stand(folder, spool, motion={"url": "https://motion.internal", "ca_file": str(believed)})
    [(finding, setting, reason)] = stand.after()
    assert (finding, setting, reason.partition(",")[0]) == (ENDS, "motion.ca_file", "5 days left")


@pytest.mark.parametrize("jump", [-40 * A_DAY_SECONDS, 3 * A_DAY_SECONDS], ids=["back", "forward"])
def test_a_clock_that_jumps_stops_no_look(folder: Path, spool: Database, jump: float) -> None:
    stand = Stand(folder, spool, made("leaf", before=100 * DAY))
    stand.after()
    stand.place(made("leaf", before=100 * DAY))
    assert [finding for finding, _, _ in stand.after(jump)] == [OLD]


def test_nodes_on_one_spool_tell_of_their_own_certificates_and_leave_those_of_others_alone(
    folder: Path, database_url: str
) -> None:
    with contextlib.closing(Database(database_url, patience_seconds=5)) as spool:
        soon = Stand(folder, spool, made("leaf", after=20 * DAY))
        trouble.keep(spool, trouble.MotionTrouble(ENDS, "other server.certificate", "3 days left", 1.0))
        told = [(finding, about) for finding, about, _ in soon.after()]
        node = soon.settings.server.node
        assert sorted(told) == sorted([(ENDS, "other server.certificate"), (ENDS, f"{node} server.certificate")])
        soon.settings = soon.place()
        assert [about for _, about, _ in soon.after(601)] == ["other server.certificate"]

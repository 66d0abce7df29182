"""What doctor reads in the spool: silence, calls that do not come, what waits, what is parked, a vault that is full."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.attachments.register import STORE, Register
from gateway.config import validation
from gateway.delivery import claims, trouble
from gateway.delivery.trouble import MotionTrouble
from gateway.diagnosis import doctor, experience
from gateway.diagnosis.complaint import Complaint, Context, Probe
from gateway.errors import SpoolUnavailable
from gateway.inspection.structure import Inspection
from gateway.phrases import Finding
from gateway.store import schema, turned_away
from gateway.store.engines import Database
from gateway.store.turned_away import Ring
from tests.config_samples import document
from tests.service_samples import HandClock
from tests.spool_samples import NOW, accept, meddle, settle
from tests.test_inbound_held import HELD_BACK, put

KEYS = {"token_keys": ["a key of a test that is long"]}


@pytest.fixture
def context(spool: Database) -> Iterator[Callable[..., Context]]:
    made: list[Context] = []

    def make(*, now: float = NOW, **tables: Any) -> Context:
        tables["server"] = {"state_dir": str(spool.path.parent)} | tables.get("server", {})
        made.append(Context(validation.validate(document(**tables), {}), now))
        return made[-1]

    yield make
    for each in made:
        with suppress(SpoolUnavailable):  # of a test that has damaged it
            each.spool.close()


def test_what_is_held_back_is_told_with_how_many(context: Callable[..., Context], spool: Database) -> None:
    put(spool, 3)
    assert ids(experience.held_back(context())) == []
    put(spool, 17, **HELD_BACK)
    [held] = experience.held_back(context())
    assert (held.id, "1 file that" in held.sentence) == ("inbound.held", True)


def ids(found: Iterator[Complaint]) -> list[str]:
    return [each.id for each in found]


def test_what_waits_is_told_once_it_is_long_and_what_is_parked_with_why(
    context: Callable[..., Context], spool: Database
) -> None:
    event = accept(spool)
    assert ids(experience.waiting(context(now=NOW + experience.LONG_SECONDS))) == []
    [waits] = experience.waiting(context(now=NOW + 600))
    assert (waits.id, "10 minutes" in waits.sentence) == ("spool.waiting", True)
    settle(spool, event, "parked")
    [parked] = experience.parked(context())
    assert (parked.id, parked.about, "parked: 1 (" in parked.sentence) == ("spool.parked", "7", True)


def test_what_motion_said_to_those_who_wait_names_the_cause_and_what_mends_it(
    context: Callable[..., Context], spool: Database
) -> None:
    said = {
        "404": ("motion.connector_unknown", "account.connector_id"),
        "403": ("motion.callbacks_refused", "allows this machine's address"),
        "401": ("motion.callbacks_refused", "webhook token"),
        "413": ("motion.callbacks_refused", "client_max_body_size"),
        "302": ("motion.fails", "Correct motion.url"),
        "429": ("motion.fails", "raise the limit of the proxy"),
        "500": ("motion.fails", "/var/log/xcally/"),
        "answer is not HTTP": ("motion.fails", "scheme, host and port of motion.url"),
    }

    for number, outcome in enumerate([*said, "connection broken"]):
        accept(spool, f"m{number}", contact=f"c{number}")
        [taken] = claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90)
        since = NOW if outcome == "connection broken" else NOW - 60  # a moment ago: it is tried again at once
        claims.postpone(spool, taken, outcome=outcome, due_at=NOW + 90, failures=1, failing_since=since, now=NOW)
    found = [*experience.waiting(context())]
    assert sorted(each.id for each in found) == sorted(identifier for identifier, _ in said.values())
    assert [word for _, word in said.values() if not any(word in each.remedy for each in found)] == []


def test_what_the_courier_and_the_doors_have_found_is_told(context: Callable[..., Context], spool: Database) -> None:
    for finding, about in {
        Finding.KIND_REFUSED: "7 CONTACT_CREATE",
        Finding.CERTIFICATE_OLD: "server.certificate",
        Finding.RENEWAL_FAILS: "server.certificate",
    }.items():
        trouble.keep(spool, MotionTrouble(finding, about, "404", NOW))
    assert ids(experience.waiting(context())) == ["motion.kind_refused", "certs.old_in_force", "certs.renewal_fails"]


def test_whatever_is_turned_away_and_no_strangers_doing_is_told_of_every_door(
    context: Callable[..., Context], spool: Database
) -> None:
    ring = Ring(spool, clock=HandClock(NOW), later=lambda _seconds, _work: None)
    told = [kind for kind, row in turned_away.kinds().items() if row.level]
    for door, reason in told:
        ring.note(door, reason, about="7")
    ring.write()
    found = [*experience.turned(context())]
    assert len(found) == len(told)
    assert {each.id for each in found} == set(experience.DOORS.values())
    assert not [each for each in found if ".." in each.remedy]


def test_a_vault_that_is_full_or_cannot_be_written_is_told(
    context: Callable[..., Context], spool: Database, tmp_path: Path
) -> None:
    meddle(spool, schema.stored_file.insert().values(place="", digest=b"0", size_bytes=999_999, since=NOW))
    (tmp_path / "vault").touch()
    small = KEYS | {"vault_max_bytes": "1MB", "max_bytes": "1MB"}
    assert ids(experience.files(context(attachments=small))) == ["vault.unusable", "vault.full"]
    assert ids(experience.files(context())) == []


def test_what_the_store_behind_the_vault_has_not_yet_is_told(context: Callable[..., Context], spool: Database) -> None:
    with closing(Register(spool)) as register:
        seen = Inspection(mime="text/plain", size_bytes=3)
        register.acquired("7", digest=b"d" * 32, name="", seen=seen, now=NOW)
    store = KEYS | {"store": "s3://files", "store_key_id": "AKIA", "store_key_secret": "a secret key"}
    [found] = experience.files(context(attachments=store))
    assert (found.id, "1 file of" in found.sentence) == ("store.behind", True)
    spool.tell(lambda run: run("store_file", place=STORE, digest=b"d" * 32, size_bytes=3, now=NOW))
    assert ids(experience.files(context(attachments=store))) == []


def test_several_nodes_without_a_store_are_told_of_it(context: Callable[..., Context], database_url: str) -> None:
    shared = context(spool={"url": database_url}, attachments=KEYS)
    assert ids(experience.files(shared)) == ["store.none"]


def test_a_spool_of_several_servers_that_is_on_one_disk_is_told_of_it(
    context: Callable[..., Context], database_url: str
) -> None:
    several = database_url.replace("host=", "host=/nowhere,").replace("port=5432", "port=5432,5432")
    assert ids(experience.spool(context(spool={"url": several}))) == ["spool.one_disk"]
    assert ids(experience.spool(context(spool={"url": database_url}))) == []


def test_a_spool_that_cannot_be_read_is_told_once_by_all_who_would(
    context: Callable[..., Context], spool: Database
) -> None:
    spool.path.write_bytes(b"this was a spool once" * 500)
    reading = (experience.spool, experience.parked, experience.origins)
    looks = [Probe(find.__name__, "the spool", (), find) for find in reading]
    [told] = doctor.complaints(doctor.examine(context(), looks))
    assert (told.id, "restore a backup" in told.remedy) == ("spool.unavailable", True)


def test_a_spool_of_another_release_is_one_complaint_of_all_checks_with_what_mends_it(tmp_path: Path) -> None:
    (tmp_path / "spool.sqlite3").touch()
    given = Context(validation.validate(document(server={"state_dir": str(tmp_path)}), {}), NOW)
    looks = [each for each in doctor.CHECKS if each.id in ("spool", "waiting", "silence", "turned_away")]
    [told] = doctor.complaints(doctor.examine(given, looks))
    assert (told.id, told.remedy) == ("spool.unavailable", "Restart the gateway, or run `motion-gateway migrate`.")

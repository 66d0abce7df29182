"""What is found of what was asked about, and what it comes to: planted in a spool, one cause after another."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.attachments.register import Fetches, Register
from gateway.delivery import claims
from gateway.diagnosis import asked, conclusion, story
from gateway.diagnosis.fate import Conclusion
from gateway.diagnosis.material import Material
from gateway.diagnosis.trace import Tracer
from gateway.errors import GatewayError, NotFound, TooLarge, Unavailable
from gateway.ingress import events, intake
from gateway.inspection.structure import Inspection
from gateway.outbound import record
from gateway.outbound.record import Attached
from gateway.phrases import Finding, Reason
from gateway.store.engines import Database
from gateway.store.turned_away import Ring
from tests import inbound_samples
from tests.config_samples import settings
from tests.service_samples import HandClock
from tests.spool_samples import accept, callback, draft, meddle, reported
from tests.test_docs_troubleshooting import CAUSES as PROMISED
from tests.together import together

pytestmark = pytest.mark.both_engines

NOW = 1_700_000_000.0
NUMBER = "+491701234567"
SETTINGS = settings(attachments={"proxy_token": "the proxy token of the tests"})
WORD = Inspection(
    mime="application/msword", size_bytes=12_345, traits=frozenset(), details={}, opinion="", reader="ole"
)


def find(spool: Database, words: str, *, most: int = 50, since: float = 0.0, now: float = NOW + 600) -> list[Material]:
    return Tracer(SETTINGS, spool, now=now, since=since, most=most).find(asked.read(words))


def told(spool: Database, words: str) -> Conclusion:
    """What the one story ends with."""
    [material] = find(spool, words)
    return conclusion.conclude(material, now=NOW + 600)[0]


def wrote(spool: Database, message: str = "M1", *, now: float = NOW, identity: str = NUMBER, **changes: Any) -> int:
    return accept(spool, message, now=now, identity=identity, **changes)


def failed(spool: Database, outcome: str, *, end: str = "") -> None:
    """The customer's message M1, tried once with that outcome; `end`: as which it is parked."""
    wrote(spool)
    [taken] = claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90)
    if end:
        claims.park(spool, taken, outcome=f"{outcome}: {end}", now=NOW + 1)
    else:
        claims.postpone(spool, taken, outcome=outcome, due_at=0, failures=1, failing_since=NOW, now=NOW + 1)


def report(spool: Database, status: str = "FAILED", *, message: str = "S1", at: float = NOW + 5, **reason: str) -> None:
    """A report on a message of Motion's that did not come through the private door."""
    intake.accept(spool, reported(message, status, **({"reason": reason} if reason else {})), now=at)


def sent(
    spool: Database, code: str = "", *, words: str = "", message: str = "", files: tuple[Attached, ...] = ()
) -> None:
    """A message of Motion's, as the private door has recorded it: refused with that code, or accepted as `message`."""
    made = draft(1, attachments=files)
    if code:
        record.refuse(spool, made, status=400, code=code, words=words, now=NOW)
    else:
        record.begin(spool, made, now=NOW)
        settled(spool, message)


def settled(spool: Database, message: str = "S1") -> None:
    """Sinch took it."""
    record.settle(spool, 1, outcome="accepted", status=200, message_id=message, now=NOW + 1)


def has_file(spool: Database, name: str = "report.doc") -> None:
    Register(spool).acquired("42", digest=bytes(32), name=name, seen=WORD, now=NOW)


def has_none(spool: Database, reason: Reason, error: type[GatewayError] = NotFound) -> None:
    Register(spool).failed("42", error(reason), digest=None, now=NOW)


def turned(spool: Database, door: str, reason: str, about: str = "7", *, at: float = NOW + 4) -> None:
    ring = Ring(spool, clock=HandClock(at), later=lambda _seconds, _work: None)
    ring.note(door, reason, about=about)
    ring.write()


ATTACHED = (Attached(field="message.media_message.url", attachment_id="42", digest="", verdict="", code=""),)

# The cause; how it is planted; what is asked; what is answered, and what to do about it.
Row = tuple[Callable[[Database], object], str, str, str]
CAUSES: dict[str, Row] = {
    "Motion answers 404": (lambda s: failed(s, "404"), "M1", "answered 404", "account.connector_id"),
    "Motion answers 401": (lambda s: failed(s, "401"), "M1", "answered 401", "Receive URL"),
    "Motion answers what nobody knows": (
        lambda s: failed(s, "418"),
        NUMBER,
        "(418): Motion, or a proxy",
        "Motion's log",
    ),
    "Motion sends it elsewhere": (lambda s: failed(s, "308"), NUMBER, "sends the gateway elsewhere", "motion.url"),
    "Motion is down": (lambda s: failed(s, "connection refused"), NUMBER, "Nothing listens", "motion.url"),
    "Motion's certificate expired": (lambda s: failed(s, Reason.TLS_REFUSED), NUMBER, "expired", "Renew"),
    "an event is parked": (
        lambda s: failed(s, "404", end="5 tries failed while others arrived"),
        "M1",
        "parked",
        "replay 1",
    ),
    "another server where Motion should be": (
        lambda s: (wrote(s), delivered(s, "200: answered with a page")),
        "M1",
        "Nobody knows whether Motion has event 1",
        "motion.url",
    ),
    "Motion hangs": (
        lambda s: (wrote(s), claims.claim(s, due_by=NOW + 9, now=NOW + 9, most=1, lease_seconds=90)),
        "M1",
        "Motion was given it, and has not answered yet",
        "Motion hangs",
    ),
    "nobody tried yet": (wrote, "M1", "not tried yet", "motion-gateway ready"),
    "another of the contact's is first": (
        lambda s: (failed(s, "503"), wrote(s, "M2")),
        "M2",
        "waits behind event 1",
        "trace event 1",
    ),
    "an old signature": (
        lambda s: intake.accept(s, replace(callback("M1", identity=NUMBER), stale=True, nonce="n"), now=NOW),
        "M1",
        "signature too old",
        "NTP",
    ),
    "callback of another app": (
        lambda s: wrote(s, findings=(Finding.FOREIGN_APP,)),
        NUMBER,
        "another app",
        "account.app_id",
    ),
    "callback of another project": (
        lambda s: wrote(s, findings=(Finding.FOREIGN_PROJECT,)),
        NUMBER,
        "another project",
        "account.project_id",
    ),
    "file too large": (
        lambda s: (has_none(s, Reason.OVER_OURS, TooLarge), sent(s, "MEDIA_TOO_LARGE", files=ATTACHED)),
        "42",
        "did not get attachment 42 (its name was never learnt): The file",
        "smaller",
    ),
    "DISPATCH mode": (lambda s: wrote(s, findings=(Finding.DISPATCH_MODE,)), "M1", "DISPATCH", "Conversation"),
    "a signature that is wrong": (
        lambda s: (wrote(s), delivered(s), turned(s, "ingress", Reason.SIGNATURE_WRONG)),
        NUMBER,
        "signature wrong; not known whose.",
        "webhook_secrets",
    ),
    "outside the 24-hour window": (
        lambda s: (wrote(s, now=NOW - 90_000), delivered(s), report(s, code="OUTSIDE_ALLOWED_SENDING_WINDOW")),
        "S1",
        "had written last at",
        "until the customer writes again",
    ),
    "outside the window, as WhatsApp counts": (
        lambda s: (wrote(s, now=NOW + 3), delivered(s), report(s, code="CHANNEL_FAILURE", channel_code="131047")),
        "S1",
        ", 2 seconds before.",
        "another number of this customer",
    ),
    "outside the window, as WhatsApp counts, by the private door": (
        lambda s: (
            record.begin(s, draft(1, window="open", heard_at=NOW - 9), now=NOW) and settled(s),
            report(s, code="OUTSIDE_ALLOWED_SENDING_WINDOW"),
        ),
        "mg-1",
        ", 9 seconds before.",
        "another number of this customer",
    ),
    "outside the window, and nothing was reported yet": (
        lambda s: record.begin(s, draft(1, window="closed", heard_at=NOW - 90_000), now=NOW) and settled(s),
        "mg-1",
        "will not get message S1: it comes too late: the customer wrote last 25 hours before",
        "until the customer writes again",
    ),
    "blocked by Meta": (lambda s: report(s, code="NO_PERMISSION"), "S1", "did not get message S1", "Meta"),
    "not opted in": (lambda s: report(s, code="RECIPIENT_NOT_OPTED_IN"), "S1", "did not get message S1", ""),
    "rate limited": (lambda s: report(s, code="RATE_LIMITED"), "S1", "too many messages", "Send it again"),
    "a code nobody knows": (lambda s: report(s, code="NEW", description="so"), "S1", "NEW: so", "Sinch's support"),
    "type that WhatsApp does not take": (
        lambda s: (has_file(s), sent(s, "CHANNEL_FAILURE", files=ATTACHED)),
        "42",
        "The customer did not get report.doc: A Word document in the old format",
        "PDF",
    ),
    "the same with the private door closed": (
        lambda s: (has_file(s), report(s, code="CHANNEL_FAILURE")),
        "S1",
        "did not get message S1, probably report.doc: A Word document in the old format",
        "PDF",
    ),
    "the same with WhatsApp's own number of it": (
        lambda s: (has_file(s), report(s, code="CHANNEL_FAILURE", channel_code="131053")),
        "S1",
        "did not get message S1, probably report.doc: A Word document in the old format",
        "PDF",
    ),
    "an account that Meta has locked, while others were sent files": (
        lambda s: (has_file(s), report(s, code="CHANNEL_FAILURE", channel_code="131031")),
        "S1",
        "did not get message S1: Meta has locked the WhatsApp Business account",
        "WhatsApp Manager",
    ),
    "file deleted at Motion": (
        lambda s: (has_none(s, Reason.GONE), sent(s, "MEDIA_NOT_REACHABLE", files=ATTACHED)),
        "mg-1",
        "did not get attachment 42 (its name was never learnt): Motion has no such file",
        "the agent sends it again",
    ),
    "a file that was deleted, with the private door closed": (
        lambda s: (has_none(s, Reason.GONE), report(s, code="MEDIA_NOT_REACHABLE")),
        "S1",
        "probably attachment 42 (its name was never learnt): Motion has no such file",
        "the agent sends it again",
    ),
    "credentials that Motion refuses": (
        lambda s: has_none(s, Reason.CREDENTIALS_REFUSED, Unavailable),
        "/api/attachments/42/download",
        "Nobody can have attachment 42",
        "motion.username",
    ),
    "a wrong proxy token": (
        lambda s: (turned(s, "attachments", Reason.TOKEN_REFUSED, ""), report(s, code="MEDIA_NOT_REACHABLE")),
        "S1",
        "token refused",
        "attachments.proxy_token",
    ),
    "a wrong proxy token, asked by its link": (
        has_file,
        "https://gateway.example.com/api/attachments/42/download?token=wrong",
        "The token in this link opens nothing",
        "attachments.proxy_token",
    ),
    "text too long": (
        lambda s: sent(s, "MESSAGE_SPLIT_REQUIRED", words="The text has 5000 characters; WhatsApp takes 4096."),
        "send 1",
        "did not get send 1: The text has 5000 characters",
        "several messages",
    ),
    "template": (lambda s: sent(s, "TEMPLATES_NOT_ALLOWED"), "request-1", "templates do not pass", "24 hours"),
    "no report at all": (lambda s: sent(s, message="S1"), "S1", "has reported nothing", "MESSAGE_DELIVERY"),
}


def delivered(spool: Database, outcome: str = "200") -> None:
    while claimed := claims.claim(spool, due_by=NOW + 9, now=NOW + 9, most=1, lease_seconds=90):
        [taken] = claimed
        claims.delivered(spool, taken, outcome=outcome, now=taken.accepted_at)


@pytest.mark.parametrize(("plant", "words", "says", "remedy"), CAUSES.values(), ids=CAUSES)
def test_the_cause_is_named_with_its_remedy(
    spool: Database, plant: Callable[[Database], object], words: str, says: str, remedy: str
) -> None:
    plant(spool)
    found = told(spool, words)
    assert says in found.sentence
    assert remedy in found.remedy
    assert not found.fine


ROWS = [(cause, prints) for cause, command, prints in PROMISED if command == "trace"]


@pytest.mark.parametrize(("cause", "says"), ROWS, ids=[cause for cause, _ in ROWS])
def test_it_prints_what_the_page_on_troubles_says(spool: Database, cause: str, says: str) -> None:
    plant, words, _, _ = CAUSES[cause]
    plant(spool)
    [material] = find(spool, words)
    told = [moment.says for moment in story.moments(material)]
    told += [f"{one.sentence} {one.code}" for one in conclusion.conclude(material, now=NOW)]
    assert any(word in " ".join(told) for word in re.findall(r"`([^`]+)`", says))


def test_what_arrived_is_said_both_ways(spool: Database) -> None:
    wrote(spool)
    report(spool, "READ")
    delivered(spool)
    [material] = find(spool, "c1")
    found = conclusion.conclude(material, now=NOW)
    assert [one.fine for one in found] == [True, True]
    assert "has read message S1" in found[0].sentence
    assert "Motion has event 1 since" in found[1].sentence


def test_a_story_is_found_by_whatever_names_it(spool: Database) -> None:
    wrote(spool)
    sent(spool, message="S1")
    for words in (
        "1",
        "event 1",
        "send 1",
        "M1",
        "S1",
        "c1",
        "mg-1",
        "request-M1",
        "request-1",
        NUMBER,
        "0170 1234567",
    ):
        assert find(spool, words), words


def test_it_is_told_in_the_order_of_time_with_each_try(spool: Database) -> None:
    wrote(spool)
    for second, outcome in enumerate(("503", "503", "connection refused"), 1):
        [taken] = claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90)
        again: dict[str, Any] = {"failures": 1, "failing_since": NOW, "due_at": 0.0}
        claims.postpone(spool, taken, outcome=outcome, now=NOW + second, **again)
    [taken] = claims.claim(spool, due_by=NOW, now=NOW, most=1, lease_seconds=90)
    claims.delivered(spool, taken, outcome="200", now=NOW + 9)
    [material] = find(spool, "M1")
    moments = story.moments(material)
    assert [(moment.at - NOW, moment.who) for moment in moments] == [
        (0, "customer"),
        (1, "Motion"),
        (3, "Motion"),
        (9, "Motion"),
    ]
    assert "answers 503, 2 times until" in moments[1].says
    assert "at try 4" in moments[3].says


FILES = {
    "waiting": ("gateway", "is fetching file 1/1"),
    "kept": ("gateway", "has file 1/1, image/jpeg, 22 bytes"),
    "held": ("gateway", "holds file 1/1, image/jpeg, 22 bytes back: It is a program"),
    "released": ("operator", "releases file 1/1, image/jpeg, 22 bytes"),
    "failed": ("gateway", "cannot have file 1/1: "),
}


@pytest.mark.parametrize(("state", "says"), FILES.items(), ids=FILES)
def test_what_became_of_a_file_that_the_customer_sent_is_told_and_not_its_name(
    spool: Database, state: str, says: tuple[str, str]
) -> None:
    event_id = wrote(spool)
    reasons = {"held": "program", "failed": Reason.MEDIA_HOST}
    inbound_samples.known(spool, event_id, state, reason=reasons.get(state, ""))
    [material] = find(spool, "M1")
    [moment] = [moment for moment in story.moments(material) if "file 1/1" in moment.says]
    assert moment.who == says[0]
    assert moment.says.startswith(says[1])
    assert "photo" not in str(story.moments(material))


def test_an_event_that_waits_for_its_file_says_so(spool: Database) -> None:
    inbound_samples.known(spool, wrote(spool), "waiting", media=1)
    found = told(spool, "M1")
    assert (found.code, found.who) == ("waits for file", "wait")


def test_of_an_answer_that_comes_too_late_that_is_told_where_it_is_sent(spool: Database) -> None:
    record.begin(spool, draft(1, window="closed", heard_at=NOW - 90_000), now=NOW)
    record.begin(spool, draft(2, window="open", heard_at=NOW - 9), now=NOW + 1)
    late, in_time = (story.moments(find(spool, reference)[0]) for reference in ("mg-1", "mg-2"))
    assert [(moment.who, moment.says.partition(":")[0]) for moment in late][1] == (
        "gateway",
        "sees that it comes too late",
    )
    assert len(in_time) == len(late) - 1


def test_a_report_that_an_older_release_has_taken_in_is_read_from_its_body(spool: Database) -> None:
    report(spool, code="RATE_LIMITED")
    meddle(spool, "DELETE FROM report")
    assert told(spool, "S1").code == "RATE_LIMITED"


def troubled(spool: Database, attachment_id: str, *, at: float) -> None:
    Register(spool).failed(attachment_id, NotFound(Reason.GONE), digest=None, now=at)


def test_of_several_files_the_nearest_is_told_that_fits_the_code(spool: Database) -> None:
    for attachment_id, at in (("41", NOW - 60), ("43", NOW + 3), ("44", NOW + 60)):
        troubled(spool, attachment_id, at=at)
    has_file(spool)
    report(spool, message="S1", code="MEDIA_NOT_REACHABLE")
    report(spool, message="S2", code="CHANNEL_FAILURE")
    report(spool, message="S3", at=NOW + 70, code="MEDIA_TOO_LARGE")
    [material] = find(spool, "c1")
    told_of_each = [one.sentence for one in conclusion.conclude(material, now=NOW + 600)]
    for guess in ("S1, probably attachment 43 (", "S2, probably report.doc:", "S3, probably attachment 44 ("):
        assert any(guess in sentence for sentence in told_of_each), told_of_each


def test_a_contact_to_whom_was_only_sent_is_one_story(spool: Database) -> None:
    sent(spool, message="S1")
    record.begin(spool, draft(2), now=NOW)
    [material] = find(spool, "c1")
    assert (material.kind, len(material.sends)) == ("contact", 2)


def test_what_went_well_since_is_told_before_what_went_wrong(spool: Database) -> None:
    report(spool, message="S1", at=NOW, code="RATE_LIMITED")
    report(spool, "DELIVERED", message="S2", at=NOW + 5)
    delivered(spool)
    [material] = find(spool, "c1")
    assert [one.fine for one in conclusion.conclude(material, now=NOW)] == [True, False]


@pytest.mark.parametrize(("came_at", "fine"), [(NOW, [False]), (NOW + 60, [True])], ids=["before", "since"])
def test_who_was_turned_away_before_others_came_through_is_no_cause(
    spool: Database, came_at: float, fine: list[bool]
) -> None:
    wrote(spool, now=came_at)
    delivered(spool)
    turned(spool, "ingress", Reason.SIGNATURE_WRONG)
    [material] = find(spool, NUMBER)
    assert [one.fine for one in conclusion.conclude(material, now=NOW)] == fine
    [row] = [moment for moment in story.moments(material) if moment.who == story.TURNED_AWAY]
    assert row.says.endswith(": signature wrong (7); not known whose")


def test_what_was_turned_away_before_a_message_was_sent_is_no_report_of_it(spool: Database) -> None:
    turned(spool, "ingress", Reason.SIGNATURE_WRONG, at=NOW - 60)
    sent(spool, "MESSAGE_SPLIT_REQUIRED")
    [material] = find(spool, "send 1")
    assert [one.code for one in conclusion.conclude(material, now=NOW)] == ["MESSAGE_SPLIT_REQUIRED"]


def test_a_file_that_nobody_is_known_to_have_sent_is_told_by_its_name_as_it_is_spelled(spool: Database) -> None:
    Register(spool).acquired("42", digest=bytes(32), name="picture.jpg", seen=replace(WORD, mime="image/jpeg"), now=NOW)
    [material] = find(spool, "attachment 42")
    [found] = conclusion.conclude(material, now=NOW)
    assert found.sentence.startswith("WhatsApp takes picture.jpg as it is; ")


def test_the_same_cause_is_told_once_with_how_often(spool: Database) -> None:
    for number in range(3):
        report(spool, message=f"S{number}", at=NOW + number, code="RATE_LIMITED")
    delivered(spool)
    [material] = find(spool, "c1")
    [found] = conclusion.conclude(material, now=NOW)
    assert (found.times, found.at) == (3, NOW + 2)


def test_how_often_is_counted_for_each_file(spool: Database) -> None:
    for number, attachment_id in enumerate(("42", "43", "42"), 1):
        Register(spool).acquired(attachment_id, digest=bytes(32), name=f"{attachment_id}.doc", seen=WORD, now=NOW)
        files = (replace(ATTACHED[0], attachment_id=attachment_id),)
        made = draft(number, attachments=files)
        record.refuse(spool, made, status=400, code="CHANNEL_FAILURE", now=NOW + number)
    [material] = find(spool, "c1")
    found = conclusion.conclude(material, now=NOW)
    assert [(one.sentence.partition(".doc")[0][-2:], one.times, one.files) for one in found] == [
        ("42", 2, ("42",)),
        ("43", 1, ("43",)),
    ]


def test_of_an_answer_that_did_not_come_by_the_private_door_it_says_so_where_that_is_open(spool: Database) -> None:
    report(spool, "DELIVERED", message="S2")
    sent(spool, message="S1")
    report(spool, "READ", message="S1", at=NOW + 4)
    delivered(spool)
    told = {}
    for name, clients in (("closed", []), ("open", ["127.0.0.1"])):
        server = settings(
            server={"outbound_clients": clients}, attachments={"token_keys": ["a key of the tests, long enough"]}
        )
        for message in ("S1", "S2"):
            [material] = Tracer(server, spool, now=NOW, since=0.0, most=50).find(asked.read(message))
            [found] = conclusion.conclude(material, now=NOW)
            told[name, message] = conclusion.PASSED_BY in found.sentence
    assert [place for place, is_said in told.items() if is_said] == [("open", "S2")]


def test_a_number_with_two_contacts_is_two_stories(spool: Database) -> None:
    wrote(spool, "M1", contact="c1")
    wrote(spool, "M2", contact="c2", connector=8)
    assert [material.name for material in find(spool, NUMBER)] == ["c2", "c1"]


def test_a_conversation_is_found_in_the_bodies(spool: Database) -> None:
    body = json.dumps({"message": {"id": "M1", "contact_id": "c1", "conversation_id": "V1"}}).encode()
    accept(spool, body=body, event=events.read(body, connector_id=7))
    sent(spool, message="S1")
    [material] = find(spool, "V1")
    assert (material.kind, material.name) == ("conversation", "V1")
    assert [one.message_id for one in material.sends] == ["S1"]
    assert find(spool, "V") == []


def test_of_a_long_story_the_newest_part_is_read_and_the_rest_counted(spool: Database) -> None:
    for number in range(9):
        wrote(spool, f"M{number}", now=NOW + number)
    [material] = find(spool, NUMBER, most=4)
    assert [kept.record.event_id for kept in material.events] == [6, 7, 8, 9]
    assert material.earlier == 5
    [later] = find(spool, NUMBER, since=NOW + 7)
    assert (len(later.events), later.earlier) == (2, 0)


def test_fetches_of_a_file_are_told(spool: Database) -> None:
    register = Register(spool)
    has_file(spool)
    register.count("42", Fetches(1, NOW + 3, NOW + 3, NOW + 900), revoked_before=None)
    register.close()
    [material] = find(spool, "attachment 42")
    assert any(moment.who == "fetch" and moment.at == NOW + 3 for moment in story.moments(material))


def test_nothing_is_known_of_what_nobody_has_named(spool: Database) -> None:
    wrote(spool)
    for words in ("hello", "app-1", "project-1", "99", "+1 212 555 0100", "/index.html", "event 1x"):
        assert find(spool, words) == [], words


MASKED = {
    "a number alone": ("to 491701234567 it", "to +49…67 it"),
    "with its plus": ("+491701234567", "+49…67"),
    "an id": ("01JQ8V123456789012345678AB", "01JQ8V123456789012345678AB"),
    "a request": ("mg-1234567890123", "mg-1234567890123"),
    "an attachment": ("attachment 123456789012", "attachment 123456789012"),
}


@together(("text", "shown"), MASKED.values(), ids=MASKED)
def test_phone_numbers_are_masked_and_ids_are_whole(text: str, shown: str) -> None:
    assert story.masked(text) == shown

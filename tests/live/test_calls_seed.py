"""A file of each row of the manual's table, sent by an agent: what is answered, sent, fetched, written and reported."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.attachments.fetch import WAITING
from gateway.outbound.record import ACCEPTED, REFUSED, Attached
from sandbox import attachment, callbacks, faults
from sandbox.attachment import Attachment
from sandbox.callbacks import Customer
from sandbox.faults import Fault
from tests.live.call_house import PROXY_TOKEN, CallHouse, assert_refused, at_once, opened
from tests.seed_samples import SEED, Row

SENT = {name: row for name, row in SEED.items() if row.ends in ("native", "link")}
NOT_SENT = {name: row for name, row in SEED.items() if name not in SENT}
TYPES = {
    "CSV": "text/csv",
    "JPG": "image/jpeg",
    "MP3": "audio/mpeg",
    "MP4": "video/mp4",
    "PDF": "application/pdf",
    "PNG": "image/png",
    "DLL": "application/octet-stream",
}
FIELD = "message.media_message.url"
WAITING_FILES = 100


@pytest.fixture(scope="module")
def calls() -> Iterator[CallHouse]:
    with opened() as calls:
        yield calls
        calls.api.assert_nothing_unexpected()
        calls.house.motion.assert_nothing_unexpected()


Link = Callable[[CallHouse, int], str]
LINKS: dict[str, Link] = {
    "as Motion builds it": lambda calls, number: calls.link(number),
    "to Motion itself": lambda calls, number: calls.house.motion.url + attachment.path(number),
}


def sample(calls: CallHouse, row: Row) -> Attachment:
    """The file at Motion, new to the gateway."""
    return calls.house.archive.put(row.name, row.make())


def digest(file: Attachment) -> str:
    return hashlib.sha256(file.content).hexdigest()


def assert_unheard(calls: CallHouse, customer: Customer) -> None:
    assert [call for call in calls.api.calls if customer.contact_id in call.body.decode()] == []


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("row", NOT_SENT.values(), ids=NOT_SENT)
def test_what_whatsapp_would_refuse_is_refused_at_once_and_never_reaches_sinch(
    calls: CallHouse, row: Row, link: Link
) -> None:
    agent, customer, file = calls.agent(), calls.customer(), sample(calls, row)
    agent.link = lambda number: link(calls, number)
    error = assert_refused(agent.send_file(customer.contact_id, file.attachment_id), row.ends)
    assert error["details"][1]["field_violations"][0]["field"] == FIELD
    assert_unheard(calls, customer)
    written = calls.sent(customer)
    assert (written.outcome, written.status, written.code) == (REFUSED, 400, row.ends)
    [attached] = written.attachments
    told = (attached.attachment_id, attached.digest, attached.verdict, attached.code)
    assert told == (str(file.attachment_id), digest(file), "refused", row.ends)


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize(("row", "mime"), [(row, TYPES[name]) for name, row in SENT.items()], ids=SENT)
def test_what_whatsapp_takes_is_sent_with_a_link_that_serves_it(
    calls: CallHouse, row: Row, mime: str, link: Link
) -> None:
    agent, customer, file = calls.agent(), calls.customer(), sample(calls, row)
    agent.link = lambda number: link(calls, number)
    told = agent.send_file(customer.contact_id, file.attachment_id)
    assert told.accepted, told.message
    [call] = calls.calls_of(customer)
    media = json.loads(call.body)["message"]["media_message"]
    assert re.fullmatch(rf"{calls.house.tables['server']['public_url']}/media/[\w-]+/{row.name}", media["url"])
    assert media["filename_override"] == row.name
    assert PROXY_TOKEN.encode() not in call.body
    written = calls.wait_for_fate(customer)
    assert (written.outcome, written.message_id, written.kind) == (ACCEPTED, told.message_id, "media")
    number = str(file.attachment_id)
    expected = Attached(field=FIELD, attachment_id=number, digest=digest(file), verdict=row.ends, code="")
    assert written.attachments == (expected,)
    assert_fetched(calls, told.message_id, file, mime=mime, how=row.ends)


def assert_fetched(calls: CallHouse, message_id: str, file: Attachment, *, mime: str, how: str) -> None:
    """Sinch and WhatsApp had the right bytes, of the right type, and Motion was asked once."""
    ended = calls.api.reports.outcome(message_id)
    [look] = ended.looks if ended else ()
    assert (look.fetched.content, look.fetched.decisive.header("content-type")) == (file.content, mime)
    assert look.rendering.how == how
    assert len(calls.house.archive.wait_until_served(file.attachment_id)) == 1


def test_a_card_with_a_file_ends_as_the_file_does(calls: CallHouse) -> None:
    agent, customer, bad = calls.agent(), calls.customer(), sample(calls, SEED["GIF"])
    error = assert_refused(agent.send_card(customer.contact_id, bad.attachment_id, title="Wave"), "CHANNEL_FAILURE")
    assert error["details"][0]["metadata"]["field"] == "message.card_message.media_message.url"
    assert_unheard(calls, customer)
    customer, good = calls.customer(), sample(calls, SEED["JPG"])
    assert agent.send_card(customer.contact_id, good.attachment_id, title="Chair").accepted
    assert calls.wait_for_fate(customer).kind == "card"


def test_what_is_gone_or_not_to_be_had_is_told_and_never_reaches_sinch(calls: CallHouse) -> None:
    agent, gone = calls.agent(), sample(calls, SEED["JPG"])
    calls.house.archive.delete(gone.attachment_id)
    customer = calls.customer()
    assert_refused(agent.send_file(customer.contact_id, gone.attachment_id), "MEDIA_NOT_REACHABLE")
    assert_unheard(calls, customer)
    [attached] = calls.sent(customer).attachments
    assert (attached.attachment_id, attached.code) == (str(gone.attachment_id), "MEDIA_NOT_REACHABLE")


def test_a_file_that_many_send_at_once_is_fetched_from_motion_once(calls: CallHouse) -> None:
    agent, file = calls.agent(basic=True), sample(calls, SEED["PDF"])
    customers = [calls.customer() for _ in range(20)]
    told = at_once(20, lambda number: agent.send_file(customers[number].contact_id, file.attachment_id))
    assert {one.status for one in told} == {200}
    assert len(calls.house.archive.wait_until_served(file.attachment_id)) == 1


def test_files_that_wait_for_motion_hold_up_neither_words_nor_callbacks(calls: CallHouse) -> None:
    agent, archive = calls.agent(basic=True), calls.house.archive
    files = [archive.put(f"{number}.jpg", SEED["JPG"].make() + bytes([number])) for number in range(WAITING_FILES)]
    archive.set_fault(Fault(name="hang"))
    before, customer = len(archive.downloads), calls.customer()
    with ThreadPoolExecutor(WAITING_FILES) as pool:
        hanging = [pool.submit(agent.send_file, customer.contact_id, file.attachment_id) for file in files]
        archive.wait_for(lambda downloads: len(downloads) >= before + WAITING)
        calls.house.wait_for(lambda: sum(future.done() for future in hanging) == WAITING_FILES - WAITING)
        words = [agent.reply(customer.contact_id, "while files wait") for _ in range(5)]
        callback = calls.house.sinch().send(callbacks.text("while files wait"))
        still = sum(not future.done() for future in hanging)
        archive.set_fault(faults.NONE)
        calls.house.motion.release()
    assert [told.status for told in words] == [200] * 5
    assert (callback.status, still) == (200, WAITING)  # of whom none had given up by then
    ended = [future.result() for future in hanging]
    assert sum(told.accepted for told in ended) == WAITING
    for told in ended:
        if not told.accepted:
            assert_refused(told, "MEDIA_NOT_NOW")


def test_the_operators_list_says_how_each_of_them_ended(calls: CallHouse) -> None:
    ended = {}
    for name, row in SEED.items():
        customer, file = calls.customer(), sample(calls, row)
        told = calls.agent().send_file(customer.contact_id, file.attachment_id)
        if told.accepted:
            calls.wait_for_fate(customer)
        ended[name] = (calls.sent(customer), told)
    lines = calls.house.command("sends", "list", "--most", str(len(SEED))).splitlines()[1:]
    by_id = {line.split()[0]: line.split() for line in lines}
    assert len(by_id) == len(SEED)
    for name, (written, told) in ended.items():
        sent = ["accepted", "DELIVERED", told.message_id]
        assert by_id[str(written.send_id)][5:] == (sent if name in SENT else ["refused", SEED[name].ends, "agent"])
    shown = calls.shown(str(ended["PDF"][0].send_id))
    assert (shown["fate"], shown["message id"]) == ("DELIVERED", ended["PDF"][1].message_id)
    assert ", link, " in shown["attachment"]
    shown = calls.shown(str(ended["GIF"][0].send_id))
    assert (shown["outcome"], shown["code"], shown["fate"]) == ("refused", "CHANNEL_FAILURE", "")
    assert ", refused CHANNEL_FAILURE, " in shown["attachment"]

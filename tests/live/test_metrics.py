"""What Prometheus reads is what happened: with two workers at each door and a courier, over restarts."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox import callbacks, faults
from tests.live.call_house import PROXY_TOKEN, CallHouse, opened
from tests.live.house import House, children
from tests.picture_samples import picture, written

FETCHES = 25  # of a file, more than any test but one has
LIMITS = {"unknown_tokens_per_address": "off", "fetches_per_attachment": f"{FETCHES}/day"}
SAMPLE = re.compile(r"^motion_gateway_([a-z_]+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
MORE = re.compile('door="ops"|^token_refreshes')
PHOTO = written(picture(size=(640, 480)), "JPEG")
CUSTOMER = callbacks.customer("planted customer")
# What one round of the load below leaves behind.
COUNTED = {
    'answers_total{door="ingress",status="200"}': 13,
    'answers_total{door="ingress",status="401"}': 3,
    'answers_total{door="ingress",status="404"}': 1,
    'answers_total{door="edge",status="404"}': 2,
    'answers_total{door="attachments",status="200"}': 2,
    'answers_total{door="attachments",status="404"}': 1,
    'answers_total{door="outbound",status="200"}': 3,  # one for the agent's own token
    'answers_total{door="outbound",status="403"}': 1,
    'refusals_total{door="ingress",reason="signature wrong"}': 3,
    'refusals_total{door="ingress",reason="unknown connector"}': 1,
    'refusals_total{door="attachments",reason="token refused"}': 1,
    'refusals_total{door="outbound",reason="TEMPLATES_NOT_ALLOWED"}': 1,
    'signatures_refused_total{connector="7",reason="signature wrong"}': 3,
    'callbacks_total{connector="7",outcome="accepted"}': 11,
    'callbacks_total{connector="7",outcome="repeat"}': 2,
    'fetches_total{outcome="served",purpose="proxy"}': 2,
    'fetches_total{outcome="refused",purpose="unknown"}': 1,
    'downloads_total{outcome="acquired"}': 1,
    'verdicts_total{verdict="native"}': 2,
    'sends_total{connector="7",outcome="accepted"}': 2,
    'sends_total{connector="7",outcome="refused"}': 1,
    'sinch_calls_total{status="200"}': 2,
}


@pytest.fixture(scope="module")
def calls() -> Iterator[CallHouse]:
    with opened(vaulted=True, workers={"ingress": 2, "attachments": 2, "outbound": 2}, limits=LIMITS) as made:
        made.api.reports.sinch = None  # it would tell of what was sent, each time otherwise
        yield made


def scraped(house: House) -> Counter[str]:
    """Each sample, as its name and labels are written, without what all names begin with."""
    answer = house.ops("/metrics")
    assert (answer.status, answer.header("content-type")) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = SAMPLE.findall(answer.body.decode())
    return Counter({name + (f"{{{labels}}}" if labels else ""): float(value) for name, labels, value in found})


def counted(house: House, before: Counter[str]) -> dict[str, float]:
    """What counters have grown by; but for what a look at it leaves behind, and for tokens, which each worker has."""
    now = scraped(house)
    grown = {name: now[name] - before[name] for name in now if "_total" in name}
    assert all(difference >= 0 for difference in grown.values()), "a counter went back"
    return {name: difference for name, difference in grown.items() if difference and not MORE.search(name)}


def load(calls: CallHouse) -> None:
    house = calls.house
    letters = [house.sinch().send(callbacks.text(f"words {number}", by=CUSTOMER)).letter for number in range(10)]
    house.settle()
    tried = len(house.decisions("courier", verdict="again"))
    house.motion.set_fault(faults.status(503))
    house.sinch().send(callbacks.text("while Motion is away", by=callbacks.customer("another")))
    house.wait_for(lambda: len(house.decisions("courier", verdict="again")) > tried)
    house.motion.set_fault(faults.NONE)
    assert [house.sinch().post(letters[0]).status for _ in range(2)] == [200, 200]
    assert [house.sinch(secret="another").send(callbacks.text("forged")).status for _ in range(3)] == [401] * 3
    assert house.sinch(connector_id=99).send(callbacks.text("to nobody")).status == 404
    assert [house.ask(path).status for path in ("/", "/wp-login.php")] == [404, 404]
    photo = house.archive.put("photo.jpg", PHOTO)
    link = f"/api/attachments/{photo.attachment_id}/download?token="
    assert [house.ask(link + token, method="GET").status for token in (PROXY_TOKEN, PROXY_TOKEN, "guessed")] == [
        200,
        200,
        404,
    ]
    agent, customer = calls.agent(), calls.customer()
    assert [agent.reply(customer.contact_id, words).status for words in ("Hola", "Adiós")] == [200, 200]
    template = {"template_message": {"channel_template": {"WHATSAPP": {"template_id": "t", "version": "1"}}}}
    assert agent.send(customer.contact_id, template).status == 403
    house.settle()


def lines_told(house: House) -> Counter[str]:
    """What the log tells of tries to deliver and of findings, as the metrics say it."""
    told: Counter[str] = Counter()
    for line in house.lines:
        if line["event"] == "delivery":
            told[f'deliveries_total{{connector="7",outcome="{line["verdict"]}"}}'] += 1
            if line["verdict"] != "delivered":
                told[f'delivery_failures_total{{connector="7",reason="{line["reason"]}"}}'] += 1
        elif line["event"] == "finding":
            told[f'findings_total{{finding="{line["finding"]}"}}'] += 1
    return told


def assert_counted(calls: CallHouse, before: Counter[str], *, rounds: int) -> None:
    """That much was counted, and as many tries and findings as the log tells of."""

    def expected() -> Counter[str]:
        return Counter({name: rounds * number for name, number in COUNTED.items()}) + lines_told(calls.house)

    with contextlib.suppress(AssertionError):  # lines of the last requests may be on their way
        calls.house.wait_for(lambda: counted(calls.house, before) == expected())
    assert counted(calls.house, before) == expected()


def test_the_counts_are_what_was_sent_and_go_on_after_deaths_and_a_restart(calls: CallHouse) -> None:
    house, before = calls.house, scraped(calls.house)
    load(calls)
    assert_counted(calls, before, rounds=1)
    for part in ("ingress", "attachments", "outbound"):
        [worker, *_] = children(house.pid(part))
        os.kill(worker, signal.SIGKILL)
        house.wait_for(lambda part=part, worker=worker: {worker} ^ {*children(house.pid(part))} > {worker})
    load(calls)
    assert_counted(calls, before, rounds=2)
    house.stop()
    house.start()
    assert_counted(calls, before, rounds=2)
    load(calls)
    assert_counted(calls, before, rounds=3)
    counters = [path.name for path in (house.folder / "state" / "run" / "metrics").rglob("counter_*.db")]
    assert sorted(counters) == [
        *("counter_attachments-0.db", "counter_attachments-1.db", "counter_courier-0.db"),
        *("counter_ingress-0.db", "counter_ingress-1.db", "counter_nginx-0.db", "counter_ops-0.db"),
        *("counter_outbound-0.db", "counter_outbound-1.db"),
    ]


def test_what_two_workers_let_through_is_what_the_limit_says_over_the_death_of_one_and_a_reload(
    calls: CallHouse,
) -> None:
    house, photo = calls.house, calls.house.archive.put("photo.jpg", PHOTO)
    link = f"/api/attachments/{photo.attachment_id}/download?token={PROXY_TOKEN}"

    def fetched(times: int) -> list[int]:
        with ThreadPoolExecutor(8) as pool:
            return [*pool.map(lambda _: house.ask(link, method="GET").status, range(times))]

    before = children(house.pid("attachments"))
    assert fetched(FETCHES - 5) == [200] * (FETCHES - 5)
    os.kill(before[0], signal.SIGKILL)
    os.kill(house.pid("attachments"), signal.SIGHUP)
    house.wait_for(lambda: len(new := children(house.pid("attachments"))) == 2 and not {*new} & {*before})
    assert Counter(fetched(20)) == {200: 5, 429: 15}


def test_what_a_door_cannot_read_is_counted_with_its_answer(calls: CallHouse) -> None:
    before, name = scraped(calls.house), 'answers_total{door="ingress",status="404"}'
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(str(calls.house.folder / "state" / "run" / "ingress.sock"))
        door.sendall(b"what is no HTTP\r\n\r\n")
        assert door.recv(1000).startswith(b"HTTP/1.1 404 ")
    calls.house.wait_for(lambda: counted(calls.house, before))
    assert counted(calls.house, before) == {name: 1}


def test_the_gauges_tell_how_it_stands(calls: CallHouse) -> None:
    load(calls)
    found, now = scraped(calls.house), time.time()
    checks = {name.split('"')[1] for name in found if name.startswith("check_ok") and found[name] == 1}
    assert checks == {"spool", "courier", "ingress", "attachments", "outbound"}
    assert (found['events{state="pending"}'], found["oldest_pending_seconds"]) == (0, 0)
    assert [found[f'motion_up{{connector="{connector}"}}'] for connector in (7, 8)] == [1, 1]
    assert -1 < found["clock_drift_seconds"] < 60
    assert now - 600 < found["last_callback_timestamp_seconds"] <= now
    assert found['certificate_ends_timestamp_seconds{setting="server.certificate"}'] > now
    assert found['certificate_ends_timestamp_seconds{setting="server.outbound_certificate"}'] > now
    assert len(PHOTO) <= found["vault_bytes"] < found["vault_limit_bytes"]
    assert found['processes{part="ingress"}'] == found['processes{part="outbound"}'] == 2
    assert found["state_free_bytes"] > 0


def test_what_is_told_is_of_prometheus_and_names_nobody(calls: CallHouse) -> None:
    load(calls)
    text = calls.house.ops("/metrics").body
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, stderr=subprocess.STDOUT, stdout=subprocess.PIPE
    )
    assert (checked.returncode, checked.stdout) == (0, b"")
    names = [CUSTOMER.contact_id, CUSTOMER.phone, CUSTOMER.name, PROXY_TOKEN, "wp-login", "photo", "127.0.0.1", "99"]
    assert [name for name in names if name in re.sub(r"(?m)^#.*$| \S+$", "", text.decode())] == []


def test_what_a_client_says_of_traces_goes_nowhere_and_what_we_say_stands_in_the_log(calls: CallHouse) -> None:
    house, foreign = calls.house, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    letter = house.sinch().prepare(callbacks.text("traced"))
    house.motion.forget()
    house.sinch().post(dataclasses.replace(letter, headers=(*letter.headers, ("traceparent", foreign))))
    house.motion.wait_for_accepted(1)
    [heard] = house.motion.accepted
    [line] = house.wait_for(lambda: house.decisions("courier", traceparent=heard.header("traceparent")))
    assert line["traceparent"].split("-")[1] == line["request_id"] == heard.header("x-request-id")
    agent, customer = calls.agent(), calls.customer()
    assert agent.reply(customer.contact_id, "Hola").accepted
    [sent] = calls.calls_of(customer)
    [line] = house.decisions("outbound", traceparent=sent.heard.header("traceparent"))
    assert line["traceparent"].split("-")[1] == line["request_id"]

"""What is told of other nodes: the same to doctor, to `/readyz` and to Prometheus, and never a value."""

from __future__ import annotations

from functools import partial

from gateway import app, lock, paths
from gateway.config.marks import Key
from gateway.config.validation import PartialSettings
from gateway.diagnosis import peers
from gateway.diagnosis.complaint import Context
from gateway.diagnosis.scrape import Scrape
from gateway.store import nodes
from gateway.store.engines import Database
from tests.service_samples import HandClock, services
from tests.spool_samples import NOW
from tests.test_diagnosis_routes import listening
from tests.test_serving_heart import shared
from tests.test_store_nodes import TOKENS, beat

DIFFERS = "The node b works with another attachments.token_keys than a: links to files that one of them has minted "


def test_each_hears_of_the_node_that_is_silent_and_of_the_secret_that_differs(spool: Database) -> None:
    told = shared(spool, HandClock(NOW + 40), server={"node": "a"})
    beat(spool, "a", seen_at=NOW + 40)
    beat(spool, "b", seen_at=NOW + 30)
    beat(spool, "c")
    nodes.mark(spool, "a", "outbound", {TOKENS: "4711", Key("outbound.gateway_key"): "1"})
    nodes.mark(spool, "b", "outbound", {TOKENS: "0815", Key("outbound.gateway_key"): "1"})
    found = peers.findings(told.settings, spool, now=NOW + 40)
    assert [(one["finding"], one["about"]) for one in found] == [
        ("node-silent", "c"),
        ("node-differs", "b attachments.token_keys"),
    ]
    assert "motion-gateway nodes forget c" in found[0]["remedy"]
    assert found[0]["reason"] == "The node c, on host-c, has said nothing for 40 seconds."
    assert found[1]["reason"].startswith(DIFFERS)
    said = [*peers.look(Context(PartialSettings(told.settings, frozenset(), {}, (), ()), NOW + 40, spool))]
    assert [(each.id, each.about) for each in said] == [
        ("nodes.silent", "c"),
        ("nodes.differs", "b attachments.token_keys"),
    ]
    scraped = Scrape(told).text({}).decode()
    assert 'motion_gateway_node_silence_seconds{node="b"} 10.0' in scraped
    assert 'motion_gateway_node_finding_active{finding="node-silent",node="c"} 1.0' in scraped
    assert not any(mark in f"{found}{said}{scraped}" for mark in ("4711", "0815"))


def test_the_office_tells_of_them_and_is_ready_all_the_same(spool: Database) -> None:
    told = shared(spool, HandClock(NOW + 40), server={"node": "a"})
    beat(spool, "c")
    place = partial(paths.lock, told.settings)
    with lock.only_one(place("courier"), "courier"), listening(paths.socket(told.settings, "ingress")):
        answer = app.create_app(told, door="ops").test_client().get("/readyz")
    assert (answer.status_code, answer.json["ready"]) == (200, True)
    assert [(one["finding"], one["about"]) for one in answer.json["findings"]] == [("node-silent", "c")]


def test_of_a_file_there_is_one_node_which_is_as_its_courier_is(spool: Database) -> None:
    told = services(spool, server={"node": "a"})
    beat(spool, "b")
    found = peers.among(told.settings, spool, now=NOW)
    assert [(peers.state(node, found), node.name) for node in found.nodes] == [("stopped", "a")]
    assert peers.findings(told.settings, spool, now=NOW) == []


def test_a_node_that_stopped_in_good_order_is_a_note_of_doctors_and_nothing_to_raise_an_alarm_on(
    spool: Database,
) -> None:
    told = shared(spool, HandClock(NOW + 90), server={"node": "a"})
    beat(spool, "b")
    nodes.leave(spool, "b", instance="of b", now=NOW)
    [said] = peers.look(Context(PartialSettings(told.settings, frozenset(), {}, (), ()), NOW + 90, spool))
    assert (said.id, said.level) == ("nodes.stopped", "note")
    assert said.sentence == "The node b, on host-b, stopped in good order 1 minute ago."
    assert peers.findings(told.settings, spool, now=NOW + 90) == []


def test_two_of_one_name_and_one_behind_are_worded_with_what_mends_it(spool: Database) -> None:
    beat(spool, "b", instance="first")
    beat(spool, "b", instance="second", host="copied", again=True, release="0.1.0")
    beat(spool, "a")
    said = [peers.worded(fault) for fault in nodes.peers(spool, "a", now=NOW).faults()]
    assert [each.id for each in said] == ["nodes.name_twice", "nodes.behind"]
    assert said[0].sentence == "Two gateways say that they are the node b: one on copied, one on host-b."
    assert said[1].sentence == "The node b is of release 0.1.0 with schema 0012; a is of 0.2.0 with 0012."


def test_nothing_of_nodes_is_told_to_prometheus_where_there_is_one(spool: Database) -> None:
    told = services(spool, server={"node": "a"})
    assert "motion_gateway_node_silence" not in Scrape(told).text({}).decode()

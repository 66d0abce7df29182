"""What is made of a run of a cluster: what was lost, out of order, or came twice, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import setup
from sandbox.cluster import front, verdict
from sandbox.cluster.node import Node, Ports
from sandbox.cluster.traffic import SENDERS, Plan, Told, Traffic
from sandbox.cluster.verdict import Deed, Diary, Verdict
from sandbox.motion import Motion, Received
from sandbox.sinch import Sinch


def sent(*, events: int = 6, contacts: int = 2) -> Traffic:
    """All of it answered 200 by node a."""
    traffic = Traffic(Plan(events=events, contacts=contacts, seed=1), {"a": Sinch(url="https://a", secret="secret")})
    for posted in traffic.posted():
        posted.answers.append(Told("a", 200, 1.0, retry_after=False))
    return traffic


def bodies(traffic: Traffic) -> list[bytes]:
    return [posted.letter.body for posted in traffic.posted()]


def judged(traffic: Traffic, heard: list[bytes], *deeds: Deed, cut: Received | None = None, **more: object) -> Verdict:
    """Motion has heard these, one each second."""
    received = [cut] if cut else []
    received += [
        Received(number=n, connector_id=7, body=body, headers=(), query="", at=float(n), answered=200)
        for n, body in enumerate(heard)
    ]
    right: dict[str, object] = {"left": {}, "files": {}, "unexpected": ()}
    return verdict.found(traffic, received, Diary([*deeds]), **(right | more))


def test_what_arrived_once_and_in_order_is_fine() -> None:
    traffic = sent()
    found = judged(traffic, bodies(traffic))
    assert (found.problems, found.reasons, found.contacts) == ((), {}, 2)


def test_what_motion_had_yet_to_answer_when_its_bringer_died_is_counted_and_no_repeat() -> None:
    traffic = sent()
    cut = Received(number=0, connector_id=7, body=bodies(traffic)[0], headers=(), query="", at=0.0)
    found = judged(traffic, bodies(traffic), cut=cut)
    assert (found.problems, found.reasons, found.unanswered) == ((), {}, 1)


def test_what_was_answered_200_and_never_came_is_lost() -> None:
    traffic = sent()
    found = judged(traffic, bodies(traffic)[1:])
    assert [problem.partition(":")[0] for problem in found.problems] == ["lost"]


def test_a_later_message_of_a_contact_before_an_earlier_one_is_out_of_order() -> None:
    traffic = sent()
    first, second, *rest = bodies(traffic)
    assert judged(traffic, [second, first, *rest]).problems == ("out of order: contact 1 0",)


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        (Deed("before both", -2.0, -1.0, None), ""),
        (Deed("between them", 2.0, 3.0, None), "between them"),
        (Deed("not yet over", -1.0, concerned=None), "not yet over"),
        (Deed("after both", 100.0, 101.0, None), ""),
        (Deed("of others", 2.0, 3.0, frozenset({b"another"})), ""),
    ],
    ids=lambda value: getattr(value, "what", value or "nothing"),
)
def test_what_comes_twice_needs_something_that_happened_in_between(deed: Deed, why: str) -> None:
    traffic = sent()
    heard = bodies(traffic)
    found = judged(traffic, [*heard, heard[0]], deed)
    assert found.reasons == {why: 1}
    assert bool(found.problems) == (not why)
    assert found.late == 1


def test_what_concerned_just_this_one_is_told_before_what_may_concern_any() -> None:
    traffic = sent()
    heard = bodies(traffic)
    stood_still = Deed("stood still", 0.0, 9.0, frozenset(heard[:1]))
    assert judged(traffic, [*heard, *heard[:2]], stood_still, Deed("died", 3.0, 4.0, None)).reasons == {
        "stood still": 1,
        "died": 1,
    }


@pytest.mark.parametrize(
    ("status", "retry_after", "fine"), [(503, True, True), (503, False, False), (502, True, False)]
)
def test_a_refusal_says_503_and_when_to_come_again(status: int, *, retry_after: bool, fine: bool) -> None:
    traffic = sent()
    next(traffic.posted()).answers.insert(0, Told("a", status, 0.5, retry_after=retry_after))
    assert (judged(traffic, bodies(traffic)).problems == ()) == fine


def test_what_is_left_in_the_spool_is_a_problem() -> None:
    traffic = sent()
    assert judged(traffic, bodies(traffic), left={"lanes left behind": 3}).problems == ("3 lanes left behind",)


def test_a_file_that_a_node_does_not_serve_is_a_problem() -> None:
    traffic = sent()
    files = {"at a": True, "at b": False}
    assert judged(traffic, bodies(traffic), files=files).problems == ("not served: at b",)


def test_one_in_ten_is_for_both_nodes_and_the_same_ones_with_the_same_seed() -> None:
    plans = [sent(events=400, contacts=20) for _ in range(2)]
    both = [[posted.at_both for posted in traffic.posted()] for traffic in plans]
    assert both[0] == both[1]
    assert 20 <= sum(both[0]) <= 60


def test_who_is_told_to_end_begins_no_more_and_has_each_that_was_begun_answered() -> None:
    with Motion() as motion:
        sinch = Sinch(url=f"{motion.url}/api/whatsapp/accounts/7/notify", secret="secret")
        traffic = Traffic(Plan(events=500, contacts=20, seed=1, per_second=1e6), {"a": sinch})
        traffic.allow(10)
        traffic.start()
        try:
            traffic.wait_until(10)
            traffic.end()
        finally:
            traffic.stop()
    begun = [posted for posted in traffic.posted() if posted.answers]
    assert all(posted.accepted for posted in begun)
    assert 10 <= len(begun) == traffic.accepted < 10 + SENDERS


def test_the_front_leads_to_nodes_that_are_ready_and_where_none_is_to_all(tmp_path: Path) -> None:
    with setup.built(motion_url="http://m", control_url="http://c", root=tmp_path) as built:
        ports = Ports(public=11, ops=12, outbound=13, front=14)
        nodes = [Node(name, built.folder / name, built.state, ports) for name in ("a", "b")]
        text = front.settings(built.state, nodes)
    callbacks_to = text.partition("listen callbacks")[2].partition("\nlisten")[0]
    assert "server a 127.0.0.1:11 check port 12 addr 127.0.0.1 send-proxy-v2" in callbacks_to
    assert "server b-unready 127.0.0.1:11 no-check backup send-proxy-v2" in callbacks_to
    assert "option allbackups" in callbacks_to

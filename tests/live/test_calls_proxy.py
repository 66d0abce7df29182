"""An office behind a proxy: messages, tokens and callbacks go through it, and its trouble is told as its own."""

from __future__ import annotations

from contextlib import closing

from gateway.outbound.record import UNSENT
from tests.live.call_house import assert_refused, opened
from tests.proxy_samples import AUTHORIZATION, PASSWORD, USER, ForwardProxy


def place(url: str) -> bytes:
    return b"CONNECT " + url.partition("://")[2].encode() + b" "


def test_everything_that_goes_out_goes_through_the_proxy_and_it_is_named_where_it_refuses() -> None:
    with closing(ForwardProxy(authorization=AUTHORIZATION)) as proxy, closing(ForwardProxy()) as inner:
        ours = {"proxy": proxy.url, "proxy_username": USER, "proxy_password": PASSWORD}
        with opened(vaulted=True, sinch=ours, motion={"proxy": inner.url}) as calls:
            customer = calls.customer()
            assert calls.agent(basic=True).reply(customer.contact_id, "Hola").accepted
            calls.wait_for_fate(customer)
            asked = {head.split(b"HTTP")[0] for head in proxy.heads}
            assert asked == {place(calls.api.origins[name].url) for name in ("eu", "auth")}
            motion = place(calls.house.tables["motion"]["url"])
            calls.house.wait_for(lambda: any(head.startswith(motion) for head in inner.heads))
            assert len(calls.api.accepted) == 1

            proxy.authorization = "Basic of another"
            proxy.cut()
            another = calls.customer()
            error = assert_refused(calls.agent(basic=True).reply(another.contact_id, "Hola"), "SINCH_UNREACHABLE")
            words = "proxy: user name or password refused (status 407)"
            assert f"{words}. Nothing was sent." in error["message"]
            row = calls.sent(another)
            assert (row.outcome, len(calls.api.accepted)) == (UNSENT, 1)
            assert words in calls.shown(row.reference)["said"]
            lines = calls.house.decisions("outbound", reason="SINCH_UNREACHABLE")
            assert all(words in line["why"] for line in lines)
            assert lines
            assert PASSWORD not in calls.house.log
            assert AUTHORIZATION not in calls.house.log

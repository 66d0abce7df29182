"""Names are looked up side by side, and what nobody can resolve is left out."""

from __future__ import annotations

from gateway.diagnosis import resolver


def test_addresses_are_told_by_host_and_what_is_no_name_is_left_out() -> None:
    found = resolver.ask(["127.0.0.1", "[::1]", "127.0.0.1", "no..name"])
    assert found == {"127.0.0.1": ["127.0.0.1"], "[::1]": ["::1"]}

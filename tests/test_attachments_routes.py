"""The second door: who gets a file, what comes with it, and what is said to all others."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from gateway import app, doors, errors, paths
from gateway.attachments import tokens, vault
from gateway.attachments.decision import Item
from gateway.attachments.register import Register
from gateway.attachments.tokens import Purpose
from gateway.doors import PUBLIC_HEADERS
from gateway.errors import GatewayError, NotFound, SpoolUnavailable, TooLarge, Unavailable
from gateway.inspection import content, inspector
from gateway.inspection.rulebook import VerdictKind
from gateway.store.engines import Database
from tests import document_samples
from tests.door_samples import Log, assert_refused, logged
from tests.examples import examples
from tests.file_door_samples import (
    JPEG,
    KEY,
    LINKS,
    PROXY_TOKEN,
    FileDoor,
    grant,
    minted,
    minted_before,
    opened,
    proxied,
)
from tests.picture_samples import picture, written
from tests.service_samples import NOW, services
from tests.spool_samples import WatchedSpool, locked

DAY = 86_400.0
FILE = written(picture(), "JPEG")
GIF = written(picture(), "GIF")
PDF = document_samples.pdf()
OCTETS = "application/octet-stream"


@pytest.fixture(params=[False, True], ids=["", "behind nginx"])
def door(request: pytest.FixtureRequest, spool: Database) -> Iterator[FileDoor]:
    """A door before a shelf with one photo."""
    with opened(spool, behind_nginx=request.param) as found:
        found.shelf.put(JPEG, FILE, name="photo.jpeg")
        yield found


@pytest.fixture
def sender(door: FileDoor) -> FileDoor:
    """A door that sends the file itself."""
    door.behind_nginx = False
    return door


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Iterator[Log]:
    with logged(capfd, "attachments") as read:
        yield read


def link(door: FileDoor, **changes: Any) -> str:
    return minted(grant(door.shelf.items[JPEG], **changes))


def assert_served(answer: TestResponse, file: bytes = FILE) -> None:
    assert (answer.status_code, answer.data) == (200, file)
    assert answer.headers["Content-Length"] == str(len(file))
    assert {name: answer.headers.getlist(name) for name in PUBLIC_HEADERS} == {
        name: [value] for name, value in PUBLIC_HEADERS.items()
    }
    assert "Set-Cookie" not in answer.headers


def test_what_protects_is_all_there() -> None:
    assert PUBLIC_HEADERS == {
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
        "Cross-Origin-Resource-Policy": "same-site",
        "Referrer-Policy": "no-referrer",
    }


# What is served.


@pytest.mark.parametrize("made", [lambda _: proxied(), link], ids=["Motion's link", "a minted link"])
def test_a_right_link_gives_the_file_byte_for_byte(door: FileDoor, made: Callable[[FileDoor], str]) -> None:
    assert_served(door.ask(made(door)))


def test_head_tells_what_get_would(sender: FileDoor) -> None:
    got, told = sender.ask(proxied()), sender.ask(proxied(), method="HEAD")
    assert (told.status_code, told.data) == (200, b"")
    assert {*told.headers} - {("Date", told.headers["Date"])} == {*got.headers} - {("Date", got.headers["Date"])}


NAMES = {
    "Motion's own": ("photo.jpeg", None, "photo.jpg"),
    "none": ("", None, "file.jpg"),
    "that of the token": ("photo.jpeg", "grüße.jpg", "grüße.jpg"),
    "one that would run": ("a.exe", None, "a.jpg"),
}


@pytest.mark.parametrize(("of_motion", "of_token", "sent"), NAMES.values(), ids=NAMES)
def test_the_name_is_made_anew(spool: Database, of_motion: str, of_token: str | None, sent: str) -> None:
    with opened(spool) as door:
        item = door.shelf.put(JPEG, FILE, name=of_motion)
        answer = door.ask(minted(grant(item, name=of_token)) if of_token else proxied())
    plain = sent.encode("ascii", "ignore").decode().replace("gre", "grue")
    assert answer.headers["Content-Disposition"] == (
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(sent)}"
    )


def test_the_type_is_ours_in_whatsapps_spelling_and_without_a_charset(spool: Database) -> None:
    with opened(spool, attachments={"profile": "meta-cloud"}) as door:
        for number, (file, mime) in enumerate([(FILE, "image/jpeg"), (b"words\n", "text/plain"), (GIF, OCTETS)], 1):
            door.shelf.put(str(number), file, name="any.pdf")
            answer = door.ask(proxied(str(number)))
            assert_served(answer, file)
            assert answer.headers["Content-Type"] == mime


PARTS = {
    "the first bytes": ({"range": "bytes=0-9"}, 206, FILE[:10]),
    "from there on": ({"range": "bytes=100-"}, 206, FILE[100:]),
    "the last bytes": ({"range": "bytes=-7"}, 206, FILE[-7:]),
    "the last byte": ({"range": f"bytes={len(FILE) - 1}-"}, 206, FILE[-1:]),
    "beyond the end": ({"range": f"bytes={len(FILE)}-"}, 416, errors.body(416)),
}


@pytest.mark.parametrize(("headers", "status", "body"), PARTS.values(), ids=PARTS)
def test_a_part_is(door: FileDoor, headers: dict[str, str], status: int, body: bytes) -> None:
    answer = door.ask(proxied(), **headers)
    assert (answer.status_code, answer.data) == (status, body)
    assert {name: answer.headers[name] for name in PUBLIC_HEADERS} == PUBLIC_HEADERS


def test_who_has_the_file_is_told_so(sender: FileDoor) -> None:
    tag = sender.ask(proxied()).headers["ETag"]
    assert tag == f'"{sender.shelf.items[JPEG].digest.hex()}"'
    assert sender.ask(proxied(), if_none_match=tag).status_code == 304
    assert sender.ask(proxied(), if_none_match='"another"').status_code == 200
    assert sender.ask(proxied(), if_range=tag, range="bytes=0-9").status_code == 206
    assert sender.ask(proxied(), if_range='"another"', range="bytes=0-9").status_code == 200


def test_behind_nginx_the_door_names_the_file_and_sends_none(door: FileDoor) -> None:
    answer = door.ask(proxied(), x_sendfile_type="X-Accel-Redirect")
    digest = door.shelf.items[JPEG].digest.hex()
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["X-Accel-Redirect"] == f"/media/vault/{digest[:2]}/{digest}"
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")


def test_the_place_of_the_files_is_too_short_for_a_token() -> None:
    assert len(doors.VAULT_LOCATION.rpartition("/")[2]) < tokens.SHORTEST


def test_every_fetch_is_counted_with_the_end_of_its_token(door: FileDoor) -> None:
    for asked in (proxied(), link(door), link(door, expires_at=int(NOW) + 60)):
        door.ask(asked)
    assert door.shelf.fetches == [(JPEG, None), (JPEG, NOW + 3600), (JPEG, NOW + 60)]


def test_a_fetch_from_the_vault_reads_one_row_and_is_answered_while_nobody_can_write(spool: Database) -> None:
    """With the real shelf."""
    watched = WatchedSpool(spool.path)
    shared = services(watched, attachments=LINKS)
    file, digest = paths.vault(shared.settings) / vault.place(sha256(FILE).digest()), sha256(FILE).digest()
    file.parent.mkdir(parents=True)
    file.write_bytes(FILE)
    seen = inspector.inspect(content.of_bytes(FILE), name="")
    item = Item.of(Register(spool).acquired(JPEG, digest=digest, name="", seen=seen, now=NOW), digest, seen)
    client = app.create_app(shared, door="attachments").test_client()
    with locked(spool.path):
        for asked in (proxied(), minted(grant(item)), minted(grant(item))):
            assert client.get(asked, headers={"range": "bytes=0-9"}, buffered=True).data == FILE[:10]
    assert watched.asked == [["attachment"]] * 3
    shared.shelf.close()
    watched.close()
    known = Register(spool).find(JPEG)
    assert known
    assert known.fetches == 3


# Verdicts.


def test_a_file_that_the_profile_refuses_is_415_and_its_link_does_not_begin(door: FileDoor, log: Log) -> None:
    door.shelf.put("13", GIF)
    assert_refused(door.ask(proxied("13")), 415)
    assert door.shelf.fetches == []
    [line] = log()
    assert (line["reason"], line["verdict"], line["code"], line["row"]) == (
        "file refused",
        "refused",
        "CHANNEL_FAILURE",
        "GIF",
    )


PROFILES = {"xcally-observed": 415, "meta-cloud": 200, "strict": 200}  # what each says of a GIF


@pytest.mark.parametrize(("profile", "status"), PROFILES.items(), ids=PROFILES)
def test_a_changed_profile_counts_at_once_for_motions_link(spool: Database, profile: str, status: int) -> None:
    with opened(spool, attachments={"profile": profile}) as door:
        door.shelf.put("13", GIF)
        assert door.ask(proxied("13")).status_code == status


# What a link may have been granted that no profile of today would grant: rows change.
GRANTS: dict[str, dict[str, Any]] = {
    "as a link": {"kind": VerdictKind.LINK, "mime": OCTETS, "name": "funny.gif"},
    "as a picture": {"kind": VerdictKind.NATIVE, "mime": "image/gif", "name": "funny.gif"},
    "for another channel": {
        "kind": VerdictKind.NATIVE,
        "mime": "image/gif",
        "name": "g.gif",
        "purpose": Purpose.ELSEWHERE,
    },
    "by hand, under another name": {
        "kind": VerdictKind.LINK,
        "mime": "text/csv",
        "name": "ü.tsv",
        "purpose": Purpose.OPERATOR,
    },
}


@pytest.mark.parametrize("granted", GRANTS.values(), ids=GRANTS)
@pytest.mark.parametrize("profile", PROFILES)
def test_a_minted_link_goes_on_as_it_was_granted(
    spool: Database, log: Log, profile: str, granted: dict[str, Any]
) -> None:
    limits = {"motion": {"max_attachment": "1kB"}}  # it was below them when it was minted
    with opened(spool, attachments={"profile": profile}, **limits) as door:
        item = door.shelf.put("13", GIF + b" " * 1000)
        answer = door.ask(minted(grant(item, **granted)))
        assert_served(answer, GIF + b" " * 1000)
        assert answer.headers["Content-Type"] == granted["mime"]
        assert f"filename*=UTF-8''{quote(granted['name'])}" in answer.headers["Content-Disposition"]
    [line] = log()
    assert (line["verdict"], line["reason"]) == (granted["kind"], "served")
    assert not {"row", "code", "why"} & line.keys()


@pytest.mark.parametrize(("profile", "status"), PROFILES.items(), ids=PROFILES)
def test_a_minted_link_of_an_older_release_is_judged_at_each_fetch(
    spool: Database, log: Log, profile: str, status: int
) -> None:
    with opened(spool, attachments={"profile": profile}) as door:
        older = grant(door.shelf.put("13", GIF), mime="image/gif", name="old.exe")
        answer = door.ask(minted_before(older))
        assert answer.status_code == status
        if status == 200:
            assert answer.headers["Content-Type"] == OCTETS
            assert 'filename="old.gif"' in answer.headers["Content-Disposition"]
        elsewhere = door.ask(minted_before(dataclasses.replace(older, purpose=Purpose.ELSEWHERE)))
        assert (elsewhere.status_code, elsewhere.headers["Content-Type"]) == (200, "image/gif")
    assert [line["row"] for line in log()] == ["GIF" if status == 415 else "all else", "another channel"]


@pytest.mark.parametrize(("size", "status"), [(1000, 200), (1001, 413)], ids=["just fits", "over"])
@pytest.mark.parametrize("limit", [("motion", "max_attachment"), ("attachments", "max_bytes")], ids=".".join)
def test_a_file_over_a_limit_of_the_settings_is_413_by_motions_link(
    spool: Database, log: Log, limit: tuple[str, str], size: int, status: int
) -> None:
    with opened(spool, **{limit[0]: {limit[1]: "1kB"}}) as door:
        door.shelf.put(JPEG, b"a " * (size // 2) + b"." * (size % 2))
        assert door.ask(proxied()).status_code == status
    [line] = log()
    assert line.get("code") == (None if status == 200 else "MEDIA_TOO_LARGE")


def test_a_link_file_is_served_like_a_native_one(door: FileDoor, log: Log) -> None:
    door.shelf.put("14", PDF, name="invoice.pdf")
    assert_served(door.ask(proxied("14")), PDF)
    assert [line["verdict"] for line in log()] == ["link"]


# Links that are not right.

ESCAPED = "".join(f"%{ord(letter):02X}" for letter in PROXY_TOKEN)
WRONG_QUERIES = {
    "no token": "token=",
    "no parameter": "",
    "the name alone": "token",
    "another token": "token=proxy-token-of-the-test",
    "a longer one": f"token={PROXY_TOKEN}x",
    "in capitals": f"token={PROXY_TOKEN.upper()}",
    "another parameter": f"Token={PROXY_TOKEN}",
    "twice": f"token={PROXY_TOKEN}&token={PROXY_TOKEN}",
    "another one before it": f"a=1&token={PROXY_TOKEN}",
    "another one behind it": f"token={PROXY_TOKEN}&a=1",
    "an empty one behind it": f"token={PROXY_TOKEN}&",
    "escaped letters": f"token={ESCAPED}",
    "one escaped letter": f"token=%70{PROXY_TOKEN[1:]}",
    "a blank behind it": f"token={PROXY_TOKEN}%20",
    "a zero behind it": f"token={PROXY_TOKEN}%00",
    "no UTF-8": "token=%ff%fe",
    "an escaped name": f"%74oken={PROXY_TOKEN}",
}


@pytest.mark.parametrize("query", WRONG_QUERIES.values(), ids=WRONG_QUERIES)
def test_a_proxy_token_that_is_wrong_or_spelled_otherwise_is_refused(door: FileDoor, query: str) -> None:
    assert_refused(door.ask(proxied(query=query)), 404)
    assert door.shelf.taken == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(200))
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_no_other_token_opens_anything(door: FileDoor, text: str) -> None:
    answer = door.ask(proxied(query=f"token={text}"), address=f"2001:db8:{abs(hash(text)) % 65536:x}::1")
    assert (answer.status_code == 200) is (text == PROXY_TOKEN)


WITH_SIGNS = "a+b/c=d(e)!*'~;:@,%"
SPELLINGS = {
    "as it is": WITH_SIGNS,
    "as Python does it": quote(WITH_SIGNS, safe=""),
    "as JavaScript does it": quote(WITH_SIGNS, safe="!'()*"),
}


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
def test_a_proxy_token_with_signs_may_be_spelled(spool: Database, spelled: str) -> None:
    with opened(spool, attachments={"proxy_token": WITH_SIGNS}) as door:
        door.shelf.put(JPEG, FILE)
        assert_served(door.ask(proxied(query=f"token={spelled}")))
        assert_refused(door.ask(proxied(query="token=" + spelled.replace("a", "%61"))), 404)


IDS = ["0", "012", "12x", "x", "-12", "+12", "1" * 13, "1.0", "١٢", "12 ", "%31%32%20"]


@pytest.mark.parametrize("attachment_id", IDS)
def test_a_number_has_one_spelling(door: FileDoor, attachment_id: str) -> None:
    assert_refused(door.ask(proxied(attachment_id)), 404)
    assert door.shelf.taken == []


def spoiled(token: str) -> dict[str, str]:
    return {
        "cut": token[:-1],
        "longer": token + "A",
        "padded": token + "=",
        "a letter changed": token[:50] + ("A" if token[50] != "A" else "B") + token[51:],
        "in lower case": token.lower(),
        "nothing": "x",
    }


@pytest.mark.parametrize("how", spoiled("g" * 200))
def test_a_minted_token_that_is_spelled_otherwise_is_refused(door: FileDoor, how: str) -> None:
    token = link(door).split("/")[2]
    assert_refused(door.ask(f"/media/{spoiled(token)[how]}/name.jpg"), 404)
    assert door.shelf.taken == []


DEAD = {
    "its time is over": {"issued_at": int(NOW) - 60, "expires_at": int(NOW)},
    "of another attachment": {"attachment_id": "99"},
    "of other bytes": {"digest": b"x" * 32},
}


@pytest.mark.parametrize("changes", DEAD.values(), ids=DEAD)
def test_a_minted_link_is_refused_when(door: FileDoor, changes: dict[str, Any]) -> None:
    assert_refused(door.ask(link(door, **changes)), 404)


def test_a_link_of_another_key_is_refused(door: FileDoor) -> None:
    asked = minted(grant(door.shelf.items[JPEG]), key="another key of the tests")
    assert_refused(door.ask(asked), 404)


@pytest.mark.parametrize(("issued_at", "status"), [(-1, 404), (0, 200), (1, 200)], ids=["before", "then", "after"])
def test_a_revocation_ends_links_that_were_minted_before_it(door: FileDoor, issued_at: int, status: int) -> None:
    door.shelf.know(JPEG, revoked_before=int(NOW))
    assert door.ask(link(door, issued_at=int(NOW) + issued_at)).status_code == status
    assert_refused(door.ask(proxied()), 404)
    assert door.shelf.taken == [JPEG] * (status == 200)


@pytest.mark.parametrize(("age", "status"), [(DAY - 1, 200), (DAY, 404), (DAY + 1, 404), (-5, 200)])
def test_motions_link_ends_so_long_after_its_first_fetch(spool: Database, age: float, status: int) -> None:
    with opened(spool, attachments={"link_ttl": "1d"}) as door:
        door.shelf.put(JPEG, FILE)
        door.shelf.know(JPEG, first_fetched_at=NOW - age)
        assert door.ask(proxied()).status_code == status
        assert door.ask(link(door)).status_code == 200  # which has an end of its own


def test_a_query_behind_a_minted_link_is_refused(door: FileDoor) -> None:
    assert_refused(door.ask(link(door) + "?a=1"), 404)


@pytest.mark.parametrize("name", ["other.exe", "x", "%C3%BC", "a%20b", "~"])
def test_the_name_in_a_minted_link_is_decoration(door: FileDoor, name: str) -> None:
    answer = door.ask(link(door).rpartition("/")[0] + f"/{name}")
    assert_served(answer)
    assert "gr%C3%BC%C3%9Fe.jpg" in answer.headers["Content-Disposition"]


def test_whatever_is_wrong_is_one_answer(door: FileDoor) -> None:
    token = link(door).split("/")[2]
    door.shelf.know("13", revoked_before=int(NOW) + 1)
    wrong = [
        proxied("99"),
        proxied("13"),
        proxied(query="token=wrong"),
        f"/media/{token[:-1]}/x",
        link(door, expires_at=int(NOW)),
        link(door, digest=b"x" * 32),
        "/nowhere",
        f"/media/{token}",
        f"/media/{token}/a/b",
        f"/media//{token}/x",
    ]
    answers = [door.ask(asked) for asked in wrong]
    assert {(answer.status_code, answer.data, str(answer.headers)) for answer in answers} == {
        (404, errors.body(404), str(answers[0].headers))
    }


METHODS = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"]


@pytest.mark.parametrize("method", METHODS)
def test_only_get_and_head_are_there(door: FileDoor, method: str) -> None:
    assert_refused(door.ask(proxied(), method=method), 404)
    assert_refused(door.ask(link(door), method=method), 404)


SWITCHES = {
    "none": ({"proxy_token": "", "token_keys": []}, 404, 404),
    "Motion's alone": ({"token_keys": []}, 200, 404),
    "minted ones alone": ({"proxy_token": ""}, 404, 200),
    "both": ({}, 200, 200),
}


@pytest.mark.parametrize(("changes", "of_motion", "of_ours"), SWITCHES.values(), ids=SWITCHES)
def test_the_links_that_are_there_are(spool: Database, changes: Any, of_motion: int, of_ours: int) -> None:
    with opened(spool, attachments=changes) as door:
        door.shelf.put(JPEG, FILE)
        assert (door.ask(proxied()).status_code, door.ask(link(door)).status_code) == (of_motion, of_ours)


def test_path_and_parameter_of_motions_links_are_settings(spool: Database) -> None:
    changes = {"public_path": "/files/a{id}.b~c/get", "token_parameter": "key"}
    with opened(spool, attachments=changes) as door:
        door.shelf.put(JPEG, FILE)
        assert_served(door.ask(f"/files/a{JPEG}.b~c/get?key={PROXY_TOKEN}"))
        assert_refused(door.ask(f"/files/a{JPEG}xb~c/get?key={PROXY_TOKEN}"), 404)
        assert_refused(door.ask(proxied()), 404)


# Troubles of the shelf.

TROUBLES: dict[str, tuple[GatewayError, int]] = {
    "gone": (NotFound("file gone"), 404),
    "over the caps": (TooLarge("file too large"), 413),
    "Motion down": (Unavailable("Motion away"), 503),
    "no spool": (SpoolUnavailable("spool locked"), 503),
}


@pytest.mark.parametrize(("trouble", "status"), TROUBLES.values(), ids=TROUBLES)
def test_a_trouble_is(door: FileDoor, log: Log, trouble: GatewayError, status: int) -> None:
    door.shelf.troubles[JPEG] = trouble
    for asked in (proxied(), link(door)):
        assert_refused(door.ask(asked), status)
    assert [line["reason"] for line in log()] == [trouble.reason] * 2


def test_a_file_that_was_evicted_a_moment_ago_is_503(sender: FileDoor) -> None:
    sender.shelf.path(sender.shelf.items[JPEG]).unlink()
    assert_refused(sender.ask(proxied()), 503)


# Limits.


def test_refused_tokens_are_counted_for_each_address_and_right_ones_are_served_all_the_same(spool: Database) -> None:
    with opened(spool, limits={"unknown_tokens_per_address": "3/minute"}) as door:
        door.shelf.put(JPEG, FILE)
        wrong = [proxied(query="token=wrong"), "/media/" + "g" * 200 + "/x", proxied(query="")]
        assert [door.ask(asked).status_code for asked in [*wrong, *wrong]] == [404] * 3 + [429] * 3
        assert_refused(door.ask(wrong[0]), 429)
        assert door.ask(wrong[0], address="192.0.2.2").status_code == 404
        assert_served(door.ask(proxied()))
        assert_served(door.ask(link(door)))


def test_who_counts_through_the_ids_is_told_nothing_more(spool: Database) -> None:
    with opened(spool, limits={"unknown_tokens_per_address": "3/minute"}) as door:
        door.shelf.put(JPEG, FILE)
        assert [door.ask(proxied(str(number))).status_code for number in range(100, 103)] == [404] * 3
        assert [door.ask(proxied(asked)).status_code for asked in ("103", JPEG)] == [429] * 2
        assert door.shelf.taken == ["100", "101", "102"]  # neither is Motion asked any more
        assert_served(door.ask(link(door)))
        assert_served(door.ask(proxied(), address="192.0.2.2"))


def test_files_that_are_gone_behind_a_minted_link_are_not_counted_as_unknown(spool: Database) -> None:
    with opened(spool, limits={"unknown_tokens_per_address": "1/minute"}) as door:
        item = door.shelf.put(JPEG, FILE)
        gone = minted(grant(item, digest=b"x" * 32))
        assert [door.ask(gone).status_code for _ in range(3)] == [404] * 3
        assert_served(door.ask(proxied()))


def test_fetches_of_one_attachment_by_one_address_are_counted_whatever_the_link(spool: Database) -> None:
    with opened(spool, limits={"fetches_per_attachment": "3/minute"}) as door:
        door.shelf.put(JPEG, FILE)
        door.shelf.put("13", FILE)
        asked = [proxied(), link(door), proxied(), link(door), proxied()]
        assert [door.ask(one).status_code for one in asked] == [200, 200, 200, 429, 429]
        assert_served(door.ask(proxied("13")))


def test_no_stranger_uses_up_the_fetches_that_sinch_has_of_a_file(spool: Database) -> None:
    with opened(spool, limits={"fetches_per_attachment": "3/minute"}) as door:
        door.shelf.put(JPEG, FILE)
        for asked in (proxied(), link(door)):  # the same file by either link
            for address in ("192.0.2.2", "2001:db8::2"):
                answers = [door.ask(asked, address=address).status_code for _ in range(5)]
                assert answers[3:] == [429] * 2
        assert [door.ask(asked).status_code for asked in (proxied(), link(door), proxied())] == [200] * 3
        assert_refused(door.ask(proxied(), address="2001:db8::3"), 429)  # the same host's


def test_downloads_are_counted_for_each_address_and_files_that_are_here_are_not(spool: Database) -> None:
    limits = {"downloads_per_address": "2/minute", "unknown_tokens_per_address": "off"}
    with opened(spool, limits=limits) as door:
        item = door.shelf.put(JPEG, FILE)
        assert [door.ask(proxied(asked)).status_code for asked in ("100", "101", "102")] == [404, 404, 429]
        assert_refused(door.ask(minted(grant(item, attachment_id="103"))), 429)  # by whatever link
        assert door.shelf.taken == ["100", "101"]
        assert_served(door.ask(proxied()))
        assert door.ask(proxied("102"), address="192.0.2.2").status_code == 404


def test_limits_can_be_off(spool: Database) -> None:
    limits = {"fetches_per_attachment": "off", "downloads_per_address": "off", "unknown_tokens_per_address": "off"}
    with opened(spool, limits=limits) as door:
        door.shelf.put(JPEG, FILE)
        assert {door.ask(proxied()).status_code for _ in range(150)} == {200}
        assert {door.ask(proxied("99")).status_code for _ in range(50)} == {404}


# The line in the log.


def test_the_line_tells_all_but_the_token_and_the_name(door: FileDoor, log: Log) -> None:
    asked = link(door, purpose=Purpose.OPERATOR, name="private name.jpg")
    door.ask(proxied())
    door.ask(asked)
    first, second = log()
    digest = door.shelf.items[JPEG].digest.hex()
    told = {"attachment_id": JPEG, "digest": digest, "verdict": "native", "reason": "served"}
    assert (told | {"row": "image"}).items() <= first.items()
    assert told.items() <= second.items()
    assert (first["purpose"], second["purpose"]) == ("proxy", "operator")
    lines = f"{first}{second}"
    assert not [hidden for hidden in (PROXY_TOKEN, asked.split("/")[2], "private", "photo") if hidden in lines]


REFUSALS = {
    "token refused": (proxied(query="token=wrong"), 404),
    "attachment id malformed": (proxied("007"), 404),
    "no such attachment": (proxied("99"), 404),
    "link revoked": (proxied("13"), 404),
    "link expired": (proxied("14"), 404),
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_the_line_alone_tells_why(door: FileDoor, log: Log, reason: str) -> None:
    asked, status = REFUSALS[reason]
    door.shelf.know("13", revoked_before=int(NOW) + 1)
    door.shelf.know("14", first_fetched_at=NOW - 8 * DAY)
    assert_refused(door.ask(asked), status)
    [line] = log()
    assert (line["status"], line["reason"]) == (status, reason)
    del line["at"]  # which may hold any digits
    assert not re.search("wrong|007", str(line))


def test_the_samples_have_keys_that_the_settings_take() -> None:
    assert LINKS["token_keys"] == [KEY]

"""Two nodes on one PostgreSQL and one store: a link leads to the same bytes at both, whoever is away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.live.house import HOST, House, opened
from tests.picture_samples import picture, written
from tests.s3_samples import S3, SECRET

TOKEN, KEY = "the-proxy-token-of-the-shared-vault", "a token key of the shared vault"
OFF = {"unknown_tokens_per_address": "off", "fetches_per_attachment": "off"}


def photo(seed: int) -> bytes:
    return written(picture(seed=seed), "JPEG")


@pytest.fixture
def nodes(database_url: str, s3: S3) -> Iterator[tuple[House, House]]:
    """Two that share a spool, a store and a Motion."""
    with ExitStack() as stack:
        links = {"proxy_token": TOKEN, "token_keys": [KEY]} | s3.settings()
        tables: dict[str, Any] = {"spool": {"url": database_url}, "attachments": links, "limits": OFF}

        def node(name: str, **more: Any) -> House:
            server = {"node": name, "public_url": f"https://{HOST}"}
            return stack.enter_context(opened(server=server, **tables, **more))

        first = node("one")
        yield first, node("two", motion={"url": first.tables["motion"]["url"]})


def minted(house: House, attachment_id: int, content: bytes) -> str:
    """The target of a link that is minted at that node."""
    path = Path(house.folder, "offer.jpg")
    path.write_bytes(content)
    url = house.command("token", "mint", str(path), "--attachment", str(attachment_id)).strip()
    return url.partition(HOST)[2][url.partition(HOST)[2].index("/") :]


def link(attachment_id: int) -> str:
    return f"/api/attachments/{attachment_id}/download?token={TOKEN}"


def got(house: House, target: str) -> tuple[int | None, bytes]:
    answer = house.ask(target, method="GET")
    return answer.status, answer.body


def place(house: House, attachment_id: int) -> tuple[bool, list[str]]:
    shown = json.loads(house.command("attachments", "show", str(attachment_id), "--json"))
    return shown["in_vault"], shown["elsewhere"]


def findings(house: House) -> set[str]:
    answer = house.ops("/readyz")
    assert answer.status == 200, answer.body
    return {found["finding"] for found in json.loads(answer.body).get("findings", [])}


def test_a_link_has_its_bytes_at_each_node_after_motion_deleted_them_and_whoever_dies(
    nodes: tuple[House, House], s3: S3
) -> None:
    one, two = nodes
    sold = one.archive.put("offer.jpg", photo(1))
    one.archive.delete(sold.attachment_id)
    target = minted(one, sold.attachment_id, sold.content)
    assert (got(two, target), got(one, target)) == ((200, sold.content), (200, sold.content))
    part = two.ask(target, method="GET", headers=(("range", "bytes=10-19"),))
    assert (part.status, part.body) == (206, sold.content[10:20])

    came = one.archive.put("photo.jpg", photo(2))
    assert got(one, link(came.attachment_id)) == (200, came.content)
    one.archive.delete(came.attachment_id)
    assert got(two, link(came.attachment_id)) == (200, came.content)
    downloads = [each for each in one.archive.downloads if each.attachment_id == came.attachment_id]
    assert len(downloads) == 1
    assert place(two, came.attachment_id) == (True, ["in the store", "in the vault of one"])

    s3.kill()
    late = one.archive.put("late.jpg", photo(3))
    assert got(one, link(late.attachment_id)) == (200, late.content)
    assert one.wait_for(lambda: one.decisions("attachments", finding="store-away"))
    assert "store-away" in findings(one)
    said = json.loads(one.command("doctor", "--json", status=2))
    assert {"store.trouble", "store.behind"} <= {each["id"] for each in said["complaints"]}
    assert got(two, target) == (200, sold.content)

    s3.start()
    one.wait_for(lambda: s3.path(late.content).exists())
    one.wait_for(lambda: "store-away" not in findings(one))
    one.archive.delete(late.attachment_id)
    assert got(two, link(late.attachment_id)) == (200, late.content)

    one.children.pop().kill()
    two.command("attachments", "evict", "--all")
    assert (got(two, target), got(two, link(late.attachment_id))) == ((200, sold.content), (200, late.content))

    two.command("token", "revoke", str(sold.attachment_id))
    assert not s3.path(sold.content).exists()
    assert got(two, target)[0] == 404
    assert SECRET not in one.log + two.log

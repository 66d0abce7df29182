"""Files of every kind through the running second door: the type, the ending and the answer that each one gets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from PIL import Image

from sandbox.connection import Answer
from tests.live.house import House, opened
from tests.picture_samples import written

PROXY_TOKEN = "planted-proxy-token-of-tests"
OFF = {"unknown_tokens_per_address": "off", "fetches_per_attachment": "off"}


@pytest.fixture(scope="module", params=["xcally-observed", "meta-cloud", "strict"])
def house(request: pytest.FixtureRequest) -> Iterator[tuple[str, House]]:
    with opened(attachments={"proxy_token": PROXY_TOKEN, "profile": request.param}, limits=OFF) as house:
        yield request.param, house


def fetched(house: House, name: str, content: bytes) -> Answer:
    """What Sinch hears that follows Motion's link to such a file."""
    attachment = house.archive.put(name, content)
    return house.ask(f"/api/attachments/{attachment.attachment_id}/download?token={PROXY_TOKEN}", method="GET")


def saved_as(answer: Answer) -> str:
    """The name under which a customer saves it."""
    [header] = [value for name, value in answer.headers if name.lower() == "content-disposition"]
    found = re.search(r"filename\*=UTF-8''(\S+)", header)
    assert found
    return unquote(found[1])


def noisy(size: tuple[int, int]) -> bytes:
    return written(Image.effect_noise(size, 90).convert("RGB"), "WEBP", quality=95)


def test_a_picture_that_is_no_sticker_is_a_link_however_large(house: tuple[str, House]) -> None:
    _, running = house
    large = noisy((900, 900))
    assert len(large) > 100_000
    answer = fetched(running, "catalogue.webp", large)
    assert (answer.status, saved_as(answer)) == (200, "catalogue.webp")
    assert dict(answer.headers)["Content-Type"] == "application/octet-stream"


def test_a_sticker_that_is_too_large_is_none(house: tuple[str, House]) -> None:
    profile, running = house
    large = noisy((512, 512))
    assert len(large) > 100_000
    assert fetched(running, "sticker.webp", large).status == (200 if profile == "strict" else 413)


def test_an_empty_file_is_refused(house: tuple[str, House]) -> None:
    _, running = house
    for name in ("nothing.pdf", "nothing.jpg", "nothing"):
        assert fetched(running, name, b"").status == 415
    assert fetched(running, "a letter.txt", b"x").status == 200

"""What an authority answers, well and badly: a TLS peer on loopback in its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.certs import acme
from gateway.certs.acme import CertificateAuthority, Obstacle
from gateway.config.authority import AcmeSettings
from sandbox import certificates
from tests.certificate_samples import DAY, NOW, authority, made
from tests.peer_samples import Peer, Wire

LEAF = made("leaf", authority("an authority")).certificate
Say = Callable[[dict[str, Any]], CertificateAuthority]


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Say]:
    """Makes an authority that answers each path with what it is given, and says ORIGIN where it stands."""
    files = certificates.issue(tmp_path, "localhost")
    told: dict[str, Any] = {}

    def behave(wire: Wire) -> None:
        path = wire.request.split(b" ")[1].decode()
        found = told[path if path in told else path.rpartition("/")[0]]
        body = json.dumps(found).replace("ORIGIN", origin).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        wire.say(head.encode() + body)

    with closing(Peer(behave, host="127.0.0.1", tls=files.context())) as peer:
        origin = f"https://localhost:{peer.port}"

        def say(answers: dict[str, Any]) -> CertificateAuthority:
            told.update(answers)
            settings = AcmeSettings(directory=f"{origin}/dir", ca_file=str(files.ca))
            return CertificateAuthority(settings, lambda: b"")

        yield say


def directory(**more: str) -> dict[str, str]:
    return {f"new{what}": f"ORIGIN/{what}" for what in ("Account", "Nonce", "Order")} | more


def window(begin: str, end: str) -> dict[str, dict[str, str]]:
    return {"suggestedWindow": {"start": begin, "end": end}}


def test_an_authority_says_when_it_wants_a_certificate_renewed(asked: Say) -> None:
    begin, end = NOW + DAY, NOW + 2 * DAY
    told = window(begin.isoformat().replace("+00:00", "Z"), end.isoformat())
    found = asked({"/dir": directory(renewalInfo="ORIGIN/when"), "/when": told}).window(LEAF)
    assert found is not None
    assert (found.begin, found.end) == (begin, end)


WITHOUT: dict[str, tuple[dict[str, str], Any]] = {
    "it knows nothing of that": ({}, {}),
    "it names no window": ({"renewalInfo": "ORIGIN/when"}, {"explanationURL": "https://ca.example.com"}),
    "its times are none": ({"renewalInfo": "ORIGIN/when"}, window("soon", "later")),
    "its times are of no zone": ({"renewalInfo": "ORIGIN/when"}, window("2026-11-01T00:00:00", "2026-11-02T00:00:00")),
    "its window ends before it begins": (
        {"renewalInfo": "ORIGIN/when"},
        window("2026-11-02T00:00:00Z", "2026-11-01T00:00:00Z"),
    ),
    "it sends us elsewhere": ({"renewalInfo": "https://elsewhere.example/when"}, {}),
}


@pytest.mark.parametrize(("more", "told"), WITHOUT.values(), ids=WITHOUT)
def test_two_thirds_of_the_life_count_where(asked: Say, more: dict[str, str], told: Any) -> None:
    assert asked({"/dir": directory(**more), "/when": told}).window(LEAF) is None


ODD: dict[str, Any] = {
    "a list": [],
    "a word": "directory",
    "nothing of ACME": {"hello": "there"},
    "a directory with a part missing": {"newNonce": "ORIGIN/Nonce", "newAccount": "ORIGIN/Account"},
}


@pytest.mark.parametrize("told", ODD.values(), ids=ODD)
def test_what_is_no_directory_is_told_in_our_words(asked: Say, told: Any) -> None:
    with pytest.raises(Obstacle, match=r"^the authority at localhost answers with what is no ACME\.") as raised:
        asked({"/dir": told})
    assert "acme.directory" in raised.value.reason


def test_every_code_of_an_authority_stands_on_the_page_with_its_remedy() -> None:
    page = (Path(__file__).parent.parent / "docs/certificates.md").read_text("utf-8")
    for code, (says, remedy) in acme.refusals().items():
        told, do = (f"{text[:1].upper()}{text[1:]}." for text in (says, remedy))
        assert f"| `{code}` | {told} | {do} |" in page

"""What somebody asks about: every spelling of a number, and where links lead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.attachments import tokens
from gateway.attachments.tokens import Grant, Purpose
from gateway.config import secrets
from gateway.diagnosis import asked, reasons
from gateway.inspection.rulebook import VerdictKind
from tests.config_samples import settings
from tests.together import together

KEY = "a key of sixteen characters and more"
TOKEN = "the proxy token of the tests"
GRANT = Grant(
    attachment_id="42",
    digest=bytes(32),
    kind=VerdictKind.NATIVE,
    mime="image/jpeg",
    name="a.jpg",
    purpose=Purpose.MESSAGE,
    issued_at=1000,
    expires_at=2000,
)
GERMAN = ("+49 170 1234567", "0049 170 1234567", "+49 (0)170 / 123 45 67", "+49.170.123-45-67", "(+49)(0)170 123-4567")


@pytest.mark.parametrize(
    "spelled", [*GERMAN, "tel:+491701234567", "\u202a+49\u00a0170\u00a01234567\u202c", "+49\u2011170\u20131234567"]
)
def test_a_number_is_known_in_any_spelling(spelled: str) -> None:
    found = asked.read(spelled).phone
    assert found
    assert found.whole == ("491701234567",)


@pytest.mark.parametrize("spelled", ["0170 1234567", "(0170) 123-4567", "0170/1234567"])
def test_a_number_without_its_country_is_known_by_its_end(spelled: str) -> None:
    found = asked.read(spelled).phone
    assert found
    assert found.end == "1701234567"


FORMS = {
    "Brazil with the ninth digit": ("+55 11 98765-4321", {"5511987654321", "551187654321"}),
    "Brazil without it": ("+55 11 8765-4321", {"5511987654321", "551187654321"}),
    "Mexico with the 1": ("+52 1 55 1234 5678", {"5215512345678", "525512345678"}),
    "Mexico without it": ("0052 55 1234 5678", {"5215512345678", "525512345678"}),
    "Argentina with the 9": ("+54 9 11 2345-6789", {"5491123456789", "541123456789"}),
    "Brazil, as one types it there": ("(11) 98765-4321", {"11987654321", "551187654321"}),
    "Spain, which has one form": ("+34 600 111 222", {"34600111222"}),
}


@together(("spelled", "forms"), FORMS.values(), ids=FORMS)
def test_numbers_of_some_countries_are_looked_for_in_both_forms(spelled: str, forms: set[str]) -> None:
    found = asked.read(spelled).phone
    assert found
    assert forms <= set(found.whole)


OTHERS = {
    "an id of Sinch": ("01JQ8VB3F6A8C0E2G4J6M8P0RD", "", None, ""),
    "one in small letters": ("01jq8vb3f6a8c0e2g4j6m8p0rd", "", None, ""),
    "a number that may be several things": ("17", "", 17, "17"),
    "an event": ("event 17", "event", 17, "17"),
    "a counted one": ("#17", "", 17, ""),
    "no attachment begins with a nought": ("017", "", 17, ""),
}


@together(("words", "kind", "number", "attachment"), OTHERS.values(), ids=OTHERS)
def test_what_was_asked_may_be(words: str, kind: str, number: int | None, attachment: str) -> None:
    found = asked.read(words)
    assert (found.kind, found.number, found.attachment_id) == (kind, number, attachment)
    assert found.word == (words.upper() if len(words) == 26 else words.removeprefix("event "))


OWN = "/api/attachments/42/download"
GATEWAY = "https://gateway.example.com"


def minted() -> str:
    return tokens.path(tokens.mint(GRANT, keys=[KEY]), GRANT.name)


LINKS = {
    "the path of Motion's own": (OWN, 1500, "42", ""),
    "a whole one": (f"{GATEWAY}{OWN}?token={TOKEN.replace(' ', '%20')}", 1500, "42", ""),
    "one with another token": (f"{GATEWAY}{OWN}?token=wrong", 1500, "42", "token refused"),
    "one that names its port": (f"{GATEWAY}:443{OWN}", 1500, "42", ""),
    "one to another host": (f"https://motion.example.org{OWN}?token=wrong", 1500, "42", "wrong host"),
    "a minted one": (f"{GATEWAY}{minted()}", 1500, "42", ""),
    "the path of a minted one": (minted(), 1500, "42", ""),
    "a minted one that is over": (minted(), 2000, "42", "link expired"),
    "a minted one that was tampered with": (minted().replace("gAAAA", "gAAAB"), 1500, "", "token refused"),
    "another path": (f"{GATEWAY}/index.html", 1500, "", ""),
    "no address at all": ("https://[half/x", 1500, "", ""),
}


@together(("words", "now", "attachment", "why"), LINKS.values(), ids=LINKS)
def test_a_link_leads_to_its_attachment_and_says_why_it_opens_nothing(
    words: str, now: float, attachment: str, why: str
) -> None:
    link = asked.read(words).link
    assert link
    led = asked.lead(link, settings(attachments={"proxy_token": TOKEN, "token_keys": [KEY]}), now=now)
    assert (led.attachment_id, led.why) == (attachment, why)


@together(
    ("words", "attachment", "why"),
    [(f"{GATEWAY}{OWN}?token=whatever", "42", ""), (f"{GATEWAY}{minted()}", "", asked.KEY_ELSEWHERE)],
    ids=["Motion's own", "a minted one"],
)
def test_of_a_link_nothing_is_said_that_a_process_without_its_keys_cannot_know(
    words: str, attachment: str, why: str
) -> None:
    link = asked.read(words).link
    assert link
    kept = secrets.keep(settings(attachments={"proxy_token": TOKEN, "token_keys": [KEY]}), "ops")
    led = asked.lead(link, kept, now=1500)
    assert (led.attachment_id, led.why) == (attachment, why)
    assert asked.LINKS.get(led.why, "") == "" or reasons.explain(led.why)


@given(st.text(max_size=60))
def test_anything_at_all_can_be_asked(words: str) -> None:
    found = asked.read(words)
    if found.link:
        asked.lead(found.link, settings(attachments={"token_keys": [KEY]}), now=0.0)

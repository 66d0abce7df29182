"""Whose a link is, in one reading; and texts that would give Motion's links away, in every reading."""

from __future__ import annotations

import contextlib
import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.attachments.decision import LinkClaim
from gateway.errors import NotFound
from gateway.outbound.links import LONGEST_LINK, Links, Mention
from tests import config_samples
from tests.examples import costs_less, some
from tests.together import together

TOKEN = "planted/token+of.motion=links"
PATH = "/api/attachments/12/download"
OURS = f"https://gateway.example.com{PATH}?token={TOKEN}"
MIB = 2**20
MOST_SECONDS = 0.5


def links(*, proxy_token: str | None = TOKEN, **tables: Any) -> Links:
    keys = {"token_keys": ["a key of the tests, long enough"], "proxy_token": proxy_token}
    return Links(config_samples.settings(attachments=keys, **tables))


LINKS = links()


def invisible() -> list[str]:
    """Every character that compatibility, or a browser, leaves out of a host, and every other that shows nothing."""
    kinds = ("Cf", "Mn", "Me", "Cc", "Zl", "Zp", "Cn", "Co")
    found = [chr(number) for number in range(0x110000) if unicodedata.category(chr(number)) in kinds]
    fillers = ["\u115f", "\u1160", "\u17b4", "\u17b5", "\u3164", "\uffa0"]
    return fillers + [character for character in found if character not in "\x7f" and ord(character) > 0x20][:6000]


def test_no_invisible_character_makes_a_host_of_ours_somebody_elses() -> None:
    passed = []
    for character in invisible():
        try:
            LINKS.claim(f"https://gate{character}way.example.com{PATH}", now=0)
            passed.append(hex(ord(character)))
        except NotFound:
            pass
    assert passed == []


AT_MOTION = {"url": "http://10.0.0.7"}
ADDRESSES = (
    "10.7",
    "0x0a000007",
    "167772167",
    "012.0.0.7",
    "10.0.7",
    "[::ffff:10.0.0.7]",
    "[::ffff:a00:7]",
    "10.0.0.7.",
)


@pytest.mark.parametrize("host", ADDRESSES)
def test_an_address_of_motions_in_another_spelling_is_refused(host: str) -> None:
    with pytest.raises(NotFound):
        links(motion=AT_MOTION).claim(f"http://{host}{PATH}", now=0)
    assert links(motion=AT_MOTION).claim(f"http://10.0.0.7{PATH}", now=0) == LinkClaim(attachment_id="12")


ELSEWHERE = (
    "https://files.example.com/a.jpg",
    "https://user:word@files.example.com:8443/a.jpg?x=https%3A%2F%2Fb",
    "https://mygateway.example.com/a",
    "https://gateway.example.com.evil.test/a",
    "http://10.0.0.8/a",
    "https://xn--mller-kva.example/a",
    "https://müller.example/a.jpg",
    "https://files.example.com/señal de trá\u200bfico.jpg",
    "no link at all",
    "https://" + "a" * 8000,
)


@pytest.mark.parametrize("url", ELSEWHERE)
def test_a_link_to_anywhere_else_is_nobodys(url: str) -> None:
    assert LINKS.claim(url, now=0) is None


def test_a_link_is_not_longer_than_servers_take() -> None:
    base = "https://files.example.com/"
    assert LINKS.claim(base.ljust(LONGEST_LINK, "a"), now=0) is None
    with pytest.raises(NotFound):
        LINKS.claim(base.ljust(LONGEST_LINK + 1, "a"), now=0)


TEXTS = {
    "alone": (OURS, OURS),
    "in a sentence": (f"Vea {OURS}. Gracias.", OURS),
    "in brackets": (f"({OURS})", OURS),
    "between quotes": (f'"{OURS}"', OURS),
    "over lines": (f"Hola\n{OURS}\nAdiós", OURS),
    "before a comma": (f"{OURS}, y más", OURS),
    "beside letters beyond ASCII": (f"«{OURS}»", OURS),
    "with another port": (
        "https://gateway.example.com:8443" + OURS[27:],
        "https://gateway.example.com:8443" + OURS[27:],
    ),
    "in capitals": ("HTTPS://Gateway.Example.Com" + OURS[27:], "HTTPS://Gateway.Example.Com" + OURS[27:]),
    "at Motion": (f"https://motion.internal{PATH}?token={TOKEN}", f"https://motion.internal{PATH}?token={TOKEN}"),
    "without a token": (f"https://gateway.example.com{PATH}.", f"https://gateway.example.com{PATH}"),
}


@pytest.mark.parametrize(("text", "link"), TEXTS.values(), ids=TEXTS)
def test_a_link_of_motions_is_found_in_a_text_as_far_as_it_goes(text: str, link: str) -> None:
    start = text.index(link)
    assert list(LINKS.mentions(text)) == [Mention(start, start + len(link), LinkClaim(attachment_id="12"))]


def test_all_of_them_are_found_and_nothing_else() -> None:
    text = f"{OURS} https://gateway.example.com/media/x/y https://other.example{PATH} {OURS.replace('12', '13')}"
    assert [one.claim.attachment_id for one in LINKS.mentions(text)] == ["12", "13"]
    assert list(LINKS.mentions("https://gateway.example.com/api/attachments/012/download")) == []
    assert list(LINKS.mentions("https://gateway.example.com/api/attachments/12/downloads")) == []


ESCAPED = "".join(f"%{ord(sign):02x}" for sign in OURS)
GIVING_AWAY = {
    "the link": OURS,
    "the token alone": f"la clave es {TOKEN}",
    "another token": f"https://gateway.example.com{PATH}?token=whatever",
    "no scheme": OURS[8:],
    "another scheme": "ftp" + OURS[5:],
    "another host": OURS.replace("gateway.example.com", "203.0.113.7"),
    "a dot at the host's end": OURS.replace(".com/", ".com./"),
    "a user": OURS.replace("//", "//user@"),
    "in capitals": OURS.replace("gateway", "GATEWAY"),
    "backslashes": OURS.replace("/", "\\"),
    "double slashes": OURS.replace("/api/", "//api//"),
    "dots": OURS.replace("/api/", "/./x/y/../../api/"),
    "dots above the root": OURS.replace("/api/", "/../api/"),
    "another parameter first": f"https://gateway.example.com{PATH}?x=1&token=whatever",
    "a slash at the end": f"https://gateway.example.com{PATH}/?token=whatever",
    "escaped": ESCAPED,
    "escaped twice": ESCAPED.replace("%", "%25"),
    "in references": "".join(f"&#{ord(sign)};" for sign in OURS),
    "in references of other digits, without their ends": "".join(f"&#x{ord(sign):X}" for sign in OURS if sign != "#")
    + ";",
    "a reference in the path": OURS.replace("attachments", "attachment&#115;"),
    "references by name": OURS.replace("?", "&quest;").replace("/", "&sol;").replace(".", "&period;"),
    "an invisible character by name": OURS.replace("way", "&ZeroWidthSpace;way"),
    "references to references": OURS.replace("attachments", "attachment&amp;#115;"),
    "references, escaped": OURS.replace("attachments", "attachment%26%23115%3B"),
    "escaped bytes of a script": OURS.replace("attachments", "attachment\\x73"),
    "in the query of another": f"https://l.example.com/?u={ESCAPED}",
    "an escaped letter of the path": OURS.replace("attachments", "attachment%73"),
    "invisible characters": OURS.replace("way", "\u200b\u2060way").replace("planted", "plan\u00adted"),
    "wide letters": OURS.replace("gateway", "\uff47\uff41\uff54\uff45\uff57\uff41\uff59"),
    "an ideographic full stop": OURS.replace("gateway.", "gateway\u3002"),
    "a tab within": OURS.replace("gateway", "gate\tway"),
    "a line end within the token": OURS.replace("planted", "plan\nted"),
    "behind a line end": f"Hola\n{OURS[8:]}",
    "JSON": json.dumps({"a": OURS}),
    "JSON with escaped slashes": json.dumps([OURS]).replace("/", "\\/"),
    "JSON with escaped letters": json.dumps([OURS]).replace("g", "\\u0067"),
    "JSON in JSON in JSON": json.dumps([json.dumps([json.dumps([OURS]).replace("g", "\\u0067")])]),
    "UTF-16 read as UTF-8": OURS.encode("utf-16-le").decode("utf-8"),
}


@together("text", GIVING_AWAY.values(), ids=GIVING_AWAY)
def test_no_spelling_hides_a_link_of_motions_or_its_token(text: str) -> None:
    assert LINKS.gives_away(text)
    assert LINKS.gives_away(f"antes {text} después")


HARMLESS = (
    "",
    "Buenos días, ¿en qué podemos ayudarle? 👋",
    "https://gateway.example.com/",
    "https://gateway.example.com/media/gAAAAtoken/photo.jpg?token=x",
    f"https://gateway.example.com{PATH}",
    f"https://other.example{PATH}?token=x",
    f"https://mygateway.example.com{PATH}?token=x",
    f"https://gateway.example.com.evil.test{PATH}?token=x",
    f"https://motion.internal{PATH}",
    "100% // \\ %zz \\u12 ../..",
    "AT&T & Söhne &c; &#; &#x; &nosuch; a&#9999999;b",
    '{"a":"https://gateway.example.com","b":"../api/attachments/12/download?token="}',
)


@together("text", HARMLESS)
def test_other_texts_give_nothing_away(text: str) -> None:
    assert not LINKS.gives_away(text)


def test_without_such_links_at_the_second_door_they_are_found_all_the_same() -> None:
    assert links(proxy_token=None).gives_away(OURS)
    assert not links(proxy_token=None).gives_away(TOKEN)


LONG = {
    "slashes": "/" * MIB,
    "steps up": "../" * (MIB // 3),
    "letters beyond ASCII": "é" * MIB,
    "combining characters": "\u0301\u0316" * (MIB // 2),
    "escapes": "%25" * (MIB // 3),
    "escaped letters": "%41" * (MIB // 3),
    "references": "&#65;" * (MIB // 5),
    "references to references": "&amp;" * (MIB // 5),
    "long references": "&#x" + "0" * MIB,
    "names of references": "&lt" * (MIB // 3),
    "long names of references": f"&{'a' * 31}" * (MIB // 32),
    "signs of references": "&" * MIB,
    "escaped bytes": "\\x61" * (MIB // 4),
    "escapes of JSON": "\\u0061" * (MIB // 6),
    "backslashes": "\\" * MIB,
    "tabs": "\\t" * (MIB // 2),
    "our host": "gateway.example.com" * (MIB // 19),
    "links": f"gateway.example.com{PATH}?" * (MIB // 48),
    "schemes": "https://" * (MIB // 8),
    "users": "https://" + "a@" * (MIB // 2),
    "digits": "https://" + "1" * MIB,
    "dots": "https://" + "1." * (MIB // 2),
}


@pytest.mark.parametrize("text", some(LONG.values(), 5), ids=some(LONG, 5))
def test_a_mebibyte_of_anything_is_looked_at_in_half_a_second(text: str) -> None:
    def look() -> None:
        LINKS.gives_away(text)
        list(LINKS.mentions(text))
        for url in (text, text[:LONGEST_LINK]):
            with contextlib.suppress(NotFound):
                LINKS.claim(url, now=0)

    assert costs_less(MOST_SECONDS, look)


@given(st.text())
def test_any_text_is_looked_at(text: str) -> None:
    for asked in (text, f"https://{text}", f"https://gateway.example.com{text}"):
        assert LINKS.gives_away(asked) in (True, False)
        assert all(asked[one.start : one.end].lower().startswith("http") for one in LINKS.mentions(asked))

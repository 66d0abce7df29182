"""What somebody asks about: an id, a number, a phone number in any spelling, or a link; and where a link leads.

Nothing is looked up here: of what may be several things all are told, and who knows the spool chooses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from gateway.attachments import tokens
from gateway.config import Settings, secrets
from gateway.errors import NotFound, Unauthorized
from gateway.motion import NUMBER
from gateway.phrases import Reason

# What can be asked for, each with how it is said: before its name, where that alone would not tell.
KINDS = {
    "event": "the number of an event, as `events list` shows it",
    "send": "the number of a send, as `sends list` shows it",
    "message": "Sinch's id of a message",
    "contact": "Sinch's id of a contact",
    "conversation": "Sinch's id of a conversation",
    "attachment": "the number of an attachment at Motion, or any link to it",
    "request": "a request id, as the log, Motion and every answer of the gateway tell it",
    "reference": "a reference of ours (mg-…), or a correlation id",
    "phone": "a customer's number, in any spelling",
}
WRONG_HOST = "wrong host"
KEY_ELSEWHERE = "key elsewhere"
LINKS: dict[str, str] = {
    WRONG_HOST: "This link leads to another host than that of server.public_url",
    Reason.TOKEN_REFUSED: "The token in this link opens nothing",
    KEY_ELSEWHERE: "Which attachment this link opens is not known here: the page keeps no key to links",
    Reason.LINK_EXPIRED: "This link has ended",
    Reason.LINK_REVOKED: "This link was revoked",
}
NOT_ASKED_FOR = (
    "Motion did not ask the gateway for it: compare Base URL and proxy URL in Motion's account with "
    "`motion-gateway config show`."
)
NOT_BROUGHT = "If a customer wrote it, see whether Sinch is to bring messages here: `motion-gateway webhook show`."
LONGEST = 4096  # of what may be asked: a link has its token
FEWEST_DIGITS, MOST_DIGITS = 6, 20  # of a phone number, and of an identity on another channel

_SPELLED = re.compile(r"[(\[ ]*\+?[0-9 ()./\[\]\u2010-\u2015-]+")
_SCHEME = re.compile(r"(?:tel|whatsapp|sms):", re.IGNORECASE)
_COUNTED = re.compile(r"#?([0-9]{1,18})")
_TRUNK = re.compile(r"(?<=[0-9 )])\(0\)")  # +49 (0)170: not dialled from abroad
_ULID = re.compile(r"[0-9a-z]{26}")
_REQUEST = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Phone:
    """A phone number: whole in each form that WhatsApp may have for it, or its end where no country is said."""

    whole: tuple[str, ...]  # digits, as an identity is filed
    end: str = ""


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link, or its path. `host`: "" where only a path was given."""

    host: str
    path: str
    query: str


@dataclass(frozen=True, kw_only=True)
class Led:
    """An attachment, or "" where nobody can tell. `why`: it opens nothing; `issued_at`: of a minted link."""

    attachment_id: str = ""
    why: str = ""
    issued_at: int | None = None


@dataclass(frozen=True, kw_only=True)
class Question:
    """`word`: what was asked as it is spelled; what else is set it may be, too."""

    word: str
    kind: str = ""  # one of KINDS where that was said
    number: int | None = None
    attachment_id: str = ""
    phone: Phone | None = None
    link: Link | None = None

    @property
    def may_be_logged(self) -> bool:
        """Whether it looks like a request id: of what is neither an event nor a send the log alone tells."""
        return self.kind == "request" or _REQUEST.fullmatch(self.word) is not None

    @property
    def is_understood(self) -> bool:
        """Whether it was said what it is, or its spelling tells what it may be."""
        spelled = _ULID.fullmatch(self.word.lower()) or self.may_be_logged or self.word.startswith("mg-")
        return bool(self.kind or self.number is not None or self.phone or self.link or spelled)

    @property
    def next_step(self) -> str:
        """Say what to look at where nothing is known of it, nor of anybody who was turned away."""
        return NOT_ASKED_FOR if self.link or self.kind == "attachment" else NOT_BROUGHT

    def may_be(self, *kinds: str) -> bool:
        """Whether it may be one of these, by what was said."""
        return self.kind in ("", *kinds)


def read(words: str) -> Question:
    """Tell what these words may be. Never raises."""
    text = "".join(sign for sign in words[:LONGEST].replace("\u00a0", " ") if sign.isprintable()).strip(" \"'<>")
    kind, _, rest = text.partition(" ")
    kind, word = (kind.lower(), rest.strip()) if kind.lower() in KINDS and rest.strip() else ("", text)
    if "/" in word and not _SPELLED.fullmatch(word):
        return Question(word=word, kind=kind, link=_link(word))
    counted = _COUNTED.fullmatch(word)
    return Question(
        word=word.upper() if _ULID.fullmatch(word) else word,
        kind=kind,
        number=int(counted[1]) if counted else None,
        attachment_id=word if re.fullmatch(NUMBER, word) else "",
        phone=_phone(word),
    )


def forms(number: str) -> tuple[str, ...]:
    """Give each form in which WhatsApp may have a number: those of Brazil, Mexico and Argentina have two."""
    return tuple(dict.fromkeys((number, *_others(number))))


def lead(link: Link, settings: Settings, *, now: float) -> Led:
    """Read Motion's own link by its path, and a minted one by what its token grants, also one that is over."""
    server = settings.server
    hosts = ("", server.public_host)
    paths = (settings.attachments.public_path, settings.motion.attachment_path)
    own = re.compile("|".join(re.escape(path).replace(re.escape("{id}"), f"({NUMBER})") for path in paths))
    if found := own.fullmatch(link.path):
        why = "" if link.host in hosts else WRONG_HOST
        return Led(attachment_id=next(filter(None, found.groups())), why=why or _of_proxy_token(link, settings))
    _, minted, rest = link.path.partition("/media/")
    return _of_minted(rest.partition("/")[0], settings, now) if minted else Led()


def _link(word: str) -> Link:
    try:
        split = urlsplit(word if "//" in word else f"//{word}" if not word.startswith("/") else word)
        host = split.hostname or ""
    except ValueError:  # what stands for an address is none
        return Link(host="", path="", query="")
    return Link(host=host, path=unquote(split.path), query=split.query)


def _phone(word: str) -> Phone | None:
    spelled = _TRUNK.sub("", _SCHEME.sub("", word).strip())
    if not _SPELLED.fullmatch(spelled):
        return None
    digits = re.sub(r"[^0-9]", "", spelled)
    plus = "+" in spelled
    abroad = plus or digits.startswith("00")
    digits = digits if plus else digits.removeprefix("00")
    if not FEWEST_DIGITS <= len(digits) <= MOST_DIGITS:
        return None
    if abroad:
        return Phone(whole=forms(digits))
    national = digits.removeprefix("0")
    return Phone(whole=(*forms(digits), *(f"55{form}" for form in _brazilian(national))), end=national)


def _of_minted(token: str, settings: Settings, now: float) -> Led:
    if _are_elsewhere(*settings.attachments.token_keys):
        return Led(why=KEY_ELSEWHERE)
    keys = [key.get_secret_value() for key in settings.attachments.token_keys]
    try:
        grant = tokens.open(token, keys=keys, now=0.0)
    except NotFound:
        return Led(why=Reason.TOKEN_REFUSED)
    over = Reason.LINK_EXPIRED if grant.expires_at <= now else ""
    return Led(attachment_id=grant.attachment_id, why=over, issued_at=grant.issued_at)


def _of_proxy_token(link: Link, settings: Settings) -> str:
    """Why its token opens nothing; "" for a right one, where the link was given without, and where nobody can tell."""
    own, expected = settings.attachments, settings.attachments.proxy_token
    name, given, token = link.query.partition("=")
    if not given or expected is None or _are_elsewhere(expected):
        return ""
    try:
        secrets.require_equal(unquote(token), expected=expected.get_secret_value(), reason=Reason.TOKEN_REFUSED)
    except Unauthorized:
        return Reason.TOKEN_REFUSED
    return "" if name == own.token_parameter else Reason.TOKEN_REFUSED


def _are_elsewhere(*kept: object) -> bool:
    """Tell whether another process has these secrets, and this one has not."""
    return any(isinstance(one, secrets.Withheld) for one in kept)


def _others(number: str) -> Iterator[str]:
    for country in ("55", "52", "54"):
        if number.startswith(country):
            national = number.removeprefix(country)
            yield from (f"{country}{form}" for form in _NATIONAL[country](national))


def _brazilian(national: str) -> Iterator[str]:
    """The ninth digit of mobile numbers, after an area of two: old identities lack it."""
    if len(national) == 11 and national[2] == "9":
        yield national[:2] + national[3:]
    elif len(national) == 10:
        yield f"{national[:2]}9{national[2:]}"


def _prefixed(digit: str, national: str) -> Iterator[str]:
    """A digit before the ten of mobile numbers, which people leave out."""
    if len(national) == 11 and national.startswith(digit):
        yield national[1:]
    elif len(national) == 10:
        yield digit + national


_NATIONAL: dict[str, Callable[[str], Iterator[str]]] = {
    "55": _brazilian,
    "52": lambda national: _prefixed("1", national),
    "54": lambda national: _prefixed("9", national),
}

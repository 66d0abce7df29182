"""Proves a link to a file: Motion's own by its proxy token, a minted one by opening its own.

1. Whatever is wrong with a link is NotFound.
2. Who tries too many that are none is told to slow down, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, unquote
from wsgiref.types import WSGIEnvironment

from gateway import limits, motion, telemetry
from gateway.attachments import decision, tokens
from gateway.config import secrets
from gateway.errors import NotFound, Unauthorized
from gateway.phrases import Reason
from gateway.services import Services


@dataclass(frozen=True)
class Asked:
    """A request for a file, and what is said of it in the log."""

    environ: WSGIEnvironment
    entry: telemetry.LogEntry

    @property
    def query(self) -> str:
        return str(self.environ.get("QUERY_STRING", ""))

    def counter(self, what: str) -> str:
        """Under whose name `what` of its address is counted."""
        return f"{what} of {limits.counted_as(self.environ.get('HTTP_X_REAL_IP', ''))}"


Prove = Callable[[Services, Asked, str], decision.LinkClaim]


def ways(services: Services) -> Iterator[tuple[str, Prove]]:
    """Give the paths of links, each with what proves one; what is proved stands first in the path."""
    settings = services.settings.attachments
    if settings.proxy_token is not None:
        yield settings.public_path.replace("{id}", "<attachment_id>"), _proxied
    if settings.token_keys:
        yield tokens.ROUTE, _minted


def _proxied(services: Services, asked: Asked, attachment_id: str) -> decision.LinkClaim:
    """Prove Motion's own link, and make its claim. Raises NotFound, TooManyRequests."""
    with counted(services, asked, "tokens"):
        _require_proxy_token(services, asked)
        if not re.fullmatch(motion.NUMBER, attachment_id):
            raise NotFound(Reason.NO_ATTACHMENT_ID)
    # Such ids can be counted through. Who has tried too many is told nothing for a while, not even what there is.
    limit = services.settings.limits.unknown_tokens_per_address
    services.limits.require_left(limit, Reason.UNKNOWN_TOKENS, asked.counter("ids"))
    return decision.LinkClaim(attachment_id=attachment_id, link_ttl=services.settings.attachments.link_ttl)


def _minted(services: Services, asked: Asked, token: str) -> decision.LinkClaim:
    """Open the token of a link of ours, and make its claim. Raises NotFound, TooManyRequests."""
    keys = [key.get_secret_value() for key in services.settings.attachments.token_keys]
    with counted(services, asked, "tokens"):
        if asked.query:
            raise NotFound(Reason.TOKEN_REFUSED)
        grant = tokens.open(token, keys=keys, now=services.clock.now())
        if grant.purpose is tokens.Purpose.INBOUND:  # for Motion, at the private address
            raise NotFound(Reason.TOKEN_REFUSED)
    return decision.by_token(grant)


def _require_proxy_token(services: Services, asked: Asked) -> None:
    settings = services.settings.attachments
    name, _, given = asked.query.partition("=")
    if name != settings.token_parameter or settings.proxy_token is None:
        raise NotFound(Reason.TOKEN_REFUSED)
    expected = settings.proxy_token.get_secret_value()
    try:
        secrets.require_equal(_spelled(given), expected=expected, reason=Reason.TOKEN_REFUSED)
    except Unauthorized as error:
        raise NotFound(Reason.TOKEN_REFUSED) from error


def _spelled(given: str) -> str:
    """Read the text that `given` stands for, if it is spelled as text is in links; "" where it is spelled otherwise.

    As it is, or with escapes for what needs them; JavaScript leaves some signs that Python escapes.
    """
    text = unquote(given, errors="surrogateescape")
    escaped = {quote(text, safe=safe, errors="surrogateescape") for safe in ("", "!'()*")}
    return text if given in escaped | {text} else ""


@contextmanager
def counted(services: Services, asked: Asked, what: str) -> Iterator[None]:
    """Count what is not found in here: who tries too often hears TooManyRequests instead of NotFound."""
    try:
        yield
    except NotFound:
        limit = services.settings.limits.unknown_tokens_per_address
        services.limits.require(limit, Reason.UNKNOWN_TOKENS, asked.counter(what))
        raise

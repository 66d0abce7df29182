"""The second door: files for Sinch, Meta and phones, by links that Motion built or the gateway minted.

1. Whatever is wrong with a link, and an attachment that does not exist, is one answer: 404.
2. A client chooses nothing but the link. Type, name and verdict follow from the bytes that were inspected, and these
   bytes are served.
3. A minted link goes on as it was granted: type, name and verdict stand in its token. Motion's own is judged each time.
4. Behind nginx the door only says which file: nginx sends it, in parts too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from urllib.parse import quote, unquote

from flask import Blueprint, Response, g, request, send_file

from gateway import limits, metrics, telemetry
from gateway.attachments import content_disposition, decision, tokens, vault
from gateway.attachments.decision import Item, LinkClaim
from gateway.attachments.tokens import Grant, Purpose
from gateway.config import secrets
from gateway.doors import NGINX, SENDER, VAULT_LOCATION
from gateway.errors import NotFound, TooLarge, Unauthorized, UnsupportedMedia
from gateway.inspection import rulebook, verdicts
from gateway.motion import NUMBER
from gateway.phrases import Reason
from gateway.services import Services

PROXY = "proxy"  # the purpose of Motion's own links; minted ones say theirs


@dataclass(frozen=True)
class Label:
    """What a file goes out as: its Content-Type, and the name to save it under."""

    mime: str
    name: content_disposition.SafeName


def blueprint(services: Services) -> Blueprint:
    door = Blueprint("attachments", __name__)
    settings, limit = services.settings.attachments, services.settings.limits.fetches_per_attachment

    # By address too: nobody uses up what another has of the same file.
    @services.limits.limited(limit, Reason.FETCHES, whose=lambda: _counter(str(g.decision[telemetry.ATTACHMENT])))
    def answer(claim: LinkClaim) -> Response:
        return _answer(services, claim)

    def follow(attachment_id: str) -> Response:
        return answer(_noted(_proxied(services, attachment_id)))

    def redeem(token: str, name: str) -> Response:
        del name  # decoration
        return answer(_noted(_minted(services, token)))

    @door.after_request
    def count(response: Response) -> Response:
        outcome = "served" if response.status_code < 400 else "refused"
        metrics.count(metrics.FETCHES, g.decision.get(telemetry.PURPOSE, metrics.UNKNOWN), outcome)
        return response

    if settings.proxy_token is not None:
        path = settings.public_path.replace("{id}", "<attachment_id>")
        door.get(path, provide_automatic_options=False)(follow)
    if settings.token_keys:
        door.get(tokens.ROUTE, provide_automatic_options=False)(redeem)
    return door


def keep_shared(services: Services) -> None:
    """Look after the store behind the vault, where there is one, in threads that keep no process alive."""
    services.shelf.keep_shared()


def _proxied(services: Services, attachment_id: str) -> LinkClaim:
    """Prove Motion's own link, and make its claim. Raises NotFound, TooManyRequests."""
    with _counted(services, "tokens"):
        _require_proxy_token(services)
        if not re.fullmatch(NUMBER, attachment_id):
            raise NotFound(Reason.NO_ATTACHMENT_ID)
    # Such ids can be counted through. Who has tried too many is told nothing for a while, not even what there is.
    limit = services.settings.limits.unknown_tokens_per_address
    services.limits.require_left(limit, Reason.UNKNOWN_TOKENS, _counter("ids"))
    return LinkClaim(attachment_id=attachment_id, link_ttl=services.settings.attachments.link_ttl)


def _minted(services: Services, token: str) -> LinkClaim:
    """Open the token of a link of ours, and make its claim. Raises NotFound, TooManyRequests."""
    keys = [key.get_secret_value() for key in services.settings.attachments.token_keys]
    with _counted(services, "tokens"):
        if request.query_string:
            raise NotFound(Reason.TOKEN_REFUSED)
        grant = tokens.open(token, keys=keys, now=services.clock.now())
        if grant.purpose is Purpose.INBOUND:  # for Motion, at the private address
            raise NotFound(Reason.TOKEN_REFUSED)
    return decision.by_token(grant)


def _require_proxy_token(services: Services) -> None:
    settings = services.settings.attachments
    name, _, given = request.query_string.decode("latin-1").partition("=")
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


def _noted(claim: LinkClaim) -> LinkClaim:
    """Let the log's line tell what the claim is for."""
    g.decision[telemetry.ATTACHMENT] = claim.attachment_id
    g.decision[telemetry.PURPOSE] = claim.grant.purpose.value if claim.grant else PROXY
    return claim


def _answer(services: Services, claim: LinkClaim) -> Response:
    grant = claim.grant
    item = _taken(services, claim)
    label = _label(services, item, grant)
    response = _sent(services, item, label.mime)
    response.headers["Content-Type"] = label.mime
    response.headers["Content-Disposition"] = content_disposition.write(label.name)
    services.shelf.fetched(item, until=grant.expires_at if grant else None)
    g.decision[telemetry.REASON] = "served"
    return response


def _taken(services: Services, claim: LinkClaim) -> Item:
    """Take the attachment, if the link to it still lives. Raises NotFound, TooLarge, Unavailable, TooManyRequests."""

    def admit() -> None:
        limit = services.settings.limits.downloads_per_address
        services.limits.require(limit, Reason.DOWNLOADS, _counter("downloads"))

    with nullcontext() if claim.grant else _counted(services, "ids"):
        item = services.shelf.take(claim, admit=admit)
    g.decision[telemetry.DIGEST] = item.digest.hex()
    return item


def _label(services: Services, item: Item, grant: Grant | None) -> Label:
    """Say as what it goes out: as its token grants, or as it is judged now. Raises TooLarge, UnsupportedMedia."""
    if grant and grant.kind:
        g.decision[telemetry.VERDICT] = grant.kind.value
        return Label(grant.mime, content_disposition.again(grant.name))
    verdict = _judged(services, item, grant)
    name = grant.name if grant else item.name
    return Label(verdict.mime, content_disposition.safe_name(name, verdict.extension, kept=verdict.kept))


def _judged(services: Services, item: Item, grant: Grant | None) -> verdicts.Verdict:
    """Judge what may be served. Raises TooLarge, UnsupportedMedia."""
    settings = services.settings
    sizes = verdicts.limits_of(settings)
    if grant and grant.purpose is Purpose.ELSEWHERE:
        verdict = verdicts.elsewhere(item.inspection, limits=sizes)
    else:
        verdict = verdicts.judge(item.inspection, profile=settings.attachments.profile, limits=sizes)
    metrics.count(metrics.VERDICTS, verdict.kind.value)
    g.decision[telemetry.VERDICT] = verdict.kind.value
    g.decision[telemetry.CODE] = verdict.code
    g.decision[telemetry.ROW] = verdict.row
    g.decision[telemetry.WHY] = verdict.reason if verdict.code else None
    if verdict.code == "MEDIA_TOO_LARGE":
        raise TooLarge(Reason.FILE_TOO_LARGE)
    if verdict.kind is rulebook.VerdictKind.REFUSED:
        raise UnsupportedMedia(Reason.FILE_REFUSED)
    return verdict


def _sent(services: Services, item: Item, mime: str) -> Response:
    if request.headers.get(SENDER) == NGINX:
        return Response(headers={NGINX: f"{VAULT_LOCATION}/{vault.place(item.digest)}"})
    return send_file(services.shelf.path(item), mimetype=mime, etag=item.digest.hex())


@contextmanager
def _counted(services: Services, what: str) -> Iterator[None]:
    """Count what is not found in here: who tries too often hears TooManyRequests instead of NotFound."""
    try:
        yield
    except NotFound:
        limit = services.settings.limits.unknown_tokens_per_address
        services.limits.require(limit, Reason.UNKNOWN_TOKENS, _counter(what))
        raise


def _counter(what: str) -> str:
    return f"{what} of {limits.counted_as(request.headers.get('X-Real-IP', ''))}"

"""The second door: files for Sinch, Meta and phones, by links that Motion built or the gateway minted.

1. Whatever is wrong with a link, and an attachment that does not exist, is one answer: 404.
2. A client chooses nothing but the link. Type, name and verdict follow from the bytes that were inspected, and these
   bytes are served.
3. A minted link goes on as it was granted: type, name and verdict stand in its token. Motion's own is judged each time.
4. Behind nginx the door only says which file: nginx sends it, in parts too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from wsgiref.types import WSGIEnvironment

from flask import Blueprint, Response, g, request, send_file

from gateway import metrics, telemetry
from gateway.attachments import content_disposition, proof, vault
from gateway.attachments.decision import Item, LinkClaim
from gateway.attachments.tokens import Grant, Purpose
from gateway.doors import NGINX, SENDER, VAULT_LOCATION, DirectAnswer
from gateway.errors import TooLarge, UnsupportedMedia
from gateway.inspection import rulebook, verdicts
from gateway.phrases import Reason
from gateway.services import Services

Direct = Callable[[WSGIEnvironment, telemetry.LogEntry], DirectAnswer]

_SENDER = f"HTTP_{SENDER.upper().replace('-', '_')}"  # as WSGI has it (PEP 3333)
PROXY = "proxy"  # the purpose of Motion's own links; minted ones say theirs


@dataclass(frozen=True)
class Label:
    """What a file goes out as: its Content-Type, and the name to save it under."""

    mime: str
    name: content_disposition.SafeName


def direct(services: Services) -> Callable[[WSGIEnvironment], Direct | None]:
    """Make what finds the view of a link that nginx asks for, which is answered without Flask."""
    ways = [(re.compile(re.sub("<[a-z_]+>", "([^/]+)", path)), prove) for path, prove in proof.ways(services)]

    def find(environ: WSGIEnvironment) -> Direct | None:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] == "GET" and environ.get(_SENDER) == NGINX and path.isascii():
            for pattern, prove in ways:
                if found := pattern.fullmatch(path):
                    return partial(_name_file, services, prove, found[1])
        return None

    return find


def blueprint(services: Services) -> Blueprint:
    """Make the views of all other links, which send the file themselves, and refuse what is none."""
    door = Blueprint("attachments", __name__)

    def view(prove: proof.Prove, **found: str) -> Response:
        asked = proof.Asked(request.environ, g.entry)
        claim, item, label = _allowed(services, asked, prove, next(iter(found.values())))
        response = _sent(services, item, label.mime)
        response.headers["Content-Type"] = label.mime
        response.headers["Content-Disposition"] = content_disposition.write(label.name)
        _count(services, claim, item)
        return response

    @door.after_request
    def count(response: Response) -> Response:
        _tell(g.entry, served=response.status_code < 400)
        return response

    for path, prove in proof.ways(services):
        door.get(path, provide_automatic_options=False, endpoint=prove.__name__)(partial(view, prove))
    return door


def _name_file(
    services: Services, prove: proof.Prove, key: str, environ: WSGIEnvironment, entry: telemetry.LogEntry
) -> DirectAnswer:
    """Say which file nginx shall send."""
    served = False
    try:
        claim, item, label = _allowed(services, proof.Asked(environ, entry), prove, key)
        headers = [
            (NGINX, _place(item)),
            ("Content-Type", label.mime),
            ("Content-Disposition", content_disposition.write(label.name)),
        ]
        _count(services, claim, item)
        served = True
        return DirectAnswer(headers)
    finally:
        _tell(entry, served=served)


def _allowed(services: Services, asked: proof.Asked, prove: proof.Prove, key: str) -> tuple[LinkClaim, Item, Label]:
    """Take the file of a link, and say as what it goes out. Raises what the link, or the file, is refused for."""
    claim, said = prove(services, asked, key), asked.entry.decision
    said[telemetry.ATTACHMENT] = claim.attachment_id
    said[telemetry.PURPOSE] = claim.grant.purpose.value if claim.grant else PROXY
    # By address too: nobody uses up what another has of the same file.
    limit, whose = services.settings.limits.fetches_per_attachment, asked.counter(claim.attachment_id)
    services.limits.require(limit, Reason.FETCHES, whose)
    item = _taken(services, asked, claim)
    return claim, item, _label(services, asked, item, claim.grant)


def _count(services: Services, claim: LinkClaim, item: Item) -> None:
    services.shelf.fetched(item, until=claim.grant.expires_at if claim.grant else None)


def _tell(entry: telemetry.LogEntry, *, served: bool) -> None:
    if served:
        entry.decision[telemetry.REASON] = "served"
    outcome = "served" if served else "refused"
    metrics.count(metrics.FETCHES, entry.decision.get(telemetry.PURPOSE, metrics.UNKNOWN), outcome)


def keep_shared(services: Services) -> None:
    """Look after the store behind the vault, where there is one, in threads that keep no process alive."""
    services.shelf.keep_shared()


def _taken(services: Services, asked: proof.Asked, claim: LinkClaim) -> Item:
    """Take the attachment, if the link to it still lives. Raises NotFound, TooLarge, Unavailable, TooManyRequests."""

    def admit() -> None:
        limit = services.settings.limits.downloads_per_address
        services.limits.require(limit, Reason.DOWNLOADS, asked.counter("downloads"))

    with nullcontext() if claim.grant else proof.counted(services, asked, "ids"):
        item = services.shelf.take(claim, admit=admit)
    asked.entry.decision[telemetry.DIGEST] = item.digest.hex()
    return item


def _label(services: Services, asked: proof.Asked, item: Item, grant: Grant | None) -> Label:
    """Say as what it goes out: as its token grants, or as it is judged now. Raises TooLarge, UnsupportedMedia."""
    if grant and grant.kind:
        asked.entry.decision[telemetry.VERDICT] = grant.kind.value
        return Label(grant.mime, content_disposition.again(grant.name))
    verdict = _judged(services, asked, item, grant)
    name = grant.name if grant else item.name
    return Label(verdict.mime, content_disposition.safe_name(name, verdict.extension, kept=verdict.kept))


def _judged(services: Services, asked: proof.Asked, item: Item, grant: Grant | None) -> verdicts.Verdict:
    """Judge what may be served. Raises TooLarge, UnsupportedMedia."""
    settings, said = services.settings, asked.entry.decision
    sizes = verdicts.limits_of(settings)
    if grant and grant.purpose is Purpose.ELSEWHERE:
        verdict = verdicts.elsewhere(item.inspection, limits=sizes)
    else:
        verdict = verdicts.judge(item.inspection, profile=settings.attachments.profile, limits=sizes)
    metrics.count(metrics.VERDICTS, verdict.kind.value)
    said[telemetry.VERDICT] = verdict.kind.value
    said[telemetry.CODE] = verdict.code
    said[telemetry.ROW] = verdict.row
    said[telemetry.WHY] = verdict.reason if verdict.code else None
    if verdict.code == "MEDIA_TOO_LARGE":
        raise TooLarge(Reason.FILE_TOO_LARGE)
    if verdict.kind is rulebook.VerdictKind.REFUSED:
        raise UnsupportedMedia(Reason.FILE_REFUSED)
    return verdict


def _sent(services: Services, item: Item, mime: str) -> Response:
    if request.headers.get(SENDER) == NGINX:
        return Response(headers={NGINX: _place(item)})
    return send_file(services.shelf.path(item), mimetype=mime, etag=item.digest.hex())


def _place(item: Item) -> str:
    """Say where nginx has its file."""
    return f"{VAULT_LOCATION}/{vault.place(item.digest)}"

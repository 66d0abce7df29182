"""The links to files that customers have sent in, for Motion: at the private address, beside its calls to Sinch.

1. A token of another purpose opens nothing here, and one of this purpose nothing at the public address.
2. A link serves what has become of its file by now: the file as what its bytes are; or, while it is held back, a note
   to the agent. So a file that is released is served by the link that there is.
3. Whatever is wrong with a link is one refusal.
"""

from __future__ import annotations

from flask import Blueprint, Response, g, request, send_file

from gateway import doors, errors, metrics, telemetry
from gateway.attachments import content_disposition, decision, tokens, vault
from gateway.inbound import arrivals, policy
from gateway.outbound.refusals import Refused
from gateway.services import Services

_NOTHING = "LINK_OPENS_NOTHING"


def blueprint(services: Services) -> Blueprint:
    door = Blueprint("inbound", __name__)
    if services.settings.brings_through:

        @door.get(tokens.ROUTE, provide_automatic_options=False)
        def hand_out(token: str, name: str) -> Response:
            return _answer(services, _grant(services, token, name))

    @door.after_request
    def count(response: Response) -> Response:
        outcome = "served" if response.status_code < 400 else "refused"
        metrics.count(metrics.FETCHES, tokens.Purpose.INBOUND, outcome)
        return response

    return door


def _grant(services: Services, token: str, name: str) -> tokens.Grant:
    """Open the token of a link, in the one spelling that links have. Raises Refused."""
    keys = [key.get_secret_value() for key in services.settings.attachments.token_keys]
    try:
        grant = tokens.open(token, keys=keys, now=services.clock.now())
    except errors.NotFound as error:
        raise Refused(_NOTHING) from error
    if grant.purpose is not tokens.Purpose.INBOUND or request.environ["RAW_URI"] != tokens.path(token, name):
        raise Refused(_NOTHING)
    g.decision[telemetry.ATTACHMENT], g.decision[telemetry.PURPOSE] = grant.attachment_id, grant.purpose.value
    return grant


def _answer(services: Services, grant: tokens.Grant) -> Response:
    """Serve the file, or the note in its place. Raises Refused."""
    file = _file(services, grant)
    if file.state == arrivals.HELD:
        note = policy.note(file.reason, reference=f"{file.event_id}/{file.number}")
        response, name = Response(note, content_type=policy.NOTE_MIME), policy.NOTE_NAME
    else:
        response, name = _sent(services, _taken(services, grant), file.mime), file.name
    response.headers.update(doors.PUBLIC_HEADERS)
    response.headers["Content-Disposition"] = content_disposition.write(content_disposition.again(name))
    g.decision[telemetry.REASON] = "served"
    return response


def _file(services: Services, grant: tokens.Grant) -> arrivals.InboundFile:
    """Tell what has become of the file. Raises Refused."""
    try:
        file = arrivals.find(services.spool, grant.attachment_id)
    except errors.SpoolUnavailable as error:
        raise Refused("GATEWAY_UNAVAILABLE", reason=error.reason) from error
    if file is None or not file.is_here or file.digest != grant.digest:
        raise Refused(_NOTHING)
    g.decision[telemetry.DIGEST], g.decision[telemetry.VERDICT] = grant.digest.hex(), file.state
    return file


def _taken(services: Services, grant: tokens.Grant) -> decision.Item:
    """Take the file out of the vault, or from the store that vaults share. Raises Refused."""
    try:
        item = services.shelf.take(decision.by_token(grant))
        services.shelf.fetched(item, until=grant.expires_at)
    except errors.NotFound as error:
        raise Refused(_NOTHING) from error
    except errors.GatewayError as error:
        raise Refused("GATEWAY_UNAVAILABLE", reason=error.reason) from error
    return item


def _sent(services: Services, item: decision.Item, mime: str) -> Response:
    if request.headers.get(doors.SENDER) == doors.NGINX:
        place = f"{doors.VAULT_LOCATION}/{vault.place(item.digest)}"
        return Response(headers={doors.NGINX: place}, content_type=mime)
    return send_file(services.shelf.path(item), mimetype=mime, etag=item.digest.hex())

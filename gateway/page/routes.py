"""The way in to the operations page: who comes, by which name and from where, is proved here before any view answers.

Rule 1. The host that is asked for is one of the page's: no name of a stranger's leads a browser here (DNS rebinding).
        What X-Forwarded-… says is not read.
Rule 2. Where the settings have users, everybody signs in. Where they have none, whoever is on this machine sees what
        support sees and can change nothing; beyond loopback there is no page then.
Rule 3. What is posted is a form of ours, of this visitor's session. What browsers say of the site that asks (Fetch
        Metadata, RFC 6454) must agree; who says nothing of it needs the form's token all the same.
Rule 4. What goes wrong is told to people by a page, to programs as everywhere. Neither repeats anything of the request.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from flask import Blueprint, Response, g, has_request_context, render_template, request
from flask.sansio.app import App
from jinja2 import StrictUndefined

from gateway import app, clock, doors, printable
from gateway.config import Settings, addresses, secrets
from gateway.diagnosis import routes as office
from gateway.errors import FOR_PEOPLE, REMEDIES, CommandError, Forbidden, NotFound, Unauthorized
from gateway.page import COOKIE, Answer, Right, View, Visitor, form_token, sessions, sign_in
from gateway.page.views import VIEWS
from gateway.phrases import Reason
from gateway.services import Services

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

_PORT = re.compile(r":[0-9]+$")


def stylesheet(_services: Services) -> Response:
    return Response(_static("page.css"), mimetype="text/css")


def icon(_services: Services) -> Response:
    return Response(_static("icon.svg"), mimetype="image/svg+xml")


@functools.cache
def _static(name: str) -> bytes:
    return (Path(__file__).parent / "static" / name).read_bytes()


# What templates call by these names, loaded when one of them is drawn first.
FILTERS = {
    "prose": "gateway.page.words:prose",
    "theirs": "gateway.page.words:theirs",
    "meant": "gateway.diagnosis.reasons:facts",
    "unknown": "gateway.diagnosis.reasons:of_unknown",
}

# What the form says of why it is shown.
SIGN_IN: dict[str, str] = {
    Reason.NOT_SIGNED_IN: "Your session has ended, and nothing was changed.",
    Reason.SIGN_IN_REFUSED: "That name and that password do not go together.",
}
# What a page says of a refusal with that reason; of all others, what their status says.
WORDS: dict[str, tuple[str, str]] = {
    Reason.HOST_FOREIGN: (
        "Not by this name",
        "The page answers to localhost, 127.0.0.1, [::1], server.ops_address, and to what ops.names lists in "
        "the settings. Write the name you have typed into ops.names, or come by one of the others.",
    ),
    Reason.CROSS_SITE: ("Not from there", "A form of another site was sent here. Nothing was changed."),
    Reason.FORM_OLD: (
        "This form has grown old",
        "You have signed in or out since it was drawn, or your browser keeps no cookies. Nothing was changed: go back, "
        "load the page anew, and try again.",
    ),
    Reason.ROLE: (
        "Not for your role",
        "Support can look and change nothing; what customers write and their numbers are for users with reveal. "
        "Nothing was changed. Who may do what stands in the [[user]] rows of the settings.",
    ),
    Reason.NO_USERS: (
        "There is nobody to sign in",
        "The settings have no users, and beyond this machine the page is for users alone. `motion-gateway users hash` "
        "makes what a [[user]] row of the settings needs.",
    ),
    Reason.SIGN_INS_OF_ADDRESS: (
        "Too many tries",
        "Too many sign-ins from your address have failed. Wait a minute, then try again.",
    ),
    Reason.SIGN_INS_OF_NAME: (
        "Too many tries",
        "Too many sign-ins by this name have failed. Wait a minute, then try again.",
    ),
}


def blueprint(services: Services) -> Blueprint:
    page = Blueprint("page", __name__, template_folder="templates")
    views = {view.endpoint: view for view in VIEWS}
    for view in views.values():
        methods = ["POST"] if view.posted else ["GET"]
        answer = functools.partial(_late, f"gateway.page.{view.answer}", services)
        page.add_url_rule(view.path, view.endpoint, answer, methods=methods, provide_automatic_options=False)
    hosts = names(services.settings)

    @page.before_request
    def prove() -> None:
        g.view = views[str(request.endpoint).removeprefix("page.")]
        if not g.view.answer.startswith("routes:"):  # with those the refusal is drawn, too
            _require_host(hosts)
        if g.view.posted:
            _require_own_form()
        if g.view.right != Right.NONE:
            g.visitor = _visitor(services)
            if not g.visitor.may(g.view.right):
                raise Forbidden(Reason.ROLE)

    @page.after_request
    def give_cookie(response: Response) -> Response:
        given = g.get("cookie")
        if given is not None and given != request.cookies.get(COOKIE, ""):
            response.set_cookie(COOKIE, given, 0 if not given else None, secure=True, httponly=True, samesite="Lax")
        return response

    page.register_error_handler(CommandError, _decline)
    page.record(lambda state: _equip(state.app, services, views))
    return page


def _late(name: str, *given: object, **named: object) -> Answer:
    """Call what is named as "module:name"."""
    answer: Answer = doors.load(name)(*given, **named)
    return answer


def names(settings: Settings) -> frozenset[str]:
    """List the hosts by which the page is asked for, in lower case."""
    return LOOPBACK_NAMES | {addresses.reached(settings.server.ops_address), *settings.ops.names}


def _require_host(hosts: frozenset[str]) -> None:
    if _PORT.sub("", request.host.lower()) not in hosts:
        raise Forbidden(Reason.HOST_FOREIGN)


def _require_own_form() -> None:
    said, ours = request.headers, f"https://{request.host}".lower()
    if said.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden(Reason.CROSS_SITE)
    if said.get("Origin", ours).lower() != ours:
        raise Forbidden(Reason.CROSS_SITE)
    try:
        secrets.require_equal(request.form.get("form", ""), expected=form_token(), reason=Reason.FORM_OLD)
    except Unauthorized as error:
        raise Forbidden(Reason.FORM_OLD) from error


def _visitor(services: Services) -> Visitor:
    """Tell who comes. Raises Unauthorized, and NotFound where there is no page for anybody."""
    if services.settings.users:
        user = sessions.user_of(request.cookies.get(COOKIE, ""), services)
        if user is None:
            raise Unauthorized(Reason.NOT_SIGNED_IN)
        return Visitor(name=user.name, role=user.role, reveal=user.reveal)
    if not addresses.is_loopback(services.settings.server.ops_address):
        raise NotFound(Reason.NO_USERS)
    office.require_operator(services)
    return Visitor()


def _equip(application: App, services: Services, views: dict[str, View]) -> None:
    """Give templates what all of them use."""
    entries = [view for view in views.values() if view.entry]

    @application.context_processor
    def facts() -> dict[str, object]:
        # No link of somebody else's has us say that something was done.
        led_here = has_request_context() and request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
        said = views.get(request.args.get("done", "")) if led_here else None
        return {
            "entries": entries,
            "visitor": g.get("visitor"),
            "said": said.said if said else "",
            "now": services.clock.now(),
        }

    application.jinja_env.undefined = StrictUndefined
    application.jinja_env.trim_blocks = application.jinja_env.lstrip_blocks = True
    application.jinja_env.globals.update(Right=Right, form_token=form_token, whom=printable.whom)
    application.jinja_env.filters.update(written=clock.written, ago=printable.ago, plain=printable.text)
    application.jinja_env.filters.update({name: functools.partial(_late, what) for name, what in FILTERS.items()})


def refuse(error: Exception) -> Response:
    """Make an answer of any exception: a page where a browser asks for one, else what programs are told."""
    answer = app.refuse(error)
    if not has_request_context():
        return answer
    if g.entry.refused in SIGN_IN:
        answer.headers["WWW-Authenticate"] = 'Form realm="Motion Gateway"'  # or a browser would ask by itself
    if _is_for_people():
        if g.entry.refused == Reason.NOT_SIGNED_IN and request.method != "POST":
            return sign_in.asking(request.path)
        answer.set_data(_page(g.entry.refused, answer.status_code))
        answer.mimetype = "text/html"
    return answer


def _page(reason: Reason, status: int) -> str:
    """Draw what people are told."""
    if reason in SIGN_IN:
        place = sign_in.onward(request.form.get("next", ""))
        return render_template("sign_in.html", next=place, wrong=SIGN_IN[reason])
    title, words = WORDS.get(reason) or FOR_PEOPLE[status]
    if remedy := REMEDIES.get(reason):
        words = f"{reason}: {remedy}."
    return render_template("refused.html", title=title, words=words, status=status)


def _decline(error: CommandError) -> tuple[str, int]:
    """Say why it was not done, as the command would; or that there is no such thing."""
    status, title = (409, "Not done") if g.view.posted else (404, "There is nothing here")
    says = f"{error.reason[:1].upper()}{error.reason[1:]}."
    return render_template("refused.html", title=title, words=says, status=status), status


def _is_for_people() -> bool:
    return request.blueprint != "ops" and "text/html" in request.accept_mimetypes.values()

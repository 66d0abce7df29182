"""Signing in and out.

Rule 1. A right name with a wrong password, and a name that nobody has, are answered alike, and take alike long: also
        where users have hashes of different strength.
Rule 2. What fails is counted by address and by name, and one try is made at a time: whoever guesses has few guesses,
        and no more memory than one takes. A right password is refused too while there are too many wrong ones.
Rule 3. Who signs in gets a token that nobody had before; the one that drew the form is no session's.
Rule 4. What is typed stands nowhere: of names, those of the settings alone.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from flask import Response, g, redirect, render_template, request

from gateway import limits
from gateway.config import secrets, tables
from gateway.errors import NotFound, TooManyRequests, Unauthorized
from gateway.page import Answer, deed, done, new_token, sessions, token
from gateway.phrases import Reason
from gateway.services import Services
from gateway.store import Run, audit

RECORDED = "20/hour"  # failures that the audit keeps; `turned-away list` counts them all
_HOME = "/"
# Of this page, where one goes on after signing in. Two slashes would begin the name of another host (RFC 3986, 4.2).
_PLACE = re.compile(r"/([a-z-]+(/[0-9A-Za-z_-]+)?)?")
_turn = threading.Lock()


def form(services: Services) -> Answer:
    """Show the form."""
    if not services.settings.users:
        raise NotFound(Reason.NO_USERS)
    return render_template("sign_in.html", next=onward(request.args.get("next", "")), wrong="")


def enter(services: Services) -> Answer:
    """Sign in. Raises Unauthorized, and TooManyRequests."""
    user = _proved(services, request.form.get("name", ""), request.form.get("password", ""))
    before, given = token(), new_token()
    begun = deed(audit.Action.SIGN_IN, _whence(), services=services, who=user.name)

    def work(run: Run) -> None:
        sessions.end(run, before)
        sessions.begin(run, given, user, now=begun.at)
        audit.note(run, begun)

    services.spool.tell(work)
    audit.tell(begun, about=begun.about)
    g.cookie = given
    return redirect(onward(request.form.get("next", "")), 303)


def asking(place: str) -> Response:
    """Lead to the form, and from there back."""
    return Response(status=303, headers={"Location": f"/sign-in?next={onward(place)}"}, mimetype="text/html")


def onward(place: str) -> str:
    """Say where to go on after signing in: to the page that was asked for, and nowhere else."""
    return place if _PLACE.fullmatch(place) else _HOME


def leave(services: Services) -> Answer:
    """Sign out: the session is over, whoever has its cookie."""
    shown = token()
    return _left(services, _whence(), lambda run: sessions.end(run, shown))


def you(services: Services) -> Answer:
    """Show who one is here, what one may do, and where else one has signed in."""
    named = g.visitor.name
    lives = services.spool.ask(lambda run: run("sessions_of", name=named)) if named else ()
    return render_template("you.html", sessions=lives, ops=services.settings.ops)


def leave_everywhere(services: Services) -> Answer:
    """End all sessions of a user: of a phone that was lost, for instance."""
    named = g.visitor.name
    return _left(services, f"everywhere, {_whence()}", lambda run: run("drop_sessions_of", name=named))


def _left(services: Services, about: str, end: Callable[[Run], object]) -> Answer:
    """End what `end` does, and write down who left."""
    left = deed(audit.Action.SIGN_OUT, about, services=services)

    def work(run: Run) -> None:
        end(run)
        audit.note(run, left)

    if g.visitor.name:
        services.spool.tell(work)
        audit.tell(left, about=left.about)
    g.cookie = ""
    return done("/sign-in")


def _proved(services: Services, name: str, password: str) -> tables.User:
    said, address = services.settings.limits, limits.counted_as(request.headers.get("X-Real-IP", ""))
    counted = (
        (said.failed_sign_ins_per_address, Reason.SIGN_INS_OF_ADDRESS, address),
        (said.failed_sign_ins_per_name, Reason.SIGN_INS_OF_NAME, sessions.digest(name).hex()),
    )
    known = weighed(services.settings.users, name)
    user = known if known and known.name == name else None
    with _turn:
        for limit in counted:
            services.limits.require_left(*limit)
        if secrets.is_password(password, hashed=known.password_hash if known else None) and user:
            return user
        for limit in counted:
            services.limits.require(*limit)
    _record(services, user)
    raise Unauthorized(Reason.SIGN_IN_REFUSED)


def weighed(users: Sequence[tables.User], name: str) -> tables.User | None:
    """Choose whose hash is computed for a name: its user's, or that of the same other one each time; None of nobody."""
    own = next((user for user in users if user.name == name), None)
    return own or (users[sessions.digest(name)[0] % len(users)] if users else None)


def _record(services: Services, user: tables.User | None) -> None:
    """Keep a failure; of a name that nobody has, nothing but that."""
    about = f"{'as ' + user.name if user else 'by an unknown name'}, {_whence()}"
    with suppress(TooManyRequests):
        services.limits.require(RECORDED, Reason.SIGN_IN_REFUSED, "all")
        failed = deed(audit.Action.SIGN_IN_FAILED, about, services=services, who="")
        audit.keep(services.spool, failed)
        audit.tell(failed, about=about)


def _whence() -> str:
    return f"from {request.headers.get('X-Real-IP', 'nowhere')[:45]}"

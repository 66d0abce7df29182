"""The operations page: what people see of the gateway in a browser, at the ops door; without a script.

What may be seen is a view: a row of `views`. `routes` asks before each of them who comes, by which name and from
where; so a view answers, and proves nothing.

Rule 1. Whoever changes something, or is shown what people wrote, is a user of the settings who has signed in; what he
        did is recorded first (`deed`).
Rule 2. What changes something is asked for by a form of ours: POST, with the token of the session, and from this page.
Rule 3. No phone number, body or token stands in a path or a query: what names one is asked for by a form.
Rule 4. Nothing runs and nothing comes from elsewhere: `doors.PAGE_HEADERS`. Colours, sizes and marks are classes of
        `static/page.css`; what several pages draw is a macro of `templates/macros.html`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

from flask import g, redirect, request
from flask.typing import ResponseReturnValue

from gateway.services import Services
from gateway.store import audit

Answer = ResponseReturnValue  # what a view hands back
COOKIE = "__Host-motion-gateway"  # RFC 6265bis: by TLS alone, of this host alone, for all of its paths
AS = "page"  # as which a deed is done, where the commands name an account of the machine
OPERATOR, SUPPORT = "operator", "support"

_TOKEN = re.compile(r"[0-9A-Za-z_-]{43}")


class Right(StrEnum):
    """What a view needs of whoever asks for it."""

    NONE = "none"  # it is for everybody who finds the listener: the sign-in form and what that is drawn with
    SEE = "see"
    REVEAL = "reveal"  # what people wrote, and their numbers
    CHANGE = "change"


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Whoever asks: a user of the settings, or, where there is none, somebody on this machine, without a name."""

    name: str = ""
    role: str = SUPPORT
    reveal: bool = False

    def may(self, right: Right) -> bool:
        """Tell whether a view that needs `right` is for him."""
        held = {Right.REVEAL: self.reveal, Right.CHANGE: self.role == OPERATOR}
        return held.get(right, True)


@dataclass(frozen=True, kw_only=True)
class View:
    """One view: `answer`, "module:name" in this room, is given the services, and by name what stands in the path.

    It hands back what Flask takes: mostly `render_template("x.html", …)`, and after a change `done(path)`.
    """

    path: str
    answer: str
    right: Right = Right.SEE
    posted: bool = False  # by a form; whatever changes or reveals something is
    entry: str = ""  # how the navigation calls it, in the order of the rows; "" leaves it out
    said: str = ""  # on the page after `done`: one sentence that tells what was done

    @property
    def endpoint(self) -> str:
        """The name by which Flask knows it."""
        return self.answer.replace(":", "-")


def deed(action: audit.Action, about: str = "", *, services: Services, who: str | None = None) -> audit.Deed:
    """What the visitor does now, for `audit.note` in the transaction of the change, or `audit.kept_look` before a look.

    `about` names ids of ours and numbers of things; never a contact. Made before the transaction, which may run in
    another's thread.
    """
    name = g.visitor.name if who is None else who
    return audit.Deed(at=services.clock.now(), action=action, about=about, who=name, login="", account=AS)


def done(path: str) -> Answer:
    """Lead back to a page after a change, which says there what was done: the view's own `said`."""
    return redirect(f"{path}?done={g.view.endpoint}", 303)


def new_token() -> str:
    """Make a token that nobody had before: 256 random bits."""
    return secrets.token_urlsafe(32)


def token() -> str:
    """Give the visitor's token: that of his cookie, or one that he is given with this answer."""
    shown = request.cookies.get(COOKIE, "")
    if "cookie" not in g:
        g.cookie = shown if _TOKEN.fullmatch(shown) else new_token()
    return str(g.cookie)


def form_token() -> str:
    """Give what the visitor's forms carry: made of his cookie's token, which no other site reads."""
    return hashlib.sha256(f"form {token()}".encode()).hexdigest()

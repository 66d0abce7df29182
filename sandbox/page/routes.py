"""The page's way in from HTTP: who may ask, what is shown, and which form does what."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Flask, Response, abort, make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.exceptions import HTTPException

from sandbox import callbacks, faults
from sandbox.attachment import disposition, shown_as, type_of
from sandbox.callbacks import ANA, Customer
from sandbox.conversation import plants
from sandbox.house import House
from sandbox.page import drawer, mischief, records, talk, way
from sandbox.page.deeds import Deeds, Notice
from sandbox.page.story import Teller

MOST_BYTES = 32 * 1024 * 1024  # of a form with a file in it
_OURS = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")
_MOST_OF_A_NAME = 40
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with none at all a browser does not say whose form it sends
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_FILE_POLICY = "default-src 'none'; sandbox"

Do = Callable[[Customer], None]


def application(house: House, deeds: Deeds, teller: Teller) -> Flask:
    """The page of this sandbox."""
    app = Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=MOST_BYTES, MAX_FORM_MEMORY_SIZE=MOST_BYTES // 16)
    app.before_request(_admit)
    app.after_request(_protected)
    app.register_error_handler(HTTPException, _failed)
    app.template_filter("clock")(_clock)
    app.template_filter("codes")(_codes)
    app.template_test("search")(lambda text, words: words in text)
    views = _Views(house, deeds, teller)
    app.add_url_rule("/", view_func=views.page)
    app.add_url_rule("/live", view_func=views.live)
    app.add_url_rule("/why", view_func=views.why)
    app.add_url_rule("/files/<message_id>", view_func=views.file)
    app.add_url_rule("/sent/<message_id>", view_func=views.sent)
    app.add_url_rule("/desk/<message_id>", view_func=views.desk)
    app.add_url_rule("/<deed>", view_func=views.act, methods=["POST"])
    return app


class _Views:
    def __init__(self, house: House, deeds: Deeds, teller: Teller) -> None:
        self._house, self._deeds, self._teller = house, deeds, teller
        self._acts: dict[str, Do] = {
            "write": lambda who: deeds.write(who, _field("words")),
            "reply": lambda who: deeds.reply(who, _field("words")),
            "attach": lambda who: self._take(lambda name, content: deeds.attach(who, name, content)),
            "send": lambda who: self._take(lambda name, content: deeds.send(who, name, content, _field("words"))),
            "react": lambda who: deeds.react(who, _field("emoji") or "❤️"),
            "read": deeds.read,
            "meet": deeds.meet,
            "misbehave": lambda who: deeds.misbehave(who, _field("name")),
        }

    def page(self) -> str:
        """All of it."""
        return render_template(
            "page.html",
            **self._shown(),
            groups=mischief.GROUPS,
            drawer=drawer.DRAWER,
            pocket=drawer.POCKET,
            most_bytes=MOST_BYTES,
        )

    def live(self) -> Response:
        """What changes; 304 while nothing has."""
        answer = make_response(render_template("live.html", **self._shown()))
        answer.add_etag()
        answer.make_conditional(request)
        return answer

    def why(self) -> str:
        """The gateway's own story of a message."""
        about = request.args.get("about", "")
        try:
            told = self._teller.tell(about)
        except ValueError:
            abort(404)
        return render_template("why.html", told=told, about=about, who=_customer())

    def file(self, message_id: str) -> Response:
        """What the customer's phone shows or saves of a message: the bytes that Sinch fetched."""
        found = talk.look(records.of(self._house), message_id)
        if found is None or found.fetched.content is None:
            abort(404)
        said = found.fetched.decisive
        shown = found.rendering.how == "native"
        return _file(
            found.fetched.content, said.header("content-type"), said.header("content-disposition"), shown=shown
        )

    def sent(self, message_id: str) -> Response:
        """What the customer's phone has sent."""
        found = records.of(self._house).kept.get(message_id)
        if found is None:
            abort(404)
        return _file(found.content, type_of(found.name), disposition(found.name))

    def desk(self, message_id: str) -> Response:
        """What Motion shows the agent of a customer's message: what it downloaded, as it was told that it is."""
        found = records.of(self._house).downloaded(message_id)
        if found is None or found.content is None or found.answer is None:
            abort(404)
        return _file(found.content, found.content_type, found.answer.header("content-disposition"))

    def act(self, deed: str) -> Any:  # noqa: ANN401 - a response of Flask's or of werkzeug's
        """Do what a form says, and show what came of it."""
        who = _customer()
        try:
            self._acts[deed](who)
        except KeyError:
            abort(404)
        view = "live" if "X-Live" in request.headers else "page"
        return redirect(url_for(view, _external=False, **{"with": who.name}), 303)

    def _take(self, take: Callable[[str, bytes], None]) -> None:
        """The file that was chosen: one of the drawer, or one's own."""
        upload, chosen = request.files.get("file"), _field("paper")
        if chosen:
            paper = drawer.BY_KEY[chosen]
            take(paper.name, paper.make())
        elif upload and upload.filename:
            take(upload.filename.rpartition("/")[2], upload.read())
        else:
            self._deeds.notice = Notice(words="Choose a file first.", wrong=True)

    def _shown(self) -> dict[str, Any]:
        house, who, known = self._house, _customer(), records.of(self._house)
        met = {one.name: one for one in (ANA, *house.api.contacts.customers(), who) if one.name != one.phone}
        return {
            "who": who,
            "customers": list(met.values()),
            "phone": talk.phone(known, who),
            "desk": talk.desk(known, who),
            "ways": way.newest(known, who),
            "waiting": known.waiting,
            "motion": house.motion.fault,
            "unplugged": house.motion.inbox is not None and house.motion.inbox.unplugged,
            "media": house.api.media.fault,
            "files": house.archive.fault,
            "sinch": house.api.eu.fault,
            "planted": plants.MEANINGS[house.field.name] if house.field.name != "fine" else "",
            "meanings": faults.MEANINGS,
            "notice": self._deeds.notice,
            "state": house.state,
        }


def _file(content: bytes, kind: str | None, name: str | None, *, shown: bool = True) -> Response:
    """A file that somebody else wrote: shown in the page where it is a picture, sound or film, saved elsewhere."""
    native = shown and shown_as(kind or "") != "link"
    answer = make_response(content)
    answer.headers["Content-Type"] = (kind or "").lower() if native else "application/octet-stream"
    answer.headers["Content-Security-Policy"] = _FILE_POLICY
    if not native:
        answer.headers["Content-Disposition"] = name or "attachment"
    return answer


def _admit() -> None:
    """A name that leads here from elsewhere is not ours (DNS rebinding), and a foreign page's form is not either."""
    if not _OURS.fullmatch(request.host):
        abort(421)
    if request.method not in ("GET", "HEAD") and request.headers.get("Origin") != f"http://{request.host}":
        abort(403)


def _protected(answer: Response) -> Response:
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


def _failed(error: HTTPException) -> tuple[str, int]:
    said = {
        403: "This form was not sent by this page.",
        404: "There is nothing here.",
        413: f"A file here may have {MOST_BYTES // 1024 // 1024} MB at most.",
        421: "This page is there for this machine alone: call it by 127.0.0.1 or localhost.",
    }
    status = error.code or 500
    return render_template("failed.html", says=said.get(status, error.name), status=status), status


def _customer() -> Customer:
    """Who is spoken with: the form's or the query's, Ana by default."""
    name = " ".join(request.values.get("with", "").split())[:_MOST_OF_A_NAME]
    return callbacks.customer(name.lower()) if name else ANA


def _field(name: str) -> str:
    return request.form.get(name, "")


def _clock(at: float, how: str = "milliseconds") -> Markup:
    """A moment in this machine's zone: `milliseconds` or `minutes`."""
    moment = datetime.fromtimestamp(at).astimezone()
    shown = moment.strftime("%H:%M") if how == "minutes" else moment.strftime("%H:%M:%S.%f")[:-3]
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(timespec="milliseconds"), shown)


def _codes(text: str) -> Markup:
    """Words, with what stands between backticks as what one types."""
    forms = itertools.cycle((Markup("{}"), Markup("<code>{}</code>")))
    return Markup("").join(form.format(part) for form, part in zip(forms, text.split("`"), strict=False))

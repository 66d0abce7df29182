"""Motion's side when an agent answers a customer: an access token, then the message, to Sinch or to whoever is between.

Known of the real Motion is that it is given a region, project, app, key id and key secret. Unconfirmed, hence our
choice: that it keeps its token until that ends, asks for another one when a 401 says that it has expired (as Sinch's
own SDKs do), how many seconds it allows, and what it writes into `message_metadata` and `correlation_id` (here: what
it is told, by default nothing).
"""

from __future__ import annotations

import base64
import dataclasses
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.callbacks import APP, App
from sandbox.connection import Answer, Line, Request, Route, exchange
from sandbox.conversation.account import KEY, Key

_TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path
_FORM = ("content-type", "application/x-www-form-urlencoded")
_JSON = ("content-type", "application/json")


@dataclass(frozen=True)
class Told:
    """What came back, as Motion understands it: of an error the parts of Sinch's form, empty where it is none."""

    answer: Answer = field(repr=False)

    @property
    def status(self) -> int | None:
        return self.answer.status

    @property
    def accepted(self) -> bool:
        return self.status == 200 and bool(self.message_id)

    @property
    def content(self) -> dict[str, Any]:
        """The body's object, empty where it is none."""
        try:
            content = json.loads(self.answer.body)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def message_id(self) -> str:
        return str(self.content.get("message_id", ""))

    @property
    def error(self) -> dict[str, Any]:
        """google.rpc.Status: `code`, `message`, `status` and `details`."""
        error = self.content.get("error")
        return error if isinstance(error, dict) else {}

    @property
    def message(self) -> str:
        """The words that the agent reads where it went wrong."""
        said = self.error.get("message") or self.content.get("error_description")
        return str(said or self.answer.error or f"Error {self.status}")

    @property
    def details(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(item for item in self.error.get("details") or () if isinstance(item, dict))

    @property
    def reason(self) -> str:
        """The code of a google.rpc.ErrorInfo among the details."""
        return next((str(item["reason"]) for item in self.details if "reason" in item), "")


@dataclass(frozen=True, kw_only=True)
class Way(Line):
    """Where Motion believes Sinch to be: `api` ends before `/v1`, `auth` before `/oauth2/token`."""

    api: str
    auth: str
    timeout_seconds: float = 30

    def route(self, base: str, path: str) -> Route:
        return self.to(base + path)


def by_base_url(url: str, region: str, **how: Any) -> Way:  # noqa: ANN401 - the rest of a Way
    """The gateway under its own address: `https://gateway.internal:8444`."""
    return Way(api=f"{url}/{region}", auth=url, **how)


def by_sinch_names(region: str, **how: Any) -> Way:  # noqa: ANN401 - the rest of a Way
    """Sinch's own names, wherever they lead: `connect_to` stands for what Motion's host makes of them."""
    return Way(api=f"https://{region}.conversation.api.sinch.com", auth="https://auth.sinch.com", **how)


class Agent:
    """Somebody who answers; several threads may. `link` makes of an attachment's id what Motion sends instead of it.

    With `basic` the key is shown with each call, and no token asked for.
    """

    def __init__(
        self,
        way: Way,
        *,
        key: Key = KEY,
        app: App = APP,
        link: Callable[[int], str] = str,
        basic: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.way, self.key, self.app, self.link, self.basic = way, key, app, link, basic
        self._clock = clock
        self._guard = threading.Lock()
        self._token = ""
        self._ends_at = 0.0

    def reply(self, contact_id: str, text: str, **more: Any) -> Told:  # noqa: ANN401 - fields of the send
        """Words."""
        return self.send(contact_id, {"text_message": {"text": text}}, **more)

    def send_file(self, contact_id: str, attachment_id: int, **more: Any) -> Told:  # noqa: ANN401
        """An attachment, by the link that Motion builds."""
        return self.send(contact_id, {"media_message": {"url": self.link(attachment_id)}}, **more)

    def send_card(self, contact_id: str, attachment_id: int, *, title: str, **more: Any) -> Told:  # noqa: ANN401
        """An attachment with words and a choice below it."""
        choices = [{"text_message": {"text": "Yes"}, "postback_data": "yes"}]
        card = {"title": title, "media_message": {"url": self.link(attachment_id)}, "choices": choices}
        return self.send(contact_id, {"card_message": card}, **more)

    def send(self, contact_id: str, message: Mapping[str, Any], **more: Any) -> Told:  # noqa: ANN401
        """Any message; `more` are further fields, such as `message_metadata`."""
        recipient = {"contact_id": contact_id}
        content = {"app_id": self.app.app_id, "recipient": recipient, "message": message, **more}
        return self.post("/messages:send", json.dumps(content, ensure_ascii=False).encode())

    def post(self, path: str, body: bytes) -> Told:
        """Any bytes as JSON to this path below the project."""
        return self.call(Request(body=body, headers=(_JSON,)), path)

    def get(self, path: str) -> Told:
        """Read what is there."""
        return self.call(Request(method="GET"), path)

    def call(self, request: Request, path: str) -> Told:
        """Any call below the project, with credentials; once more where the token turns out to have expired."""
        shown, failed = self._credentials()
        if failed:
            return failed
        told = self._sent(request, path, shown)
        if self.basic or told.status != 401 or "expired" not in (told.answer.header("www-authenticate") or ""):
            return told
        shown, failed = self._credentials(instead_of=shown)
        return failed or self._sent(request, path, shown)

    def _sent(self, request: Request, path: str, shown: str) -> Told:
        route = self.way.route(self.way.api, f"/v1/projects/{self.app.project_id}{path}")
        headers = (*request.headers, ("authorization", shown), ("accept", "application/json"))
        return Told(exchange(route, dataclasses.replace(request, headers=headers)))

    def _credentials(self, *, instead_of: str = "") -> tuple[str, Told | None]:
        """What is shown with a call, and what came instead of a token where none was given."""
        if self.basic:
            return self._basic, None
        with self._guard:
            if not self._token or self._clock() >= self._ends_at or f"Bearer {self._token}" == instead_of:
                told = self._ask()
                if not isinstance(told.content.get("access_token"), str):
                    return "", told
                self._keep(told.content)
            return f"Bearer {self._token}", None

    def _ask(self) -> Told:
        headers = (_FORM, ("authorization", self._basic), ("accept", "application/json"))
        request = Request(body=b"grant_type=client_credentials", headers=headers)
        return Told(exchange(self.way.route(self.way.auth, _TOKEN_PATH), request))

    def _keep(self, content: Mapping[str, Any]) -> None:
        life = content.get("expires_in")
        self._token = content["access_token"]
        self._ends_at = self._clock() + (life if isinstance(life, int | float) else float("inf"))

    @property
    def _basic(self) -> str:
        shown = f"{self.key.key_id}:{self.key.key_secret}"
        return "Basic " + base64.b64encode(shown.encode()).decode()
